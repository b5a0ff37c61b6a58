use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use hallpass::testing::{Api, Fault, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, ErrorKind, Result, TokenSource};
use reqwest::header::HeaderName;
use reqwest::{Body, Client, Method};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, Seen, answer, only_for};

/// The calls of a client that renews, and its requests to the source.
async fn started(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> (ScriptedApi, CountedSource, AuthorizedClient) {
    let api = ScriptedApi::start(answer).await;
    let source = CountedSource::default();
    let client = AuthorizedClient::new(source.clone()).unwrap().base_url(api.origin()).unwrap();
    (api, source, client)
}

/// F11, F16
#[tokio::test]
async fn a_refused_token_is_renewed_and_the_same_bytes_are_sent_again() {
    let (api, source, client) = started(|seen| only_for("token-1", seen)).await;
    let body: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let request = client.put("messages?a=b").header("x-own", "1").header("x-own", "2").body(body.clone());
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "hello");
    let [first, second] = &api.seen()[..] else { panic!("two sends, not {}", api.seen().len()) };
    assert_eq!((first.authorization(), second.authorization()), (Some("Bearer token-0"), Some("Bearer token-1")));
    assert_eq!((&first.method, &first.target), (&second.method, &second.target));
    let besides = |seen: &Seen| {
        seen.headers.iter().filter(|(name, _)| *name != "authorization").map(|(n, v)| (n.clone(), v.clone())).collect::<Vec<_>>()
    };
    assert_eq!(besides(first), besides(second));
    assert!(first.body == body && second.body == body);
    assert_eq!(source.renewals(), 1);
}

/// F12
#[tokio::test]
async fn an_api_that_refuses_for_ever_is_asked_twice() {
    let (api, source, client) = started(|_| answer(401, &["WWW-Authenticate: Bearer error=\"invalid_token\""], "no")).await;
    let response = client.get("messages").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (401, "no"));
    assert_eq!((api.seen().len(), source.renewals()), (2, 1));
}

/// F11, F18, F30: what is a refusal of the token, and what is another matter.
#[tokio::test]
async fn a_401_is_a_refused_token_unless_its_code_says_otherwise() {
    for (headers, sends) in [
        (&[][..], 2),
        (&["WWW-Authenticate: Basic realm=\"x\""], 2),
        (&["WWW-Authenticate: Bearer realm=\"x, error=\\\"invalid_request\\\"\""], 2),
        (&["WWW-Authenticate: Basic error=\"invalid_request\""], 2),
        (&["WWW-Authenticate: bEARER ERROR=invalid_token"], 2),
        (&["WWW-Authenticate: Basic realm=\"a, b\"", "WWW-Authenticate: Negotiate abc==, Bearer error=\"invalid_token\""], 2),
        (&["WWW-Authenticate: Bearer error=\"never closed"], 2),
        (&["WWW-Authenticate: Bearer error=\"invalid_request\""], 1),
        (&["WWW-Authenticate: Basic realm=\"a\", Bearer realm=\"b\", error=\"invalid_request\""], 1),
    ] {
        let (api, source, client) = started(move |_| answer(401, headers, "")).await;
        assert_eq!(client.get("").send().await.unwrap().status(), 401);
        assert_eq!((api.seen().len(), source.renewals()), (sends, sends - 1), "{headers:?}");
    }
}

/// F13, F14, F18
#[tokio::test]
async fn what_only_another_login_can_help_is_a_typed_error() {
    for (status, challenge, scope, acr_values, max_age) in [
        (403, "Bearer error=\"insufficient_scope\", scope=\"read:a write:a\"", Some("read:a write:a"), None, None),
        (403, "Basic realm=\"x\", bearer Error=insufficient_scope", None, None, None),
        (
            401,
            "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:mfa\", max_age=\"5\"",
            None,
            Some("urn:mfa"),
            Some(5),
        ),
        (401, "DPoP error=\"insufficient_user_authentication\", max_age=0", None, None, Some(0)),
        (403, "Bearer error=\"insufficient_scope\", scope=\"réad\", max_age=\"-1\"", None, None, None),
    ] {
        let challenge = format!("WWW-Authenticate: {challenge}");
        let (api, source, client) = started(move |_| answer(status, &[&challenge], "")).await;
        let error = client.get("").send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StepUp);
        let step_up = error.step_up().unwrap();
        assert_eq!((step_up.scope(), step_up.acr_values()), (scope, acr_values));
        assert_eq!(step_up.max_age(), max_age.map(Duration::from_secs));
        assert_eq!((api.seen().len(), source.renewals()), (1, 0));
    }
}

