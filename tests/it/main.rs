//! One binary for all integration tests.
mod testing_provider;
