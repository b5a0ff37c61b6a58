use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::announcement::{HOLDS_FOR, Permission};
use crate::manager::content::{Content, Wanted};
use crate::manager::kept::Kept;
use crate::manager::session::{Purpose, Unsaved};
use crate::manager::spent::AnswerLost;
use crate::secret::Secret;
use crate::spans::Span;
use crate::store::{Lock, Outcome};
use crate::token::{Target, no_refresh_token};

/// One renewal, on a task of its own: whoever asked may be gone before it ends.
pub(crate) struct Renewal {
    pub(crate) kept: Kept,
    pub(crate) wanted: Wanted,
    pub(crate) purpose: Purpose,
}

impl Renewal {
    pub(crate) async fn run(self) -> Result<Credentials> {
        let error = match self.attempt().await {
            Ok(credentials) => return Ok(credentials),
            Err(error) => error,
        };
        let known = self.kept.session.known();
        // While the provider or the store is in trouble, a token that has not ended yet serves, unless it was refused. Only
        // that new credentials could not be stored has to be said.
        let is_trouble = error.is_transient() || error.kind() == ErrorKind::Store;
        if is_trouble && error.credentials().is_none() {
            if let Some(valid) = known.as_ref().and_then(|known| self.still_valid(&known.content)) {
                return Ok(valid);
            }
            if let Some(unsaved) = known.filter(|known| known.unsaved.is_some()) {
                return Err(error.rescuing(&unsaved.content.login.credentials));
            }
        } else if let Some(known) = known
            && error.is_login_required()
            && (self.wanted == Wanted::default() || ends_the_login(&error, &known.content))
            && self.kept.session.lose(known.content.generation)
        {
            self.kept.settings().tell_lost(&error);
        }
        Err(error)
    }

    async fn attempt(&self) -> Result<Credentials> {
        if let Some(fitting) = self.fitting(&self.kept.load().await?.content) {
            return Ok(fitting);
        }
        for _ in 0..ATTEMPTS {
            let lock = self.kept.store().lock(&self.kept.session.key, LOCK_WAIT).await?;
            // Somebody else may have renewed while this waited.
            let known = self.kept.load_locked(&lock).await?;
            if let Some(fitting) = self.fitting(&known.content) {
                return Ok(fitting);
            }
            let span = Span::renewal(self.kept.application().client_id());
            if let Some(credentials) = span.watch(self.redeem(&known.content, &lock)).await? {
                return Ok(credentials);
            }
        }
        Err(Error::new(ErrorKind::Store, "the lock of the stored credentials ended again and again before its use; try again")
            .transient())
    }

    /// `None`: the lock had ended, and nothing was sent.
    async fn redeem(&self, content: &Content, lock: &Lock) -> Result<Option<Credentials>> {
        self.refuse_to_renew_in_vain(content)?;
        let (application, session) = (self.kept.application(), &self.kept.session);
        let refresh_token = content.refresh_token().ok_or_else(no_refresh_token)?;
        // So that the request follows at once when it has been announced.
        let metadata = application.provider().metadata().await?;
        let sent = self.kept.now();
        if let Some(lost) = content.answer_lost {
            session.spent.heard(refresh_token, lost);
        }
        if !session.spent.may_be_sent(refresh_token, self.kept.settings().reuse_interval, sent) {
            let message = "the refresh token is spent, or may be, and is not sent again; a person has to log in";
            return Err(Error::new(ErrorKind::LoginRequired, message));
        }
        match self.announce(content, refresh_token, lock).await {
            Ok(Permission::Send) => {}
            withheld => {
                session.spent.was_not_taken();
                return withheld.map(Permission::credentials);
            }
        }
        if content.login.credentials.id_token().is_some() {
            // Meanwhile, so that the new ID token is stored with the rest.
            application.provider().prepare_keys(&metadata);
        }
        let target = Target { audience: self.wanted.audience.as_deref(), scope: self.wanted.scope.as_deref() };
        let redeemed = application.redeem_refresh_token(refresh_token, Some(&content.login.credentials), target).await;
        let renewed = match redeemed {
            Ok(renewed) => renewed,
            Err(error) => {
                let may_be_spent = matches!(error.kind(), ErrorKind::Ambiguous | ErrorKind::InvalidResponse);
                let others_hear = self.kept.store().settle(lock, if may_be_spent { Outcome::Unknown } else { Outcome::NotTaken });
                return match error.kind() {
                    ErrorKind::LoginRequired => self.adopt_or_give_up(content, refresh_token, error).await.map(Some),
                    // The provider may have spent the refresh token: to send it again could cost the whole family.
                    ErrorKind::Ambiguous | ErrorKind::InvalidResponse => {
                        let lost = session.spent.answer_lost(refresh_token, sent);
                        if !others_hear {
                            self.leave_word(content, lost).await;
                        }
                        Err(error)
                    }
                    _ => {
                        session.spent.was_not_taken();
                        Err(error)
                    }
                };
            }
        };
        let unverified = renewed.credentials.clone();
        let mut verifying = pin!(application.verify_renewed(renewed));
        // What the keys at hand say of the ID token is stored with the rest. For any others, nothing waits.
        let at_once = match poll_fn(|context| Poll::Ready(verifying.as_mut().poll(context))).await {
            Poll::Ready(verified) => Some(verified),
            Poll::Pending => None,
        };
        // Saved before use, and before anything else can fail: the old refresh token is spent.
        let newer = content.renewed(&self.wanted, at_once.clone().unwrap_or(unverified), self.kept.now());
        if !self.save(content, &newer).await? {
            return self.adopt(content).await.map(Some);
        }
        let verified = match at_once {
            Some(verified) => verified,
            None => {
                let saved = self.kept.now();
                let verified = verifying.await;
                if self.kept.now().since(saved) < HOLDS_FOR {
                    self.keep_id_token(&newer, &verified).await;
                }
                verified
            }
        };
        let (session, credentials) = match newer.granted(&self.wanted) {
            Some(other) if self.wanted != Wanted::default() => (&newer.login.credentials, other.credentials.clone()),
            _ => (&verified, verified.clone()),
        };
        self.kept.settings().tell_renewed(session)?;
        self.long_enough(&newer, credentials).map(Some)
    }

