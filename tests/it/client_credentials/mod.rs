//! A service's own token: one request, kept, renewed ahead of its end.

mod fleet;

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ClientCredentials, TokenSource};

async fn service(clock: &TestClock) -> (TestProvider, ClientCredentials) {
    let provider = TestProvider::builder().clock(clock.clone()).access_token_life(Duration::from_secs(1000)).start().await;
    let application = Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(provider.client_secret()))
        .clock(clock);
    let token = application.client_credentials().audience("https://api.acme.com");
    (provider, token)
}

/// H12 — token: 1
#[tokio::test]
async fn any_number_of_tasks_make_one_request() {
    let clock = TestClock::new();
    let (provider, source) = service(&clock).await;
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            tokio::spawn({
                let source = source.clone();
                async move { source.token().await }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    clock.advance(Duration::from_secs(800));
    source.token().await.unwrap();
    assert_eq!(provider.count(Endpoint::Token), 1, "kept until shortly before its end");
    let request = &provider.requests(Endpoint::Token)[0];
    assert_eq!(request.field("grant_type").as_deref(), Some("client_credentials"));
}

/// H12 — token: 2
#[tokio::test]
async fn the_old_token_serves_while_a_new_one_is_fetched() {
    let clock = TestClock::new();
    let (provider, source) = service(&clock).await;
    let old = source.token().await.unwrap();
    clock.advance(Duration::from_secs(950));
    let gate = provider.hold(Endpoint::Token);
    assert_eq!(source.token().await.unwrap(), old, "served at once");
    gate.reached(1).await;
    gate.release();
    let renewed = tokio::time::timeout(Duration::from_secs(10), async {
        while source.cached().is_none() {
            tokio::task::yield_now().await;
        }
    });
    renewed.await.unwrap();
    assert_ne!(source.cached().unwrap(), old);
    assert_eq!(provider.count(Endpoint::Token), 2);
}

/// H12 — token: 2, and 1 when the token has ended
#[tokio::test]
async fn a_failure_ahead_of_the_end_disturbs_nobody() {
    let clock = TestClock::new();
    let (provider, source) = service(&clock).await;
    let old = source.token().await.unwrap();
    clock.advance(Duration::from_secs(950));
    provider.next(Endpoint::Token, Fault::status(503));
    assert_eq!(source.token().await.unwrap(), old);
    provider.asked(Endpoint::Token, 2).await;
    clock.advance(Duration::from_secs(51));
    provider.clear(Endpoint::Token);
    let new = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            // The first may still join the request that fails.
            if let Ok(token) = source.token().await {
                return token;
            }
        }
    });
    assert_ne!(new.await.unwrap(), old, "once it has ended, everybody waits for the new one");
    assert_eq!(provider.count(Endpoint::Token), 3);
}

/// H12 — token: 2, the second for a token that was refused
#[tokio::test]
async fn a_refused_token_is_replaced_and_a_refresh_token_is_never_used() {
    let clock = TestClock::new();
    let (provider, source) = service(&clock).await;
    provider.next(Endpoint::Token, Fault::new().set("refresh_token", "nobody-asked-for-it"));
    let old = source.token().await.unwrap();
    let new = TokenSource::token(&source, Some(&old)).await.unwrap();
    assert_ne!(old, new);
    let sent = provider.requests(Endpoint::Token);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|request| request.field("refresh_token").is_none()));
}
