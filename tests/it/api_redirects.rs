use std::sync::atomic::{AtomicUsize, Ordering};

use hallpass::dpop::DpopKey;
use hallpass::{AccessToken, AuthorizedClient, ErrorKind, Result, TokenSource};
use reqwest::header::HeaderName;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method};

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, Seen, answer, only_for};

/// Follows the `to` of the query; with none, says hello.
fn wherever_the_query_says(status: u16) -> impl Fn(&Seen) -> String {
    move |seen| match seen.target.split_once("to=") {
        Some((_, to)) => answer(status, &[&format!("Location: {to}")], ""),
        None => answer(200, &[], "hello"),
    }
}

async fn foreign_api() -> ScriptedApi {
    ScriptedApi::start(|seen| match seen.target.as_str() {
        "/one" => answer(302, &["Location: /two"], ""),
        _ => answer(200, &[], "foreign"),
    })
    .await
}

/// F1: what plain reqwest does, and what this client does instead.
#[tokio::test]
async fn a_redirect_to_another_origin_takes_no_token_along() {
    let foreign = foreign_api().await;
    let api = ScriptedApi::start(wherever_the_query_says(302)).await;
    let lure = api.url(&format!("/?to={}", foreign.url("/one")));

    let plain = Client::builder().no_proxy().build().unwrap();
    let request = plain.get(&lure).bearer_auth("abc").build().unwrap();
    assert_eq!(plain.execute(request).await.unwrap().text().await.unwrap(), "foreign");
    let leaked: Vec<_> = foreign.seen().iter().map(|seen| seen.authorization().map(str::to_owned)).collect();
    assert_eq!(leaked, [None, Some("Bearer abc".to_owned())], "reqwest sends it again at the second hop");

    let ours = AuthorizedClient::new(CountedSource::default()).unwrap();
    let wrapped_client = Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let wrapped = AuthorizedClient::wrap(wrapped_client, CountedSource::default());
    for client in [ours, wrapped] {
        let inside = client.get(api.url("/?to=/end#part")).send().await.unwrap();
        assert_eq!(inside.text().await.unwrap(), "hello");
        let response = client.get(&lure).send().await.unwrap();
        assert_eq!(response.status(), 302, "it is for the caller to go there, without a token");
        assert_eq!(response.headers()["location"], foreign.url("/one"));
    }
    assert_eq!(foreign.seen().len(), 2, "and no request beyond reqwest's own");
}

/// The method and the headers of that request are unknown.
#[tokio::test]
async fn where_a_wrapped_client_went_by_itself_it_is_led_no_further() {
    let api = ScriptedApi::start(|seen| match seen.target.as_str() {
        "/one" => answer(302, &["Location: /two"], ""),
        "/two" => answer(307, &["Location: /three"], ""),
        _ => answer(200, &[], "hello"),
    })
    .await;
    let once = Policy::custom(|attempt| if attempt.previous().len() > 1 { attempt.stop() } else { attempt.follow() });
    let client = Client::builder().no_proxy().redirect(once).build().unwrap();
    let client = AuthorizedClient::danger_wrap(client, CountedSource::default());
    let response = client.post(api.url("/one")).body("a payment").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.url().path()), (307, "/two"));
    let seen: Vec<_> = api.seen().iter().map(|seen| (seen.method.clone(), seen.target.clone())).collect();
    assert_eq!(seen, [("POST", "/one"), ("GET", "/two")].map(|(method, target)| (method.to_owned(), target.to_owned())));
}

