use std::time::Duration;

use super::runtime::wait;
use crate::access_token::AccessToken;
use crate::credentials::Credentials;
use crate::error::Result;
use crate::manager::credentials_manager::CredentialsManager as AsyncCredentialsManager;
use crate::provider::Claims;
use crate::store::CredentialsStore;
use crate::token_source::TokenSource;
use crate::web_auth::builder::WebAuth as AsyncWebAuth;

/// Keeps a login: [`hallpass::CredentialsManager`](crate::CredentialsManager), waited for.
///
/// What it does is told there. A manager that is set up there becomes one of these by `From`. On a thread of an async runtime, every method
/// that can fail is an error of kind `Configuration`.
#[derive(Debug, Clone)]
pub struct CredentialsManager(AsyncCredentialsManager);

impl CredentialsManager {
    /// The credentials of one login, kept in `store`. Nothing is read before they are needed.
    pub fn new(auth: impl Into<AsyncWebAuth>, store: impl CredentialsStore) -> Self {
        Self(AsyncCredentialsManager::new(auth, store))
    }

    /// Another session of the same program and store. `key` is any text that tells them apart.
    #[must_use]
    pub fn session(&self, key: impl AsRef<str>) -> Self {
        Self(self.0.session(key))
    }

    /// Valid credentials: the ones that are kept, or renewed ones.
    ///
    /// # Errors
    /// As [`hallpass::CredentialsManager::credentials`](crate::CredentialsManager::credentials).
    pub fn credentials(&self) -> Result<Credentials> {
        wait(self.0.credentials())
    }

    /// Credentials for another API, by the same login.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    pub fn credentials_for(&self, audience: &str, scope: &str) -> Result<Credentials> {
        wait(self.0.credentials_for(audience, scope))
    }

    /// New credentials, whether or not the old ones would still do.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    pub fn renew(&self) -> Result<Credentials> {
        wait(self.0.renew())
    }

    /// Stores what a login gave, in the place of what was there.
    ///
    /// # Errors
    /// As [`hallpass::CredentialsManager::save`](crate::CredentialsManager::save).
    pub fn save(&self, credentials: &Credentials) -> Result<()> {
        wait(self.0.save(credentials))
    }

    /// The credentials that are kept, if they will do for this login; else a person logs in, and what that gives is stored.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials) and [`hallpass::WebAuth::start`](crate::WebAuth::start).
    #[cfg(feature = "loopback")]
    #[cfg_attr(docsrs, doc(cfg(feature = "loopback")))]
    pub fn login_if_needed(&self) -> Result<Credentials> {
        wait(self.0.login_if_needed())
    }

    /// Logs the person of this session in again, as an API's refusal asks; see
    /// [`hallpass::CredentialsManager::step_up`](crate::CredentialsManager::step_up).
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "loopback")]
    pub fn step_up(&self, error: &crate::error::Error) -> Result<Credentials> {
        wait(self.0.step_up(error))
    }

    /// Returns whether the kept access token is valid for `min_ttl` from now. Nothing is renewed.
    ///
    /// # Errors
    /// `Store`.
    pub fn has_valid(&self, min_ttl: Duration) -> Result<bool> {
        wait(self.0.has_valid(min_ttl))
    }

    /// Returns whether there is a refresh token.
    ///
    /// # Errors
    /// `Store`.
    pub fn can_renew(&self) -> Result<bool> {
        wait(self.0.can_renew())
    }

    /// Returns whether there are credentials that can be used or renewed, without asking the provider.
    ///
    /// # Errors
    /// `Store`.
    pub fn is_logged_in(&self) -> Result<bool> {
        wait(self.0.is_logged_in())
    }

    /// The claims of the kept ID token: the person who logged in.
    ///
    /// # Errors
    /// `Store`.
    pub fn user(&self) -> Result<Option<Claims>> {
        wait(self.0.user())
    }

    /// Forgets the credentials, here and in the store.
    ///
    /// # Errors
    /// `Store`.
    pub fn clear(&self) -> Result<()> {
        wait(self.0.clear())
    }

    /// Makes the provider forget the refresh token, then forgets the credentials.
    ///
    /// # Errors
    /// `Store`; `Discovery`, `Server`, `Network`, `TimedOut`.
    pub fn revoke(&self) -> Result<()> {
        wait(self.0.revoke())
    }

    /// Forgets the credentials, then ends the session in the person's browser.
    ///
    /// # Errors
    /// `Store`; as [`hallpass::WebAuth::logout`](crate::WebAuth::logout).
    #[cfg(feature = "loopback")]
    #[cfg_attr(docsrs, doc(cfg(feature = "loopback")))]
    pub fn logout(&self, logout: crate::web_auth::Logout) -> Result<()> {
        wait(self.0.logout(logout))
    }
}

impl From<AsyncCredentialsManager> for CredentialsManager {
    fn from(manager: AsyncCredentialsManager) -> Self {
        Self(manager)
    }
}

/// A valid token of the kept login, renewed when it ends or was refused.
impl TokenSource for CredentialsManager {
    fn cached(&self) -> Option<AccessToken> {
        self.0.cached()
    }

    fn token(&self, rejected: Option<&AccessToken>) -> impl Future<Output = Result<AccessToken>> + Send {
        self.0.token(rejected)
    }
}