    /// `false`: the record was replaced or removed meanwhile, and that stands.
    async fn save(&self, old: &Content, newer: &Content) -> Result<bool> {
        let (store, session) = (self.kept.store(), &self.kept.session);
        let since = session.moment();
        match store.save(&session.key, Some(old.generation), &newer.to_record(&session.key)).await {
            Ok(true) => {
                session.wrote(newer.clone(), since);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                session.could_not_write(newer.clone(), Unsaved::Renewal { of: old.generation }, since);
                Err(error.rescuing(&newer.login.credentials))
            }
        }
    }

    /// A verified ID token takes the place of the one before, by a generation of its own: whoever has read the one between
    /// has the same tokens. If that cannot be written, the older ID token stays: it is true too.
    async fn keep_id_token(&self, stored: &Content, verified: &Credentials) {
        let Some(id_token) = verified.id_token() else { return };
        if stored.login.credentials.id_token().is_some_and(|old| old.raw() == id_token.raw()) {
            return;
        }
        let (store, session) = (self.kept.store(), &self.kept.session);
        let newer = stored.with_id_token(id_token, self.kept.now());
        let since = session.moment();
        if let Ok(true) = store.save(&session.key, Some(stored.generation), &newer.to_record(&session.key)).await {
            session.wrote(newer, since);
        }
    }

    /// Others must not send the refresh token either. If that cannot be written, the provider tells them.
    async fn leave_word(&self, content: &Content, lost: AnswerLost) {
        let (store, session) = (self.kept.store(), &self.kept.session);
        let (newer, since) = (content.with_answer_lost(lost, self.kept.now()), session.moment());
        if let Ok(true) = store.save(&session.key, Some(content.generation), &newer.to_record(&session.key)).await {
            session.wrote(newer, since);
        }
    }

    /// The provider knows the refresh token no longer: perhaps because somebody else has stored its successor.
    async fn adopt_or_give_up(&self, refused: &Content, refresh_token: &Secret, error: Error) -> Result<Credentials> {
        self.kept.session.spent.refused(refresh_token, self.kept.now());
        if self.kept.load().await?.content.generation == refused.generation {
            return Err(error);
        }
        self.adopt(refused).await
    }

    /// What somebody else has stored meanwhile.
    async fn adopt(&self, old: &Content) -> Result<Credentials> {
        let known = self.kept.load().await?;
        let adopted = Some(&known.content).filter(|stored| stored.generation != old.generation);
        adopted.and_then(|stored| self.valid_for(self.kept.settings().min_ttl, stored)).ok_or_else(|| {
            Error::new(ErrorKind::Store, "the stored credentials were replaced during the renewal; try again").transient()
        })
    }

    fn fitting(&self, content: &Content) -> Option<Credentials> {
        if let (Purpose::InsteadOf(refused), Some(granted)) = (&self.purpose, content.granted(&self.wanted))
            && granted.credentials.access_token() == refused
            && granted.was_just_renewed(self.kept.now())
        {
            // An API that refuses everything costs one renewal in a while: the same token says that its refusal is final.
            return Some(granted.credentials.clone());
        }
        self.kept.fitting(content, &self.wanted, &self.purpose)
    }

    pub(crate) fn still_valid(&self, content: &Content) -> Option<Credentials> {
        if matches!(self.purpose, Purpose::New) { None } else { self.valid_for(Duration::ZERO, content) }
    }

    fn valid_for(&self, time: Duration, content: &Content) -> Option<Credentials> {
        let credentials = content.valid_for(time, &self.wanted, self.kept.now())?;
        (!self.purpose.rules_out(credentials.access_token())).then(|| credentials.clone())
    }

    /// As long as a token lives that was too short from the beginning, another one is not asked for: it would be, too.
    fn refuse_to_renew_in_vain(&self, content: &Content) -> Result<()> {
        let too_short = self.still_valid(content).and_then(|_| content.granted(&self.wanted));
        match too_short {
            Some(granted) if matches!(self.purpose, Purpose::Valid) => {
                self.long_enough(content, granted.credentials.clone()).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn long_enough(&self, content: &Content, credentials: Credentials) -> Result<Credentials> {
        let min_ttl = self.kept.settings().min_ttl;
        match content.granted(&self.wanted) {
            Some(granted) if granted.term.is_no_longer_than(min_ttl) => Err(Error::configuration(format!(
                "the provider's access tokens live {} seconds, which is not more than the min_ttl of {}; lower min_ttl, or raise their lifetime at the provider",
                granted.term.life().as_secs_f64().round(),
                min_ttl.as_secs()
            ))),
            _ => Ok(credentials),
        }
    }
}

/// What the provider refuses for another API ends no login, and is told in its own words; that the refresh token is spent, in ours.
fn ends_the_login(error: &Error, content: &Content) -> bool {
    error.server_error().is_none() && content.refresh_token().is_some()
}

pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 3;
