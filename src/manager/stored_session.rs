use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::Application;
use crate::clock::{Timestamp, millis};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::protocol::{Change, End, Event, Origin, Protocol, RefreshState, Serves, Step, View};
use crate::manager::session::{Known, Purpose, Session, Unsaved, Version};
use crate::manager::settings::{Program, Settings};
use crate::manager::snapshot::{Snapshot, Wanted, hash};
use crate::requested_api::RequestedApi;
use crate::store::{CredentialsStore as _, DynStore, Record, RecordKey, next_generation};
use crate::worker;

/// A session in its store and in memory. Only this type brings the two together.
#[derive(Clone)]
pub(crate) struct StoredSession {
    pub(crate) program: Arc<Program>,
    pub(crate) session: Arc<Session>,
    /// The program named the session by an empty text, which is refused.
    pub(crate) is_unnamed: bool,
}

impl StoredSession {
    pub(crate) fn application(&self) -> &Application {
        self.program.application()
    }

    pub(crate) fn store(&self) -> &DynStore {
        &self.program.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.program.settings
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.application().time().now()
    }

    /// The credentials in memory, if the store held them lately and they serve.
    pub(crate) fn cached(&self, wanted: &Wanted, purpose: &Purpose) -> Option<Credentials> {
        let known = self.session.known().filter(|known| known.unsaved.is_none())?;
        let is_recent = known.age(self.now()) < millis(self.settings().recheck_after);
        is_recent.then(|| self.usable(&known.snapshot, wanted, purpose)).flatten()
    }

    /// The snapshot's credentials for `wanted`, if they are fresh and serve the purpose.
    pub(crate) fn usable(&self, snapshot: &Snapshot, wanted: &Wanted, purpose: &Purpose) -> Option<Credentials> {
        let granted = snapshot.granted(&self.own(snapshot, wanted))?;
        let credentials = &granted.credentials;
        let is_usable = granted.lifetime.is_fresh(self.settings().min_ttl, self.now())
            && !self.is_over(snapshot)
            && !purpose.rules_out(credentials.access_token());
        is_usable.then(|| credentials.clone())
    }

    /// The snapshot's credentials for `wanted`, if they are valid for `time` from now and serve the purpose.
    pub(crate) fn valid_for(&self, time: Duration, snapshot: &Snapshot, wanted: &Wanted, purpose: &Purpose) -> Option<Credentials> {
        let credentials = snapshot.valid_for(time, &self.own(snapshot, wanted), self.now())?;
        let is_usable = !self.is_over(snapshot) && !purpose.rules_out(credentials.access_token());
        is_usable.then(|| credentials.clone())
    }

    /// A token that came moments ago and is refused already: the refusal is final, so it is handed out again.
    pub(crate) fn refused_when_new(&self, snapshot: &Snapshot, wanted: &Wanted, purpose: &Purpose) -> Option<Credentials> {
        let Purpose::InsteadOf(refused) = purpose else { return None };
        let granted = snapshot.granted(&self.own(snapshot, wanted))?;
        let is_final = granted.credentials.access_token() == refused && granted.was_just_renewed(self.now());
        is_final.then(|| granted.credentials.clone())
    }

    /// A login for another API than the program's needs another access token for the program.
    pub(crate) fn own(&self, snapshot: &Snapshot, wanted: &Wanted) -> Wanted {
        if *wanted != Wanted::default() || !self.is_for_another_api(snapshot) {
            return wanted.clone();
        }
        Wanted { audience: self.api().map(Box::from), scope: Some(self.program.auth.scope_text().into()) }
    }

    pub(crate) fn is_for_another_api(&self, snapshot: &Snapshot) -> bool {
        let requested = snapshot.login.credentials.parts().requested.api.as_ref();
        self.program.auth.api().is_some_and(|own| requested != Some(own))
    }

    /// The program's API, by its one name.
    fn api(&self) -> Option<&str> {
        self.program.auth.api().and_then(|api| api.audience().or_else(|| api.resources()))
    }

