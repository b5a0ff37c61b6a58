//! What 10,000 tasks wait that find the token ended, at a provider that takes 200 ms: against one plain request, whose answer
//! 10,000 tasks wait for, in interleaved rounds.
//!
//! `cargo bench --bench expired_token` prints milliseconds, and the ratio of the same run. Each round is an expiry, none is the
//! first token.
#![expect(clippy::print_stdout, reason = "a benchmark shows what it measures")]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "it is a test of speed, and the floor sends by itself")]

use std::future::Future;
use std::time::{Duration, Instant};

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, CredentialsManager};
use reqwest::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).access_token_life(LIFE).start().await;
    let auth = Application::new(provider.issuer(), provider.client_id()).clock(&clock).web_auth();
    let auth = auth.scope("openid offline_access").ephemeral_port().browser(TestBrowser::new());
    let session = CredentialsManager::new(auth, Memory::new());
    session.login_if_needed().await.unwrap();
    let plain = Client::builder().no_proxy().build().unwrap();

    let (mut floors, mut managers, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round is for warming up.
    for round in 0..=ROUNDS {
        let floor = answered(&provider, one_plain_request(&plain, &provider)).await;
        clock.advance(LIFE);
        let before = provider.count(Endpoint::Token);
        let manager = answered(&provider, ask(&session)).await;
        assert_eq!(provider.count(Endpoint::Token), before + 1, "one request, however many ask");
        if round > 0 {
            floors.push(floor);
            managers.push(manager);
            ratios.push(manager / floor);
        }
    }
    println!("{TASKS} tasks on an expired token, {ROUNDS} rounds, 1 request in each:");
    println!("  floor    {:6.1} ms", median(&mut floors));
    println!("  manager  {:6.1} ms", median(&mut managers));
    println!("  ratio    {:6.2}", median(&mut ratios));
}

/// How many milliseconds it takes, when the token endpoint takes its time.
async fn answered(provider: &TestProvider, work: impl Future<Output = ()>) -> f64 {
    let gate = provider.hold(Endpoint::Token);
    let slow = async {
        gate.reached(1).await;
        tokio::time::sleep(PROVIDER_TAKES).await;
        gate.release();
    };
    let began = Instant::now();
    tokio::join!(slow, work);
    began.elapsed().as_secs_f64() * 1e3
}

async fn ask(session: &CredentialsManager) {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let session = session.clone();
        tasks.spawn(async move { session.credentials().await.unwrap() });
    }
    tasks.join_all().await;
}

async fn one_plain_request(client: &Client, provider: &TestProvider) {
    let (answered, answer) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let mut answer = answer.clone();
        tasks.spawn(async move { _ = answer.wait_for(|answered| *answered).await.unwrap() });
    }
    let form = [("grant_type", "refresh_token"), ("client_id", provider.client_id()), ("refresh_token", "of nobody")];
    let request = client.post(format!("{}/oauth/token", provider.issuer().trim_end_matches('/'))).form(&form);
    request.send().await.unwrap().bytes().await.unwrap();
    answered.send(true).unwrap();
    tasks.join_all().await;
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const ROUNDS: usize = 21;
const TASKS: usize = 10_000;
const LIFE: Duration = Duration::from_secs(3600);
const PROVIDER_TAKES: Duration = Duration::from_millis(200);
