//! The parsing of a callback: encodings, and text that stays unchanged.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClient, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind};
use proptest::prelude::*;

use crate::two_halves::{REDIRECT_URI, TwoHalves, parameter, with};

/// A20 — token: 0
#[tokio::test]
async fn what_is_not_well_encoded_is_refused() {
    let halves = TwoHalves::start().await;
    for raw in ["%ff", "%C3", "%", "%4", "%zz", "%+1", "a%00b", "%c0%80", "%ED%A0%80"] {
        for name in ["code", "iss"] {
            let error = halves.finish_with(|url| with(url, name, raw)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Callback, "{name}={raw}: {error}");
        }
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}

/// A20, A21 — token: 1 for each
#[tokio::test]
async fn a_code_reaches_the_token_endpoint_unchanged() {
    let halves = TwoHalves::start().await;
    for (raw, code) in [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("%26%2b%3D%25", "&+=%"),
        ("a=b=", "a=b="),
        ("4%2F0AX4%20%C3%A9%E2%82%AC%F0%9F%94%91", "4/0AX4 é€🔑"),
        ("é", "é"),
        ("%0d%0aX-Header:%20x", "\r\nX-Header: x"),
    ] {
        let error = halves.finish_with(|url| with(url, "code", raw)).await.unwrap_err();
        assert_eq!(error.server_error().unwrap().code(), "invalid_grant", "{raw}: {error}");
        assert_eq!(halves.provider.requests(Endpoint::Token).last().unwrap().field("code").as_deref(), Some(code), "{raw}");
    }
}

#[tokio::test]
async fn a_callback_may_come_as_a_url_a_query_or_a_forms_body() {
    let halves = TwoHalves::start().await;
    let query = |url: &str| url.split_once('?').unwrap().1.to_owned();
    let forms: [&dyn Fn(&str) -> String; 5] =
        [&str::to_owned, &query, &|url| format!("?{}", query(url)), &|url| format!("/callback?{}", query(url)), &|url| {
            format!("  {url}\n")
        }];
    for (position, form) in forms.iter().enumerate() {
        halves.finish_with(form).await.unwrap_or_else(|error| panic!("form {position}: {error}"));
    }
}

/// A11 — token: 0: who has several providers tells them apart by where they send the browser back to (RFC 8252, section 8.10).
#[tokio::test]
async fn a_callback_that_came_elsewhere_is_another_logins() {
    for (redirect_uri, elsewhere) in [
        ("com.example.app:/callback", ["com.example.app:/other", "com.example.other:/callback", "http://127.0.0.1:9999/callback"]),
        (REDIRECT_URI, ["http://127.0.0.1:9999/other", "http://127.0.0.1:9998/callback", "http://localhost:9999/callback"]),
    ] {
        let mut halves = TwoHalves::start().await;
        halves.auth = halves.auth.redirect_uri(redirect_uri);
        let at = |place: &str, url: &str| format!("{place}?{}#_=_", url.split_once('?').unwrap().1);
        for place in elsewhere {
            let error = halves.finish_with(|url| at(place, url)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Callback, "{place}: {error}");
        }
        assert_eq!(halves.provider.count(Endpoint::Token), 0);
        halves.finish_with(|url| at(redirect_uri, url)).await.unwrap();
    }
    // What a web server is called by is its proxies' affair.
    let client = TestClient::confidential("back-end", "secret").callback("https://app.example.com/auth/callback");
    let provider = TestProvider::builder().client(client).start().await;
    let application = Application::new(provider.issuer(), "back-end").client_auth(ClientAuth::client_secret_basic("secret"));
    let mut halves = TwoHalves::of(provider, &application);
    halves.auth = halves.auth.redirect_uri("https://app.example.com/auth/callback");
    halves.finish_with(|url| format!("http://10.0.0.7:8080/callback?{}", url.split_once('?').unwrap().1)).await.unwrap();
}

/// A20, I4
#[test]
fn no_text_makes_a_callback_panic_or_pass() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let halves = runtime.block_on(TwoHalves::start());
    let parameters = prop::collection::vec(("code|state|iss|error|error_description|c%6fde|", "\\PC{0,20}|%[0-9a-g]{0,2}"), 0..8);
    let made_of_parameters = parameters.prop_map(|pairs| {
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{REDIRECT_URI}?{}", pairs.join("&"))
    });
    let texts = prop_oneof![any::<String>(), made_of_parameters];
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) };
    proptest!(config, |(text in texts)| {
        let login = runtime.block_on(halves.auth.begin()).unwrap();
        let error = runtime.block_on(halves.auth.finish(login, &text)).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Callback);
    });
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}