/// F11 — POST: 1: what was asked for first has been done, and what refused the token is another request.
#[tokio::test]
async fn where_a_wrapped_client_went_by_itself_nothing_is_done_twice() {
    let nonce = "DPoP error=\"use_dpop_nonce\"";
    for challenge in ["WWW-Authenticate: Bearer".to_owned(), format!("WWW-Authenticate: {nonce}")] {
        let api = ScriptedApi::start(move |seen| match seen.target.as_str() {
            "/orders" => answer(303, &["Location: /orders/1"], ""),
            _ => answer(401, &[&challenge, "DPoP-Nonce: n-1"], ""),
        })
        .await;
        let bound = AccessToken::dpop("token", DpopKey::generate().unwrap()).unwrap();
        let source = CountedSource::default();
        let clients = [AuthorizedClient::danger_wrap(follower(), source.clone()), AuthorizedClient::danger_wrap(follower(), bound)];
        for client in clients {
            let before = api.seen().len();
            let response = client.post(api.url("/orders")).body("an order").send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.url().path()), (401, "/orders/1"));
            let seen: Vec<_> = api.seen()[before..].iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
            assert_eq!(seen, ["POST /orders", "GET /orders/1"]);
        }
    }
}

fn follower() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// K2 — API: 0, elsewhere: 0. Also where the chain would end at home.
#[tokio::test]
async fn a_wrapped_client_that_may_follow_redirects_is_refused_before_a_token_is_read() {
    let foreign = foreign_api().await;
    let api = ScriptedApi::start(wherever_the_query_says(307)).await;
    let source = CountedSource::default();
    let builder = || Client::builder().no_proxy();
    for policy in [Policy::default(), Policy::limited(1), Policy::custom(|attempt| attempt.follow())] {
        let client = AuthorizedClient::wrap(builder().redirect(policy).build().unwrap(), source.clone());
        for to in [foreign.url("/one"), api.url("/end")] {
            let error = client.get(api.url(&format!("/?to={to}"))).send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("redirect_policy()"), "{error}");
        }
    }
    assert_eq!((api.seen().len(), foreign.seen().len(), source.reads()), (0, 0, 0));
    let policy = AuthorizedClient::redirect_policy();
    let client = AuthorizedClient::wrap(builder().redirect(policy).build().unwrap(), source);
    assert_eq!(client.get(api.url(&format!("/?to={}", foreign.url("/one")))).send().await.unwrap().status(), 307);
    assert_eq!(foreign.seen().len(), 0);
}

/// F1
#[tokio::test]
async fn a_wrapped_client_that_went_elsewhere_by_itself_is_an_error() {
    let foreign = foreign_api().await;
    let api = ScriptedApi::start(wherever_the_query_says(307)).await;
    let client = AuthorizedClient::danger_wrap(follower(), CountedSource::default());
    let error = client.get(api.url(&format!("/?to={}", foreign.url("/one")))).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains("redirect_policy()"), "{error}");
    // Inside the origin it may go where it likes.
    assert_eq!(client.get(api.url("/?to=/end")).send().await.unwrap().text().await.unwrap(), "hello");
}

/// F2, F5: `localhost` is not 127.0.0.1, and neither is another scheme or port.
#[tokio::test]
async fn a_redirect_that_leaves_the_origin_in_any_way_is_handed_through() {
    let api = ScriptedApi::start(wherever_the_query_says(308)).await;
    let source = CountedSource::default();
    let client = AuthorizedClient::new(source.clone()).unwrap();
    let host = api.origin().replace("http://", "");
    for elsewhere in [
        api.localhost_url("/"),
        format!("https://{host}/"),
        format!("//user@{host}/"),
        "http://127.0.0.1/".to_owned(),
        "http://api.acme.com/".to_owned(),
        "\\\\evil.com".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
        "data:,x".to_owned(),
        "http://[".to_owned(),
    ] {
        let response = client.get(api.url(&format!("/?to={elsewhere}"))).send().await.unwrap();
        assert_eq!(response.status(), 308, "{elsewhere}");
    }
    assert_eq!((api.seen().len(), source.reads()), (9, 9));
}

