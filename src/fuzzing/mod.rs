//! Random bytes for every parser of bytes from outside.
//!
//! `tests/fuzz` makes them up, and its corpus goes through the same functions at every `cargo test`. Each panics when what it holds to
//! is not so: that is more than that nothing panics.

mod callback;
mod ciba_answer;
mod claims;
mod compact_jws;
mod device_answer;
mod discovery;
mod error_body;
mod errors;
mod introspection;
mod issued_token;
mod jwks;
#[cfg(feature = "loopback")]
mod listener;
mod logout_token;
mod made_up;
#[cfg(test)]
mod nearly_right;
mod pending_login;
mod private_key;
mod protected_resource;
mod pushed_request;
#[cfg(test)]
mod replay;
mod retry_after;
mod signed_response;
mod signing;
mod stored_record;
mod token_response;
mod user_info;
mod www_authenticate;

pub use callback::callback;
pub use ciba_answer::ciba_answer;
pub use claims::claims;
pub use compact_jws::compact_jws;
pub use device_answer::device_answer;
pub use discovery::discovery;
pub use error_body::error_body;
pub use introspection::introspection;
pub use issued_token::issued_token;
pub use jwks::jwks;
#[cfg(feature = "loopback")]
pub use listener::listener;
pub use logout_token::logout_token;
pub use pending_login::pending_login;
pub use private_key::private_key;
pub use protected_resource::protected_resource;
pub use pushed_request::pushed_request;
pub use retry_after::retry_after;
pub use signed_response::signed_response;
pub use stored_record::stored_record;
pub use token_response::token_response;
pub use user_info::user_info;
pub use www_authenticate::www_authenticate;
