use std::sync::Arc;
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::announcement::Permission;
use crate::manager::content::{Content, Wanted};
use crate::manager::session::{Ready, Session, SpentBecause};
use crate::manager::settings::Settings;
use crate::store::dynamic::DynCredentialsStore;
use crate::store::{Lock, Outcome};
use crate::token::{Target, no_refresh_token};

/// One renewal, on a task of its own: whoever asked may be gone before it ends.
pub(crate) struct Renewal {
    pub(crate) application: Application,
    pub(crate) store: Arc<dyn DynCredentialsStore>,
    pub(crate) session: Arc<Session>,
    pub(crate) settings: Settings,
    pub(crate) wanted: Wanted,
    /// A token that will not do any more, whatever its expiry says.
    pub(crate) rejected: Option<AccessToken>,
    /// Renewed in any case.
    pub(crate) forced: bool,
}

impl Renewal {
    /// While the provider or the store is in trouble, a token that has not ended yet serves, unless it was refused. But who
    /// stored nothing of what a renewal gave is told, by an error that holds it.
    pub(crate) async fn run(self) -> Result<Credentials> {
        match self.renewed().await {
            Err(error) if error.is_transient() && error.credentials().is_none() => {
                self.session.known().and_then(|known| self.still_valid(&known.content)).ok_or(error)
            }
            outcome => outcome,
        }
    }

    async fn renewed(&self) -> Result<Credentials> {
        if let Some(good) = self.good(&self.load().await?) {
            return Ok(good);
        }
        for _ in 0..ATTEMPTS {
            let lock = self.store.lock(&self.session.key, LOCK_WAIT).await?;
            // Somebody else may have renewed while this waited.
            let content = self.load().await?;
            if let Some(good) = self.good(&content) {
                return Ok(good);
            }
            if let Some(credentials) = self.redeem(&content, &lock).await? {
                return Ok(credentials);
            }
        }
        Err(Error::new(ErrorKind::Store, "the lock of the stored credentials ended again and again before its use; try again")
            .transient())
    }

    /// `None`: the lock had ended, and nothing was sent.
    async fn redeem(&self, content: &Content, lock: &Lock) -> Result<Option<Credentials>> {
        let refresh_token = content.refresh_token().ok_or_else(no_refresh_token)?;
        self.refuse_spent(content)?;
        match self.announce(content, refresh_token, lock).await? {
            Permission::Send => {}
            Permission::Wait(valid) => return Ok(Some(valid)),
            Permission::ReadAgain => return Ok(None),
        }
        let target = Target { audience: self.wanted.audience.as_deref(), scope: self.wanted.scope.as_deref() };
        let redeemed = self.application.redeem_refresh_token(refresh_token, Some(&content.login.credentials), target).await;
        let renewed = match redeemed {
            Ok(renewed) => renewed,
            Err(error) if error.kind() == ErrorKind::LoginRequired => {
                self.store.settle(lock, Outcome::NotTaken);
                return self.adopt_newer(content, error).await.map(Some);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Ambiguous | ErrorKind::InvalidResponse) => {
                // The provider may have spent the refresh token: to send it again could cost the whole family.
                self.store.settle(lock, Outcome::Unknown);
                self.session.remember_spent(refresh_token, SpentBecause::AnswerLost, self.now());
                return Err(error);
            }
            Err(error) => {
                self.store.settle(lock, Outcome::NotTaken);
                return Err(error);
            }
        };
        // Saved before use, and before anything else can fail: the old refresh token is spent.
        let newer = content.renewed(&self.wanted, renewed.credentials.clone(), self.now())?;
        let Some(newer) = self.save(content, newer).await? else {
            return self.adopt_whoever_was_first().await.map(Some);
        };
        let verified = self.application.verify_renewed(renewed).await;
        self.keep_verified(newer, &verified).await;
        if let Some(hook) = &self.settings.on_renewed {
            hook(&verified);
        }
        self.long_enough(verified).map(Some)
    }

    /// The record as it stands in the store, but for what could not be written there.
    async fn load(&self) -> Result<Content> {
        if let Some(known) = self.session.known().filter(|known| known.unsaved) {
            return self.write_again(known.content.clone()).await;
        }
        let content = match self.store.load(&self.session.key).await? {
            Some(record) => Content::from_record(&record)?,
            None => {
                self.session.forget();
                return Err(nobody_logged_in());
            }
        };
        self.application_is_the_same(&content)?;
        if self.settings.session_is_over(&content.login.credentials, self.now()) {
            return Err(
                self.lost(Error::new(ErrorKind::LoginRequired, "the session has reached its end, so a person has to log in again"))
            );
        }
        self.session.know(content.clone(), false, self.settings.min_ttl);
        Ok(content)
    }

    async fn write_again(&self, content: Content) -> Result<Content> {
        let expected = self.store.load(&self.session.key).await?.map(|record| record.generation());
        if expected.is_none_or(|stored| stored < content.generation)
            && self.store.save(&self.session.key, expected, &content.to_record()).await?
        {
            self.session.know(content.clone(), false, self.settings.min_ttl);
            return Ok(content);
        }
        self.session.forget();
        Box::pin(self.load()).await
    }

