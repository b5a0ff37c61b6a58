//! Rows 1 and 2: a cached token as a header, on one thread and by 64 tasks on two.
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hallpass::testing::TestProvider;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::endpoint::{TOKEN, TokenEndpoint};
use crate::measure::{Unit, Variant, nanoseconds, table};
use crate::source::{Answer, Azure, Google, Hallpass, Source, UnderArcSwap, UnderRwLock, Yup};

pub fn measure() -> String {
    let single = Builder::new_current_thread().enable_all().build().unwrap();
    let several = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Where the peers' own tasks live.
    let _inside = several.enter();
    let provider = several.block_on(TestProvider::start());
    let endpoint = TokenEndpoint::start(Duration::ZERO);
    let hallpass = Arc::new(several.block_on(Hallpass::logged_in(&provider)));
    let ready = several.block_on(hallpass.header());
    let under_rw_lock = Arc::new(UnderRwLock::new(ready.clone()));
    let under_arc_swap = Arc::new(UnderArcSwap::new(ready));
    let azure = Arc::new(Azure::new(|| Answer { after: Duration::ZERO, token: TOKEN.to_owned() }));
    let google = Arc::new(Google::new(&endpoint.url));
    let yup = Arc::new(several.block_on(Yup::new(&endpoint.url, TOKEN, true)));
    several.block_on(async { (azure.header().await, google.header().await) });

    let alone = table(
        "A cached token as a header, one thread",
        Unit::Nanoseconds,
        ROUNDS,
        vec![
            one(&single, "floor: RwLock and expiry", &under_rw_lock),
            one(&single, "ArcSwap and expiry", &under_arc_swap),
            one(&single, "hallpass", &hallpass),
            one(&single, "google-cloud-auth", &google),
            one(&single, "azure_identity", &azure),
            one(&single, "yup-oauth2", &yup),
        ],
    );
    let contended = table(
        "A cached token as a header, 64 tasks on 2 threads",
        Unit::Nanoseconds,
        ROUNDS,
        vec![
            many(&several, "floor: ArcSwap and expiry", &under_arc_swap),
            many(&several, "RwLock and expiry", &under_rw_lock),
            many(&several, "hallpass", &hallpass),
            many(&several, "google-cloud-auth", &google),
            many(&several, "azure_identity", &azure),
            many(&several, "yup-oauth2", &yup),
        ],
    );
    format!("{alone}\n{contended}")
}

fn one<'a, S: Source>(runtime: &'a Runtime, name: &str, source: &'a Arc<S>) -> Variant<'a> {
    Variant::waiting(name, CALLS_ALONE, runtime, || source.header())
}

fn many<'a, S: Source>(runtime: &'a Runtime, name: &str, source: &Arc<S>) -> Variant<'a> {
    let source = Arc::clone(source);
    Variant::new(name, move || {
        let began = Instant::now();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..TASKS {
                let source = Arc::clone(&source);
                tasks.spawn(async move {
                    for _ in 0..CALLS / TASKS / CALLS_AT_ONCE {
                        for _ in 0..CALLS_AT_ONCE {
                            black_box(source.header().await);
                        }
                        tokio::task::yield_now().await;
                    }
                });
            }
            tasks.join_all().await;
        });
        nanoseconds(began, CALLS)
    })
}

const ROUNDS: usize = 31;
const CALLS_ALONE: u32 = 100_000;
const CALLS: u32 = 192_000;
const TASKS: u32 = 64;
/// Of one task, before it lets others run.
const CALLS_AT_ONCE: u32 = 100;
