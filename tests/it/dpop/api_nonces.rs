//! Nonces that APIs want in proofs.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hallpass::dpop::DpopKey;
use hallpass::testing::{Api, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, Result, TokenSource};
use reqwest::Body;

use super::{AUDIENCE, verified};
use crate::scripted_api::{ScriptedApi, Seen, answer};

fn client() -> AuthorizedClient {
    AuthorizedClient::new(AccessToken::dpop("token-0", DpopKey::generate().unwrap()).unwrap()).unwrap()
}

fn nonce(seen: &Seen) -> Option<String> {
    Some(verified(seen.header("dpop").unwrap()).get("nonce")?.as_str().unwrap().to_owned())
}

fn asks_for(nonce: &str) -> String {
    answer(401, &["WWW-Authenticate: DPoP error=\"use_dpop_nonce\", algs=\"ES256\"", &format!("DPoP-Nonce: {nonce}")], "")
}

/// F20
#[tokio::test]
async fn a_nonce_costs_one_request_more_and_is_remembered() {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let other = Api::start(&provider, AUDIENCE).await;
    let key = DpopKey::generate().unwrap();
    let token = AccessToken::dpop(provider.dpop_access_token(AUDIENCE, "", key.thumbprint()), key).unwrap();
    api.require_dpop_nonce();
    let client = AuthorizedClient::new(token).unwrap();
    let post = |api: &Api| client.post(api.url().join("messages?a=b").unwrap()).body("hello").send();
    for (call, requests) in [(1, 2), (2, 3), (3, 4)] {
        assert_eq!(post(&api).await.unwrap().status(), 200);
        assert_eq!(api.count(), requests, "call {call}");
    }
    api.require_dpop_nonce();
    assert_eq!(post(&api).await.unwrap().status(), 200);
    assert_eq!(api.count(), 6, "it was another one");
    assert!(api.seen().iter().all(|seen| seen.body() == b"hello"));

    assert_eq!(post(&other).await.unwrap().status(), 200);
    assert_eq!(verified(other.seen()[0].header("dpop").unwrap()).get("nonce"), None, "it is told no other origin");
}

/// F20: any answer brings one, also a success, an error or a redirect.
#[tokio::test]
async fn a_nonce_is_learnt_from_every_answer() {
    for (status, header) in [(200, ""), (404, ""), (503, ""), (307, "Location: /next"), (401, "WWW-Authenticate: DPoP error=\"x\"")]
    {
        let api = ScriptedApi::start(move |seen| match seen.target.as_str() {
            "/first" => answer(status, &["DPoP-Nonce: n1", if header.is_empty() { "X: y" } else { header }], ""),
            _ => answer(200, &[], ""),
        })
        .await;
        let client = client();
        client.get(api.url("/first")).send().await.unwrap();
        client.get(api.url("/next")).send().await.unwrap();
        assert_eq!(nonce(api.seen().last().unwrap()).as_deref(), Some("n1"), "{status}");
    }
}

/// K7 — requests: 5 for 3 calls. Auth0 names an expired nonce so.
#[tokio::test]
async fn an_expired_nonce_is_replaced_as_a_missing_one_is() {
    let current = std::sync::Arc::new(AtomicUsize::new(0));
    let now = std::sync::Arc::clone(&current);
    let api = ScriptedApi::start(move |seen| {
        let nonce = format!("n{}", now.load(Ordering::SeqCst));
        match self::nonce(seen) {
            Some(own) if own == nonce => answer(200, &[], ""),
            _ => answer(401, &["WWW-Authenticate: DPoP error=\"invalid_dpop_nonce\"", &format!("DPoP-Nonce: {nonce}")], ""),
        }
    })
    .await;
    let client = client();
    for (round, requests) in [(0, 2), (0, 3), (1, 5)] {
        current.store(round, Ordering::SeqCst);
        assert_eq!(client.get(api.url("/")).send().await.unwrap().status(), 200, "{round}");
        assert_eq!(api.seen().len(), requests);
    }
}

/// F19
#[tokio::test]
async fn an_api_that_asks_for_ever_is_asked_twice() {
    let count = AtomicUsize::new(0);
    let api = ScriptedApi::start(move |_| asks_for(&format!("n{}", count.fetch_add(1, Ordering::SeqCst)))).await;
    let client = client();
    let response = client.post(api.url("/")).body("body").send().await.unwrap();
    assert_eq!((response.status().as_u16(), api.seen().len()), (401, 2));
    assert_eq!(api.seen().iter().map(nonce).collect::<Vec<_>>(), [None, Some("n0".to_owned())]);
    assert!(api.seen().iter().all(|seen| seen.body == b"body"));
    client.get(api.url("/")).send().await.unwrap();
    assert_eq!(nonce(&api.seen()[2]).as_deref(), Some("n1"));
}

