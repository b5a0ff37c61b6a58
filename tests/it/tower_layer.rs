//! The authorized client in tower's stacks: as a service of reqwest's requests, and as a layer around another HTTP service.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hallpass::{AuthorizedClient, ErrorKind};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, Seen, answer, only_for};

type Hyper<B> = Client<HttpConnector, B>;

fn hyper<B: http_body::Body<Data: Send> + Send>() -> Hyper<B> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn layer(api: &ScriptedApi) -> (CountedSource, AuthorizedClient) {
    let source = CountedSource::default();
    (source.clone(), AuthorizedClient::new(source).unwrap().base_url(api.origin()).unwrap())
}

fn post(url: String, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder().method(Method::POST).uri(url).header("x-own", "1").body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn an_authorized_client_is_a_service_of_reqwests_requests() {
    let api = ScriptedApi::start(|seen| only_for("token-1", seen)).await;
    let (source, client) = layer(&api);
    let request = || reqwest::Request::new(Method::GET, api.url("/messages").parse().unwrap());
    let stack = tower::ServiceBuilder::new().timeout(Duration::from_secs(60)).service(client.clone());
    assert_eq!(stack.oneshot(request()).await.unwrap().text().await.unwrap(), "hello");
    assert_eq!((&client).oneshot(request()).await.unwrap().status(), 200);
    assert_eq!((api.seen().len(), source.renewals()), (3, 1));
}

/// F11, F16
#[tokio::test]
async fn a_layer_renews_a_refused_token_and_sends_the_same_bytes_again() {
    let api = ScriptedApi::start(|seen| only_for("token-1", seen)).await;
    let (source, client) = layer(&api);
    let response = client.layer(hyper()).oneshot(post(api.url("/messages?a=b"), vec![7; 100_000])).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    let [first, second] = &api.seen()[..] else { panic!("two sends, not {}", api.seen().len()) };
    assert_eq!((first.authorization(), second.authorization()), (Some("Bearer token-0"), Some("Bearer token-1")));
    for seen in [first, second] {
        assert_eq!((&*seen.method, &*seen.target, seen.header("x-own")), ("POST", "/messages?a=b", Some("1")));
        assert!(seen.body == [7; 100_000]);
    }
    assert_eq!(source.renewals(), 1);
}

/// F15: but what has no body at all is no stream.
#[tokio::test]
async fn a_layer_sends_no_stream_again() {
    type Boxed = UnsyncBoxBody<Bytes, Infallible>;
    let api = ScriptedApi::start(|seen| only_for("token-1", seen)).await;
    let (_, client) = layer(&api);
    let mut service = client.layer(hyper::<Boxed>());
    let request = Request::post(api.url("/")).body(Full::from("upload").boxed_unsync()).unwrap();
    assert_eq!(service.ready().await.unwrap().call(request).await.unwrap().status(), 401);
    assert_eq!((api.seen().len(), &*api.seen()[0].body), (1, &b"upload"[..]));

    let (_, client) = layer(&api);
    let request = Request::get(api.url("/")).body(Boxed::default()).unwrap();
    assert_eq!(client.layer(hyper()).oneshot(request).await.unwrap().status(), 200);
}

/// F6: a layer around it may have gone where a redirect leads.
#[tokio::test]
async fn a_layer_puts_tokens_only_on_requests_to_named_origins() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let (source, client) = layer(&api);
    let elsewhere = client.layer(hyper()).oneshot(post("https://evil.example/".to_owned(), "")).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::Forbidden);
    let unnamed = AuthorizedClient::new(source.clone()).unwrap().layer(hyper()).oneshot(post(api.url("/"), "")).await.unwrap_err();
    assert_eq!(unnamed.kind(), ErrorKind::Configuration);
    // What names no scheme is relative; what names a host all the same would be checked as one thing and sent as another.
    let inside = service_fn(|_: Request<Full<Bytes>>| ready(Err::<Response<Full<Bytes>>, _>(fmt::Error)));
    for target in ["203.0.113.5:443", "evil.example", "[::1]:1"] {
        for method in [Method::CONNECT, Method::GET] {
            let request = Request::builder().method(method).uri(target).body(Full::default()).unwrap();
            let error = client.layer(inside).oneshot(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{target}: {error}");
        }
    }
    assert_eq!((api.seen().len(), source.reads()), (0, 0));
}

