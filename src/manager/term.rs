use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto;

/// From when to when an access token serves, and how much sooner it is renewed: drawn once, so that everybody agrees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    received: Timestamp,
    end: Timestamp,
    /// The session's own end, which no renewal goes beyond.
    session_end: Timestamp,
    jitter_millis: u16,
}

impl Term {
    /// Without an end it serves until it is refused.
    pub(crate) fn new(received: Timestamp, end: Option<Timestamp>, session_end: Option<Timestamp>) -> Self {
        let (end, session_end) = (end.unwrap_or(Timestamp::END), session_end.unwrap_or(Timestamp::END));
        let jitter = (end.since(received) / 10).min(MOST_JITTER).mul_f64(chance());
        let jitter_millis = u16::try_from(jitter.as_millis()).unwrap_or(u16::MAX);
        Self { received, end, session_end, jitter_millis }
    }

    /// Whether it is handed out without another thought. Jitter takes half of what is left beside `min_ttl` at most: a new
    /// token that is long enough is fresh.
    pub(crate) fn is_fresh(&self, min_ttl: Duration, now: Timestamp) -> bool {
        let spare = self.life().saturating_sub(min_ttl) / 2;
        now.plus(min_ttl.saturating_add(self.jitter().min(spare))) < self.end
            && now < self.session_end
            && !self.is_from_the_future(now)
    }

    /// Whether it lasts that long still.
    pub(crate) fn is_valid_for(&self, time: Duration, now: Timestamp) -> bool {
        now.plus(time) < self.end.min(self.session_end) && !self.is_from_the_future(now)
    }

    /// A clock that shows a time before the token came was set back, so that nothing is known of its age.
    fn is_from_the_future(&self, now: Timestamp) -> bool {
        now.plus(CLOCKS_DIFFER_BY) < self.received
    }

    /// A token that was too short from the beginning: its successor would be, too.
    pub(crate) fn is_no_longer_than(&self, min_ttl: Duration) -> bool {
        self.life() <= min_ttl
    }

    fn jitter(&self) -> Duration {
        Duration::from_millis(self.jitter_millis.into())
    }

    pub(crate) fn life(&self) -> Duration {
        self.end.since(self.received)
    }
}

/// From 0 to 1, so that a fleet does not renew in step.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter, which is no failure.
    let _ = crypto::random(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

const MOST_JITTER: Duration = Duration::from_secs(30);
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MIN_TTL: Duration = Duration::from_secs(60);

    fn term(life: u64) -> Term {
        Term::new(at(0), Some(at(life)), None)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000).plus(Duration::from_secs(seconds))
    }

    /// G18
    #[test]
    fn the_terms_of_a_fleet_end_apart_and_none_early() {
        let due = |term: &Term| (3500..3600).find(|second| !term.is_fresh(MIN_TTL, at(*second))).unwrap();
        let all: Vec<u64> = (0..1000).map(|_| due(&term(3600))).collect();
        assert!(all.iter().all(|due| (3510..=3540).contains(due)), "{all:?}");
        let different: HashSet<u64> = all.into_iter().collect();
        assert!(different.len() > 25, "{different:?}");
    }

    /// G18: a token that lives hardly longer than `min_ttl` is not renewed as soon as it is there.
    #[test]
    fn jitter_leaves_a_new_token_fresh() {
        for life in [61, 62, 65, 70, 90, 120] {
            assert!((0..100).all(|_| term(life).is_fresh(MIN_TTL, at(0))), "{life}");
            assert!(!term(life).is_no_longer_than(MIN_TTL));
        }
        for life in [0, 1, 59, 60] {
            assert!(!term(life).is_fresh(MIN_TTL, at(0)));
            assert!(term(life).is_no_longer_than(MIN_TTL));
        }
    }

    /// The session's end is not the token's: a token serves to the last second of it.
    #[test]
    fn no_token_serves_beyond_its_session() {
        let term = Term::new(at(0), Some(at(3600)), Some(at(100)));
        assert!(term.is_fresh(MIN_TTL, at(99)) && !term.is_fresh(MIN_TTL, at(100)));
        assert!(term.is_valid_for(MIN_TTL, at(39)) && !term.is_valid_for(MIN_TTL, at(40)));
    }

    #[test]
    fn without_an_end_a_token_serves_until_it_is_refused() {
        assert!(Term::new(at(0), None, None).is_fresh(MIN_TTL, at(10_000_000_000)));
    }
}
