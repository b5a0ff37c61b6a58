//! The login of a person in a browser.

mod browser;
#[cfg(feature = "loopback")]
mod listener;

#[cfg(feature = "loopback")]
pub use browser::SystemBrowser;
pub use browser::{Browser, PrintUrl};
#[cfg(feature = "loopback")]
pub use listener::CallbackPage;