/// A service that keeps the URIs of requests with a token.
fn recording(
    seen: &Arc<Mutex<Vec<http::Uri>>>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<()>, Error = Infallible, Future = Ready<Result<Response<()>, Infallible>>>
+ Clone
+ use<> {
    let seen = Arc::clone(seen);
    service_fn(move |request: Request<Full<Bytes>>| {
        assert!(request.headers().contains_key("authorization"));
        seen.lock().unwrap().push(request.uri().clone());
        ready(Ok(Response::new(())))
    })
}

/// Returns whether a service may connect to the host of the URI; without a host it is the service's own.
fn is_allowed(uri: &http::Uri) -> bool {
    match (uri.scheme_str(), uri.host()) {
        (None, None) => true,
        (Some("https"), Some(host)) => host.eq_ignore_ascii_case("api.acme.com") && matches!(uri.port_u16(), None | Some(443)),
        _ => false,
    }
}

/// K1 — inside: 0
#[tokio::test]
async fn a_uri_that_is_read_in_two_ways_gets_no_token() {
    let source = CountedSource::default();
    let seen = Arc::default();
    let client = AuthorizedClient::new(source.clone()).unwrap().base_url("https://api.acme.com/v1/").unwrap();
    for prefix in ["0https://", "+https://", "~://", "://", "-http://", ".://"] {
        for host in ["127.0.0.1:9/x", "api.acme.com/x", "evil.example/"] {
            let Ok(uri) = format!("{prefix}{host}").parse::<http::Uri>() else { continue };
            let request = Request::builder().uri(uri.clone()).body(Full::default()).unwrap();
            let error = client.layer(recording(&seen)).oneshot(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{uri}: {error}");
        }
    }
    assert_eq!((seen.lock().unwrap().len(), source.reads()), (0, 0));
}

/// K1
#[test]
fn whatever_reaches_the_service_inside_with_a_token_has_an_allowed_origin() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = AuthorizedClient::new(CountedSource::default()).unwrap().base_url("https://api.acme.com/v1/").unwrap();
    let seen: Arc<Mutex<Vec<http::Uri>>> = Arc::default();
    let texts = "(https?|HTTPS|0https|[+~.0-9a-z-]{0,3})?(:|:/|://|//)?(api\\.acme\\.com|API.acme.com|evil\\.example|127\\.1|[a-z@:.%\\[\\]0-9]{0,8})(:443|:80|:)?[ -~]{0,6}";
    proptest!(crate::at_random::cases(2_000), |(text in texts)| {
        let Ok(uri) = text.parse::<http::Uri>() else { return Ok(()) };
        let request = Request::builder().uri(uri).body(Full::default()).unwrap();
        let _ = runtime.block_on(client.layer(recording(&seen)).oneshot(request));
        for uri in seen.lock().unwrap().drain(..) {
            prop_assert!(is_allowed(&uri), "{uri:?}");
        }
    });
    let request = Request::get("https://API.acme.com:443/x").body(Full::default()).unwrap();
    runtime.block_on(client.layer(recording(&seen)).oneshot(request)).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1, "an allowed one is let through");
}

