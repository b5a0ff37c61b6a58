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
//! # The two stories
//!
//! **A login** ([`WebAuth::start`], in `web_auth/login.rs`) reads as its protocol: the provider's metadata
//! (`provider/metadata.rs`), a listener on loopback (`web_auth/listener`), the authorization request (`web_auth/request.rs`), the
//! browser (`web_auth/browser`), the callback (`web_auth/callback.rs`), the code for tokens (`token`, through `endpoint.rs` and
//! `transport.rs`, the only way to the provider), and the ID token (`provider/id_token.rs`, by keys of `provider/keys.rs`). It
//! returns [`Credentials`], which exist only verified (without `openid` there is no ID token to verify).
//!
//! **An API call** ([`AuthorizedClient`], in `authorized_client/authorize.rs`): is this an origin that the token may go to
//! (`origins.rs`), a token that is valid now (a [`TokenSource`]), the header, and a proof if the token is [bound to a key](dpop),
//! reqwest, a verdict on the answer (`challenge.rs`), at most one more try; redirects (`redirect.rs`) are authorised hop by hop.
//!
//! Arrows between modules point only downward, and `.ci/layers` checks that.
//!
//! The [guide](docs) has a page for each kind of program, for other providers, and for what people run into.
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