    /// The end of the login: the provider's, or that of the program's own `max_lifetime`.
    pub(crate) fn login_end(&self, snapshot: &Snapshot) -> Option<Timestamp> {
        let own = self.settings().max_lifetime.map(|life| snapshot.logged_in.plus(life));
        [own, snapshot.login.credentials.session_end()].into_iter().flatten().min()
    }

    /// The end of the login that a person sees: with a refresh token that ends, that end.
    pub(crate) fn ends_at(&self, snapshot: &Snapshot) -> Option<Timestamp> {
        [self.login_end(snapshot), snapshot.refresh_until()].into_iter().flatten().min()
    }

    pub(crate) fn is_over(&self, snapshot: &Snapshot) -> bool {
        self.login_end(snapshot).is_some_and(|end| end <= self.now())
    }

    pub(crate) fn is_refresh_token_over(&self, snapshot: &Snapshot) -> bool {
        snapshot.refresh_until().is_some_and(|end| end <= self.now())
    }

    /// The snapshot's credentials that serve a renewal of `wanted`, and the protocol's view of the snapshot.
    pub(crate) fn view(&self, snapshot: &Snapshot, wanted: &Wanted, purpose: &Purpose) -> (Option<Credentials>, View) {
        let usable = self.usable(snapshot, wanted, purpose).or_else(|| self.refused_when_new(snapshot, wanted, purpose));
        let (serving, serves) = match usable {
            Some(usable) => (Some(usable), Serves::Fully),
            None => match self.valid_for(Duration::ZERO, snapshot, wanted, purpose) {
                Some(valid) => (Some(valid), Serves::Meanwhile),
                None => (None, Serves::No),
            },
        };
        let view = View {
            generation: snapshot.generation,
            refresh_token: snapshot.refresh_token().map(hash),
            state: snapshot.refresh_state(),
            serves,
            is_over: self.is_over(snapshot),
            is_refresh_token_over: self.is_refresh_token_over(snapshot),
        };
        (serving, view)
    }

    /// The record as the store holds it, or is to hold it. Nothing is written.
    pub(crate) async fn look(&self) -> Result<Option<Snapshot>> {
        match self.session.known() {
            Some(known) if known.unsaved.is_some() => Ok(Some(known.snapshot.clone())),
            _ => Ok(self.read_and_learn().await?.map(|known| known.snapshot.clone())),
        }
    }

    /// The record as the store holds it, after a write that failed was tried again.
    pub(crate) async fn load(&self) -> Result<Option<Snapshot>> {
        self.try_again_to_write().await?;
        let Some(known) = self.read_and_learn().await? else { return Ok(None) };
        let (snapshot, kept) = (&known.snapshot, self.session.kept_state(known.snapshot.generation));
        Ok(Some(kept.map_or_else(|| snapshot.clone(), |state| snapshot.with_state(snapshot.generation, state))))
    }

    /// Saves a state of the refresh token later, in the record of one of these generations: the store failed, or has an
    /// announcement that is not followed by a request. Other processes wait for that request.
    pub(crate) fn save_state_later(&self, generations: Vec<u64>, state: RefreshState) {
        self.session.keep_state(generations.clone(), state);
        let own = self.clone();
        // Without a thread the next renewal does it.
        _ = worker::spawn(async move {
            let mut is_known = false;
            for pause in SAVES_AFTER {
                sleep(pause).await;
                is_known = match own.read().await {
                    Ok(Some(stored)) if generations.contains(&stored.generation) => {
                        let newer = stored.with_state(next_generation(own.now(), Some(stored.generation)), state);
                        own.write(stored.generation, &newer).await.is_ok()
                    }
                    // A store that hung may take the announcement later, in the place of an older record.
                    Ok(Some(stored)) if generations.iter().any(|own| *own > stored.generation) => continue,
                    Ok(_) => true,
                    Err(_) => false,
                };
                if is_known {
                    break;
                }
            }
            if is_known {
                own.session.forget_state(&generations);
                own.session.forget_flights();
            }
        });
    }

