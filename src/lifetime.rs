use std::time::Duration;

use crate::clock::{Timestamp, millis};
use crate::crypto;

/// The time in which an access token serves, and how long before its end it is renewed. The jitter is drawn once, so all tasks
/// agree on the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    received: Timestamp,
    end: Timestamp,
    /// The login's own end, which no renewal goes past.
    login_end: Timestamp,
    /// The provider asked for a renewal then.
    renew_at: Timestamp,
    jitter_millis: u16,
}

impl Lifetime {
    /// Without an end the token serves until an API refuses it.
    pub(crate) fn new(received: Timestamp, end: Option<Timestamp>) -> Self {
        let end = end.unwrap_or(Timestamp::END);
        let jitter = (end.since(received) / 10).min(MAX_JITTER).mul_f64(crypto::chance());
        let jitter_millis = u16::try_from(jitter.as_millis()).unwrap_or(u16::MAX);
        Self { received, end, login_end: Timestamp::END, renew_at: Timestamp::END, jitter_millis }
    }

    pub(crate) fn within(self, login_end: Option<Timestamp>) -> Self {
        Self { login_end: login_end.unwrap_or(Timestamp::END), ..self }
    }

    pub(crate) fn renewed_at(self, renew_at: Option<Timestamp>) -> Self {
        Self { renew_at: renew_at.unwrap_or(Timestamp::END), ..self }
    }

    /// Returns whether the token is handed out without a renewal. The jitter takes at most half of the time that is left beside
    /// `min_ttl`, so a new token that lives long enough is fresh.
    pub(crate) fn is_fresh(&self, min_ttl: Duration, now: Timestamp) -> bool {
        // In milliseconds, as each call of an API asks.
        let min_ttl = millis(min_ttl);
        let spare = self.end.millis_since(self.received).saturating_sub(min_ttl).max(0) / 2;
        let margin = min_ttl.saturating_add(i64::from(self.jitter_millis).min(spare));
        self.end.millis_since(now) > margin && now < self.login_end && now < self.renew_at && !self.is_from_the_future(now)
    }

    /// Returns whether the token is valid for `time` from now.
    pub(crate) fn is_valid_for(&self, time: Duration, now: Timestamp) -> bool {
        now.plus(time) < self.end.min(self.login_end) && !self.is_from_the_future(now)
    }

    /// A clock that shows a time before the token came was set back, so the age of the token is unknown.
    fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.received.millis_since(now) > MAX_CLOCK_DIFFERENCE
    }

    /// Returns whether the token's whole life is too short. Its successor's would be, too.
    pub(crate) fn is_no_longer_than(&self, min_ttl: Duration) -> bool {
        self.life() <= min_ttl
    }

    pub(crate) fn life(&self) -> Duration {
        self.end.since(self.received)
    }

    pub(crate) fn received(&self) -> Timestamp {
        self.received
    }
}

/// Returns whether a token came moments ago: an API's refusal of it is final. A time in the future says that the clock was set
/// back, and counts as long ago.
pub(crate) fn is_recent(received: Timestamp, now: Timestamp) -> bool {
    received <= now && now.since(received) < RECENT
}

const RECENT: Duration = Duration::from_secs(30);
const MAX_JITTER: Duration = Duration::from_secs(30);
/// In milliseconds.
const MAX_CLOCK_DIFFERENCE: i64 = 60_000;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MIN_TTL: Duration = Duration::from_secs(60);

    fn lifetime(life: u64) -> Lifetime {
        Lifetime::new(at(0), Some(at(life)))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000).plus(Duration::from_secs(seconds))
    }

    /// G18
    #[test]
    fn the_tokens_of_a_fleet_are_due_apart_and_none_early() {
        let due = |lifetime: &Lifetime| (3500..3600).find(|second| !lifetime.is_fresh(MIN_TTL, at(*second))).unwrap();
        let all: Vec<u64> = (0..1000).map(|_| due(&lifetime(3600))).collect();
        assert!(all.iter().all(|due| (3510..=3540).contains(due)), "{all:?}");
        let different: HashSet<u64> = all.into_iter().collect();
        assert!(different.len() > 25, "{different:?}");
    }

    /// G18: a token that lives hardly longer than `min_ttl` is not renewed as soon as it is there.
    #[test]
    fn jitter_leaves_a_new_token_fresh() {
        for life in [61, 62, 65, 70, 90, 120] {
            assert!((0..100).all(|_| lifetime(life).is_fresh(MIN_TTL, at(0))), "{life}");
            assert!(!lifetime(life).is_no_longer_than(MIN_TTL));
        }
        for life in [0, 1, 59, 60] {
            assert!(!lifetime(life).is_fresh(MIN_TTL, at(0)));
            assert!(lifetime(life).is_no_longer_than(MIN_TTL));
        }
    }

    /// The session's end is not the token's: a token serves to the last second of it.
    #[test]
    fn no_token_serves_beyond_its_session() {
        let lifetime = Lifetime::new(at(0), Some(at(3600))).within(Some(at(100)));
        assert!(lifetime.is_fresh(MIN_TTL, at(99)) && !lifetime.is_fresh(MIN_TTL, at(100)));
        assert!(lifetime.is_valid_for(MIN_TTL, at(39)) && !lifetime.is_valid_for(MIN_TTL, at(40)));
    }

    /// J24
    #[test]
    fn a_token_is_renewed_when_the_provider_asks_for_it() {
        let lifetime = Lifetime::new(at(0), Some(at(86_400))).renewed_at(Some(at(43_200)));
        assert!(lifetime.is_fresh(MIN_TTL, at(43_199)) && !lifetime.is_fresh(MIN_TTL, at(43_200)));
        assert!(lifetime.is_valid_for(MIN_TTL, at(43_200)));
    }

    #[test]
    fn without_an_end_a_token_serves_until_it_is_refused() {
        assert!(Lifetime::new(at(0), None).is_fresh(MIN_TTL, at(10_000_000_000)));
    }
}
