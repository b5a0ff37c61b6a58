use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, GrantFate, Result};
use crate::manager::protocol::{Answer, Change, End, Event, Protocol, Reason, RefreshState, SENDS_WITHIN, Step};
use crate::manager::session::Purpose;
use crate::manager::snapshot::{Snapshot, Wanted};
use crate::manager::stored_session::{StoredSession, contended};
use crate::provider::Metadata;
use crate::spans::Span;
use crate::store::{CredentialsStore as _, Lock, next_generation};
use crate::token::{Target, no_refresh_token};

/// One renewal. It runs on the worker, so it ends whatever happens to its callers.
pub(crate) struct Renewal {
    stored: StoredSession,
    wanted: Wanted,
    purpose: Purpose,
    /// The record that was last read.
    loaded: Option<Snapshot>,
    /// Its credentials that serve, decided when it was read: the clock may jump.
    serving: Option<Credentials>,
    /// The record that was last saved, or was to be.
    saved: Option<Snapshot>,
    metadata: Option<Arc<Metadata>>,
    lock: Option<Lock>,
    announced: Option<Instant>,
    /// The generations of announcements without a request, and the state of the refresh token before them.
    unsent: (Vec<u64>, RefreshState),
    /// The tokens of the answer, with their ID token if the keys at hand could verify it.
    answer: Option<Credentials>,
    /// The same tokens with their ID token, once other keys were fetched.
    verifying: Option<Verifying>,
    /// The error of the answer, or of the store.
    failure: Option<Error>,
}

type Verifying = Pin<Box<dyn Future<Output = Credentials> + Send + Sync>>;

impl Renewal {
    pub(crate) fn new(stored: StoredSession, wanted: Wanted, purpose: Purpose) -> Self {
        let (loaded, serving, saved, metadata, lock, announced) = (None, None, None, None, None, None);
        let (answer, verifying, failure, unsent) = (None, None, None, Default::default());
        Self { stored, wanted, purpose, loaded, serving, saved, metadata, lock, announced, unsent, answer, verifying, failure }
    }

    pub(crate) async fn run(mut self) -> Result<Credentials> {
        let end = self.follow_the_protocol().await;
        if let (unsent, before) = std::mem::take(&mut self.unsent)
            && !unsent.is_empty()
        {
            self.stored.save_state_later(unsent, before);
        }
        // Before the result is handed out: the program may end right after it has it.
        if let Some(lock) = self.lock.take() {
            lock.release().await;
        }
        let outcome = match end {
            Ok(end) => self.finish(end).await,
            Err(error) => Err(error),
        };
        outcome.or_else(|error| self.serve_meanwhile(error))
    }

    /// Does each step of the protocol, and tells it what came of the step.
    async fn follow_the_protocol(&mut self) -> Result<End> {
        let (mut protocol, mut step) = Protocol::new(self.stored.settings().may_resend);
        loop {
            let event = match step {
                Step::Load => self.load().await,
                Step::Lock => self.lock().await?,
                Step::Save { expected, change } => self.save(expected, change).await,
                Step::Send { until } => Event::Answered(self.send(until.since(self.stored.now())).await),
                Step::Wait(pause) => {
                    sleep(pause).await;
                    Event::Waited
                }
                Step::End(end) => return Ok(end),
            };
            step = protocol.next(self.stored.now(), event);
        }
    }

    async fn load(&mut self) -> Event {
        match self.stored.load().await {
            Ok(loaded) => {
                self.loaded = loaded;
                let Some(loaded) = &self.loaded else { return Event::Loaded(None) };
                let (serving, view) = self.stored.view(loaded, &self.wanted, &self.purpose);
                self.serving = serving;
                Event::Loaded(Some(view))
            }
            Err(error) => {
                self.failure = Some(error);
                Event::StoreFailed
            }
        }
    }