    async fn read_and_learn(&self) -> Result<Option<Arc<Known>>> {
        let since = self.session.version();
        match self.read().await? {
            Some(snapshot) => {
                let now = self.now();
                let read = self.known(snapshot, None);
                Ok(Some(self.session.read(read, since, now)))
            }
            None => {
                self.session.mark_absent(since);
                Ok(None)
            }
        }
    }

    fn known(&self, mut snapshot: Snapshot, unsaved: Option<Unsaved>) -> Known {
        if self.settings().max_lifetime.is_some() {
            snapshot.end_at(self.login_end(&snapshot));
        }
        let own = self.own(&snapshot, &Wanted::default());
        Known::new(snapshot, unsaved, &own, self.now())
    }

    /// Asks the store in the background whether it still holds the known record, once in a while.
    pub(crate) fn check_in_background(&self) {
        let Some(known) = self.session.known() else { return };
        if !known.may_check(self.now(), self.settings().recheck_after / 4) {
            return;
        }
        let own = self.clone();
        // Without a thread the next caller asks.
        _ = worker::spawn(async move {
            if own.read_and_learn().await.is_err_and(|error| error.is_transient()) {
                own.serve_without_store(&known);
            }
        });
    }

    /// While the store is down, tokens in memory go on serving.
    pub(crate) fn serve_without_store(&self, known: &Known) {
        known.was_checked(self.now().minus(self.settings().recheck_after / 2));
    }

    /// Replaces the record by a login. Memory keeps the login if the store does not take it.
    pub(crate) async fn save_login(&self, credentials: &Credentials) -> Result<()> {
        let since = self.session.version();
        let now = self.now();
        let login = Snapshot::of_login(credentials.clone(), next_generation(now, None), now, false);
        match self.replace_by(&login).await {
            Ok(stored) => self.session.wrote(self.known(stored, None), since),
            Err(error) if error.kind() == ErrorKind::Store => {
                self.session.could_not_write(self.known(login, Some(Unsaved::Login)), since);
                return Err(error.rescuing(credentials));
            }
            Err(error) => return Err(error),
        }
        self.session.backoff.succeeded();
        Ok(())
    }

