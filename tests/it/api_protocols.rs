//! Calls to a real server: HTTP/1.1 with connections that are kept, HTTP/2 over TLS, and what must not leave TLS.

use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, CredentialsManager, ErrorKind, WebAuth};
use http::request::Parts;
use http::{Response, Version};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::counted_source::CountedSource;
use crate::hyper_api::{HOST, HyperApi, Repeated};
use crate::scripted_api::{ScriptedApi, answer};

fn hello(_: &Parts) -> Response<Repeated> {
    Response::new(Repeated::once("hello"))
}

/// Says whose token it was shown.
fn whose(head: &Parts) -> Response<Repeated> {
    Response::new(Repeated::once(match head.headers["authorization"].as_bytes() {
        b"Bearer alice" => "alice",
        b"Bearer bob" => "bob",
        _ => "nobody",
    }))
}

fn bearer(token: &str) -> AccessToken {
    AccessToken::bearer(token).unwrap()
}

#[tokio::test]
async fn calls_in_a_row_share_one_connection_by_either_protocol() {
    for (api, version) in [(HyperApi::plain(hello), Version::HTTP_11), (HyperApi::over_tls(hello), Version::HTTP_2)] {
        let client = AuthorizedClient::from_builder(api.client(), bearer("abc")).unwrap().base_url(api.origin()).unwrap();
        for _ in 0..20 {
            let response = client.post("").body("x").send().await.unwrap();
            assert_eq!((response.version(), response.text().await.unwrap()), (version, "hello".to_owned()));
        }
        assert_eq!((api.connections(), api.seen().len()), (1, 20));
        assert!(api.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Bearer abc") && seen.version == version));
    }
}

/// F7: a server without a trusted certificate gets no token.
#[tokio::test]
async fn over_tls_only_a_server_with_a_certificate_gets_the_token() {
    let api = HyperApi::over_tls(hello);
    let client = AuthorizedClient::new(bearer("abc")).unwrap().base_url(api.origin()).unwrap();
    let error = client.get("").send().await.unwrap_err();
    assert!(error.is_connect() && error.kind() == ErrorKind::Network, "{error:?}");
    assert_eq!(api.seen(), []);
}

/// F25: over one connection of HTTP/2, on which all of them are mixed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_of_two_users_on_one_connection_are_never_swapped() {
    let api = HyperApi::over_tls(whose);
    let shared = api.client().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..100 {
        let name = if task % 2 == 0 { "alice" } else { "bob" };
        let client = AuthorizedClient::wrap(shared.clone(), bearer(name)).base_url(api.origin()).unwrap();
        tasks.spawn(async move {
            for _ in 0..100 {
                assert_eq!(client.get("").send().await.unwrap().text().await.unwrap(), name);
            }
        });
    }
    tasks.join_all().await;
    let seen = api.seen();
    let of_alice = seen.iter().filter(|seen| seen.authorization.as_deref() == Some("Bearer alice")).count();
    assert_eq!((seen.len(), of_alice), (10_000, 5000));
    assert!(seen.iter().all(|seen| seen.version == Version::HTTP_2));
}

/// F17 — token: 2, the login and one renewal
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_refusals_at_once_cost_one_renewal_at_the_provider() {
    const CALLS: usize = 1000;
    let provider = TestProvider::start().await;
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access");
    let session = CredentialsManager::new(auth.ephemeral_port().browser(TestBrowser::new()), Memory::new());
    let first = format!("Bearer {}", session.login_if_needed().await.unwrap().access_token().expose());
    let api = HyperApi::over_tls(move |head| match head.headers["authorization"].as_bytes() == first.as_bytes() {
        true => Response::builder().status(401).body(Repeated::empty()).unwrap(),
        false => Response::new(Repeated::once("hello")),
    });
    let client = AuthorizedClient::from_builder(api.client(), session).unwrap().base_url(api.origin()).unwrap();
    // So that there is a connection, and not a thousand handshakes.
    let warm = client.inner().get(api.origin()).bearer_auth("other").build().unwrap();
    client.inner().execute(warm).await.unwrap();
    let gate = provider.hold(Endpoint::Token);
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        calls.spawn(client.get("").send());
    }
    api.asked(1 + CALLS).await;
    gate.release();
    while let Some(response) = calls.join_next().await {
        assert_eq!(response.unwrap().unwrap().status(), 200);
    }
    assert_eq!((api.seen().len(), api.connections(), provider.count(Endpoint::Token)), (1 + 2 * CALLS, 1, 2));
}

/// F11: an unread body of a refusal does not block the next request.
#[tokio::test]
async fn a_refusal_is_let_go_before_the_call_is_sent_again() {
    let api = HyperApi::with_streams(1, |head| match head.headers["authorization"].as_bytes() {
        b"Bearer token-0" => Response::builder().status(401).body(Repeated::new(&[b' '; 65_536], 1024)).unwrap(),
        _ => Response::new(Repeated::once("hello")),
    });
    let source = CountedSource::default();
    let client = AuthorizedClient::from_builder(api.client(), source).unwrap().base_url(api.origin()).unwrap();
    let response = timeout(Duration::from_secs(20), client.get("").send()).await.expect("the call ends").unwrap();
    assert_eq!(response.text().await.unwrap(), "hello");
    assert_eq!((api.seen().len(), api.connections()), (2, 1));
}

/// F2: the hop from https to http, on the wire. Plain reqwest shows the token in clear text at the second hop.
#[tokio::test]
async fn a_redirect_out_of_tls_takes_no_token_along() {
    let clear = ScriptedApi::start(|seen| match seen.target.as_str() {
        "/one" => answer(302, &["Location: /two"], ""),
        _ => answer(200, &[], "clear"),
    })
    .await;
    let port = clear.origin().rsplit(':').next().unwrap().to_owned();
    let to = format!("http://{HOST}:{port}/one");
    let api = HyperApi::over_tls(move |_| Response::builder().status(307).header("location", &to).body(Repeated::empty()).unwrap());

    let plain = api.client().build().unwrap();
    let request = plain.get(api.named_origin()).bearer_auth("abc").build().unwrap();
    assert_eq!(plain.execute(request).await.unwrap().text().await.unwrap(), "clear");
    let leaked: Vec<_> = clear.seen().iter().map(|seen| seen.authorization().map(str::to_owned)).collect();
    assert_eq!(leaked, [None, Some("Bearer abc".to_owned())]);

    let open = AuthorizedClient::from_builder(api.client(), bearer("abc")).unwrap();
    let named = open.clone().base_url(api.named_origin()).unwrap();
    for client in [open, named] {
        let response = client.get(api.named_origin()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().scheme()), (307, "https"));
    }
    assert_eq!(clear.seen().len(), 2, "and no request beyond reqwest's own");

    let source = CountedSource::default();
    let following = AuthorizedClient::danger_wrap(plain, source.clone());
    let error = following.get(api.named_origin()).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let unfit = AuthorizedClient::new(source.clone()).unwrap().allow_origin(format!("http://{HOST}:{port}")).unwrap_err();
    assert_eq!((unfit.kind(), source.reads()), (ErrorKind::Configuration, 1));
}