    /// `None`: the record was replaced or removed meanwhile, and that stands.
    async fn save(&self, old: &Content, newer: Content) -> Result<Option<Content>> {
        match self.store.save(&self.session.key, Some(old.generation), &newer.to_record()).await {
            Ok(true) => {
                self.session.know(newer.clone(), false, self.settings.min_ttl);
                Ok(Some(newer))
            }
            Ok(false) => Ok(None),
            Err(error) => {
                let credentials = newer.login.credentials.clone();
                self.session.know(newer, true, self.settings.min_ttl);
                Err(error.rescuing(&credentials))
            }
        }
    }

    /// A verified ID token takes the place of the one before. If that cannot be written, the older one stays: it is true too.
    async fn keep_verified(&self, content: Content, verified: &Credentials) {
        let unchanged =
            |own: &Credentials| own.id_token().map(|id_token| id_token.raw()) == verified.id_token().map(|id_token| id_token.raw());
        if unchanged(&content.login.credentials) {
            return;
        }
        let mut parts = content.login.credentials.parts().clone();
        parts.id_token = verified.id_token().cloned();
        let now = self.now();
        let Ok(mut newer) = content.renewed(&Wanted::default(), Credentials::new(parts), now) else { return };
        newer.login.received = content.login.received;
        if self.store.save(&self.session.key, Some(content.generation), &newer.to_record()).await.is_ok_and(|saved| saved) {
            self.session.know(newer, false, self.settings.min_ttl);
        }
    }

    async fn adopt_newer(&self, refused: &Content, error: Error) -> Result<Credentials> {
        let stored = self.load().await?;
        if stored.generation > refused.generation
            && let Some(good) = self.good(&stored)
        {
            return Ok(good);
        }
        if let Some(refresh_token) = refused.refresh_token() {
            self.session.remember_spent(refresh_token, SpentBecause::Refused, self.now());
        }
        Err(self.lost(error))
    }

    async fn adopt_whoever_was_first(&self) -> Result<Credentials> {
        let content = self.load().await?;
        self.good(&content).ok_or_else(|| {
            Error::new(ErrorKind::Store, "the stored credentials were replaced during the renewal; try again").transient()
        })
    }

    fn refuse_spent(&self, content: &Content) -> Result<()> {
        let Some(refresh_token) = content.refresh_token() else { return Ok(()) };
        match self.session.is_spent(refresh_token, self.now()) {
            None => Ok(()),
            Some((SpentBecause::AnswerLost, since)) if self.settings.reuse_interval.is_some_and(|interval| since < interval) => {
                Ok(())
            }
            Some(_) => Err(Error::new(
                ErrorKind::LoginRequired,
                "the refresh token is spent, or may be, and is not sent again, so a person has to log in",
            )),
        }
    }

    fn good(&self, content: &Content) -> Option<Credentials> {
        let granted = content.granted(&self.wanted)?;
        let token = granted.credentials.access_token();
        let rejected = self.rejected.as_ref().is_some_and(|rejected| rejected == token);
        let good = !self.forced && !rejected && Ready::of(granted, self.settings.min_ttl).is_good(self.now());
        good.then(|| granted.credentials.clone())
    }

    /// A token that has not ended yet and was not refused.
    pub(crate) fn still_valid(&self, content: &Content) -> Option<Credentials> {
        let granted = content.granted(&self.wanted)?;
        let rejected = self.rejected.as_ref().is_some_and(|rejected| rejected == granted.credentials.access_token());
        let valid = !self.forced && !rejected && Ready::of(granted, Duration::ZERO).is_good(self.now());
        valid.then(|| granted.credentials.clone())
    }

    fn long_enough(&self, credentials: Credentials) -> Result<Credentials> {
        match credentials.access_token().expiry() {
            Some(expiry) if expiry.since(self.now()) < self.settings.min_ttl => Err(Error::configuration(format!(
                "the provider's access tokens live {} seconds, which is less than the min_ttl of {}; lower min_ttl, or raise their lifetime at the provider",
                expiry.since(self.now()).as_secs(),
                self.settings.min_ttl.as_secs()
            ))),
            _ => Ok(credentials),
        }
    }

    fn application_is_the_same(&self, content: &Content) -> Result<()> {
        if content.login.credentials.client_id() == self.application.client_id() {
            return Ok(());
        }
        Err(Error::configuration("the stored credentials are another client id's; give each application a store of its own"))
    }

    pub(crate) fn lost(&self, error: Error) -> Error {
        if let Some(hook) = &self.settings.on_lost {
            hook(&error);
        }
        error
    }

    fn now(&self) -> Timestamp {
        self.application.time().now()
    }
}

fn nobody_logged_in() -> Error {
    Error::new(ErrorKind::LoginRequired, "nobody has logged in yet; start a login and save its credentials")
}

pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 3;
