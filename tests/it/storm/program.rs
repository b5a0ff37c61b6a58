//! The program with the sessions: what it is told, and what it tells.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::testing::{Api, TestClock, TestProvider};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::rest::Rest;
use super::sessions::Sessions;
use super::weather::Jump;
use crate::counting_allocator;

/// The addresses of all parts.
pub(super) struct Places {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) api: String,
    pub(super) foreign: String,
    /// If there is one.
    pub(super) redis: Option<String>,
    pub(super) seed: u64,
}

pub(super) const AUDIENCE: &str = "https://api.acme.com";
/// Longer than all jumps of the clock together.
pub(super) const REUSE_INTERVAL: Duration = Duration::from_secs(20 * 365 * 86_400);

impl Places {
    pub(super) fn of(provider: &TestProvider, api: &Api, foreign: &Api, redis: Option<String>, seed: u64) -> Self {
        Self {
            issuer: provider.issuer().to_owned(),
            client_id: provider.client_id().to_owned(),
            api: api.url().to_string(),
            foreign: foreign.url().to_string(),
            redis,
            seed,
        }
    }

    /// Only in the program.
    pub(super) fn given() -> Option<Self> {
        let places: Value = serde_json::from_str(&std::env::var(PLACES).ok()?).unwrap();
        let text = |name: &str| places[name].as_str().unwrap().to_owned();
        let (issuer, client_id, api, foreign) = (text("issuer"), text("client_id"), text("api"), text("foreign"));
        let redis = places["redis"].as_str().map(str::to_owned);
        Some(Self { issuer, client_id, api, foreign, redis, seed: places["seed"].as_u64().unwrap() })
    }

    fn to_json(&self) -> String {
        let Self { issuer, client_id, api, foreign, redis, seed } = self;
        json!({ "issuer": issuer, "client_id": client_id, "api": api, "foreign": foreign, "redis": redis, "seed": seed })
            .to_string()
    }
}

/// The program as the test sees it.
pub(super) struct Program {
    child: Child,
    orders: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Program {
    pub(super) fn start(test: &str, places: &Places) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]);
        command.env(PLACES, places.to_json()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, says) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, says }
    }

    pub(super) fn jumps(&mut self, jump: Jump) {
        let order = match jump {
            Jump::Forward(seconds) => format!("forward {seconds}"),
            Jump::Back(seconds) => format!("back {seconds}"),
        };
        writeln!(self.orders, "{order}").unwrap();
    }

    /// Until every session works, nothing goes on any more, and what is held has been counted.
    pub(super) fn comes_to_rest(&mut self) -> Rest {
        writeln!(self.orders, "rest").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.says.read_line(&mut line).unwrap() > 0, "the program ended; what it said stands above");
            // The test harness of the other process has lines of its own, before and around.
            if let Some(rest) = line.split_once(AT_REST).and_then(|(_, rest)| Rest::from_line(rest)) {
                return rest;
            }
        }
    }

    pub(super) fn ends_well(mut self) {
        writeln!(self.orders, "end").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The program itself.
pub(super) fn run(places: &Places) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = TestClock::new();
        let mut orders = orders();
        let mut sessions = Sessions::of(places, &clock);
        while let Some(order) = sessions.or_ends(orders.recv()).await {
            match order.split_once(' ') {
                Some(("forward", seconds)) => clock.advance(Duration::from_secs(seconds.parse().unwrap())),
                Some(("back", seconds)) => clock.rewind(Duration::from_secs(seconds.parse().unwrap())),
                _ if order == "rest" => {
                    sessions.pause().await;
                    let rest = at_rest(&sessions).await;
                    println!("{AT_REST}{}", rest.to_line());
                    sessions.go_on();
                }
                _ => return,
            }
        }
    });
}

fn orders() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn at_rest(sessions: &Sessions) -> Rest {
    let metrics = Handle::current().metrics();
    let settled = timeout(SETTLED, async {
        while metrics.num_alive_tasks() > sessions.tasks() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(settled.await.is_ok(), "{} tasks are alive beside the sessions' own", metrics.num_alive_tasks() - sessions.tasks());
    let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
    Rest {
        lost: sessions.lost(),
        ambiguous: sessions.ambiguous(),
        answered: sessions.answered(),
        failed: sessions.failed(),
        tasks: u64::try_from(metrics.num_alive_tasks()).unwrap(),
        files: u64::try_from(files).unwrap(),
        live_bytes: counting_allocator::live_bytes(),
    }
}

const PLACES: &str = "PLACES_OF_A_STORM";
const AT_REST: &str = "at rest: ";
/// Longer than any request may take.
const SETTLED: Duration = Duration::from_secs(60);
