//! One binary for all tests against real peers.
mod peers_themselves;
