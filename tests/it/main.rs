//! One binary for all integration tests.

mod allocations;
mod api_call;
mod api_origins;
mod api_redirects;
mod counted_source;
mod scripted_api;
