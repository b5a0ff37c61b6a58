use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::access_token::AccessToken;
use crate::cache::{Joined, SingleFlight};
use crate::clock::{Timestamp, millis};
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::manager::renewal::{LOCK_WAIT, Renewal};
use crate::manager::session::{FlightKey, Purpose};
use crate::manager::settings::{Program, Settings};
use crate::manager::snapshot::{Snapshot, Wanted};
use crate::manager::status::Status;
use crate::manager::stored_session::StoredSession;
use crate::provider::Claims;
use crate::store::{CredentialsStore, DynStore, RecordFilter, RecordKey};
use crate::token_source::TokenSource;
use crate::web_auth::builder::WebAuth;
use crate::worker;

/// Keeps a login: stores its credentials and renews them when they end, once for all tasks, processes and machines.
///
/// It is a [`TokenSource`], so an [`AuthorizedClient`](crate::AuthorizedClient) over it always has a valid token. Clones
/// share everything. A renewal runs on a thread of this crate, so it ends and is stored although its caller, or the caller's
/// runtime, is gone. A rotated refresh token is stored before anything else can fail.
///
/// # Defaults
/// A token is renewed when it has less than 60 seconds left. Up to a tenth of its life, 30 seconds at most, is added at random,
/// so that a fleet does not renew in step.
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
    stored: StoredSession,
}

impl CredentialsManager {
    /// The credentials of one login, kept in `store`. Nothing is read before it is needed.
    pub fn new(auth: impl Into<WebAuth>, store: impl CredentialsStore) -> Self {
        let auth = auth.into();
        let key = RecordKey::new(auth.application().domain(), auth.application().client_id(), "");
        let (store, settings) = (DynStore::new(store), Settings::default());
        let program = Program {
            auth,
            store,
            sessions: Arc::default(),
            settings,
            #[cfg(feature = "tracing")]
            offline_access: Arc::default(),
        };
        let session = program.session(key);
        Self { stored: StoredSession { program: Arc::new(program), session, is_unnamed: false } }
    }

    /// Another session of the same program and store, such as one for each user of a web back end. `key` is any text that tells
    /// them apart, such as the ID in a session cookie. It has to be unguessable: it gives access to the session. Take from a
    /// browser only an ID that this program gave out.
    ///
    /// With an empty `key` each call is a `Configuration` error: an empty cookie must not reach the session of the manager itself.
    #[must_use]
    pub fn session(&self, key: impl AsRef<str>) -> Self {
        let (program, own) = (Arc::clone(&self.stored.program), &self.stored.session.key);
        let is_unnamed = key.as_ref().is_empty();
        // An unnamed session shares no memory with the manager's own.
        let session = program.session(if is_unnamed { own.of_login() } else { own.sibling(key.as_ref()) });
        Self { stored: StoredSession { program, session, is_unnamed } }
    }

    /// The time for which an access token is valid at least when it is handed out. 60 seconds unless set.
    #[must_use]
    pub fn min_ttl(mut self, min_ttl: Duration) -> Self {
        self.settings().min_ttl = min_ttl;
        self
    }

    /// Allows to send a refresh token once more when the answer to it was lost. `true` unless set: without its successor the
    /// session is over, so nothing is lost by asking. Turn it off for a provider that does more than end the session when a
    /// refresh token comes twice.
    #[must_use]
    pub fn resend_after_lost_answer(mut self, resend: bool) -> Self {
        self.settings().may_resend = resend;
        self
    }

