//! Log a person in at Auth0 or any OpenID Connect provider, and put the access token on every request to an API.
//!
//! ```
//! use hallpass::{AuthorizedClient, WebAuth};
//! # use hallpass::testing::{Api, TestBrowser, TestProvider};
//! # async fn example() -> hallpass::Result<()> {
//! # let provider = TestProvider::start().await;
//! # let api = Api::start(&provider, "https://api.acme.com").await;
//! # let (domain, client_id, api_url) = (provider.issuer(), provider.client_id(), api.url());
//!
//! let auth = WebAuth::new(domain, client_id).audience("https://api.acme.com").scope("openid profile read:messages");
//! # let auth = auth.ephemeral_port().browser(TestBrowser::new());
//! let credentials = auth.start().await?; // opens the browser
//! let client = AuthorizedClient::new(credentials)?.base_url(api_url)?;
//! let messages = client.get("messages").send().await?; // a reqwest::Response
//! assert_eq!(messages.status(), 200);
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! # Where to begin
//!
//! | you write | begin with |
//! |---|---|
//! | a command-line or desktop program | [`WebAuth::start`]; [`stay_logged_in`] keeps the login for the next start |
//! | a program on a machine without a browser | [`Application::device`] |
//! | a web back end | [`WebAuth::begin`] and [`WebAuth::finish`], and the page [`docs::web_backend`] |
//! | a service without a person | [`Application::client_credentials`] |
//! | a client of an API that names its own login | [`web_auth::ApiDiscovery`] |
//! | calls of an API with a token from elsewhere | [`AuthorizedClient`] over your own [`TokenSource`] |
//!
//! [`Credentials`] hold the tokens; they exist only after each check of the protocol passed. A [`CredentialsManager`] keeps them in a
//! [store] and renews them, once for all tasks, processes and machines. An [`AuthorizedClient`] is a reqwest client that puts
//! the access token on each request to its own origins, and on no other. Every error is an [`Error`] whose [`kind`](Error::kind)
//! says what to do.
//!
//! The [guide](docs) has a page for each kind of program, for other providers, for errors and for common problems.
//!
//! # Features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `rustls`, `http2`, `json`, `form`, `query` | yes | reqwest's own, of the same names |
//! | `loopback` | yes | [`WebAuth::start`]: the listener and the system's browser |
//! | `auth0` | no | [`Application::auth0`]: sign-up, passwords, logins by a code or a link, and the second factor |
//! | `qr` | no | `device::DeviceLogin::qr_code`: where to confirm a device login, for a telephone's camera |
//! | `multipart`, `stream`, `system-proxy`, `native-tls`, `rustls-no-provider` | no | reqwest's own, of the same names |
//! | `file` | no | `store::File`: credentials in files, sealed when a key is given |
//! | `keychain` | no | `store::Keychain`: credentials behind the keychain of the person's machine |
//! | `redis` | no | `store::Redis`: a fleet's sessions, sealed, each renewed by one replica |
//! | `tower` | no | [`AuthorizedClient`] as a `tower::Service` of reqwest's requests, and as a `tower::Layer` around any HTTP service |
//! | `middleware` | no | [`AuthorizedClient`] as a `reqwest_middleware::Middleware` |
//! | `blocking` | no | `blocking`: logins and API calls for programs without async |
//! | `tracing` | no | spans for logins, renewals and calls, with target `hallpass`; none holds a secret |
//! | `testing` | no | an identity provider, a browser, an API and a clock for tests |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token;
mod application;
#[cfg(feature = "auth0")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth0")))]
pub mod auth0;
pub mod authorized_client;
mod backoff;
#[cfg(feature = "blocking")]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
pub mod blocking;
mod cache;
mod challenge;
pub mod ciba;
pub mod client_auth;
mod client_credentials;
mod clock;
mod credentials;
mod crypto;
pub mod device;
#[cfg(doc)]
pub mod docs;
pub mod dpop;
mod endpoint;
mod error;
mod form;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
#[path = "../tests/it/growth.rs"]
mod growth;
mod http_client;
mod jose;
mod json;
#[cfg(feature = "auth0")]
mod json_form;
mod lifetime;
mod manager;
mod mfa_required;
mod origin;
mod protected_resource;
mod provider;
mod requested;
mod requested_api;
mod secret;
mod spans;
mod step_up;
mod stock_phrases;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
mod token_source;
mod transport;
mod userinfo;
pub mod web_auth;
mod worker;

pub use access_token::{AccessToken, TokenType};
pub use application::Application;
pub use authorized_client::client::AuthorizedClient;
pub use client_auth::method::ClientAuth;
pub use client_credentials::ClientCredentials;
pub use credentials::Credentials;
pub use error::{Error, ErrorKind, Result, ServerError};
pub use manager::credentials_manager::CredentialsManager;
#[cfg(feature = "loopback")]
#[cfg_attr(docsrs, doc(cfg(feature = "loopback")))]
pub use manager::credentials_manager::stay_logged_in;
pub use manager::status::Status;
pub use mfa_required::MfaRequired;
pub use provider::{Claims, IdToken};
pub use secret::Secret;
pub use step_up::StepUp;
pub use token_source::{DynTokenSource, TokenSource};
pub use web_auth::builder::WebAuth;
pub use web_auth::pending::PendingLogin;

/// The README's programs compile.
#[cfg(all(doctest, feature = "keychain"))]
#[doc = include_str!("../README.md")]
struct Readme;
