//! Real peers for the library to meet: identity providers that others wrote, and a person at a real browser.
//!
//! Each runs as a child process on a free port of 127.0.0.1 and ends when its handle is dropped. A peer that does not
//! start makes the test fail with what it printed; no test is ever skipped.

mod mock_server;
mod oidc_provider;
mod person;
mod process;

pub use mock_server::MockServer;
pub use oidc_provider::OidcProvider;
pub use person::{Person, PersonsBrowser};
