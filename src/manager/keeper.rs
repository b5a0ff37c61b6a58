use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::cache::{Joined, SingleFlight};
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::manager::content::{Content, Wanted};
use crate::manager::kept::Kept;
use crate::manager::program::Program;
use crate::manager::renewal::{LOCK_WAIT, Renewal};
use crate::manager::session::{Errand, Purpose};
use crate::manager::settings::Settings;
use crate::provider::Claims;
use crate::store::{CredentialsStore, Guarded, RecordKey};
use crate::token_source::TokenSource;
use crate::web_auth::builder::WebAuth;

/// Keeps a login: its credentials are stored, renewed when they end, once however many ask, and never lost.
///
/// It is a [`TokenSource`], so an [`AuthorizedClient`](crate::AuthorizedClient) over it always has a valid token. Clones
/// share everything. Each renewal runs on a task of its own, so whoever asked may be dropped at any time; a rotated refresh
/// token is stored before anything else can fail.
///
/// # Defaults
/// A token is renewed when it has less than 60 seconds left; up to a tenth of its life, 30 seconds at most, comes on top by
/// chance, so that a fleet does not renew in step.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// use hallpass::store::Memory;
/// use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
/// use hallpass::{CredentialsManager, WebAuth};
///
/// let provider = TestProvider::start().await;
/// let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access");
/// let session = CredentialsManager::new(auth.ephemeral_port().browser(TestBrowser::new()), Memory::new());
///
/// session.login_if_needed().await?; // opens the browser the first time only
/// session.login_if_needed().await?;
/// assert_eq!(provider.count(Endpoint::Authorize), 1);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct CredentialsManager {
    kept: Kept,
}

impl CredentialsManager {
    /// The credentials of one login, kept in `store`. Nothing is read before they are needed.
    pub fn new(auth: impl Into<WebAuth>, store: impl CredentialsStore) -> Self {
        let auth = auth.into();
        let key = RecordKey::new(auth.application().domain(), auth.application().client_id(), "");
        let store = Arc::new(Guarded(store));
        let program = Program { auth, store, sessions: Arc::default(), settings: Settings::default() };
        let session = program.session(key);
        Self { kept: Kept { program: Arc::new(program), session } }
    }

    /// Another session of the same program and store: one for each user of a web back end, say. `key` is any text that tells
    /// them apart, such as the id in a session cookie. Whoever has it has the session: let it be unguessable, and take from a browser
    /// only what this program gave out. An empty one is the session of this manager itself, of which others are made.
    #[must_use]
    pub fn session(&self, key: impl AsRef<str>) -> Self {
        let program = Arc::clone(&self.kept.program);
        let session = program.session(self.kept.session.key.sibling(key.as_ref()));
        Self { kept: Kept { program, session } }
    }

    /// How long an access token has to be valid at least when it is handed out. 60 seconds unless set.
    #[must_use]
    pub fn min_ttl(mut self, min_ttl: Duration) -> Self {
        self.settings().min_ttl = min_ttl;
        self
    }

    /// How long the provider takes a spent refresh token once more, as configured there. Unless set, one whose answer was
    /// lost is never sent again.
    #[must_use]
    pub fn reuse_interval(mut self, interval: Duration) -> Self {
        self.settings().reuse_interval = Some(interval);
        self
    }

    /// How many sessions are held in memory; others are read from the store again. 10,000 unless set.
    #[must_use]
    pub fn most_sessions(mut self, sessions: usize) -> Self {
        self.settings().most_sessions = sessions.max(1);
        self
    }

    /// Called after each renewal by this process, when the credentials are stored, with those of the login: their refresh
    /// token is the new one, whatever API the renewal was for. The session is locked meanwhile: do not wait for its
    /// [`revoke`](Self::revoke) here.
    #[must_use]
    pub fn on_renewed(mut self, hook: impl Fn(&Credentials) + Send + Sync + 'static) -> Self {
        self.settings().on_renewed = Some(Arc::new(hook));
        self
    }

    /// Called when a session has ended and only a login helps.
    #[must_use]
    pub fn on_lost(mut self, hook: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.settings().on_lost = Some(Arc::new(hook));
        self
    }

    fn settings(&mut self) -> &mut Settings {
        &mut Arc::make_mut(&mut self.kept.program).settings
    }

    /// What it logs in with.
    #[must_use]
    pub fn web_auth(&self) -> &WebAuth {
        &self.kept.program.auth
    }