/// F1: around the layer redirects are requests like others; inside, the token may be gone.
#[tokio::test]
async fn a_service_that_follows_redirects_inside_a_layer_is_noticed() {
    let foreign = ScriptedApi::start(|_| answer(200, &[], "foreign")).await;
    let to = foreign.url("/");
    let api = ScriptedApi::start(move |seen| match seen.target.as_str() {
        "/away" => answer(307, &[&format!("Location: {to}")], ""),
        "/near" => answer(307, &["Location: /end"], ""),
        _ => answer(200, &[], "hello"),
    })
    .await;
    let (_, client) = layer(&api);
    let inside = client.layer(FollowRedirectLayer::new().layer(hyper()));
    let error = inside.clone().oneshot(post(api.url("/away"), "")).await.unwrap_err();
    assert_eq!((error.kind(), foreign.seen().len()), (ErrorKind::Forbidden, 1));
    assert_eq!(inside.oneshot(post(api.url("/near"), "")).await.unwrap().status(), 200);

    let response = client.layer(hyper()).oneshot(post(api.url("/away"), "x")).await.unwrap();
    assert_eq!(
        (response.status(), response.headers()["location"].to_str().unwrap()),
        (StatusCode::TEMPORARY_REDIRECT, &*foreign.url("/"))
    );
    let around = FollowRedirectLayer::new().layer(client.layer(hyper::<Full<Bytes>>()));
    let error = around.oneshot(post(api.url("/away"), "")).await.unwrap_err();
    assert_eq!((error.kind(), foreign.seen().len()), (ErrorKind::Forbidden, 1), "nothing went there");
}

#[tokio::test]
async fn a_layer_follows_redirects_inside_its_origins_with_and_without_the_body() {
    for (status, expected) in [(307, "POST x"), (303, "GET ")] {
        let api = ScriptedApi::start(move |seen: &Seen| match seen.target.as_str() {
            "/start" => answer(status, &["Location: /end?a=b"], ""),
            _ => answer(200, &[], &format!("{} {}", seen.method, String::from_utf8_lossy(&seen.body))),
        })
        .await;
        let (_, client) = layer(&api);
        let response = client.layer(hyper()).oneshot(post(api.url("/start"), "x")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected);
        assert_eq!(api.seen()[1].authorization(), Some("Bearer token-0"));
    }
}

/// As clients for gRPC make them: the service inside knows the host.
#[tokio::test]
async fn a_request_without_a_host_is_one_to_the_base_url() {
    let client = AuthorizedClient::new(CountedSource::default()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<Full<Bytes>>| {
            let token = request.headers()["authorization"].clone();
            seen.lock().unwrap().push((request.uri().to_string(), token.is_sensitive(), request.extensions().get::<u8>().copied()));
            ready(Ok::<_, Infallible>(Response::new(())))
        })
    };
    let mut request = Request::get("/acme.Messages/List").body(Full::default()).unwrap();
    request.extensions_mut().insert(7_u8);
    let bare = client.clone().allow_origin("https://api.acme.com").unwrap().layer(inner.clone());
    assert_eq!(bare.oneshot(request.clone()).await.unwrap_err().kind(), ErrorKind::Configuration);
    client.base_url("https://api.acme.com").unwrap().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [("/acme.Messages/List".to_owned(), true, Some(7))]);
}

/// Refuses the first token, and holds its callers to tower's contract.
#[derive(Default)]
struct Strict {
    is_ready: bool,
    calls: Arc<Mutex<usize>>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<Full<Bytes>>> for Strict {
    type Response = Response<()>;
    type Error = Box<dyn StdError + Send + Sync>;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        *self.calls.lock().unwrap() += 1;
        ready(match request.headers()["authorization"].as_bytes() {
            b"Bearer token-0" => Ok(Response::builder().status(401).body(()).unwrap()),
            b"Bearer token-1" => Ok(Response::new(())),
            _ => Err("the disk is full".into()),
        })
    }
}

#[tokio::test]
async fn the_service_inside_is_called_only_when_it_is_ready_and_its_errors_are_told() {
    let strict = Strict::default();
    let client = AuthorizedClient::new(CountedSource::default()).unwrap().base_url("https://api.acme.com").unwrap();
    let request = || Request::get("/").body(Full::default()).unwrap();
    let mut service = client.layer(strict.clone());
    assert_eq!(service.ready().await.unwrap().call(request()).await.unwrap().status(), 200);
    assert_eq!(service.ready().await.unwrap().call(request()).await.unwrap().status(), 200);
    assert_eq!(*strict.calls.lock().unwrap(), 3);

    let other = client.scheme("Token").unwrap().layer(strict);
    let error = other.oneshot(request()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Network && error.is_transient(), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), "the disk is full");
}