    async fn lock(&mut self) -> Result<Event> {
        self.refuse_to_renew_in_vain()?;
        let now = self.stored.now();
        if let Some(error) = self.stored.session.backoff.check(now).filter(|_| !matches!(self.purpose, Purpose::New)) {
            return Err(error);
        }
        // Before the announcement, so that the request follows at once.
        let metadata = self.stored.application().provider().metadata().await;
        self.metadata = Some(metadata.inspect_err(|error| self.stored.session.backoff.failed(error, now))?);
        self.lock = Some(self.stored.store().lock(&self.stored.session.key, LOCK_WAIT).await?);
        Ok(Event::Locked)
    }

    async fn save(&mut self, expected: u64, change: Change) -> Event {
        let loaded = self.loaded.as_ref().expect("a record was loaded before it is changed");
        let now = self.stored.now();
        let generation = next_generation(now, Some(expected));
        let newer = match change {
            Change::Announcement(state) | Change::State(state) => loaded.with_state(generation, state),
            Change::Tokens(origin) => {
                let answer = self.answer.as_ref().expect("tokens came before they are saved");
                let own = if self.failure.is_some() { Wanted::default() } else { self.stored.own(loaded, &self.wanted) };
                loaded.renewed(generation, &own, answer, origin)
            }
        };
        let since = self.stored.session.version();
        let is_announcement = matches!(change, Change::Announcement(_));
        if is_announcement {
            self.announced = Some(Instant::now());
            if self.unsent.0.is_empty() {
                self.unsent.1 = loaded.refresh_state();
            }
            self.unsent.0.push(generation);
        }
        let saved = self.stored.write(expected, &newer).await;
        self.saved = Some(newer.clone());
        match saved {
            Ok(true) => {
                if !is_announcement {
                    self.unsent.0.clear();
                }
                self.stored.wrote(newer, since);
                Event::Saved(generation)
            }
            Ok(false) => Event::Conflict,
            Err(error) => {
                match change {
                    Change::Tokens(origin) => {
                        self.failure = Some(error.rescuing(&newer.login.credentials));
                        self.stored.could_not_write(newer, origin, since);
                    }
                    Change::Announcement(_) => self.failure = Some(error),
                    Change::State(state) => {
                        self.unsent = (vec![expected], state);
                        self.failure.get_or_insert(error);
                    }
                }
                Event::StoreFailed
            }
        }
    }

    /// Sends the refresh token. The answer counts for `limit`.
    async fn send(&mut self, limit: Duration) -> Answer {
        let loaded = self.loaded.as_ref().expect("a record was loaded before its token is sent");
        let metadata = self.metadata.as_ref().expect("the metadata was fetched before the lock was taken");
        let refresh_token = loaded.refresh_token().expect("the protocol sends what is there");
        // This process may have been stopped since it announced the request.
        if self.announced.is_none_or(|announced| announced.elapsed() >= SENDS_WITHIN) {
            self.failure = Some(contended());
            return Answer::NotTaken;
        }
        self.unsent.0.clear();
        let application = self.stored.application();
        if loaded.login.credentials.id_token().is_some() {
            // Meanwhile, so that the new ID token is stored with the rest.
            application.provider().prepare_keys(metadata);
        }
        let own = self.stored.own(loaded, &self.wanted);
        let target = Target { audience: own.audience.as_deref(), scope: own.scope.as_deref() };
        let deadline = Instant::now() + limit;
        let redeem = application.redeem_refresh_token(deadline, refresh_token, Some(&loaded.login.credentials), target);
        let renewed = match Span::renewal(application.client_id()).watch(redeem).await {
            Ok(renewed) => renewed,
            // Its tokens are refused, but the refresh token is spent: the successor is kept.
            Err(error) if error.refresh_token().is_some() => {
                let mut parts = loaded.login.credentials.parts().clone();
                parts.refresh_token = error.refresh_token().cloned();
                self.answer = Some(Credentials::new(parts));
                self.failure = Some(error);
                return Answer::Tokens;
            }
            Err(error) => {
                let answer = answer_of(&error, own == Wanted::default());
                // A refusal for another API says nothing about the next request for the login's own.
                let is_of_all = own == Wanted::default() || error.is_transient();
                if is_of_all && matches!(answer, Answer::NotTaken | Answer::NoVerdict | Answer::Lost) {
                    self.stored.session.backoff.failed(&error, self.stored.now());
                }
                self.failure = Some(error);
                return answer;
            }
        };
        self.stored.session.backoff.succeeded();
        self.failure = None;
        self.answer = Some(renewed.credentials.clone());
        let application = application.clone();
        let mut verifying: Verifying = Box::pin(async move { application.verify_renewed(renewed).await });
        // The ID token is stored with the rest if the keys at hand verify it. The tokens wait for no other keys.
        match poll_fn(|context| Poll::Ready(verifying.as_mut().poll(context))).await {
            Poll::Ready(verified) => self.answer = Some(verified),
            Poll::Pending => self.verifying = Some(verifying),
        }
        Answer::Tokens
    }

