//! Logins that the provider is told of before the browser is.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, PendingLogin};
use serde_json::json;
use url::form_urlencoded;

use crate::scripted_api::{ScriptedApi, answer};
use crate::two_halves::{REDIRECT_URI, TwoHalves, all_of};

async fn pushing() -> TwoHalves {
    let halves = TwoHalves::start().await;
    TwoHalves { auth: halves.auth.pushed(), ..halves }
}

/// The parameters of the URL for the browser.
fn names(login: &PendingLogin) -> Vec<String> {
    login.url().query_pairs().map(|(name, _)| name.into_owned()).collect()
}

/// H7
#[tokio::test]
async fn the_url_only_says_which_request_it_is_about() {
    let halves = pushing().await;
    let auth = halves.auth.clone().audience("https://api.acme.com").max_age(Duration::from_secs(60)).parameter("own", "mine");
    let login = auth.begin().await.unwrap();
    assert_eq!(names(&login), ["client_id", "request_uri"]);
    assert!(login.url_expires_at().is_some());

    let form = halves.provider.requests(Endpoint::Par).remove(0);
    for (name, value) in [
        ("client_id", "native"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "openid profile email"),
        ("audience", "https://api.acme.com"),
        ("max_age", "60"),
        ("code_challenge_method", "S256"),
        ("own", "mine"),
    ] {
        assert_eq!(form.field(name).as_deref(), Some(value), "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        let value = form.field(name).unwrap();
        assert!(value.len() >= 43 && !login.url().as_str().contains(&value), "{name}");
    }
    let callback = halves.browser.visit(login.url()).await.unwrap();
    auth.finish(login, &callback).await.unwrap();
    assert_eq!(halves.provider.count(Endpoint::Par), 1);
}

/// H7: what stands in the endpoint's own query stays there
#[tokio::test]
async fn the_endpoints_own_query_stays() {
    let halves = pushing().await;
    let endpoint = format!("{}?policy=p1", halves.provider.endpoint_url(Endpoint::Authorize));
    halves.provider.always(Endpoint::Discovery, Fault::new().set("authorization_endpoint", endpoint));
    let login = halves.auth.begin().await.unwrap();
    assert_eq!(names(&login), ["policy", "client_id", "request_uri"]);
}

#[tokio::test]
async fn a_login_is_pushed_unasked_where_the_provider_requires_it() {
    let halves = TwoHalves::at(TestProvider::builder().require_pushed_requests().start().await);
    halves.log_in().await.unwrap();
    assert_eq!(halves.provider.count(Endpoint::Par), 1);
    let authorized = halves.provider.requests(Endpoint::Authorize).remove(0);
    assert_eq!(authorized.parameters().len(), 2, "{:?}", authorized.query());

    let halves = TwoHalves::start().await;
    halves.log_in().await.unwrap();
    assert_eq!(halves.provider.count(Endpoint::Par), 0, "nothing that nobody asked for");
}

#[tokio::test]
async fn an_application_proves_itself_when_it_pushes() {
    let provider = TestProvider::start().await;
    let methods: [fn(&'static str) -> ClientAuth; 2] = [ClientAuth::client_secret_basic, ClientAuth::client_secret_post];
    for client_auth in methods {
        let application = Application::new(provider.issuer(), provider.confidential_client_id());
        let secret = provider.client_secret();
        let proved = application.clone().client_auth(client_auth(secret));
        let halves = TwoHalves::of(provider.clone(), &proved);
        let halves = TwoHalves { auth: halves.auth.pushed(), ..halves };
        halves.log_in().await.unwrap();
        let form = provider.requests(Endpoint::Par).pop().unwrap();
        assert_eq!(form.fields().iter().filter(|(name, _)| name == "client_id").count(), 1, "{}", form.text());

        let wrong = application.client_auth(client_auth("wrong")).web_auth().redirect_uri(REDIRECT_URI).pushed();
        let error = wrong.begin().await.unwrap_err();
        assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Server, "access_denied"));
    }
}

/// H6
#[tokio::test]
async fn the_answer_to_a_pushed_request_is_read_as_some_write_it() {
    let halves = pushing().await;
    for (row, fault) in [
        ("200", Fault::new().with_status(200)),
        ("seconds as text", Fault::new().set("expires_in", "30")),
        ("another content type", Fault::new().header("content-type", "text/plain")),
        ("more than that", Fault::new().set("other", [1, 2])),
    ] {
        halves.provider.next(Endpoint::Par, fault);
        let finished = halves.log_in().await;
        assert!(finished.is_ok(), "{row}: {finished:?}");
    }
}

/// H6 — authorize: 0, token: 0
#[tokio::test]
async fn an_answer_that_names_no_request_is_refused() {
    let halves = pushing().await;
    for (row, fault) in [
        ("no request_uri", Fault::new().remove("request_uri")),
        ("an empty one", Fault::new().set("request_uri", "")),
        ("null", Fault::new().set("request_uri", json!(null))),
        ("a number", Fault::new().set("request_uri", 7)),
        ("two", Fault::new().duplicate("request_uri", "urn:other")),
        ("a line feed in it", Fault::new().set("request_uri", "urn:a\nb")),
        ("a space in it", Fault::new().set("request_uri", "urn:a b")),
        ("letters of another alphabet in it", Fault::new().set("request_uri", "urn:ä")),
        ("an endless one", Fault::new().set("request_uri", format!("urn:{}", "x".repeat(2048)))),
        ("no expires_in", Fault::new().remove("expires_in")),
        ("an expires_in of zero", Fault::new().set("expires_in", 0)),
        ("a negative expires_in", Fault::new().set("expires_in", -1)),
        ("202", Fault::new().with_status(202)),
        ("nothing", Fault::status(201)),
        ("HTML", Fault::answer(201, "text/html", "<p>created</p>")),
        ("an array", Fault::json(201, ["request_uri"])),
        ("too much", Fault::huge(3_000_000, false)),
    ] {
        halves.provider.next(Endpoint::Par, fault);
        let error = halves.auth.begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{row}: {error:?}");
    }
    assert_eq!((halves.provider.count(Endpoint::Authorize), halves.provider.count(Endpoint::Token)), (0, 0));
}

/// H7: whatever the provider calls the request, it is the value of one parameter
#[tokio::test]
async fn a_request_uri_cannot_add_parameters() {
    let halves = pushing().await;
    let hostile = "urn:x&redirect_uri=https://evil.example/#?client_id=other%26";
    halves.provider.next(Endpoint::Par, Fault::new().set("request_uri", hostile));
    let login = halves.auth.begin().await.unwrap();
    let pairs: Vec<_> = login.url().query_pairs().into_owned().collect();
    assert_eq!(pairs, [("client_id".into(), "native".into()), ("request_uri".into(), hostile.into())] as [(String, String); 2]);
    assert_eq!(login.url().fragment(), None);
}

/// I3
#[tokio::test]
async fn a_refused_request_says_why_and_repeats_nothing_of_the_login() {
    let halves = pushing().await;
    halves.provider.next(Endpoint::Par, Fault::error(400, "invalid_request", "the response_type code needs prompt=login"));
    let error = halves.auth.begin().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().description(), Some("the response_type code needs prompt=login"));

    halves.provider.next(Endpoint::Par, Fault::status(503));
    assert!(halves.auth.begin().await.unwrap_err().is_transient());

    // A provider that repeats what it was sent, or what it has read in a request object.
    let echo = ScriptedApi::start(|seen| {
        let body = str::from_utf8(&seen.body).unwrap();
        let claims = body.split_once("request=").and_then(|(_, jwt)| BASE64.decode(jwt.split('.').nth(1)?).ok());
        answer(
            400,
            &[],
            &claims.map_or_else(|| body.to_owned(), |claims| String::from_utf8(claims).unwrap().replace('{', "read: ")),
        )
    })
    .await;
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().set("pushed_authorization_request_endpoint", echo.url("/par")));
    let halves = TwoHalves::at(provider);
    let auth = halves.auth.clone().pushed();
    let key = PrivateKey::generate("ES256").unwrap();
    for (auth, secrets) in [(auth.clone(), &["state", "nonce", "code_challenge"][..]), (auth.signed(key), &["state", "nonce"])] {
        let error = auth.begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        let body = String::from_utf8(echo.seen().pop().unwrap().body).unwrap();
        let sent = match body.split_once("request=") {
            Some((_, jwt)) => serde_json::from_slice(&BASE64.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap(),
            None => form_urlencoded::parse(body.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
                .collect::<serde_json::Map<_, _>>(),
        };
        for name in secrets {
            let value = sent[*name].as_str().unwrap();
            assert!(value.len() >= 43 && !all_of(&error).contains(value), "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_pushed_request_is_forgotten_and_the_login_says_when() {
    let clock = TestClock::new();
    let halves = TwoHalves::at(TestProvider::builder().clock(clock.clone()).start().await);
    let application = halves.auth.application().clone().clock(&clock);
    let auth = application.web_auth().redirect_uri(REDIRECT_URI).pushed();
    let login = auth.begin().await.unwrap();
    let kept = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    assert_eq!(kept.url_expires_at(), login.url_expires_at());
    halves.provider.next(Endpoint::Par, Fault::new().set("expires_in", 3630));
    let longer = auth.begin().await.unwrap().url_expires_at().unwrap() - login.url_expires_at().unwrap();
    assert!((3600..3630).contains(&longer.whole_seconds()), "{longer}");

    let callback = halves.browser.visit(login.url()).await.unwrap();
    clock.advance(Duration::from_secs(31));
    auth.finish(kept, &callback).await.expect("a person may take longer than that");

    let late = auth.begin().await.unwrap();
    clock.advance(Duration::from_secs(31));
    let error = TestBrowser::new().visit(late.url()).await.unwrap_err();
    assert!(error.to_string().contains("Unknown request"), "{error}");
}

#[tokio::test]
async fn a_provider_that_takes_no_pushed_requests_is_not_asked() {
    let halves = pushing().await;
    halves.provider.always(Endpoint::Discovery, Fault::new().remove("pushed_authorization_request_endpoint"));
    let error = halves.auth.begin().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Discovery, "{error}");
    assert_eq!(halves.provider.count(Endpoint::Par), 0);
}