/// F26
#[tokio::test]
async fn every_other_answer_is_handed_through_untouched() {
    for status in [200, 204, 304, 400, 402, 403, 404, 409, 422, 429, 500, 503] {
        let headers = ["Retry-After: 7", "WWW-Authenticate: Bearer error=\"invalid_token\""];
        let body = if matches!(status, 204 | 304) { "" } else { "as it is" };
        let (api, source, client) = started(move |_| answer(status, &headers, body)).await;
        let response = client.get("").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.text().await.unwrap(), body);
        assert_eq!((api.seen().len(), source.renewals()), (1, 0));
    }
}

/// F15: but the next call has a new token.
#[tokio::test]
async fn a_stream_is_not_sent_again() {
    let (api, source, client) = started(|seen| only_for("token-1", seen)).await;
    let stream = || Body::wrap(Body::from("upload"));
    assert!(client.post("").body(stream()).try_clone().is_none());
    assert_eq!(client.post("").body(stream()).send().await.unwrap().status(), 401);
    assert_eq!(api.seen().len(), 1);
    assert_eq!(client.post("").body(stream()).send().await.unwrap().status(), 200);
    assert_eq!((api.seen()[1].body.as_slice(), source.renewals()), (&b"upload"[..], 1));
}

/// F17: all of them are refused before the first one gets a new token.
#[tokio::test]
async fn a_thousand_refusals_at_once_cost_one_renewal() {
    const CALLS: usize = 1000;
    /// Hands out the new token when everybody was refused, to few at a time: connections are files, and files are few.
    struct Gated {
        inner: CountedSource,
        refused: Semaphore,
        sends: Arc<Semaphore>,
    }
    impl TokenSource for Gated {
        fn cached(&self) -> Option<AccessToken> {
            self.inner.cached()
        }
        async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
            self.refused.add_permits(1);
            let all_refused = self.refused.acquire_many(CALLS as u32).await.unwrap();
            drop(all_refused);
            self.sends.acquire().await.unwrap().forget();
            self.inner.token(rejected).await
        }
    }
    let sends = Arc::new(Semaphore::new(16));
    let api = ScriptedApi::start({
        let sends = Arc::clone(&sends);
        move |seen| {
            sends.add_permits(1);
            only_for("token-1", seen)
        }
    })
    .await;
    let inner = CountedSource::default();
    let source = Gated { inner: inner.clone(), refused: Semaphore::new(0), sends: Arc::clone(&sends) };
    let client = AuthorizedClient::new(source).unwrap().base_url(api.origin()).unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        sends.acquire().await.unwrap().forget();
        calls.spawn(client.get("").send());
    }
    while let Some(response) = calls.join_next().await {
        assert_eq!(response.unwrap().unwrap().status(), 200);
    }
    assert_eq!((api.seen().len(), inner.renewals()), (2 * CALLS, 1));
}

/// F29
#[tokio::test]
async fn a_thousand_calls_to_an_api_that_refuses_everything_cost_one_renewal() {
    let (api, source, client) = started(|_| answer(401, &[], "")).await;
    for _ in 0..1000 {
        assert_eq!(client.clone().get("").send().await.unwrap().status(), 401);
    }
    assert_eq!((api.seen().len(), source.renewals()), (1001, 1));
}

/// F29: a source that renews to the same token was asked.
#[tokio::test]
async fn a_token_that_comes_back_from_its_renewal_is_refused_for_good() {
    let api = ScriptedApi::start(|_| answer(401, &[], "")).await;
    let client = AuthorizedClient::new(AccessToken::bearer("abc").unwrap()).unwrap();
    for sends in 1..=3 {
        assert_eq!(client.get(api.url("/")).send().await.unwrap().status(), 401);
        assert_eq!(api.seen().len(), sends);
    }
}

/// F23: at the beginning, and after a refusal.
#[tokio::test]
async fn without_a_token_no_request_is_sent() {
    struct Empty(Option<AccessToken>);
    impl TokenSource for Empty {
        fn cached(&self) -> Option<AccessToken> {
            self.0.clone()
        }
        async fn token(&self, _rejected: Option<&AccessToken>) -> Result<AccessToken> {
            AccessToken::bearer("")
        }
    }
    let api = ScriptedApi::start(|_| answer(401, &[], "")).await;
    let its_own_words = AccessToken::bearer("").unwrap_err().to_string();
    for (cached, sends) in [(None, 0), (Some(AccessToken::bearer("abc").unwrap()), 1)] {
        let client = AuthorizedClient::new(Empty(cached)).unwrap();
        assert_eq!(client.get(api.url("/")).send().await.unwrap_err().to_string(), its_own_words);
        assert_eq!(api.seen().len(), sends);
    }
}

