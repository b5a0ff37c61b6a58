//! Log a person in at Auth0 or any OpenID Connect provider, and put the access token on every request to an API.
#![forbid(unsafe_code)]

mod access_token;
mod application;
pub mod authorized_client;
mod cache;
mod client_auth;
mod clock;
mod credentials;
mod crypto;
mod endpoint;
mod error;
mod form;
mod jose;
mod json;
mod origin;
mod provider;
mod secret;
mod step_up;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod token_source;
mod transport;
mod userinfo;
pub mod web_auth;

pub use access_token::{AccessToken, TokenType};
pub use application::Application;
pub use authorized_client::AuthorizedClient;
pub use client_auth::ClientAuth;
pub use credentials::Credentials;
pub use error::{Error, ErrorKind, Result, ServerError};
pub use provider::{Claims, IdToken};
pub use secret::Secret;
pub use step_up::StepUp;
pub use token_source::TokenSource;
pub use web_auth::{PendingLogin, WebAuth};
