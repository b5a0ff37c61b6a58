//! Row 4: 10,000 tasks that find no token, or one that has ended, where the token endpoint takes 200 ms.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, CredentialsManager};
use reqwest::Client;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::endpoint::{TOKEN, TokenEndpoint};
use crate::measure::{Unit, Variant, nanoseconds, table};
use crate::source::{Answer, Azure, Google, Source, Yup};

pub fn measure() -> String {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let endpoint = TokenEndpoint::start(TAKES);
    let plain = Client::builder().no_proxy().build().unwrap();

    let clock = TestClock::new();
    let provider = runtime.block_on(TestProvider::builder().clock(clock.clone()).access_token_life(LIFE).start());
    let auth = Application::new(provider.issuer(), provider.client_id()).clock(&clock).web_auth();
    let auth = auth.scope("openid offline_access").ephemeral_port().browser(TestBrowser::new());
    let session = CredentialsManager::new(auth, Memory::new());
    runtime.block_on(session.login_if_needed()).unwrap();

    let (most_of_google, most_of_azure, most_of_yup) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let most = |most: &AtomicUsize, requests: usize| _ = most.fetch_max(requests, Ordering::Relaxed);
    let variants = vec![
        Variant::new("floor: one plain request, and 10,000 tasks that wait for its answer", || {
            let began = Instant::now();
            runtime.block_on(one_plain_request(&plain, &endpoint.url));
            nanoseconds(began, 1)
        }),
        Variant::new("hallpass, at an expiry", || {
            clock.advance(LIFE);
            let before = provider.count(Endpoint::Token);
            let took = runtime.block_on(answered(&provider, &session));
            assert_eq!(provider.count(Endpoint::Token), before + 1, "one request, however many ask");
            took
        }),
        Variant::new("google-cloud-auth, its first token", || {
            endpoint.requests();
            let source = Arc::new(Google::new(&endpoint.url));
            let began = Instant::now();
            runtime.block_on(ask(&source));
            most(&most_of_google, endpoint.requests());
            nanoseconds(began, 1)
        }),
        Variant::new("azure_identity, its first token", || {
            let (requests, count) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&most_of_azure));
            let source = Arc::new(Azure::new(move || {
                count.fetch_max(requests.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                Answer { after: TAKES, token: TOKEN.to_owned() }
            }));
            let began = Instant::now();
            runtime.block_on(ask(&source));
            nanoseconds(began, 1)
        }),
        Variant::new("yup-oauth2, an expiry", || {
            endpoint.requests();
            let source = Arc::new(runtime.block_on(Yup::new(&endpoint.url, TOKEN, false)));
            let began = Instant::now();
            runtime.block_on(ask(&source));
            most(&most_of_yup, endpoint.requests());
            nanoseconds(began, 1)
        }),
    ];
    let table = table("10,000 tasks and no token, an endpoint that takes 200 ms", Unit::Milliseconds, ROUNDS, variants);
    let [google, azure, yup] = [&most_of_google, &most_of_azure, &most_of_yup].map(|most| most.load(Ordering::Relaxed));
    format!(
        "{table}\nRequests in a round, at most: hallpass 1, google-cloud-auth {google}, azure_identity {azure}, yup-oauth2 {yup}.\n"
    )
}

async fn ask<S: Source>(source: &Arc<S>) {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let source = Arc::clone(source);
        tasks.spawn(async move { source.header().await });
    }
    tasks.join_all().await;
}

async fn answered(provider: &TestProvider, session: &CredentialsManager) -> f64 {
    let gate = provider.hold(Endpoint::Token);
    let slow = async {
        gate.reached(1).await;
        tokio::time::sleep(TAKES).await;
        gate.release();
    };
    let work = async {
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let session = session.clone();
            tasks.spawn(async move { session.credentials().await.unwrap() });
        }
        tasks.join_all().await;
    };
    let began = Instant::now();
    tokio::join!(slow, work);
    nanoseconds(began, 1)
}

async fn one_plain_request(client: &Client, url: &str) {
    let (answered, answer) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let mut answer = answer.clone();
        tasks.spawn(async move { _ = answer.wait_for(|answered| *answered).await.unwrap() });
    }
    client
        .post(url)
        .form(&[("grant_type", "refresh_token"), ("refresh_token", "refresh")])
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    answered.send(true).unwrap();
    tasks.join_all().await;
}

const ROUNDS: usize = 11;
const TASKS: usize = 10_000;
const LIFE: Duration = Duration::from_secs(3600);
const TAKES: Duration = Duration::from_millis(200);
