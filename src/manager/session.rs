use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::access_token::AccessToken;
use crate::backoff::Backoff;
use crate::cache::SingleFlight;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::crypto;
use crate::manager::protocol::{Origin, RefreshState};
use crate::manager::snapshot::{Granted, Snapshot, Wanted};
use crate::store::RecordKey;

/// One session in the memory of this process. Its store has the truth: memory saves reading it for each call.
pub(crate) struct Session {
    pub(crate) key: RecordKey,
    /// Read on every call, and changed only together with `version`.
    known: ArcSwapOption<Known>,
    version: Mutex<Version>,
    pub(crate) backoff: Backoff,
    seldom: Mutex<Option<Box<Seldom>>>,
    /// The generation whose loss the program was told of; 0 for none.
    lost: AtomicU64,
    last_used: AtomicI64,
}

/// The number of changes of the known record. Capture it before calling the store, and apply the result only if it is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version {
    writes: u32,
    reads: u32,
}

/// The parts that a session at rest has no room for.
#[derive(Default)]
struct Seldom {
    flights: Vec<(FlightKey, Weak<SingleFlight<Credentials>>)>,
    unsaved_state: Option<UnsavedState>,
}

/// The record as it was last read or written, or as it is to be written.
pub(crate) struct Known {
    pub(crate) snapshot: Snapshot,
    pub(crate) unsaved: Option<Box<Unsaved>>,
    /// The position of the program's own tokens among those for other APIs; none where they are those of the login.
    other: Option<NonZeroU32>,
    /// The start of the last check, in seconds since 1970.
    checking: AtomicU32,
    /// The last time when the store held this record, in milliseconds since 1970.
    checked: AtomicI64,
}

/// A write that failed and is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsaved {
    /// A login, which replaces any record.
    Login,
    /// Tokens that a renewal brought. They replace older ones of the same login only.
    Renewal(Origin),
}

/// A state of the refresh token that the store did not take, in place of that in the record of one of these generations.
struct UnsavedState {
    generations: Vec<u64>,
    state: RefreshState,
}

/// The purpose of a run: callers with the same purpose share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlightKey {
    wanted: Wanted,
    purpose: SharedPurpose,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SharedPurpose {
    Valid,
    /// The refused token's hash.
    InsteadOf([u8; 32]),
    New,
}

/// The credentials that serve a call.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Valid,
    /// Any but this token, which an API has refused.
    InsteadOf(AccessToken),
    /// New ones in any case.
    New,
}

impl Known {
    pub(crate) fn new(snapshot: Snapshot, unsaved: Option<Unsaved>, own: &Wanted, now: Timestamp) -> Self {
        let other = snapshot.others.iter().zip(1..).find(|(other, _)| other.wanted == *own).map_or(u32::MAX, |(_, number)| number);
        let other = if *own == Wanted::default() { None } else { NonZeroU32::new(other) };
        let (unsaved, checked) = (unsaved.map(Box::new), AtomicI64::new(now.unix_millis()));
        Self { snapshot, unsaved, other, checking: AtomicU32::new(0), checked }
    }

    /// The tokens for the program's own API.
    fn own(&self) -> Option<&Granted> {
        match self.other {
            None => Some(&self.snapshot.login),
            Some(number) => self.snapshot.others.get(number.get() as usize - 1).map(|other| &other.granted),
        }
    }

    /// Milliseconds since the store last held this record. A clock that was set back makes them many.
    pub(crate) fn age(&self, now: Timestamp) -> i64 {
        let age = now.unix_millis().saturating_sub(self.checked.load(Ordering::Relaxed));
        if age < 0 { i64::MAX } else { age }
    }

    pub(crate) fn was_checked(&self, at: Timestamp) {
        self.checked.store(at.unix_millis(), Ordering::Relaxed);
    }