/// F19
#[tokio::test]
async fn only_a_nonce_that_is_one_makes_a_second_request() {
    let challenge = "WWW-Authenticate: DPoP error=\"use_dpop_nonce\"";
    let long = format!("DPoP-Nonce: {}", "n".repeat(1025));
    for headers in [
        &[challenge][..],
        &[challenge, "DPoP-Nonce: n1", "DPoP-Nonce: n2"],
        &[challenge, "DPoP-Nonce: "],
        &[challenge, "DPoP-Nonce: n 1"],
        &[challenge, "DPoP-Nonce: n\"1"],
        &[challenge, &long],
        &["WWW-Authenticate: DPoP error=\"invalid_dpop_proof\"", "DPoP-Nonce: n1"],
        &["WWW-Authenticate: Basic error=\"use_dpop_nonce\", Bearer error=\"use_dpop_nonce\"", "DPoP-Nonce: n1"],
    ] {
        let reply = answer(401, headers, "");
        let api = ScriptedApi::start(move |_| reply.clone()).await;
        assert_eq!(client().get(api.url("/")).send().await.unwrap().status(), 401);
        assert_eq!(api.seen().len(), 1, "{headers:?}");
    }
    let api = ScriptedApi::start(|_| answer(403, &["WWW-Authenticate: DPoP error=\"use_dpop_nonce\"", "DPoP-Nonce: n1"], "")).await;
    assert_eq!(client().get(api.url("/")).send().await.unwrap().status(), 403);
    assert_eq!(api.seen().len(), 1);
}

/// Never the same token twice, so that no pause between renewals gets in the way.
struct Endless(DpopKey, AtomicUsize);

impl TokenSource for Endless {
    async fn token(&self, _rejected: Option<&AccessToken>) -> Result<AccessToken> {
        AccessToken::dpop(format!("token-{}", self.1.fetch_add(1, Ordering::SeqCst)), self.0.clone())
    }
}

/// F12, F19: what a server answers decides nothing about how often it is asked.
#[tokio::test]
async fn a_refused_nonce_and_a_refused_token_cost_four_requests_at_most() {
    let count = AtomicUsize::new(0);
    let api = ScriptedApi::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => asks_for("n"),
        _ => answer(401, &["WWW-Authenticate: DPoP error=\"invalid_token\""], ""),
    })
    .await;
    let source = Endless(DpopKey::generate().unwrap(), AtomicUsize::new(0));
    let client = AuthorizedClient::new(source).unwrap();
    assert_eq!(client.get(api.url("/")).send().await.unwrap().status(), 401);
    let tokens: Vec<_> = api.seen().iter().map(|seen| seen.authorization().unwrap().to_owned()).collect();
    assert_eq!(tokens, ["DPoP token-0", "DPoP token-0", "DPoP token-1", "DPoP token-1"]);
    let ids: HashSet<_> = api.seen().iter().map(|seen| verified(seen.header("dpop").unwrap())["jti"].to_string()).collect();
    assert_eq!(ids.len(), 4);
}

/// F12, F19
#[tokio::test]
async fn redirects_and_refusals_without_end_come_to_an_end() {
    let count = AtomicUsize::new(0);
    let api = ScriptedApi::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => asks_for("n"),
        _ => answer(307, &["Location: /again"], ""),
    })
    .await;
    client().get(api.url("/")).send().await.unwrap_err();
    assert_eq!(api.seen().len(), 22, "eleven hops, two requests each");
}

/// F15: the next call knows the nonce.
#[tokio::test]
async fn a_stream_is_not_sent_again() {
    let api = ScriptedApi::start(|seen| if nonce(seen).is_some() { answer(200, &[], "hello") } else { asks_for("n") }).await;
    let client = client();
    let upload = || client.post(api.url("/")).body(Body::wrap(Body::from("upload"))).send();
    assert_eq!(upload().await.unwrap().status(), 401);
    assert_eq!(upload().await.unwrap().status(), 200);
    assert_eq!(api.seen().len(), 2);
}

/// F21: each nonce of this API is good once.
#[tokio::test]
async fn concurrent_retries_use_the_nonce_of_their_own_answer() {
    let (fresh, made) = (Mutex::new(HashSet::new()), AtomicUsize::new(0));
    let api = ScriptedApi::start(move |seen| {
        let good = nonce(seen).is_some_and(|nonce| fresh.lock().unwrap().remove(&nonce));
        let next = format!("n{}", made.fetch_add(1, Ordering::SeqCst));
        fresh.lock().unwrap().insert(next.clone());
        if good { answer(200, &[&format!("DPoP-Nonce: {next}")], &seen.target) } else { asks_for(&next) }
    })
    .await;
    let client = client();
    let calls = (0..64).map(|call| {
        let (client, url) = (client.clone(), api.url(&format!("/{call}")));
        tokio::spawn(async move { (call, client.get(url).send().await.unwrap().text().await.unwrap()) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (call, body) = call.await.unwrap();
        assert_eq!(body, format!("/{call}"));
    }
    assert!(api.seen().len() <= 2 * 64);
}
