use super::runtime::wait;
use crate::credentials::Credentials;
use crate::error::Result;
use crate::web_auth::Logout;
use crate::web_auth::builder::WebAuth as AsyncWebAuth;
use crate::web_auth::pending::PendingLogin;

/// Logs a person in with their browser: [`hallpass::WebAuth`](crate::WebAuth), waited for.
///
/// ```
/// # fn main() -> hallpass::Result<()> {
/// # use hallpass::testing::{TestBrowser, TestProvider};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # let provider = runtime.block_on(TestProvider::start());
/// # let (domain, client_id) = (provider.issuer(), provider.client_id());
/// use hallpass::{WebAuth, blocking};
///
/// let auth = WebAuth::new(domain, client_id).scope("openid email");
/// # let auth = auth.ephemeral_port().browser(TestBrowser::new());
/// let credentials = blocking::WebAuth::from(auth).start()?; // opens the browser
/// assert_eq!(credentials.user().and_then(|user| user.email()).as_deref(), Some("jane@example.com"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "loopback")))]
pub struct WebAuth(AsyncWebAuth);

impl WebAuth {
    /// The whole login.
    ///
    /// # Errors
    /// As [`hallpass::WebAuth::start`](crate::WebAuth::start); `Configuration` on a thread of an async runtime.
    pub fn start(&self) -> Result<Credentials> {
        wait(self.0.start())
    }

    /// The first half of a login, for programs that handle the redirect URI themselves.
    ///
    /// # Errors
    /// As [`hallpass::WebAuth::begin`](crate::WebAuth::begin); `Configuration` on a thread of an async runtime.
    pub fn begin(&self) -> Result<PendingLogin> {
        wait(self.0.begin())
    }

    /// The second half: `callback` is what came to the redirect URI.
    ///
    /// # Errors
    /// As [`hallpass::WebAuth::finish`](crate::WebAuth::finish); `Configuration` on a thread of an async runtime.
    pub fn finish(&self, login: PendingLogin, callback: &str) -> Result<Credentials> {
        wait(self.0.finish(login, callback))
    }

    /// Ends the session in the person's browser.
    ///
    /// # Errors
    /// As [`hallpass::WebAuth::logout`](crate::WebAuth::logout); `Configuration` on a thread of an async runtime.
    pub fn logout(&self, logout: &Logout) -> Result<()> {
        wait(self.0.logout(logout))
    }
}

impl<T: Into<AsyncWebAuth>> From<T> for WebAuth {
    fn from(auth: T) -> Self {
        Self(auth.into())
    }
}
