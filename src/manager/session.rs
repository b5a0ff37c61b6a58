#[cfg(feature = "loopback")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
#[cfg(feature = "loopback")]
use tokio::sync::Mutex as AsyncMutex;

use crate::access_token::AccessToken;
use crate::cache::SingleFlight;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::crypto;
use crate::manager::content::{Content, Wanted};
use crate::manager::spent::SpentToken;
use crate::store::RecordKey;

/// One session as this process knows it. Everybody who uses it shares this.
pub(crate) struct Session {
    pub(crate) key: RecordKey,
    /// Read on every call, and changed only together with `moment`.
    known: ArcSwapOption<Known>,
    moment: Mutex<Moment>,
    pub(crate) spent: SpentToken,
    /// Held by whoever shows a login, so that one browser opens however many find that it is needed.
    #[cfg(feature = "loopback")]
    login: OnceLock<Box<AsyncMutex<()>>>,
    /// Few, and mostly none.
    flights: Mutex<Option<Box<Flights>>>,
    /// The generation with which no other token can be had, as the program has been told; 0 for none.
    lost: AtomicU64,
    last_used: AtomicI64,
}

/// How often this process has changed the record, and what it knows of it. Taken before the store is asked: whoever comes
/// back with an answer when others have been there meanwhile cannot know whose is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moment {
    writes: u32,
    reads: u32,
}

#[derive(Default)]
struct Flights(Vec<(Errand, Weak<SingleFlight<Credentials>>)>);

/// What the store held when it was last read or written, or should hold.
pub(crate) struct Known {
    pub(crate) content: Content,
    pub(crate) unsaved: Option<Unsaved>,
}

/// A write that failed, and is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsaved {
    /// A login, which takes the place of whatever there is.
    Login,
    /// A renewal, which takes the place of the generation that it renewed, and of no other: the session may have ended, or
    /// somebody else may have logged in.
    Renewal { of: u64 },
}

/// What a run is for: those who want the same share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Errand {
    wanted: Wanted,
    purpose: Shared,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shared {
    Valid,
    /// The refused token's hash.
    InsteadOf([u8; 32]),
    New,
}

/// Which credentials will do.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Valid,
    /// Not this token, whatever its expiry says: an API has refused it.
    InsteadOf(AccessToken),
    /// New ones in any case.
    New,
}

impl Session {
    pub(crate) fn new(key: RecordKey) -> Self {
        Self {
            key,
            known: ArcSwapOption::empty(),
            moment: Mutex::default(),
            spent: SpentToken::default(),
            #[cfg(feature = "loopback")]
            login: OnceLock::new(),
            flights: Mutex::default(),
            lost: AtomicU64::new(0),
            last_used: AtomicI64::new(0),
        }
    }

    /// The login's access token, if it is good for now. No allocation, and no lock.
    pub(crate) fn ready_token(&self, min_ttl: Duration, now: Timestamp) -> Option<AccessToken> {
        let known = self.known.load();
        let known = known.as_deref()?;
        let login = &known.content.login;
        (login.term.is_fresh(min_ttl, now) && known.unsaved.is_none()).then(|| login.credentials.access_token().clone())
    }

    pub(crate) fn known(&self) -> Option<Arc<Known>> {
        self.known.load_full()
    }

    pub(crate) fn moment(&self) -> Moment {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store held. The generation that is known already stays as it is, with its jitter.
    pub(crate) fn read(&self, content: Content, since: Moment) -> Arc<Known> {
        self.change(|moment| match self.known() {
            Some(known) if known.content.generation == content.generation && known.unsaved.is_none() => known,
            _ => {
                let known = Arc::new(Known { content, unsaved: None });
                if *moment == since {
                    self.known.store(Some(Arc::clone(&known)));
                    moment.reads = moment.reads.wrapping_add(1);
                }
                known
            }
        })
    }

    /// The store held nothing.
    pub(crate) fn found_nothing(&self, since: Moment) {
        self.change(|moment| {
            if *moment == since {
                self.known.store(None);
            }
        });
    }

    /// What this process has stored. If others have written meanwhile, the store alone knows who was last.
    pub(crate) fn wrote(&self, content: Content, since: Moment) {
        self.change(|moment| {
            let alone = moment.writes == since.writes;
            self.known.store(alone.then(|| Arc::new(Known { content, unsaved: None })));
            moment.writes = moment.writes.wrapping_add(1);
        });
    }

    /// What the store would not take. If others have written meanwhile, theirs stands.
    pub(crate) fn could_not_write(&self, content: Content, unsaved: Unsaved, since: Moment) {
        self.change(|moment| {
            if moment.writes == since.writes {
                self.known.store(Some(Arc::new(Known { content, unsaved: Some(unsaved) })));
                moment.writes = moment.writes.wrapping_add(1);
            }
        });
    }

    /// The session is over, whatever is on its way.
    pub(crate) fn forget(&self) {
        self.change(|moment| {
            self.known.store(None);
            moment.writes = moment.writes.wrapping_add(1);
        });
    }

    /// One at a time.
    fn change<T>(&self, change: impl FnOnce(&mut Moment) -> T) -> T {
        change(&mut self.moment.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One run for each errand, however many are on it. It is kept as long as somebody holds it.
    pub(crate) fn flight(&self, errand: Errand) -> Arc<SingleFlight<Credentials>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let Flights(flights) = &mut **flights.get_or_insert_default();
        if let Some(flight) = flights.iter().find(|(known, _)| *known == errand).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        flights.retain(|(_, flight)| flight.strong_count() > 0);
        let flight = Arc::new(SingleFlight::new());
        flights.push((errand, Arc::downgrade(&flight)));
        flight
    }

    /// Few programs show logins to those whose sessions they keep by the thousand.
    #[cfg(feature = "loopback")]
    pub(crate) fn login(&self) -> &AsyncMutex<()> {
        self.login.get_or_init(Box::default)
    }

    /// When nobody holds any: a session at rest takes no room for them.
    pub(crate) fn forget_flights(&self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.as_ref().is_some_and(|flights| flights.0.iter().all(|(_, flight)| flight.strong_count() == 0)) {
            *flights = None;
        }
    }

    /// Only a login helps this generation. `true` when that is news.
    pub(crate) fn lose(&self, generation: u64) -> bool {
        self.lost.swap(generation, Ordering::Relaxed) != generation
    }

    #[cfg(feature = "loopback")]
    pub(crate) fn lost(&self) -> Option<u64> {
        Some(self.lost.load(Ordering::Relaxed)).filter(|generation| *generation != 0)
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_used.store(now.unix_millis(), Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> i64 {
        self.last_used.load(Ordering::Relaxed)
    }
}

impl Errand {
    pub(crate) fn new(wanted: &Wanted, purpose: &Purpose) -> Self {
        let purpose = match purpose {
            Purpose::Valid => Shared::Valid,
            Purpose::InsteadOf(token) => Shared::InsteadOf(crypto::sha256(token.header_value().as_bytes())),
            Purpose::New => Shared::New,
        };
        Self { wanted: wanted.clone(), purpose }
    }
}

impl Purpose {
    pub(crate) fn rules_out(&self, token: &AccessToken) -> bool {
        matches!(self, Self::InsteadOf(refused) if refused == token)
    }
}