    /// Removes the record, here and in the store.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.refuse_unnamed()?;
        // At once, also if the caller does not wait for the rest.
        let known = self.session.known();
        self.session.forget();
        let is_beside = match known {
            Some(known) if known.snapshot.is_beside => true,
            _ if self.api().is_none() => false,
            _ => self.read().await.ok().flatten().is_some_and(|snapshot| snapshot.is_beside),
        };
        let removed = self.store().remove(&self.key(is_beside)).await;
        self.session.forget();
        removed
    }

    async fn try_again_to_write(&self) -> Result<()> {
        let Some(known) = self.session.known() else { return Ok(()) };
        match known.unsaved.as_deref() {
            None => Ok(()),
            Some(Unsaved::Login) => {
                let since = self.session.version();
                let stored = self.replace_by(&known.snapshot).await?;
                self.session.wrote(self.known(stored, None), since);
                Ok(())
            }
            Some(Unsaved::Renewal(origin)) => self.write_renewal_again(&known.snapshot, *origin).await,
        }
    }

    /// The tokens of a renewal replace those of an earlier request of the same login.
    async fn write_renewal_again(&self, unsaved: &Snapshot, origin: Origin) -> Result<()> {
        let since = self.session.version();
        let (mut protocol, mut step) = Protocol::keep(origin);
        let mut failure = None;
        loop {
            let event = match step {
                Step::Load => match self.read().await {
                    Ok(snapshot) => {
                        let view = |snapshot: Snapshot| self.view(&snapshot, &Wanted::default(), &Purpose::New).1;
                        Event::Loaded(snapshot.map(view))
                    }
                    Err(error) => {
                        failure = Some(error);
                        Event::StoreFailed
                    }
                },
                Step::Save { expected, change: Change::Tokens(_) } => {
                    let newer = unsaved.following(next_generation(self.now(), Some(expected)));
                    match self.write(expected, &newer).await {
                        Ok(true) => {
                            self.session.wrote(self.known(newer.clone(), None), since);
                            Event::Saved(newer.generation)
                        }
                        Ok(false) => Event::Conflict,
                        Err(error) => {
                            failure = Some(error);
                            Event::StoreFailed
                        }
                    }
                }
                Step::End(End::Renewed { is_stored: false }) => {
                    return Err(failure.unwrap_or_else(contended));
                }
                Step::End(_) => {
                    // The store's record counts: another process was first, or the failed write had worked after all.
                    if self.session.known().is_some_and(|known| known.unsaved.is_some()) {
                        self.session.forget();
                    }
                    return Ok(());
                }
                step => unreachable!("{step:?} is no step of a write"),
            };
            step = protocol.next(self.now(), event);
        }
    }

    /// Puts a login in the place of any record.
    async fn replace_by(&self, login: &Snapshot) -> Result<Snapshot> {
        for _ in 0..MAX_ATTEMPTS {
            let (expected, is_beside) = match self.read().await {
                Ok(Some(stored)) if !stored.is_beside && self.stands_beside(&stored, login) => (None, true),
                Ok(Some(stored)) => (Some(stored.generation), stored.is_beside),
                Ok(None) => (None, false),
                Err(error) if error.is_unreadable_record() => {
                    self.store().remove(&self.session.key).await?;
                    (None, false)
                }
                Err(error) => return Err(error),
            };
            let mut login = login.following(next_generation(self.now(), expected));
            login.is_beside = is_beside;
            let key = self.key(is_beside);
            if self.store().save(&key, expected, &login.to_record(&key)).await? {
                return Ok(login);
            }
        }
        Err(contended())
    }

    /// Two logins for two APIs do not replace each other.
    fn stands_beside(&self, stored: &Snapshot, login: &Snapshot) -> bool {
        let api = |snapshot: &Snapshot| snapshot.login.credentials.parts().requested.api.clone();
        let both: Option<(RequestedApi, RequestedApi)> = api(stored).zip(api(login));
        both.is_some_and(|(stored, login)| stored != login && self.program.auth.api() == Some(&login))
    }

    /// Replaces the record of the generation `expected`.
    pub(crate) async fn write(&self, expected: u64, snapshot: &Snapshot) -> Result<bool> {
        let key = self.key(snapshot.is_beside);
        self.store().save(&key, Some(expected), &snapshot.to_record(&key)).await
    }

    pub(crate) fn wrote(&self, snapshot: Snapshot, since: Version) {
        self.session.wrote(self.known(snapshot, None), since);
    }

    /// Memory keeps what the store did not take.
    pub(crate) fn could_not_write(&self, snapshot: Snapshot, origin: Origin, since: Version) {
        self.session.could_not_write(self.known(snapshot, Some(Unsaved::Renewal(origin))), since);
    }

    /// The record of the session, or of its login for the program's API where that stands beside another.
    pub(crate) async fn read(&self) -> Result<Option<Snapshot>> {
        self.refuse_unnamed()?;
        let Some(first) = self.read_at(&self.session.key).await? else { return Ok(None) };
        if self.is_for_another_api(&first)
            && let Some(beside) = self.read_at(&self.key(true)).await?
        {
            return Ok(Some(beside));
        }
        Ok(Some(first))
    }

    fn refuse_unnamed(&self) -> Result<()> {
        if self.is_unnamed {
            return Err(Error::configuration(
                "a session needs a key that is not empty; give the session ID that this program gave out",
            ));
        }
        Ok(())
    }

    async fn read_at(&self, key: &RecordKey) -> Result<Option<Snapshot>> {
        let record: Option<Record> = self.store().load(key).await?;
        record.map(|record| Snapshot::from_record(&record, key, self.application())).transpose()
    }

    fn key(&self, is_beside: bool) -> RecordKey {
        let api = self.api().filter(|_| is_beside);
        api.map_or_else(|| self.session.key.clone(), |api| self.session.key.at(api))
    }
}

pub(crate) fn contended() -> Error {
    Error::new(ErrorKind::Store, "the stored credentials were replaced again and again meanwhile; try again").transient()
}

const MAX_ATTEMPTS: usize = 10;
/// Within the time for which others wait.
const SAVES_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];
