//! Log a person in at Auth0 or any OpenID Connect provider, and put the access token on every request to an API.
#![forbid(unsafe_code)]

mod access_token;
mod clock;
mod crypto;
mod error;
mod secret;
#[cfg(feature = "testing")]
pub mod testing;
mod token_source;

pub use access_token::{AccessToken, TokenType};
pub use error::{Error, ErrorKind, Result, ServerError};
pub use secret::Secret;
pub use token_source::TokenSource;
