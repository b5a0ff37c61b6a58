//! What a cached token costs: the manager's against the least that any such thing takes, in interleaved rounds.
//!
//! `cargo bench --bench cached_token` prints nanoseconds for each call, and ratios of the same run: only those are worth
//! comparing. The floors are the clone of a ready header value and a look at the system's clock: under an RwLock, which is the
//! least for one thread, and under an ArcSwap, which is the least for many.
#![expect(clippy::print_stdout, reason = "a benchmark shows what it measures")]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "it is a test of speed, and the floor reads the clock itself")]

use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use hallpass::store::Memory;
use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{CredentialsManager, TokenSource, WebAuth};
use reqwest::header::HeaderValue;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// One buffer, and when it ends.
type Held = (HeaderValue, i64);

struct UnderRwLock(RwLock<Option<Arc<Held>>>);

struct UnderArcSwap(ArcSwapOption<Held>);

impl UnderRwLock {
    fn cached(&self) -> Option<HeaderValue> {
        let now = now();
        let held = self.0.read().unwrap();
        held.as_deref().filter(|(_, due)| now < *due).map(|(header, _)| header.clone())
    }
}

impl UnderArcSwap {
    fn cached(&self) -> Option<HeaderValue> {
        let now = now();
        let held = self.0.load();
        held.as_deref().filter(|(_, due)| now < *due).map(|(header, _)| header.clone())
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let manager = runtime.block_on(logged_in());
    let header = manager.cached().unwrap().header_value().clone();
    let held = Arc::new((header, i64::MAX));
    let rw_lock = Arc::new(UnderRwLock(RwLock::new(Some(Arc::clone(&held)))));
    let (arc_swap, manager) = (Arc::new(UnderArcSwap(ArcSwapOption::new(Some(held)))), Arc::new(manager));

    let of_manager = || one_thread(|| manager.cached());
    println!("one thread, against an RwLock:");
    compare(|| one_thread(|| rw_lock.cached()), of_manager);
    println!("one thread, against an ArcSwap:");
    compare(|| one_thread(|| arc_swap.cached()), of_manager);

    let of_manager = || {
        let manager = Arc::clone(&manager);
        many_tasks(&runtime, move || manager.cached())
    };
    println!("64 tasks on 2 threads, against an RwLock:");
    let of_rw_lock = || {
        let rw_lock = Arc::clone(&rw_lock);
        many_tasks(&runtime, move || rw_lock.cached())
    };
    compare(of_rw_lock, of_manager);
    println!("64 tasks on 2 threads, against an ArcSwap:");
    let of_arc_swap = || {
        let arc_swap = Arc::clone(&arc_swap);
        many_tasks(&runtime, move || arc_swap.cached())
    };
    compare(of_arc_swap, of_manager);
}

async fn logged_in() -> CredentialsManager {
    let provider = TestProvider::start().await;
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").ephemeral_port();
    let manager = CredentialsManager::new(auth.browser(TestBrowser::new()), Memory::new());
    manager.login_if_needed().await.unwrap();
    manager
}

/// The median of both, and of the ratio of neighbouring rounds, which a noisy machine disturbs least.
fn compare(floor: impl Fn() -> f64, manager: impl Fn() -> f64) {
    let (mut of_floor, mut of_manager, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (first, second) = if round % 2 == 0 {
            let first = floor();
            (first, manager())
        } else {
            let second = manager();
            (floor(), second)
        };
        // The first round is for warming up.
        if round > 0 {
            of_floor.push(first);
            of_manager.push(second);
            ratios.push(second / first);
        }
    }
    println!("  floor    {:6.1} ns", median(&mut of_floor));
    println!("  manager  {:6.1} ns", median(&mut of_manager));
    println!("  ratio    {:6.2}", median(&mut ratios));
}

fn one_thread<T>(call: impl Fn() -> Option<T>) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        black_box(call()).unwrap();
    }
    nanoseconds(began.elapsed())
}

/// The time that all of them take, for each call.
fn many_tasks<T: 'static>(runtime: &Runtime, call: impl Fn() -> Option<T> + Clone + Send + 'static) -> f64 {
    let began = Instant::now();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let call = call.clone();
            tasks.spawn(async move {
                for _ in 0..CALLS / TASKS / CALLS_AT_ONCE {
                    for _ in 0..CALLS_AT_ONCE {
                        black_box(call()).unwrap();
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
    nanoseconds(began.elapsed())
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const ROUNDS: usize = 41;
const CALLS: u32 = 640_000;
const TASKS: u32 = 64;
/// Of one task, before it lets others run.
const CALLS_AT_ONCE: u32 = 100;