    /// Valid credentials: the ones that are kept, or renewed ones.
    ///
    /// # Errors
    /// `LoginRequired` when there are none, or they cannot be renewed; `Store` (with the new credentials in
    /// [`Error::credentials`], when they could not be stored); `Ambiguous` when the answer to a renewal was lost;
    /// `Configuration` when tokens live shorter than `min_ttl`, or the stored ones are another application's; and what a
    /// renewal can end in: `Server`, `Discovery`, `Network`, `TimedOut`, `InvalidResponse`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the renewal goes on, and is stored, as long as the runtime lives.
    pub async fn credentials(&self) -> Result<Credentials> {
        self.obtain(Wanted::default(), Purpose::Valid).await
    }

    /// Credentials for another API, by the same login: a multi-resource refresh token buys an access token for `audience`
    /// with `scope`; where the login named a [`resource`](WebAuth::resource), `audience` is one too. They are kept and renewed
    /// like the login's own, and have no refresh token or ID token of their own. When the provider refuses that API
    /// ([`is_login_required`](Error::is_login_required), as for want of consent), the login itself goes on: what helps is a
    /// [`start`](WebAuth::start) with that API.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    /// As [`credentials`](Self::credentials).
    pub async fn credentials_for(&self, audience: &str, scope: &str) -> Result<Credentials> {
        self.obtain(Wanted { audience: Some(audience.into()), scope: Some(scope.into()) }, Purpose::Valid).await
    }

    /// New credentials, whether or not the old ones would still do.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    /// As [`credentials`](Self::credentials).
    pub async fn renew(&self) -> Result<Credentials> {
        self.obtain(Wanted::default(), Purpose::New).await
    }

    /// Stores what a login gave, in the place of what was there.
    ///
    /// # Errors
    /// `Store`, with the credentials in [`Error::credentials`]: they are kept in memory, and storing them is tried again;
    /// `Configuration` when the credentials are another application's.
    ///
    /// # Cancel safety
    /// The old credentials or the new ones are stored.
    pub async fn save(&self, credentials: &Credentials) -> Result<()> {
        if !self.kept.application().may_own(credentials.issuer(), credentials.client_id()) {
            return Err(Error::configuration(
                "these credentials are another issuer's or client id's; give each application a manager of its own",
            ));
        }
        #[cfg(feature = "tracing")]
        self.kept.program.sessions.offline_access.look_at(credentials);
        self.kept.save_login(credentials).await
    }

    /// The credentials that are kept, if they can still be used or renewed, and were asked for the scope and the audience of
    /// this login; else a person logs in, and what that gives is stored. However many call it, one browser opens. Where a call
    /// for the login's own token ended in `LoginRequired`, a login is needed, whatever the expiry of the token says.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials) and [`WebAuth::start`].
    ///
    /// # Cancel safety
    /// Dropping the future ends a login that is under way, and loses nothing that was stored.
    #[cfg(feature = "loopback")]
    pub async fn login_if_needed(&self) -> Result<Credentials> {
        if let Some(credentials) = self.sufficient().await? {
            return Ok(credentials);
        }
        let login = self.kept.session.login();
        let _turn = match login.try_lock() {
            Ok(turn) => turn,
            // Somebody else has shown a login meanwhile, which may do.
            Err(_) => {
                let turn = login.lock().await;
                if let Some(credentials) = self.sufficient().await? {
                    return Ok(credentials);
                }
                turn
            }
        };
        let credentials = self.web_auth().start().await?;
        self.save(&credentials).await?;
        Ok(credentials)
    }