#[tokio::test]
async fn a_redirect_to_a_named_origin_is_authorised_afresh_and_loses_the_cookies() {
    let other = ScriptedApi::start(wherever_the_query_says(302)).await;
    let api = ScriptedApi::start(wherever_the_query_says(302)).await;
    let source = CountedSource::default();
    let client =
        AuthorizedClient::new(source.clone()).unwrap().base_url(api.origin()).unwrap().allow_origin(other.origin()).unwrap();
    let there_and_back = format!("/?to={}", other.url(&format!("/?to={}", api.url("/end"))));
    let request = client.get(there_and_back).header("cookie", "session=1").header("x-own", "1");
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "hello");
    let seen = [&api.seen()[0], &other.seen()[0], &api.seen()[1]].map(|seen| seen.clone());
    assert_eq!(seen.each_ref().map(Seen::authorization), [Some("Bearer token-0"); 3]);
    assert_eq!(seen.each_ref().map(|seen| seen.header("cookie")), [Some("session=1"), None, None]);
    assert_eq!(seen.each_ref().map(|seen| seen.header("x-own")), [Some("1"); 3]);
    assert_eq!(source.reads(), 3, "one token read for each hop");
}

/// `Authorization` is the caller's own where the token has another header.
#[tokio::test]
async fn what_the_caller_proves_to_one_origin_stays_there() {
    let other = ScriptedApi::start(wherever_the_query_says(302)).await;
    let api = ScriptedApi::start(wherever_the_query_says(307)).await;
    let client = AuthorizedClient::new(CountedSource::default()).unwrap().header(HeaderName::from_static("x-api-token"));
    let client = client.base_url(api.origin()).unwrap().allow_origin(other.origin()).unwrap();
    let there_and_back = format!("/?to={}", other.url(&format!("/?to={}", api.url("/end"))));
    let host = |api: &ScriptedApi| api.origin().replace("http://", "");
    let request = client.get(there_and_back).header("authorization", "Basic mine").header("host", host(&api));
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "hello");
    let seen = [&api.seen()[0], &other.seen()[0], &api.seen()[1]].map(|seen| seen.clone());
    assert_eq!(seen.each_ref().map(Seen::authorization), [Some("Basic mine"), None, None]);
    assert_eq!(seen.each_ref().map(|seen| seen.header("host").map(str::to_owned)), [&api, &other, &api].map(|api| Some(host(api))));
    assert_eq!(seen.each_ref().map(|seen| seen.header("x-api-token")), [Some("token-0"); 3]);
}

#[tokio::test]
async fn methods_and_bodies_change_along_redirects_as_they_do_in_reqwest() {
    let plain = Client::builder().no_proxy().user_agent("acme/1").build().unwrap();
    let ours = AuthorizedClient::from_builder(Client::builder().user_agent("acme/1"), CountedSource::default()).unwrap();
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let api = ScriptedApi::start(wherever_the_query_says(status)).await;
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = || {
                let mut request = plain.request(method.clone(), api.url("/start?to=next")).header("x-own", "1");
                if method != Method::GET && method != Method::HEAD {
                    request = request.body("body").header("content-type", "text/plain").header("content-encoding", "identity");
                }
                request.build().unwrap()
            };
            let start = api.seen().len();
            let expected = plain.execute(request()).await.unwrap();
            let middle = api.seen().len();
            let response = ours.execute(request()).await.unwrap();
            assert_eq!((response.status(), response.url()), (expected.status(), expected.url()), "{status} {method}");
            let shown = |seen: &Seen| {
                let mut headers = seen.headers.clone();
                headers.remove("authorization");
                headers.remove("referer");
                let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                headers.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
                (seen.method.clone(), seen.target.clone(), headers, seen.body.clone())
            };
            let seen = api.seen();
            let theirs: Vec<_> = seen[start..middle].iter().map(shown).collect();
            let mine: Vec<_> = seen[middle..].iter().map(shown).collect();
            assert_eq!(mine, theirs, "{status} {method}");
        }
    }
}

