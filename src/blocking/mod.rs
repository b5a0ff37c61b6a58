//! Logins and API calls for programs without async.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hallpass::WebAuth;
//! use hallpass::blocking::{AuthorizedClient, CredentialsManager};
//! # use hallpass::store::Memory;
//! # use hallpass::testing::{Api, TestBrowser, TestProvider};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # let provider = runtime.block_on(TestProvider::start());
//! # let api = runtime.block_on(Api::start(&provider, "https://api.acme.com"));
//! # let (domain, client_id, api_url) = (provider.issuer(), provider.client_id(), api.url());
//!
//! let auth = WebAuth::new(domain, client_id)
//!     .audience("https://api.acme.com")
//!     .scope("openid profile offline_access read:messages");
//! # let (auth, store) = (auth.ephemeral_port().browser(TestBrowser::new()), Memory::new());
//! let session = CredentialsManager::new(auth, store); // such as store::Keychain::new("acme-cli")?
//! session.login_if_needed()?; // opens the browser the first time only
//! let api = AuthorizedClient::new(session)?.base_url(api_url)?;
//! let messages = api.get("messages").send()?; // a reqwest::blocking::Response
//! assert_eq!(messages.status(), 200);
//! # Ok(()) }
//! ```
//!
//! Builders are the same as in the async interface; each call that takes time blocks. For a call without a twin in this module, use
//! [`wait`], as in `wait(application.user_info(&credentials))`.
//!
//! The work is done by one thread of the process, named `hallpass`, which starts with the first call and serves all of them.
//! On a thread of an async runtime, also one that it lends for blocking work, every call is an error of kind `Configuration`, since it
//! would hold up everything else there: use the async API.

mod authorized_client;
mod body;
mod credentials_manager;
mod request;
mod response;
mod runtime;
mod upload;
#[cfg(feature = "loopback")]
mod web_auth;

pub use authorized_client::AuthorizedClient;
pub use body::Body;
pub use credentials_manager::CredentialsManager;
pub use request::RequestBuilder;
pub use runtime::wait;
#[cfg(feature = "loopback")]
pub use web_auth::WebAuth;
