use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::application::Application;
use crate::clock::Clock;

/// A wall clock that a test shifts: a token expires, or a laptop wakes up, without waiting.
///
/// It goes on with the system's time, plus what it was shifted by. Clones are the same clock, so that the provider and
/// the program under test share one.
///
/// ```
/// use std::time::Duration;
/// use hallpass::testing::{TestClock, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = TestClock::new();
/// let provider = TestProvider::builder().clock(clock.clone()).start().await;
/// clock.advance(Duration::from_secs(24 * 60 * 60)); // every token of the provider has ended
/// # drop(provider);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TestClock {
    shift: Arc<AtomicI64>,
}

impl TestClock {
    /// A clock that shows the system's time until it is shifted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves it forward, in whole milliseconds.
    pub fn advance(&self, duration: Duration) {
        self.shift.fetch_add(millis(duration), Ordering::Relaxed);
    }

    /// Moves it back, in whole milliseconds.
    pub fn rewind(&self, duration: Duration) {
        self.shift.fetch_sub(millis(duration), Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::shifted_by(Arc::clone(&self.shift))
    }
}

impl Application {
    /// Reads the time from a test's clock: tokens expire when the test says it.
    #[must_use]
    pub fn clock(self, clock: &TestClock) -> Self {
        self.with_clock(clock.clock())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
