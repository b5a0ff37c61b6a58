//! Bytes that nobody sent, for every parser of bytes from outside.
//!
//! `tests/fuzz` makes them up, and its corpus goes through the same functions at every `cargo test`. Each panics when what it holds to
//! is not so: that is more than that nothing panics.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a finding is told")]

mod callback;
mod claims;
mod compact_jws;
mod device_answer;
mod discovery;
mod error_body;
mod errors;
mod introspection;
mod jwks;
#[cfg(feature = "loopback")]
mod listener;
mod made_up;
mod pending_login;
mod pushed_request;
#[cfg(test)]
mod replay;
mod retry_after;
mod stored_record;
mod token_response;
mod www_authenticate;

pub use callback::callback;
pub use claims::claims;
pub use compact_jws::compact_jws;
pub use device_answer::device_answer;
pub use discovery::discovery;
pub use error_body::error_body;
pub use introspection::introspection;
pub use jwks::jwks;
#[cfg(feature = "loopback")]
pub use listener::listener;
pub use pending_login::pending_login;
pub use pushed_request::pushed_request;
pub use retry_after::retry_after;
pub use stored_record::stored_record;
pub use token_response::token_response;
pub use www_authenticate::www_authenticate;
