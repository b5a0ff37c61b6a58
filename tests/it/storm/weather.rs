use std::collections::HashMap;
use std::time::Duration;

use hallpass::testing::{Api, Endpoint, Fault, TestClock, TestProvider};

use super::random::Random;
use super::struck_redis::StruckRedis;

/// The faults and their times.
pub(super) struct Weather {
    random: Random,
    /// The provider's; the program's own jumps along.
    clock: TestClock,
    foreign: String,
    /// For each place, the number of requests before the next fault: some requests after the last one. Otherwise faults would
    /// follow each other, and nothing would work until the end.
    struck: HashMap<Option<Endpoint>, usize>,
    redis_struck: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Faults {
    /// The caller can tell that the provider did nothing.
    Plain,
    /// The caller cannot tell what the provider did.
    LostAnswers,
}

/// By how many seconds the clocks jump.
#[derive(Debug, Clone, Copy)]
pub(super) enum Jump {
    Forward(u64),
    Back(u64),
}

impl Weather {
    pub(super) fn new(random: Random, clock: TestClock, foreign: String) -> Self {
        Self { random, clock, foreign, struck: HashMap::new(), redis_struck: 0 }
    }

    /// Returns whether an answer of the token endpoint may be lost by it.
    pub(super) fn strike(&mut self, faults: Faults, provider: &TestProvider, api: &Api) -> bool {
        let pages = [Endpoint::Authorize, Endpoint::Login, Endpoint::Callback];
        let place = match self.random.below(10) {
            0 | 1 => None,
            2 => Some(Endpoint::Discovery),
            3 => Some(Endpoint::Jwks),
            4 => Some(pages[usize::try_from(self.random.below(3)).unwrap()]),
            // To make a key takes a while.
            5 if self.random.one_in(10) => {
                provider.rotate_keys();
                if self.random.one_in(2) {
                    provider.forget_old_keys();
                }
                return false;
            }
            _ => Some(Endpoint::Token),
        };
        let asked = place.map_or_else(|| api.count(), |endpoint| provider.count(endpoint));
        if self.struck.get(&place).is_some_and(|next| asked < *next) {
            return false;
        }
        let let_through = usize::try_from(self.random.below(4)).unwrap();
        self.struck.insert(place, asked + 1 + let_through);
        match place {
            None => api.next(self.any()),
            Some(Endpoint::Token) if faults == Faults::LostAnswers && self.random.one_in(4) => {
                provider.next(Endpoint::Token, self.lost());
                return true;
            }
            Some(Endpoint::Token) => provider.next(Endpoint::Token, self.plain()),
            Some(page) if pages.contains(&page) => {
                provider.next(page, if self.random.one_in(2) { Fault::status(500) } else { Fault::close() });
            }
            Some(endpoint) => provider.next(endpoint, self.any()),
        }
        false
    }

    pub(super) fn jump(&mut self) -> Option<Jump> {
        if !self.random.one_in(30) {
            return None;
        }
        if self.random.one_in(5) {
            let seconds = self.random.below(600);
            self.clock.rewind(Duration::from_secs(seconds));
            return Some(Jump::Back(seconds));
        }
        let seconds = self.random.below(3 * 3600);
        self.clock.advance(Duration::from_secs(seconds));
        Some(Jump::Forward(seconds))
    }

    /// Each of the ways in which a Redis can be away, for moments; now and then for longer than an answer is waited for.
    pub(super) fn strike_redis(&mut self, redis: &mut dyn StruckRedis, era: Duration) {
        if !self.random.one_in(25) {
            return;
        }
        self.redis_struck += 1;
        let long = era >= 2 * NO_ANSWER && self.random.one_in(15);
        let time = if long { NO_ANSWER } else { self.random.millis(200) };
        match self.random.below(3) {
            0 => redis.hangs(time),
            1 => redis.is_killed(time),
            _ => redis.is_restarted(time),
        }
    }

    /// The number of times.
    pub(super) fn redis_struck(&self) -> u64 {
        self.redis_struck
    }

    pub(super) fn lull(&mut self) -> Duration {
        self.random.millis(40)
    }

    pub(super) fn clear(&mut self, provider: &TestProvider, api: &Api) {
        for endpoint in STRUCK {
            provider.clear(endpoint);
        }
        provider.forget_old_keys();
        api.clear();
        self.struck.clear();
    }

    fn plain(&mut self) -> Fault {
        match self.random.below(4) {
            0 => Fault::status(500),
            1 => Fault::answer(503, "text/html", "<h1>We'll be back</h1>").header("retry-after", "1"),
            2 => Fault::rate_limited(Duration::from_secs(1)),
            _ => Fault::error(400, "temporarily_unavailable", "Try again."),
        }
    }

    fn lost(&mut self) -> Fault {
        let fault = match self.random.below(6) {
            0 => Fault::stall(),
            1 => Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"access_t"),
            2 => Fault::raw([0x16, 3, 1, 0, 0xff, 0]),
            3 => Fault::answer(200, "text/html", "<p>Welcome to the airport's Wi-Fi"),
            4 => Fault::redirect(&self.foreign),
            _ => Fault::close(),
        };
        if self.random.one_in(2) { fault.committed() } else { fault }
    }

    /// For what may be asked again as often as one likes.
    fn any(&mut self) -> Fault {
        if self.random.one_in(2) { self.plain() } else { self.lost() }
    }
}

/// Longer than the library waits for an answer of Redis's.
const NO_ANSWER: Duration = Duration::from_secs(6);
const STRUCK: [Endpoint; 6] =
    [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Authorize, Endpoint::Login, Endpoint::Callback, Endpoint::Token];