/// A22 — authorize: 0
#[tokio::test]
async fn a_provider_without_s256_is_refused_before_anything_is_opened() {
    for methods in [vec![], vec!["plain"], vec!["s256"]] {
        let provider = TestProvider::start().await;
        provider.always(Endpoint::Discovery, Fault::new().set("code_challenge_methods_supported", &methods));
        let browser = TestBrowser::new();
        let application = Application::new(provider.issuer(), provider.client_id());
        let auth = application.web_auth().ephemeral_port().browser(browser.clone());
        let error = auth.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery, "{methods:?}: {error}");
        assert!(error.to_string().contains("S256"), "{error}");
        assert_eq!((provider.count(Endpoint::Authorize), browser.pages().len()), (0, 0));
        assert_eq!(auth.redirect_uri(REDIRECT_URI).begin().await.unwrap_err().kind(), ErrorKind::Discovery);
    }
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().remove("code_challenge_methods_supported"));
    let halves = TwoHalves::at(provider);
    halves.log_in().await.expect("a provider that publishes no list is asked for S256 all the same");
    let asked = halves.provider.requests(Endpoint::Authorize).remove(0);
    assert_eq!(asked.parameter("code_challenge_method").as_deref(), Some("S256"));
}

/// A23
#[tokio::test]
async fn a_redirect_uri_is_byte_identical_in_both_requests() {
    for redirect_uri in [
        "http://127.0.0.1:9999/callback?tenant=a%20b&next=%2Fhome%3Fx&plus=1+1",
        "HTTP://127.0.0.1:9999/callback/%7euser/./?",
        "com.example.app:/callback",
    ] {
        let mut halves = TwoHalves::start().await;
        halves.auth = halves.auth.redirect_uri(redirect_uri);
        halves.log_in().await.unwrap_or_else(|error| panic!("{redirect_uri}: {error}"));
        let raw = |pairs: &str| pairs.split('&').find(|pair| pair.starts_with("redirect_uri=")).unwrap().to_owned();
        let authorize = halves.provider.requests(Endpoint::Authorize).remove(0);
        let token = halves.provider.requests(Endpoint::Token).remove(0);
        assert_eq!(authorize.parameter("redirect_uri").as_deref(), Some(redirect_uri));
        assert_eq!(raw(authorize.query().unwrap()), raw(&token.text()));
    }
}

/// A24 — token: 0
#[tokio::test]
async fn a_login_that_ends_on_an_error_page_names_the_redirect_uri_to_register() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let redirect_uri = format!("http://127.0.0.1:{free}/not/registered");
    let auth = Application::new(provider.issuer(), provider.client_id()).web_auth().redirect_uri(&redirect_uri);
    let error = auth.browser(browser.clone()).timeout(Duration::from_millis(300)).start().await.unwrap_err();
    assert_eq!(browser.shown(1).await[0].title(), "Callback URL mismatch");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let named = error.to_string();
    assert!(named.contains(&format!("register {redirect_uri} as an allowed callback URL")), "{named}");
    assert_eq!(provider.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a_state_comes_back_as_it_was_sent() {
    let halves = TwoHalves::start().await;
    let (login, callback) = halves.returned().await;
    assert_eq!(parameter(&callback, "state"), parameter(login.url().as_str(), "state"));
    let other = halves.auth.begin().await.unwrap();
    for name in ["state", "nonce", "code_challenge"] {
        let (one, two) = (parameter(login.url().as_str(), name), parameter(other.url().as_str(), name));
        assert_ne!(one, two, "{name} is each login's own");
        assert!(one.len() >= 43, "{name} holds 256 bits");
    }
}
