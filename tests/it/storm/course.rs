use std::time::{Duration, Instant};

use hallpass::testing::{Api, Endpoint, TestClock, TestProvider};

use super::program::{self, Places, Program};
use super::random::{self, Random};
use super::rest::Rest;
use super::struck_redis::StruckRedis;
use super::weather::{Faults, Weather};

/// The test that calls it is run once more, in another process, which is the program.
pub(super) fn run(test: &str, redis: impl FnOnce() -> Option<Box<dyn StruckRedis>>) {
    if let Some(places) = Places::given() {
        return program::run(&places);
    }
    let seconds = number("STORM_SECONDS").unwrap_or(6);
    let seed = number("STORM_SEED").unwrap_or_else(random::seed);
    println!("STORM_SEED={seed} STORM_SECONDS={seconds}");
    let storm = Storm::begin(test, seed, redis());
    storm.last(Duration::from_secs(seconds));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

struct Storm {
    provider: TestProvider,
    api: Api,
    /// Another origin, which has no business with any token.
    foreign: Api,
    redis: Option<Box<dyn StruckRedis>>,
    weather: Weather,
    program: Program,
}

impl Storm {
    fn begin(test: &str, seed: u64, redis: Option<Box<dyn StruckRedis>>) -> Self {
        let clock = TestClock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (provider, api, foreign) = runtime.block_on(async {
            let builder = TestProvider::builder().clock(clock.clone()).access_token_life(Duration::from_secs(3600));
            let provider = builder.reuse_interval(program::REUSE_INTERVAL).start().await;
            let api = Api::start(&provider, program::AUDIENCE).await;
            let foreign = Api::start(&provider, program::AUDIENCE).await;
            (provider, api, foreign)
        });
        let places = Places::of(&provider, &api, &foreign, redis.as_deref().map(StruckRedis::url), seed);
        let weather = Weather::new(Random::new(seed), clock, foreign.url().to_string());
        Self { program: Program::start(test, &places), provider, api, foreign, redis, weather }
    }

    /// Eras of two kinds take turns. In the first, every fault tells that nothing was done, or is about something else than tokens: no
    /// session may be lost. In the other, answers get lost, so that a session may be, but no more than answers.
    fn last(mut self, duration: Duration) {
        let eras = (duration.as_secs() / ERA_SECONDS).max(4);
        let era = duration / u32::try_from(eras).unwrap();
        let mut before = self.program.comes_to_rest();
        assert_eq!(before.lost, 0, "in fair weather");
        let mut warm = None;
        for number in 0..eras {
            let faults = if number % 2 == 0 { Faults::Plain } else { Faults::LostAnswers };
            let lost_answers = self.rage(faults, era);
            let rest = self.program.comes_to_rest();
            println!("era {number}, {faults:?}, {lost_answers} answers lost: {rest:?}");
            // Each is told by two managers. On a machine that is very busy, answers also come too late.
            let (lost, ambiguous) = (rest.lost - before.lost, rest.ambiguous - before.ambiguous);
            assert!(lost <= 2 * lost_answers.max(ambiguous), "{lost} sessions were lost, and {lost_answers} answers");
            assert!(rest.answered > before.answered, "the API answered somebody");
            before = rest;
            // The first eras fill caches and pools.
            if number == 1 {
                warm = Some(rest);
            }
        }
        self.check(&before, &warm.unwrap());
    }

    /// The number of answers of the token endpoint that may have been lost.
    fn rage(&mut self, faults: Faults, era: Duration) -> u64 {
        let (began, mut lost_answers) = (Instant::now(), 0);
        while began.elapsed() < era {
            lost_answers += u64::from(self.weather.strike(faults, &self.provider, &self.api));
            if let Some(redis) = &mut self.redis {
                self.weather.strike_redis(&mut **redis, era);
            }
            if let Some(jump) = self.weather.jump() {
                self.program.jumps(jump);
            }
            // The pace of the storm: nothing is waited for.
            std::thread::sleep(self.weather.lull());
        }
        self.weather.clear(&self.provider, &self.api);
        lost_answers
    }

    fn check(self, end: &Rest, warm: &Rest) {
        let (provider, api) = (self.provider, self.api);
        self.program.ends_well();
        if self.redis.is_some() {
            println!("Redis was struck {} times", self.weather.redis_struck());
            assert!(self.weather.redis_struck() > 0);
        }

        assert_eq!(self.foreign.count(), 0, "nothing goes to an origin that nobody named, with or without a token");
        let seen = api.seen();
        for request in &seen {
            let values: Vec<_> = request.headers().get_all("authorization").iter().collect();
            assert!(matches!(&*values, [value] if value.as_bytes().starts_with(b"Bearer ey")), "{request:?}");
            assert!(request.query().is_none_or(|query| !query.contains("token")), "{request:?}");
        }
        let tokens = provider.requests(Endpoint::Token);
        let renewals = tokens.iter().filter(|request| request.field("grant_type").as_deref() == Some("refresh_token")).count();
        println!("{} calls reached the API, {} requests the token endpoint, {renewals} of them renewals", seen.len(), tokens.len());

        // Each manager's connection to Redis is a task and a socket. After a fault it may be there or not.
        let connections = if self.redis.is_some() { 2 } else { 0 };
        let (tasks, files) = (end.tasks.saturating_sub(warm.tasks), end.files.saturating_sub(warm.files));
        assert!(tasks <= connections, "{tasks} tasks are left over");
        assert!(files <= connections, "{files} files, sockets and ports are left over");
        let grown = end.live_bytes - warm.live_bytes;
        println!("{grown} bytes more are in use than after the first two eras, of {}", warm.live_bytes);
        assert!(grown < MOST_GROWTH, "{grown} bytes of memory are left over");
    }
}

const ERA_SECONDS: u64 = 15;
/// Threads come and go, and hash tables grow by steps: that much is no leak. A leak of 100 bytes a call would be more in ten seconds.
const MOST_GROWTH: isize = 128 * 1024;
