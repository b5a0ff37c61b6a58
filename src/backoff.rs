use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto;
use crate::error::Error;

/// The pause after a failed request to the provider. Until it is over, callers get the error of that request at once.
///
/// A transient failure pauses for its `Retry-After`, else for 1 second, doubling to 60, with jitter. Any other failure pauses for
/// 10 seconds.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// A box, as there is a backoff in each session and few of them fail.
    failed: Mutex<Option<Box<Failed>>>,
}

#[derive(Debug)]
struct Failed {
    error: Error,
    at: Timestamp,
    until: Timestamp,
    /// Transient failures in a row.
    count: u32,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { failed: Mutex::new(None) }
    }

    /// The error of the last request, while no other may be sent. A clock that was set back ends the pause.
    pub(crate) fn check(&self, now: Timestamp) -> Option<Error> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().filter(|failed| failed.at <= now && now < failed.until).map(|failed| failed.error.clone())
    }

    pub(crate) fn failed(&self, error: &Error, now: Timestamp) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failed.as_ref().map_or(0, |failed| failed.count);
        let (pause, count) = if error.is_transient() { (pause(error, count), count.saturating_add(1)) } else { (PERMANENT, 0) };
        *failed = Some(Box::new(Failed { error: error.clone(), at: now, until: now.plus(pause), count }));
    }

    pub(crate) fn succeeded(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn pause(error: &Error, count: u32) -> Duration {
    // Jitter only adds, so that no request is sent before Retry-After.
    let pause = error.retry_after().unwrap_or_else(|| (FIRST * (1 << count.min(6))).min(LONGEST));
    pause + pause.min(LONGEST).mul_f64(crypto::chance() / 10.0)
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
const PERMANENT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_800_000_000_000 + millis)
    }

    fn transient() -> Error {
        Error::new(ErrorKind::Network, "it is down").transient()
    }

    /// J7
    #[test]
    fn transient_failures_pause_longer_and_longer_until_one_succeeds() {
        let backoff = Backoff::new();
        assert!(backoff.check(at(0)).is_none());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.failed(&transient(), at(0));
            assert!(backoff.check(at(seconds * 1000 - 1)).is_some(), "{seconds}");
            assert!(backoff.check(at(seconds * 1100)).is_none(), "{seconds}");
        }
        backoff.succeeded();
        assert!(backoff.check(at(0)).is_none());
        backoff.failed(&transient(), at(0));
        assert!(backoff.check(at(1100)).is_none(), "it begins anew");
    }

    /// J7
    #[test]
    fn retry_after_is_waited_for_and_a_permanent_refusal_is_remembered_for_10_seconds() {
        let backoff = Backoff::new();
        backoff.failed(&transient().with_retry_after(Some(Duration::from_secs(3600))), at(0));
        assert!(backoff.check(at(3_599_999)).is_some());
        assert!(backoff.check(at(-1)).is_none(), "the clock was set back");
        assert!(backoff.check(at(3_700_000)).is_none());
        backoff.failed(&Error::configuration("no"), at(0));
        assert_eq!(backoff.check(at(9_999)).unwrap().kind(), ErrorKind::Configuration);
        assert!(backoff.check(at(10_000)).is_none());
    }
}