    async fn finish(&mut self, end: End) -> Result<Credentials> {
        match end {
            End::Renewed { is_stored: true } => self.hand_out().await,
            End::Served => self.serving.take().ok_or_else(contended),
            End::Adopted => self.adopted().ok_or_else(|| {
                Error::new(ErrorKind::Store, "the stored credentials were replaced during the renewal; try again").transient()
            }),
            End::Absent => {
                Err(Error::new(ErrorKind::LoginRequired, "nobody has logged in yet; start a login and save its credentials"))
            }
            End::Removed => Err(Error::new(ErrorKind::LoginRequired, "the session was ended during the renewal; log in again")),
            End::LoginRequired(reason) => Err(self.login_required(reason)),
            End::Renewed { is_stored: false } | End::Failed | End::StoreFailed | End::Contended => {
                Err(self.failure.take().unwrap_or_else(contended))
            }
        }
    }

    /// Hands out tokens that are stored.
    async fn hand_out(&mut self) -> Result<Credentials> {
        if let Some(refusal) = self.failure.take() {
            return Err(refusal);
        }
        let mut credentials = self.answer.clone().expect("a renewal brings tokens");
        let stored = self.saved.take().expect("tokens are saved before they are handed out");
        if let Some(verifying) = self.verifying.take() {
            credentials = verifying.await;
            self.keep_id_token(&stored, &credentials).await;
        }
        let own = self.stored.own(&stored, &self.wanted);
        let for_another_api = stored.granted(&own).filter(|_| own != Wanted::default()).map(|granted| granted.credentials.clone());
        let (login, credentials) = match for_another_api {
            Some(other) => (stored.login.credentials.clone(), other),
            None => (credentials.clone(), credentials),
        };
        self.stored.settings().call_on_renewed(&login)?;
        self.long_enough(&stored, credentials)
    }

    /// Saves an ID token that was verified after the tokens were stored. If another record was saved since, the older ID
    /// token stays.
    async fn keep_id_token(&mut self, stored: &Snapshot, verified: &Credentials) {
        let Some(id_token) = verified.id_token() else { return };
        if stored.login.credentials.id_token().is_some_and(|old| old.raw() == id_token.raw()) {
            return;
        }
        let since = self.stored.session.version();
        let newer = stored.with_id_token(next_generation(self.stored.now(), Some(stored.generation)), id_token);
        if let Ok(true) = self.stored.write(stored.generation, &newer).await {
            self.stored.wrote(newer, since);
        }
    }

