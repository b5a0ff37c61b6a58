use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto;
use crate::error::Error;

/// Keeps requests from a server that failed: until its `Retry-After`, else for 1 second, then 2, 4, up to 60. During the pause
/// callers get the same error.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Mutex<Option<Box<Failure>>>);

#[derive(Debug)]
struct Failure {
    error: Error,
    /// The time of the first failure in a row.
    since: Timestamp,
    failed: Timestamp,
    pause: Duration,
    in_a_row: u32,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The error to return at once, while no request is to be sent.
    pub(crate) fn check(&self, now: Timestamp) -> Option<Error> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A failure in the future says that the clock was set back.
        failure
            .as_ref()
            .filter(|failure| failure.failed <= now && now.since(failure.failed) < failure.pause)
            .map(|failure| failure.error.clone())
    }

    pub(crate) fn failed(&self, error: &Error, now: Timestamp) {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, in_a_row) = failure.as_ref().map_or((now, 1), |before| (before.since, before.in_a_row.saturating_add(1)));
        let pause = if error.is_transient() {
            let doubled = FIRST_PAUSE.saturating_mul(1 << (in_a_row - 1).min(10)).min(MAX_PAUSE);
            // A fleet does not ask in step: up to a tenth more.
            error.retry_after().map_or(doubled, |asked| asked.min(MAX_RETRY_AFTER)).mul_f64(1.0 + crypto::chance() / 10.0)
        } else {
            REFUSED_PAUSE
        };
        *failure = Some(Box::new(Failure { error: error.clone(), since, failed: now, pause, in_a_row }));
    }

    pub(crate) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The last error, and since when there has been no success.
    pub(crate) fn failure(&self) -> Option<(Timestamp, Error)> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map(|failure| (failure.since, failure.error.clone()))
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// A server's wish is followed for this long at most.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
/// After an error that no retry helps.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_800_000_000_000 + millis)
    }

    fn pause_after(backoff: &Backoff, failed: i64) -> i64 {
        (0..4_000_000).step_by(100).find(|millis| backoff.check(at(failed + millis)).is_none()).expect("each pause ends")
    }

    /// J7
    #[test]
    fn the_pause_doubles_up_to_a_minute_and_a_success_ends_it() {
        let (backoff, error) = (Backoff::default(), Error::new(ErrorKind::Network, "it is down").transient());
        assert!(backoff.check(at(0)).is_none());
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.failed(&error, at(now));
            let pause = pause_after(&backoff, now);
            assert!((seconds * 1000..=seconds * 1100 + 100).contains(&pause), "{pause}");
            assert!(backoff.check(at(now - 1)).is_none(), "the clock was set back");
            now += pause;
        }
        assert_eq!(backoff.failure().unwrap().0, at(0));
        backoff.succeeded();
        assert!(backoff.check(at(now)).is_none() && backoff.failure().is_none());
    }

    /// J7
    #[test]
    fn a_servers_wish_and_a_refusal_have_pauses_of_their_own() {
        let busy = |seconds| Error::new(ErrorKind::Server, "busy").transient().with_retry_after(Some(Duration::from_secs(seconds)));
        for (error, seconds) in [(busy(300), 300), (busy(1_000_000), 3600), (Error::new(ErrorKind::Server, "invalid_client"), 10)] {
            let backoff = Backoff::default();
            backoff.failed(&error, at(0));
            let pause = pause_after(&backoff, 0);
            assert!((seconds * 1000..=seconds * 1100 + 100).contains(&pause), "{pause}");
        }
    }
}
