use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// The wall clock: the only place that reads it. A machine that slept notices, a monotonic clock would not.
///
/// Clones tell the same time, also after a test has shifted one of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    shift: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// A clock that a test can shift; see `testing::TestClock`.
    #[cfg(feature = "testing")]
    pub(crate) fn shifted_by(shift: Arc<AtomicI64>) -> Self {
        Self { shift: Some(shift) }
    }

    pub(crate) fn reader(&self) -> impl Fn() -> Timestamp + Send + 'static {
        let clock = self.clone();
        move || clock.now()
    }

    pub(crate) fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system for the time")]
        let system = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        let shift = self.shift.as_ref().map_or(0, |shift| shift.load(Ordering::Relaxed));
        Timestamp(system.saturating_add(shift))
    }
}

/// A point of wall-clock time: milliseconds since 1970, in what `OffsetDateTime` can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    /// Later than anything.
    pub(crate) const END: Self = Self(YEAR_9999);

    pub(crate) fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000)).clamped()
    }

    pub(crate) fn from_unix_millis(millis: i64) -> Self {
        Self(millis).clamped()
    }

    pub(crate) fn unix_millis(self) -> i64 {
        self.0
    }

    pub(crate) fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration))).clamped()
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration))).clamped()
    }

    /// The time from `earlier` until this; zero when this is not later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same in milliseconds; negative when it is earlier.
    pub(crate) fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.clamped().0) * 1_000_000)
            .expect("a clamped timestamp is within the years 1 to 9999")
    }

    fn clamped(self) -> Self {
        Self(self.0.clamp(YEAR_1, YEAR_9999))
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

const YEAR_1: i64 = -62_135_596_800_000;
const YEAR_9999: i64 = 253_402_300_799_000;