    /// The time from a login after which a person has to log in again, whatever the provider says. Unlimited unless set.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings().max_lifetime = Some(lifetime);
        self
    }

    /// The time after which a logout by another process or machine is noticed at the latest. A session in use is looked up in its
    /// store at half of it, in the background. 30 seconds unless set. While the store is down, tokens in memory go on serving.
    #[must_use]
    pub fn recheck_after(mut self, time: Duration) -> Self {
        self.settings().recheck_after = time;
        self
    }

    /// The number of sessions in memory; others are read from the store again. 10,000 unless set.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings().max_sessions = sessions.max(1);
        self
    }

    /// Sets a hook that is called after each renewal by this process, when the credentials are stored. It gets those of the
    /// login: their refresh token is the new one, whatever API the renewal was for.
    #[must_use]
    pub fn on_renewed(mut self, hook: impl Fn(&Credentials) + Send + Sync + 'static) -> Self {
        self.settings().on_renewed = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that is called once when a session is over and only a login helps.
    #[must_use]
    pub fn on_login_required(mut self, hook: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.settings().on_login_required = Some(Arc::new(hook));
        self
    }

    fn settings(&mut self) -> &mut Settings {
        &mut Arc::make_mut(&mut self.stored.program).settings
    }

    /// The login of this manager.
    #[must_use]
    pub fn web_auth(&self) -> &WebAuth {
        &self.stored.program.auth
    }

    /// Returns valid credentials, renewed if necessary.
    ///
    /// After a renewal that failed for a passing reason the provider is asked again after its `Retry-After`, else after 1 second,
    /// then 2, 4, up to 60. Until then each call returns a token that is still valid, or the same error.
    ///
    /// # Errors
    /// `LoginRequired` when there are none, or they cannot be renewed; `Store` (with the new credentials in
    /// [`Error::credentials`], when they could not be stored); `Ambiguous` when the answer to a renewal was lost;
    /// `Configuration` when tokens live shorter than `min_ttl`, or the stored ones are another application's; and the errors of a
    /// renewal: `Server`, `Discovery`, `Network`, `TimedOut`, `InvalidResponse`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the renewal goes on and is stored.
    pub async fn credentials(&self) -> Result<Credentials> {
        self.obtain(Wanted::default(), Purpose::Valid).await
    }

    /// Returns credentials for another API, by the same login: a multi-resource refresh token buys an access token for
    /// `audience` with `scope`. Where the login named a [`resource`](WebAuth::resource), `audience` is one too. They are kept and
    /// renewed like the login's own, and have neither a refresh token nor an ID token. When the provider refuses that API,
    /// the login goes on: a [`start`](WebAuth::start) with that API helps.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    /// As [`credentials`](Self::credentials).
    pub async fn credentials_for(&self, audience: &str, scope: &str) -> Result<Credentials> {
        self.obtain(Wanted { audience: Some(audience.into()), scope: Some(scope.into()) }, Purpose::Valid).await
    }

    /// Returns new credentials, although the old ones may be valid. The provider is always asked, also right after a failure.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    /// As [`credentials`](Self::credentials).
    pub async fn renew(&self) -> Result<Credentials> {
        self.obtain(Wanted::default(), Purpose::New).await
    }

    /// Stores the credentials of a login in the place of those that are kept, also of a record that cannot be opened.
    ///
    /// # Errors
    /// `Store`, with the credentials in [`Error::credentials`]: they are kept in memory, and storing them is tried again;
    /// `Configuration` when the credentials are another application's.
    ///
    /// # Cancel safety
    /// The old credentials or the new ones are stored.
    pub async fn save(&self, credentials: &Credentials) -> Result<()> {
        if !self.stored.application().may_own(credentials.issuer(), credentials.client_id()) {
            return Err(Error::configuration(
                "these credentials are another issuer's or client id's; give each application a manager of its own",
            ));
        }
        #[cfg(feature = "tracing")]
        self.stored.program.offline_access.check(credentials);
        self.stored.save_login(credentials).await
    }

    /// Returns the credentials that are kept, if they can be used or renewed and were asked for the scope and audience of this
    /// login. Else a person logs in, and the credentials are stored. However many tasks and processes call it, one browser
    /// opens, and the others take what it gave.
    ///
    /// A kept login for another audience is first asked for a token for this one. If the provider refuses, a person logs in, and
    /// both logins stand beside each other.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials) and [`WebAuth::start`].
    ///
    /// # Cancel safety
    /// Dropping the future ends a login that has begun, and loses nothing that was stored.
    #[cfg(feature = "loopback")]
    pub async fn login_if_needed(&self) -> Result<Credentials> {
        if let Some(credentials) = self.sufficient().await? {
            return Ok(credentials);
        }
        let seen = self.stored.session.known().map(|known| known.snapshot.generation);
        let turn = self.stored.store().lock(&self.stored.session.key.of_login(), LOGIN_WAIT).await?;
        let credentials = self.log_in_unless_changed(seen).await;
        turn.release().await;
        credentials
    }

    /// Logs the person of this session in again, as an API's refusal asks (see [`WebAuth::step_up`]), and stores the new
    /// credentials: call the API again. However many tasks and processes call it, one browser opens. Another person's login is
    /// refused, and the session stays as it is.
    ///
    /// # Errors
    /// Those of [`WebAuth::step_up`] and [`WebAuth::start`]: `IdToken` when another person logged in, `Configuration` when the
    /// session has no ID token to compare with. `Store`; `LoginRequired` when there is no session.
    ///
    /// # Cancel safety
    /// Dropping the future ends a login that has begun, and loses nothing that was stored.
    #[cfg(feature = "loopback")]
    pub async fn step_up(&self, error: &Error) -> Result<Credentials> {
        let auth = self.web_auth().step_up(error)?;
        let Some(current) = self.stored.look().await? else { return self.credentials().await };
        let turn = self.stored.store().lock(&self.stored.session.key.of_login(), LOGIN_WAIT).await?;
        let credentials = self.step_up_unless_changed(auth, &current).await;
        turn.release().await;
        credentials
    }

    /// Another task or process may have stepped up since `current` was read. A renewal changes no more than the tokens.
    #[cfg(feature = "loopback")]
    async fn step_up_unless_changed(&self, auth: WebAuth, current: &Snapshot) -> Result<Credentials> {
        if self.stored.look().await?.is_some_and(|stored| stored.logged_in != current.logged_in) {
            return self.credentials().await;
        }
        let credentials = auth.same_person(&current.login.credentials).start().await?;
        self.save(&credentials).await?;
        Ok(credentials)
    }

    /// Another task or process may have logged in since the record of the generation `seen`.
    #[cfg(feature = "loopback")]
    async fn log_in_unless_changed(&self, seen: Option<u64>) -> Result<Credentials> {
        if self.generation().await? != seen
            && let Some(credentials) = self.sufficient().await?
        {
            return Ok(credentials);
        }
        let credentials = self.web_auth().start().await?;
        self.save(&credentials).await?;
        Ok(credentials)
    }

    /// The generation of the record as it stands in the store; none also for a record that cannot be opened.
    #[cfg(feature = "loopback")]
    async fn generation(&self) -> Result<Option<u64>> {
        match self.stored.look().await {
            Err(error) if error.is_unreadable_record() => Ok(None),
            looked => Ok(looked?.map(|snapshot| snapshot.generation)),
        }
    }

    /// None when only a login helps.
    #[cfg(feature = "loopback")]
    async fn sufficient(&self) -> Result<Option<Credentials>> {
        let stored = match self.stored.load().await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            Err(error) if error.is_unreadable_record() => return Ok(None),
            Err(error) => return Err(error),
        };
        // A token that is valid may be refused all the same, so it does not do when there is no way to another one.
        if stored.refresh_state().ended.is_some() {
            return Ok(None);
        }
        match self.credentials().await {
            Ok(credentials) => Ok(Some(credentials).filter(|credentials| self.web_auth().is_satisfied_by(credentials))),
            Err(error) if error.is_login_required() => Ok(None),
            // The provider gives this login no token for the program's API.
            Err(error) if self.stored.is_for_another_api(&stored) && !error.is_transient() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the kept access token is valid for `min_ttl` from now. Nothing is renewed.
    ///
    /// # Errors
    /// `Store`; `Configuration`.
    pub async fn has_valid(&self, min_ttl: Duration) -> Result<bool> {
        let snapshot = self.stored.look().await?;
        Ok(snapshot
            .is_some_and(|snapshot| self.stored.valid_for(min_ttl, &snapshot, &Wanted::default(), &Purpose::Valid).is_some()))
    }

    /// Returns whether there is a refresh token that the provider has not refused.
    ///
    /// # Errors
    /// `Store`; `Configuration`.
    pub async fn can_renew(&self) -> Result<bool> {
        Ok(self.stored.look().await?.is_some_and(|snapshot| self.is_renewable(&snapshot)))
    }

    /// Returns whether there are credentials that can be used or renewed, as far as is known without asking the provider. A record
    /// that cannot be opened counts as none.
    ///
    /// # Errors
    /// `Store`; `Configuration`.
    pub async fn is_logged_in(&self) -> Result<bool> {
        match self.stored.look().await {
            Ok(snapshot) => Ok(snapshot.is_some_and(|snapshot| self.is_usable(&snapshot))),
            Err(error) if error.is_unreadable_record() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the claims of the kept ID token: the person who has logged in. None when the session is over.
    ///
    /// # Errors
    /// `Store`; `Configuration`.
    pub async fn user(&self) -> Result<Option<Claims>> {
        let snapshot = self.stored.look().await?.filter(|snapshot| self.is_usable(snapshot));
        Ok(snapshot.and_then(|snapshot| snapshot.login.credentials.user().cloned()))
    }

    /// Returns the state of the session without a request to the provider.
    ///
    /// # Errors
    /// `Store`; `Configuration`. A record that cannot be opened is a session that needs a login.
    pub async fn status(&self) -> Result<Status> {
        let snapshot = match self.stored.look().await {
            Ok(snapshot) => snapshot,
            Err(error) if error.is_unreadable_record() => None,
            Err(error) => return Err(error),
        };
        let usable = snapshot.filter(|snapshot| self.is_usable(snapshot));
        let failure = self.stored.session.backoff.failure();
        Ok(Status {
            is_logged_in: usable.is_some(),
            can_renew: usable.as_ref().is_some_and(|snapshot| self.is_renewable(snapshot)),
            expires_at: usable.as_ref().and_then(|snapshot| snapshot.login.credentials.expires_at()),
            ends_at: usable.as_ref().and_then(|snapshot| self.stored.ends_at(snapshot)).map(Timestamp::to_offset_date_time),
            failure: failure.map(|(since, error)| (since.to_offset_date_time(), error)),
        })
    }

    /// Returns when the login ends, as far as the provider or [`max_lifetime`](Self::max_lifetime) says: no renewal goes past it.
    ///
    /// # Errors
    /// `Store`; `Configuration`.
    pub async fn ends_at(&self) -> Result<Option<OffsetDateTime>> {
        let snapshot = self.stored.look().await?;
        Ok(snapshot.and_then(|snapshot| self.stored.ends_at(&snapshot)).map(Timestamp::to_offset_date_time))
    }

    /// Returns the keys of this program's sessions in the store that `filter` selects, for [`session`](Self::session); an empty
    /// one is the manager's own. A back-channel logout finds the sessions to clear by it.
    ///
    /// # Errors
    /// `Store`; `Configuration` where the store cannot list its records.
    pub async fn list(&self, filter: &RecordFilter) -> Result<Vec<String>> {
        let keys = self.stored.store().list(&self.stored.session.key, filter).await?;
        let mut sessions: Vec<String> = keys.into_iter().map(|key| key.session().to_owned()).collect();
        sessions.sort();
        sessions.dedup();
        Ok(sessions)
    }

    fn is_usable(&self, snapshot: &Snapshot) -> bool {
        let is_fresh = || self.stored.usable(snapshot, &Wanted::default(), &Purpose::Valid).is_some();
        self.is_renewable(snapshot) || (snapshot.refresh_state().ended.is_none() && is_fresh())
    }

    fn is_renewable(&self, snapshot: &Snapshot) -> bool {
        let is_over = self.stored.is_over(snapshot)
            || self.stored.is_refresh_token_over(snapshot)
            || snapshot.refresh_state().ended.is_some();
        snapshot.refresh_token().is_some() && !is_over
    }

    /// Forgets the credentials, here and in the store. The provider is not told: see [`revoke`](Self::revoke). A renewal that
    /// has begun does not bring them back, in any process. Other processes notice within
    /// [`recheck_after`](Self::recheck_after).
    ///
    /// # Errors
    /// `Store`; `Configuration`.
    pub async fn clear(&self) -> Result<()> {
        self.stored.remove().await
    }

    /// Revokes the refresh token at the provider, then forgets the credentials. It waits for a renewal that has begun in any
    /// process, up to a minute. When the provider cannot be reached, the credentials are kept, so that it can be tried again.
    /// A provider without revocation, such as Entra ID, is such an error; use [`clear`](Self::clear) there. At Auth0, revoking a
    /// refresh token of the scope `online_access` ends the person's session there.
    ///
    /// # Errors
    /// `Store`; `Configuration`; `Discovery`, `Server`, `Network`, `TimedOut`.
    pub async fn revoke(&self) -> Result<()> {
        let own = self.stored.clone();
        let revoked = worker::run(async move {
            let has_token = |snapshot: &Snapshot| snapshot.refresh_token().is_some();
            let look = || async {
                match own.look().await {
                    Err(error) if error.is_unreadable_record() => Ok(None),
                    looked => looked.map(|snapshot| snapshot.filter(has_token)),
                }
            };
            if look().await?.is_none() {
                return Ok(());
            }
            // If the lock times out, revoke anyway: logout must not depend on another process.
            let lock = own.store().lock(&own.session.key, LOCK_WAIT).await.ok();
            let revoked = match look().await?.as_ref().and_then(Snapshot::refresh_token) {
                Some(refresh_token) => own.application().revoke(refresh_token).await,
                None => Ok(()),
            };
            if let Some(lock) = lock {
                lock.release().await;
            }
            revoked
        });
        revoked.await?;
        self.clear().await
    }

    /// Forgets the credentials, then ends the session in the person's browser.
    ///
    /// # Errors
    /// `Store`; `Configuration`; as [`WebAuth::logout`].
    #[cfg(feature = "loopback")]
    pub async fn logout(&self, logout: crate::web_auth::Logout) -> Result<()> {
        let snapshot = match self.stored.look().await {
            Err(error) if error.is_unreadable_record() => None,
            looked => looked?,
        };
        self.clear().await?;
        let logout = match snapshot {
            Some(snapshot) => logout.of(&snapshot.login.credentials),
            None => logout,
        };
        self.web_auth().logout(&logout).await
    }

    /// Little is held while waiting: there may be thousands of callers.
    fn obtain(&self, wanted: Wanted, purpose: Purpose) -> impl Future<Output = Result<Credentials>> + Send + use<'_> {
        let (joined, flight) = self.join(wanted, purpose);
        async move {
            let outcome = joined.result().await;
            // The last one of all that have waited.
            if flight.and_then(Arc::into_inner).is_some() {
                self.stored.session.forget_flights();
            }
            outcome
        }
    }

    fn join(&self, wanted: Wanted, purpose: Purpose) -> (Joined<Credentials>, Option<Arc<SingleFlight<Credentials>>>) {
        if let Some(credentials) = self.stored.cached(&wanted, &purpose) {
            return (Joined::Needless(credentials), None);
        }
        let flight = self.stored.session.flight(FlightKey::new(&wanted, &purpose));
        let recheck = || self.stored.cached(&wanted, &purpose);
        let work = || {
            // The run holds it, so that it is found as long as it goes on.
            let flight = Arc::clone(&flight);
            let renewal = Renewal::new(self.stored.clone(), wanted.clone(), purpose.clone());
            async move {
                let outcome = renewal.run().await;
                drop(flight);
                outcome
            }
        };
        (flight.join(recheck, work), Some(flight))
    }
}

/// The session of the person at this program: kept in `store` since an earlier start, or logged in now with their browser.
///
/// It is [`CredentialsManager::new`] and [`login_if_needed`](CredentialsManager::login_if_needed) in one. Ask for the scope
/// `offline_access`, or the session ends with its first access token.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use hallpass::store::Memory;
/// # use hallpass::testing::{Api, TestBrowser, TestProvider};
/// # use hallpass::{AuthorizedClient, WebAuth};
/// # let provider = TestProvider::start().await;
/// # let api = Api::start(&provider, "https://api.acme.com").await;
/// # let (domain, client_id, api_url, store) = (provider.issuer(), provider.client_id(), api.url(), Memory::new());
/// let auth = WebAuth::new(domain, client_id).audience("https://api.acme.com").scope("openid offline_access read:messages");
/// # let auth = auth.ephemeral_port().browser(TestBrowser::new());
/// let session = hallpass::stay_logged_in(auth, store).await?;
/// let client = AuthorizedClient::new(session)?.base_url(api_url)?;
/// assert_eq!(client.get("messages").send().await?.status(), 200);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
///
/// # Errors
/// Those of [`CredentialsManager::login_if_needed`].
///
/// # Cancel safety
/// Dropping the future ends a login that has begun, and loses nothing that was stored.
#[cfg(feature = "loopback")]
pub async fn stay_logged_in(auth: impl Into<WebAuth>, store: impl CredentialsStore) -> Result<CredentialsManager> {
    let session = CredentialsManager::new(auth, store);
    session.login_if_needed().await?;
    Ok(session)
}

/// Longer than a login waits for the browser, unless the program set more.
#[cfg(feature = "loopback")]
const LOGIN_WAIT: Duration = Duration::from_secs(10 * 60);

/// A valid token of the kept login, renewed when it ends or was refused.
impl TokenSource for CredentialsManager {
    fn cached(&self) -> Option<AccessToken> {
        let Settings { min_ttl, recheck_after, .. } = self.stored.settings();
        let recheck_after = millis(*recheck_after);
        self.stored.session.ready_token(*min_ttl, self.stored.now(), |age| {
            if age >= recheck_after / 2 {
                self.stored.check_in_background();
            }
            age < recheck_after
        })
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
            .field("session", &self.stored.session.key.id())
            .finish_non_exhaustive()
    }
}