/// K21: RFC 9110, section 15.4
#[tokio::test]
async fn a_redirect_that_drops_the_body_drops_the_headers_about_it() {
    let client = AuthorizedClient::new(CountedSource::default()).unwrap();
    for (status, is_kept) in [(303, false), (307, true)] {
        let api = ScriptedApi::start(wherever_the_query_says(status)).await;
        let request = client.post(api.url("/?to=/end")).body("body").header("content-type", "text/plain");
        let request = request.header("content-language", "de").header("content-location", "/draft").header("x-own", "1");
        request.send().await.unwrap();
        let last = &api.seen()[1].headers;
        for name in ["content-type", "content-language", "content-location"] {
            assert_eq!(last.contains_key(name), is_kept, "{status}: {name}");
        }
        assert!(last.contains_key("x-own"));
    }
}

#[tokio::test]
async fn a_stream_follows_only_a_redirect_that_needs_no_body() {
    let stream = || Body::wrap(Body::from("upload"));
    let client = AuthorizedClient::new(CountedSource::default()).unwrap();
    for (status, expected) in [(303, 200), (302, 200), (307, 307), (308, 308)] {
        let api = ScriptedApi::start(wherever_the_query_says(status)).await;
        let response = client.post(api.url("/?to=/end")).body(stream()).send().await.unwrap();
        assert_eq!(response.status(), expected);
        assert_eq!(api.seen()[0].body, b"upload");
        assert!(api.seen().get(1).is_none_or(|seen| seen.method == "GET" && seen.body.is_empty()));
    }
}

#[tokio::test]
async fn a_circle_of_redirects_ends_after_ten() {
    let api = ScriptedApi::start(|_| answer(302, &["Location: /again"], "")).await;
    let client = AuthorizedClient::new(CountedSource::default()).unwrap();
    let error = client.get(api.url("/")).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(api.seen().len(), 11);

    let api = ScriptedApi::start(|seen| match seen.target.trim_start_matches('/').parse::<u8>().unwrap() {
        10 => answer(200, &[], ""),
        hop => answer(302, &[&format!("Location: {}", hop + 1)], ""),
    })
    .await;
    assert_eq!(client.get(api.url("/0")).send().await.unwrap().url().path(), "/10");
}

/// F12: along redirects too.
#[tokio::test]
async fn a_refusal_behind_a_redirect_is_answered_there_and_once() {
    let api = ScriptedApi::start(|seen| match seen.target.as_str() {
        "/start" => answer(307, &["Location: /end"], ""),
        _ => only_for("token-1", seen),
    })
    .await;
    let source = CountedSource::default();
    let client = AuthorizedClient::new(source.clone()).unwrap();
    let response = client.post(api.url("/start")).body("body").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "hello");
    let seen: Vec<_> = api.seen().iter().map(|seen| (seen.target.clone(), seen.authorization().unwrap().to_owned())).collect();
    let expected = [("/start", "Bearer token-0"), ("/end", "Bearer token-0"), ("/end", "Bearer token-1")];
    assert_eq!(seen, expected.map(|(target, token)| (target.to_owned(), token.to_owned())));
    assert!(api.seen().iter().all(|seen| seen.method == "POST" && seen.body == b"body"));
    assert_eq!(source.renewals(), 1);
}

/// F12
#[tokio::test]
async fn refusals_at_every_hop_cost_one_retry_in_all() {
    let refusals = AtomicUsize::new(0);
    let api = ScriptedApi::start(move |seen| match seen.target.as_str() {
        "/start" if refusals.fetch_add(1, Ordering::SeqCst) > 0 => answer(307, &["Location: /end"], ""),
        _ => answer(401, &[], ""),
    })
    .await;
    /// Never the same token twice, so that no pause between renewals gets in the way.
    struct Endless(AtomicUsize);
    impl TokenSource for Endless {
        async fn token(&self, _rejected: Option<&AccessToken>) -> Result<AccessToken> {
            AccessToken::bearer(format!("token-{}", self.0.fetch_add(1, Ordering::SeqCst)))
        }
    }
    let client = AuthorizedClient::new(Endless(AtomicUsize::new(0))).unwrap();
    assert_eq!(client.get(api.url("/start")).send().await.unwrap().status(), 401);
    assert_eq!(api.seen().iter().map(|seen| seen.target.clone()).collect::<Vec<_>>(), ["/start", "/start", "/end"]);
}
