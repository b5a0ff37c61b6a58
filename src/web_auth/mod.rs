//! The login of a person in a browser: the authorization code flow with PKCE (RFC 6749, section 4.1; RFC 7636; RFC 8252).

mod authorize_url;
#[cfg(feature = "loopback")]
mod browser;
pub(crate) mod builder;
mod callback;
mod delivery;
mod fapi2;
mod for_api;
#[cfg(feature = "loopback")]
mod listener;
mod login;
mod logout;
mod logout_token;
mod parameters;
pub(crate) mod pending;
mod pushed;
mod redirect_uri;
#[cfg(feature = "loopback")]
mod registration;
mod request;
mod request_object;
pub(crate) mod response_mode;
mod signed_response;
mod step_up;

#[cfg(feature = "loopback")]
pub use browser::{Browser, PrintUrl, SystemBrowser};
#[cfg(any(fuzzing, test))]
pub(crate) use callback::Callback;
pub use for_api::ApiDiscovery;
#[cfg(feature = "loopback")]
pub use listener::CallbackPage;
#[cfg(all(feature = "loopback", any(fuzzing, test)))]
pub(crate) use listener::request as listener_request;
pub use logout::Logout;
pub use logout_token::LogoutToken;
#[cfg(any(fuzzing, test))]
pub(crate) use pushed::read as read_pushed;