    fn login_required(&mut self, reason: Reason) -> Error {
        let message = match reason {
            Reason::NoRefreshToken => return self.tell(no_refresh_token()),
            Reason::Over => "the login has reached its end; a person has to log in again",
            Reason::Refused => "the refresh token is spent, expired or revoked; a person has to log in again",
            Reason::OtherPerson => "the provider answered a renewal with another person's tokens; a person has to log in again",
            Reason::AnswerLost => {
                "the answer to the renewal was lost, so the refresh token may be spent, and it is not sent again; a person has to log in again"
            }
            Reason::Unexplained => {
                "the provider's answers to the renewal say nothing about the refresh token, three times in a row; log in again, and check what stands between the provider and this program"
            }
        };
        let error = match self.failure.take() {
            Some(failure) if failure.kind() == ErrorKind::LoginRequired => failure,
            Some(failure) => Error::new(ErrorKind::LoginRequired, message)
                .with_server_error(failure.server_error().cloned())
                .with_source(failure),
            None => Error::new(ErrorKind::LoginRequired, message),
        };
        if reason == Reason::Unexplained {
            // Callers in the pause get the same error.
            self.stored.session.backoff.failed(&error, self.stored.now());
        }
        self.tell(error)
    }

    /// Tells the program once that this login is over.
    fn tell(&self, error: Error) -> Error {
        let record = self.saved.as_ref().or(self.loaded.as_ref());
        if record.is_some_and(|record| self.stored.session.lose(record.login_id())) {
            self.stored.settings().call_on_login_required(&error);
        }
        error
    }

    /// While the provider or the store fails, a valid token serves. Credentials that could not be stored are an error.
    fn serve_meanwhile(&self, error: Error) -> Result<Credentials> {
        let is_trouble = error.is_transient() || error.kind() == ErrorKind::Store;
        if !is_trouble || error.credentials().is_some() || error.is_unreadable_record() {
            return Err(error);
        }
        let Some(known) = self.stored.session.known() else { return Err(error) };
        if let Some(valid) = self.stored.valid_for(Duration::ZERO, &known.snapshot, &self.wanted, &self.purpose) {
            self.stored.serve_without_store(&known);
            return Ok(valid);
        }
        match known.unsaved {
            Some(_) => Err(error.rescuing(&known.snapshot.login.credentials)),
            None => Err(error),
        }
    }

    /// Another process' credentials, which are new ones for every purpose.
    fn adopted(&self) -> Option<Credentials> {
        let purpose = if let Purpose::New = self.purpose { &Purpose::Valid } else { &self.purpose };
        self.stored.valid_for(self.stored.settings().min_ttl, self.loaded.as_ref()?, &self.wanted, purpose)
    }

    /// A token that was too short from the beginning is followed by one that is as short.
    fn refuse_to_renew_in_vain(&self) -> Result<()> {
        let Some(loaded) = self.loaded.as_ref().filter(|_| matches!(self.purpose, Purpose::Valid)) else { return Ok(()) };
        match self.stored.valid_for(Duration::ZERO, loaded, &self.wanted, &self.purpose) {
            Some(valid) => self.long_enough(loaded, valid).map(drop),
            None => Ok(()),
        }
    }

    fn long_enough(&self, snapshot: &Snapshot, credentials: Credentials) -> Result<Credentials> {
        let min_ttl = self.stored.settings().min_ttl;
        match snapshot.granted(&self.stored.own(snapshot, &self.wanted)) {
            Some(granted) if granted.lifetime.is_no_longer_than(min_ttl) => Err(Error::configuration(format!(
                "the provider's access tokens live {} seconds, which is not more than the min_ttl of {}; lower min_ttl, or raise their lifetime at the provider",
                granted.lifetime.life().as_secs_f64().round(),
                min_ttl.as_secs()
            ))),
            _ => Ok(credentials),
        }
    }
}

/// The meaning of an error for the refresh token. For another API than the login's, only an error that names the token does.
fn answer_of(error: &Error, is_for_the_login: bool) -> Answer {
    if error.is_other_person() {
        return Answer::OtherPerson;
    }
    if error.kind() == ErrorKind::LoginRequired {
        return if is_for_the_login || error.names_dead_refresh_token() { Answer::Refused } else { Answer::NotTaken };
    }
    match error.grant_fate() {
        // An answer that was refused and brought no successor: the refresh token stays.
        GrantFate::NotTaken | GrantFate::Spent => Answer::NotTaken,
        GrantFate::NoVerdict => Answer::NoVerdict,
        GrantFate::Unknown => Answer::Lost,
    }
}

pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(60);
