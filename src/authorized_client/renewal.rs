use std::sync::{Mutex, PoisonError};

use crate::access_token::AccessToken;
use crate::clock::{Clock, Timestamp};
use crate::lifetime::is_recent;

/// The tokens that this client got after a refusal. An API that refuses every token costs one renewal in 30 seconds.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    latest: Mutex<Option<Renewal>>,
    clock: Clock,
}

#[derive(Debug)]
struct Renewal {
    refused: AccessToken,
    replacement: AccessToken,
    at: Timestamp,
}

/// The next step after an API refused a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Ask its source for another one.
    Renew,
    /// This one replaced it moments ago.
    Use(AccessToken),
    /// It is new itself: the refusal is the API's last word.
    GiveUp,
}

impl Renewals {
    pub(super) fn advice(&self, refused: &AccessToken) -> Advice {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some(renewal) if self.is_recent(renewal) && renewal.replacement == *refused => Advice::GiveUp,
            Some(renewal) if self.is_recent(renewal) && renewal.refused == *refused => Advice::Use(renewal.replacement.clone()),
            _ => Advice::Renew,
        }
    }

    /// Also when the source had nothing better than the refused token itself: it was asked.
    pub(super) fn record(&self, refused: AccessToken, replacement: AccessToken) {
        let renewal = Renewal { refused, replacement, at: self.clock.now() };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(renewal);
    }

    fn is_recent(&self, renewal: &Renewal) -> bool {
        is_recent(renewal.at, self.clock.now())
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// F29
    #[test]
    fn a_new_token_that_is_refused_is_renewed_again_after_30_seconds() {
        let token = |text: &str| AccessToken::bearer(text).unwrap();
        let shift = Arc::new(AtomicI64::new(0));
        let renewals = Renewals { latest: Mutex::default(), clock: Clock::shifted_by(Arc::clone(&shift)) };
        assert_eq!(renewals.advice(&token("old")), Advice::Renew);
        renewals.record(token("old"), token("new"));
        shift.store(28_000, Ordering::Relaxed);
        assert_eq!(renewals.advice(&token("new")), Advice::GiveUp);
        assert_eq!(renewals.advice(&token("old")), Advice::Use(token("new")));
        assert_eq!(renewals.advice(&token("other")), Advice::Renew);
        shift.store(30_001, Ordering::Relaxed);
        assert_eq!(renewals.advice(&token("new")), Advice::Renew);
        assert_eq!(renewals.advice(&token("old")), Advice::Renew, "nobody knows what became of its replacement since");
        shift.store(-3_600_000, Ordering::Relaxed);
        assert_eq!(renewals.advice(&token("new")), Advice::Renew, "the clock was set back");
        assert_eq!(renewals.advice(&token("old")), Advice::Renew, "the clock was set back");
    }
}
