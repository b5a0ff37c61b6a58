//! The allocations of the library, by the counting allocator.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, CredentialsManager, TokenSource, WebAuth};
use reqwest::{Body, Client, Request};

use crate::counting_allocator::allocations;
use crate::scripted_api::{ScriptedApi, answer};

/// An API on another thread, so that its allocations are not the client's.
pub(crate) fn api_elsewhere() -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let api = ScriptedApi::start(|_| answer(200, &[], "hello")).await;
            sender.send(api.url("/")).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn a_cached_token_becomes_a_header_without_an_allocation() {
    let token = AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA").unwrap();
    let (header, count) = allocations(|| token.cached().unwrap().header_value().clone());
    assert_eq!(header, "Bearer 2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(count, 0);
}

#[test]
fn a_manager_hands_out_its_token_without_an_allocation() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(TestProvider::start());
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").ephemeral_port();
    let manager = CredentialsManager::new(auth.browser(TestBrowser::new()), Memory::new());
    runtime.block_on(manager.login_if_needed()).unwrap();
    let renewed = runtime.block_on(manager.renew()).unwrap();
    for _ in 0..2 {
        let (header, count) = allocations(|| manager.cached().unwrap().header_value().clone());
        assert_eq!(header, renewed.access_token().header_value());
        assert_eq!(count, 0);
    }
}

/// Against the same request by plain reqwest, with a ready header.
#[test]
fn a_call_costs_at_most_three_allocations_more_than_plain_reqwest() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = api_elsewhere();
    let token = AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA").unwrap();
    let plain = Client::builder().no_proxy().user_agent("plain").redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let ours = AuthorizedClient::from_builder(Client::builder().no_proxy(), token.clone()).unwrap();
    let wrapped = AuthorizedClient::wrap(plain.clone(), token.clone());
    // tokio boxes a large future by itself, so that both are boxed here.
    // The fewest of many: a pool's housekeeping or a read in two pieces costs some now and then.
    let fewest = |call: &dyn Fn() -> u64| (0..50).map(|_| call()).min().unwrap();
    let get = || plain.get(&url).build().unwrap();
    let post = || plain.post(&url).json(&["a"]).header("x-own", "1").build().unwrap();
    let upload = || plain.post(&url).body(Body::wrap(Body::from("x"))).build().unwrap();
    let requests: [(&str, &dyn Fn() -> Request, u64, u64); 3] =
        [("GET", &get, 0, 0), ("POST", &post, 2, 2), ("upload", &upload, 0, 0)];
    for (name, request, from_builder, from_wrap) in requests {
        let floor = fewest(&|| {
            let mut request = request();
            let call = || {
                request.headers_mut().insert("authorization", token.header_value().clone());
                runtime.block_on(Box::pin(async { plain.execute(request).await.unwrap().bytes().await.unwrap() }))
            };
            allocations(call).1
        });
        for (client, expected) in [(&ours, from_builder), (&wrapped, from_wrap)] {
            let count = fewest(&|| {
                let request = request();
                allocations(|| runtime.block_on(Box::pin(async { client.execute(request).await.unwrap().bytes().await.unwrap() })))
                    .1
            });
            assert_eq!(count - floor, expected, "{name}: {count} against {floor}");
        }
    }
}

#[test]
fn a_login_begins_with_two_allocations() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(TestProvider::start());
    let auth = WebAuth::new(provider.issuer(), provider.client_id())
        .redirect_uri("http://127.0.0.1:9999/callback")
        .audience("https://api.acme.com")
        .scope("openid profile email offline_access read:messages")
        .max_age(Duration::from_secs(3600))
        .organization("org_acme")
        .login_hint("jane@example.com");
    runtime.block_on(auth.begin()).unwrap();
    let begin = || {
        let (login, count) = allocations(|| {
            let begin = pin!(auth.begin());
            begin.poll(&mut Context::from_waker(Waker::noop()))
        });
        assert!(matches!(login, Poll::Ready(Ok(_))), "on a warm provider nothing is waited for");
        count
    };
    let count = begin();
    assert!(count <= 2, "{count} allocations");
    // Each of these has URLs of its own.
    for altered in [auth.clone().login_hint("joe@example.com"), auth.clone().parameter("session_transfer_token", "secret")] {
        runtime.block_on(altered.begin()).unwrap();
        assert_eq!(begin(), count, "another login takes no other's place");
    }
}
