use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::cache::SingleFlight;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::crypto;
use crate::manager::content::{Content, Granted, Wanted};
use crate::secret::Secret;
use crate::store::RecordKey;

/// One session as this process knows it. Everybody who uses it shares this.
pub(crate) struct Session {
    pub(crate) key: RecordKey,
    known: RwLock<Option<Arc<Known>>>,
    flights: Mutex<HashMap<Wanted, Arc<SingleFlight<Credentials>>>>,
    /// A refresh token that the provider has just refused, or may have spent without our hearing of it.
    spent: Mutex<Option<Spent>>,
    last_used: AtomicI64,
}

/// What the store held when it was last read or written, ready for use.
pub(crate) struct Known {
    pub(crate) content: Content,
    /// The write that should have stored it failed, and is to be tried again.
    pub(crate) unsaved: bool,
    ready: Ready,
}

/// The login's access token and when it is due, worked out once.
pub(crate) struct Ready {
    received: Timestamp,
    due: Timestamp,
}

#[derive(Clone)]
struct Spent {
    refresh_token: [u8; 32],
    why: SpentBecause,
    since: Timestamp,
}

/// Why a refresh token is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpentBecause {
    Refused,
    AnswerLost,
}

impl Session {
    pub(crate) fn new(key: RecordKey) -> Self {
        Self { key, known: RwLock::default(), flights: Mutex::default(), spent: Mutex::default(), last_used: AtomicI64::new(0) }
    }

    /// The login's access token, if it is good for now. No allocation, and no lock beyond this call.
    pub(crate) fn ready_token(&self, now: Timestamp) -> Option<AccessToken> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.ready.is_good(now) && !known.unsaved)?;
        Some(known.content.login.credentials.access_token().clone())
    }

    pub(crate) fn known(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what the store holds, or what it should hold.
    pub(crate) fn know(&self, content: Content, unsaved: bool, min_ttl: Duration) -> Arc<Known> {
        let ready = Ready::of(&content.login, min_ttl);
        let known = Arc::new(Known { content, unsaved, ready });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        known
    }

    pub(crate) fn forget(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// One renewal for each wanted token, however many ask.
    pub(crate) fn flight(&self, wanted: &Wanted) -> Arc<SingleFlight<Credentials>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(wanted.clone()).or_insert_with(|| Arc::new(SingleFlight::new())))
    }

    pub(crate) fn remember_spent(&self, refresh_token: &Secret, why: SpentBecause, now: Timestamp) {
        let spent = Spent { refresh_token: crypto::sha256(refresh_token.expose().as_bytes()), why, since: now };
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) = Some(spent);
    }

    /// A refused one is not tried again for a while; one whose answer was lost never, but for the replay that was asked for.
    pub(crate) fn is_spent(&self, refresh_token: &Secret, now: Timestamp) -> Option<(SpentBecause, Duration)> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let since = now.since(spent.since);
        let counts = spent.why == SpentBecause::AnswerLost || since < REFUSED_FOR;
        (counts && spent.refresh_token == crypto::sha256(refresh_token.expose().as_bytes())).then_some((spent.why, since))
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_used.store(now.unix_millis(), Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> i64 {
        self.last_used.load(Ordering::Relaxed)
    }
}

impl Ready {
    pub(crate) fn of(granted: &Granted, min_ttl: Duration) -> Self {
        let Some(expiry) = granted.credentials.access_token().expiry() else {
            return Self { received: granted.received, due: Timestamp::END };
        };
        let life = expiry.since(granted.received);
        let jitter = (life / 10).min(MOST_JITTER).mul_f64(crypto::chance());
        Self { received: granted.received, due: expiry.minus(min_ttl).minus(jitter) }
    }

    /// A clock that shows a time before the token came was set back, so that nothing is known of its age.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        now < self.due && now.plus(CLOCKS_DIFFER_BY) >= self.received
    }
}

const REFUSED_FOR: Duration = Duration::from_secs(30);
const MOST_JITTER: Duration = Duration::from_secs(30);
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