    /// None when only a login helps.
    #[cfg(feature = "loopback")]
    async fn sufficient(&self) -> Result<Option<Credentials>> {
        // A token that has not ended may be refused all the same, so that it does not do when there is no way to another one.
        if let Some(lost) = self.kept.session.lost() {
            match self.kept.load().await {
                Ok(known) if known.content.generation != lost => {}
                Err(error) if !error.is_login_required() => return Err(error),
                _ => return Ok(None),
            }
        }
        match self.credentials().await {
            Ok(credentials) => Ok(Some(credentials).filter(|credentials| self.web_auth().is_satisfied_by(credentials))),
            Err(error) if error.is_login_required() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the kept access token is valid for that long still. Nothing is renewed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn has_valid(&self, min_ttl: Duration) -> Result<bool> {
        let is_valid = |content: &Content| content.valid_for(min_ttl, &Wanted::default(), self.kept.now()).is_some();
        Ok(self.kept.look().await?.as_ref().is_some_and(is_valid))
    }

    /// Whether there is a refresh token.
    ///
    /// # Errors
    /// `Store`.
    pub async fn can_renew(&self) -> Result<bool> {
        Ok(self.kept.look().await?.is_some_and(|content| content.refresh_token().is_some()))
    }

    /// Whether there are credentials that can be used or renewed, as far as is known without asking the provider.
    ///
    /// # Errors
    /// `Store`.
    pub async fn is_logged_in(&self) -> Result<bool> {
        Ok(self.can_renew().await? || self.has_valid(Duration::ZERO).await?)
    }

    /// Who has logged in: the claims of the kept ID token.
    ///
    /// # Errors
    /// `Store`.
    pub async fn user(&self) -> Result<Option<Claims>> {
        Ok(self.kept.look().await?.and_then(|content| content.login.credentials.user().cloned()))
    }

    /// Forgets the credentials, here and in the store. The provider is not told: see [`revoke`](Self::revoke). A renewal that
    /// is under way does not bring them back, in whatever process. Another process that has them in memory goes on with
    /// its access token until that ends or is refused, and then finds that they are gone.
    ///
    /// # Errors
    /// `Store`.
    pub async fn clear(&self) -> Result<()> {
        // Also when nobody waits for the rest; and what was read meanwhile.
        self.kept.session.forget();
        let removed = self.kept.store().remove(&self.kept.session.key).await;
        self.kept.session.forget();
        removed
    }

    /// Makes the provider forget the refresh token, then forgets the credentials. A renewal that is under way, in whatever
    /// process, is waited for, up to a minute. When the provider cannot be reached, they are kept, so that it can be tried again; where it has no
    /// revocation at all, as Entra ID, too, and [`clear`](Self::clear) is what remains.
    ///
    /// # Errors
    /// `Store`; `Discovery`, `Server`, `Network`, `TimedOut`.
    pub async fn revoke(&self) -> Result<()> {
        let store = self.kept.store();
        // Who cannot be waited for keeps nobody logged in.
        let _nobody_renews = if self.can_renew().await? { store.lock(&self.kept.session.key, LOCK_WAIT).await.ok() } else { None };
        if let Some(refresh_token) = self.kept.look().await?.as_ref().and_then(Content::refresh_token) {
            self.kept.application().revoke(refresh_token).await?;
        }
        self.clear().await
    }

    /// Forgets the credentials, then ends the session in the person's browser.
    ///
    /// # Errors
    /// `Store`; as [`WebAuth::logout`].
    #[cfg(feature = "loopback")]
    pub async fn logout(&self, logout: crate::web_auth::Logout) -> Result<()> {
        let content = self.kept.look().await?;
        self.clear().await?;
        let logout = match content {
            Some(content) => logout.of(&content.login.credentials),
            None => logout,
        };
        self.web_auth().logout(&logout).await
    }

    /// What is waited with is small: there may be thousands who wait.
    fn obtain(&self, wanted: Wanted, purpose: Purpose) -> impl Future<Output = Result<Credentials>> + Send + use<'_> {
        let (joined, flight) = self.join(wanted, purpose);
        async move {
            let outcome = joined.result().await;
            // The last of however many have waited.
            if flight.and_then(Arc::into_inner).is_some() {
                self.kept.session.forget_flights();
            }
            outcome
        }
    }

    fn join(&self, wanted: Wanted, purpose: Purpose) -> (Joined<Credentials>, Option<Arc<SingleFlight<Credentials>>>) {
        if let Some(credentials) = self.kept.at_hand(&wanted, &purpose) {
            return (Joined::Needless(credentials), None);
        }
        let flight = self.kept.session.flight(Errand::new(&wanted, &purpose));
        let second_look = || self.kept.at_hand(&wanted, &purpose);
        let work = || {
            // Held by the run, so that it is found as long as it goes on.
            let flight = Arc::clone(&flight);
            let renewal = Renewal { kept: self.kept.clone(), wanted: wanted.clone(), purpose: purpose.clone() };
            async move {
                let outcome = renewal.run().await;
                drop(flight);
                outcome
            }
        };
        (flight.join(second_look, work), Some(flight))
    }
}

/// A valid token of the kept login, renewed when it ends or was refused.
impl TokenSource for CredentialsManager {
    fn cached(&self) -> Option<AccessToken> {
        self.kept.session.ready_token(self.kept.settings().min_ttl, self.kept.now())
    }

    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        let purpose = rejected.map_or(Purpose::Valid, |rejected| Purpose::InsteadOf(rejected.clone()));
        Ok(self.obtain(Wanted::default(), purpose).await?.access_token().clone())
    }
}

impl fmt::Debug for CredentialsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsManager")
            .field("auth", self.web_auth())
            .field("session", &self.kept.session.key.id())
            .finish_non_exhaustive()
    }
}