/// F25
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_on_one_reqwest_client_are_never_swapped() {
    let api = ScriptedApi::start(|seen| answer(200, &[], seen.authorization().unwrap())).await;
    let shared = Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..20 {
        let name = if task % 2 == 0 { "alice" } else { "bob" };
        let client = AuthorizedClient::wrap(shared.clone(), AccessToken::bearer(name).unwrap()).base_url(api.origin()).unwrap();
        tasks.spawn(async move {
            for _ in 0..500 {
                assert_eq!(client.get("").send().await.unwrap().text().await.unwrap(), format!("Bearer {name}"));
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(api.seen().len(), 10_000);
}

/// F28
#[tokio::test]
async fn another_header_or_scheme_can_carry_the_token() {
    let (api, _, client) = started(|_| answer(200, &[], "")).await;
    client.clone().scheme("Token").unwrap().get("").send().await.unwrap();
    client.clone().header(HeaderName::from_static("x-api-token")).get("").send().await.unwrap();
    let seen = api.seen();
    assert_eq!((seen[0].authorization(), seen[0].header("x-api-token")), (Some("Token token-0"), None));
    assert_eq!((seen[1].authorization(), seen[1].header("x-api-token")), (None, Some("token-0")));
    assert_eq!(client.scheme("two words").unwrap_err().kind(), ErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn a_requests_timeout_covers_the_wait_for_a_token() {
    struct Never;
    impl TokenSource for Never {
        async fn token(&self, _rejected: Option<&AccessToken>) -> Result<AccessToken> {
            std::future::pending().await
        }
    }
    let start = tokio::time::Instant::now();
    let client = AuthorizedClient::new(Never).unwrap();
    let error = client.get("https://api.acme.com/").timeout(Duration::from_secs(5)).send().await.unwrap_err();
    assert!(error.is_timeout() && error.is_transient());
    assert_eq!(start.elapsed().as_secs(), 5);
}

/// F11: it is over all that the call does, so that the second request has what the first has left.
#[tokio::test]
async fn a_requests_timeout_covers_the_second_request_too() {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    api.next(Fault::status(401));
    api.next(Fault::stall());
    let client = AuthorizedClient::new(CountedSource::default()).unwrap().base_url(api.url()).unwrap();
    let call = client.get("messages").timeout(Duration::from_millis(500)).send();
    let error = tokio::time::timeout(Duration::from_secs(20), call).await.expect("it ends by itself").unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(api.count(), 2);
}

#[tokio::test]
async fn failures_of_the_network_are_told_as_reqwest_tells_them() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = AuthorizedClient::new(CountedSource::default()).unwrap();
    let error = client.get(format!("http://{closed}/?secret=s3cr3t")).send().await.unwrap_err();
    assert!(error.is_connect() && !error.is_timeout());
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.source().is_some_and(|source| source.is::<reqwest::Error>()));
    assert!(!format!("{error:?}").contains("s3cr3t"));

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let error = client.get(url).timeout(Duration::from_millis(20)).send().await.unwrap_err();
    assert!(error.is_timeout());
}

#[tokio::test]
async fn debug_output_shows_no_token_and_no_query() {
    let client = AuthorizedClient::new(AccessToken::bearer("s3cr3t").unwrap()).unwrap().base_url("https://api.acme.com").unwrap();
    let request = client.post("v1/messages?code=s3cr3t").header("x-key", "s3cr3t").body("s3cr3t");
    assert_eq!(
        format!("{request:?}"),
        "RequestBuilder { method: POST, origin: \"https://api.acme.com\", path: \"/v1/messages\", .. }"
    );
    assert!(format!("{client:?}").contains("api.acme.com") && !format!("{client:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn a_request_can_be_built_cloned_and_executed() {
    let (api, _, client) = started(|_| answer(200, &[], "")).await;
    let builder = client.request(Method::DELETE, "messages/1").timeout(Duration::from_secs(9)).json(&["a"]);
    let clone = builder.try_clone().unwrap();
    let request = builder.build().unwrap();
    assert_eq!((request.timeout(), request.headers().contains_key("authorization")), (Some(&Duration::from_secs(9)), false));
    // As with reqwest, the future borrows nothing.
    tokio::spawn(client.execute(request)).await.unwrap().unwrap();
    tokio::spawn(clone.send()).await.unwrap().unwrap();
    for seen in api.seen() {
        assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body.as_slice()), ("DELETE", "/messages/1", &b"[\"a\"]"[..]));
        assert_eq!((seen.header("content-type"), seen.authorization()), (Some("application/json"), Some("Bearer token-0")));
    }
    assert!(client.get("").header("line\nbreak", "x").send().await.is_err_and(|error| error.kind() == ErrorKind::Configuration));
}