    /// `true` for one caller in `pause`.
    pub(crate) fn may_check(&self, now: Timestamp, pause: Duration) -> bool {
        let last = self.checking.load(Ordering::Relaxed);
        let seconds = u32::try_from(now.unix_seconds()).unwrap_or(0);
        // A time in the future says that the clock was set back.
        let is_due = last > seconds || u64::from(seconds - last) >= pause.as_secs();
        is_due && self.checking.compare_exchange(last, seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Session {
    pub(crate) fn new(key: RecordKey) -> Self {
        Self {
            key,
            known: ArcSwapOption::empty(),
            version: Mutex::default(),
            backoff: Backoff::default(),
            seldom: Mutex::default(),
            lost: AtomicU64::new(0),
            last_used: AtomicI64::new(0),
        }
    }

    /// The program's own access token if it is fresh. `may_serve` decides by the milliseconds since the store was asked. No
    /// allocation, and no lock.
    pub(crate) fn ready_token(
        &self,
        min_ttl: Duration,
        now: Timestamp,
        may_serve: impl FnOnce(i64) -> bool,
    ) -> Option<AccessToken> {
        let known = self.known.load();
        let known = known.as_deref().filter(|known| known.unsaved.is_none())?;
        let own = known.own().filter(|own| own.lifetime.is_fresh(min_ttl, now))?;
        may_serve(known.age(now)).then(|| own.credentials.access_token().clone())
    }

    pub(crate) fn known(&self) -> Option<Arc<Known>> {
        self.known.load_full()
    }

    pub(crate) fn version(&self) -> Version {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store held this record. The generation that is known already stays as it is, with its jitter.
    pub(crate) fn read(&self, read: Known, since: Version, now: Timestamp) -> Arc<Known> {
        self.change(|version| match self.known() {
            Some(known) if known.snapshot.generation == read.snapshot.generation && known.unsaved.is_none() => {
                if *version == since {
                    known.was_checked(now);
                }
                known
            }
            _ => {
                let read = Arc::new(read);
                if *version == since {
                    self.known.store(Some(Arc::clone(&read)));
                    version.reads = version.reads.wrapping_add(1);
                }
                read
            }
        })
    }

    /// The store held no record.
    pub(crate) fn mark_absent(&self, since: Version) {
        self.change(|version| {
            if *version == since {
                self.known.store(None);
            }
        });
    }

    /// This process stored the record. If it wrote another one at the same time, only the store knows the last.
    pub(crate) fn wrote(&self, written: Known, since: Version) {
        self.change(|version| {
            let is_last = version.writes == since.writes;
            self.known.store(is_last.then(|| Arc::new(written)));
            version.writes = version.writes.wrapping_add(1);
        });
    }

    /// The store did not take the record. A record that this process wrote since `since` counts more.
    pub(crate) fn could_not_write(&self, unwritten: Known, since: Version) {
        self.change(|version| {
            if version.writes == since.writes {
                self.known.store(Some(Arc::new(unwritten)));
                version.writes = version.writes.wrapping_add(1);
            }
        });
    }

    /// The session is over, also for results that are still to come.
    pub(crate) fn forget(&self) {
        self.change(|version| {
            self.known.store(None);
            version.writes = version.writes.wrapping_add(1);
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Version) -> T) -> T {
        change(&mut self.version.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The run that callers with this purpose share. It is found as long as it is held.
    pub(crate) fn flight(&self, key: FlightKey) -> Arc<SingleFlight<Credentials>> {
        self.with_seldom(|seldom| {
            let same = seldom.flights.iter().find(|(known, _)| *known == key);
            if let Some(flight) = same.and_then(|(_, flight)| flight.upgrade()) {
                return flight;
            }
            seldom.flights.retain(|(_, flight)| flight.strong_count() > 0);
            let flight = Arc::new(SingleFlight::new());
            seldom.flights.push((key, Arc::downgrade(&flight)));
            flight
        })
    }

    /// Frees the room that runs took, once none is held: a session at rest is small.
    pub(crate) fn forget_flights(&self) {
        let mut seldom = self.seldom.lock().unwrap_or_else(PoisonError::into_inner);
        let is_held = |seldom: &Seldom| seldom.flights.iter().any(|(_, flight)| flight.strong_count() > 0);
        if seldom.as_ref().is_some_and(|seldom| !is_held(seldom) && seldom.unsaved_state.is_none()) {
            *seldom = None;
        }
    }

    /// A record of one of these generations has this state, although the store has another.
    pub(crate) fn keep_state(&self, generations: Vec<u64>, state: RefreshState) {
        self.with_seldom(|seldom| seldom.unsaved_state = Some(UnsavedState { generations, state }));
    }

    /// The kept state, if it belongs to this record.
    pub(crate) fn kept_state(&self, generation: u64) -> Option<RefreshState> {
        let seldom = self.seldom.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaved = seldom.as_ref()?.unsaved_state.as_ref()?;
        unsaved.generations.contains(&generation).then_some(unsaved.state)
    }

    /// The store has a newer record than those of these generations.
    pub(crate) fn forget_state(&self, generations: &[u64]) {
        self.with_seldom(|seldom| seldom.unsaved_state.take_if(|unsaved| unsaved.generations == generations));
    }

    fn with_seldom<T>(&self, change: impl FnOnce(&mut Seldom) -> T) -> T {
        change(self.seldom.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
    }

    /// `true` when the program was not told before that this generation needs a login.
    pub(crate) fn lose(&self, generation: u64) -> bool {
        self.lost.swap(generation, Ordering::Relaxed) != generation
    }

    fn touch(&self, now: Timestamp) {
        self.last_used.store(now.unix_millis(), Ordering::Relaxed);
    }
}

impl FlightKey {
    pub(crate) fn new(wanted: &Wanted, purpose: &Purpose) -> Self {
        let purpose = match purpose {
            Purpose::Valid => SharedPurpose::Valid,
            Purpose::InsteadOf(token) => SharedPurpose::InsteadOf(crypto::sha256(token.header_value().as_bytes())),
            Purpose::New => SharedPurpose::New,
        };
        Self { wanted: wanted.clone(), purpose }
    }
}

impl Purpose {
    pub(crate) fn rules_out(&self, token: &AccessToken) -> bool {
        match self {
            Self::Valid => false,
            Self::InsteadOf(refused) => refused == token,
            Self::New => true,
        }
    }
}

/// The sessions in memory: a bounded number, of which those unused for longest make room.
#[derive(Default)]
pub(crate) struct Sessions {
    held: Mutex<HashSet<Held>>,
}

impl Sessions {
    pub(crate) fn get(&self, key: RecordKey, max: usize, now: Timestamp) -> Arc<Session> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Held(session)) = held.get(&key) {
            session.touch(now);
            return Arc::clone(session);
        }
        if held.len() >= max {
            make_room(&mut held, max);
        }
        let session = Arc::new(Session::new(key));
        session.touch(now);
        held.insert(Held(Arc::clone(&session)));
        session
    }
}

/// A session, found by its key.
struct Held(Arc<Session>);

impl Borrow<RecordKey> for Held {
    fn borrow(&self) -> &RecordKey {
        &self.0.key
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Held {}

/// A tenth goes at once, so that not all are searched for each new one. Sessions that are in use, or not saved, stay.
#[expect(clippy::mutable_key_type, reason = "a session's key never changes, and nothing else is hashed")]
fn make_room(held: &mut HashSet<Held>, max: usize) {
    let mut idle: Vec<(i64, RecordKey)> = held
        .iter()
        .filter(|Held(session)| Arc::strong_count(session) == 1 && session.known().is_none_or(|known| known.unsaved.is_none()))
        .map(|Held(session)| (session.last_used.load(Ordering::Relaxed), session.key.clone()))
        .collect();
    let leaving = (max / 10).max(1).min(idle.len());
    if leaving < idle.len() {
        idle.select_nth_unstable_by_key(leaving, |(last_used, _)| *last_used);
    }
    for (_, key) in idle.into_iter().take(leaving) {
        held.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: usize) -> RecordKey {
        RecordKey::new("acme.auth0.com", "id", &session.to_string())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn a_bounded_number_is_held_and_the_last_used_stay() {
        let sessions = Sessions::default();
        for session in 0..20_000 {
            sessions.get(key(session), 1000, at(session.try_into().unwrap()));
            // A session that is used again and again.
            sessions.get(key(7), 1000, at(session.try_into().unwrap()));
        }
        let held = sessions.held.lock().unwrap();
        assert!((900..=1000).contains(&held.len()), "{}", held.len());
        assert!(held.contains(&key(7)) && held.contains(&key(19_999)) && !held.contains(&key(10_000)));
    }

    #[test]
    fn a_session_in_use_stays_and_is_the_same() {
        let sessions = Sessions::default();
        let used: Vec<_> = (0..10).map(|session| sessions.get(key(session), 5, at(0))).collect();
        for other in 10..100 {
            sessions.get(key(other), 5, at(1));
        }
        for (session, used) in used.iter().enumerate() {
            assert!(Arc::ptr_eq(used, &sessions.get(key(session), 5, at(2))));
        }
        assert!(sessions.held.lock().unwrap().len() <= 11, "beside those, one at a time");
    }
}
