//! A provider's metadata, and the parts of it that are believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, WebAuth};
use serde_json::json;
use url::Url;

use crate::altered_login::{altered_login, application, login, told, web_auth};

/// A provider with bad metadata.
struct Refusing {
    provider: TestProvider,
    auth: WebAuth,
    clock: TestClock,
}

impl Refusing {
    async fn start() -> Self {
        let clock = TestClock::new();
        let provider = TestProvider::builder().clock(clock.clone()).start().await;
        Self { auth: web_auth(&application(&provider).clock(&clock)), provider, clock }
    }

    /// The metadata with this fault is refused for the reason that `says` is a part of, and nothing else is asked.
    async fn refuses(&self, fault: Fault, says: &str) {
        self.provider.next(Endpoint::Discovery, fault.clone());
        let error = web_auth(&application(&self.provider).clock(&self.clock)).begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery, "{fault:?}: {}", told(&error));
        assert!(told(&error).contains(says), "{fault:?} is refused because: {}", told(&error));
        let counts = [Endpoint::Other, Endpoint::Jwks, Endpoint::Token].map(|endpoint| self.provider.count(endpoint));
        assert_eq!(counts, [0, 0, 0], "{fault:?}");
    }
}

/// D1
#[tokio::test]
async fn metadata_in_another_issuers_name_is_refused() {
    let metadata = Refusing::start().await;
    let own = metadata.provider.issuer();
    let host = own.trim_end_matches('/').replace("http://", "");
    for issuer in [
        format!("{own}INVALID"),
        format!("{own}/"),
        format!("http://{host}:80/"),
        format!("HTTP://{host}/"),
        format!("https://{host}/"),
        format!("http://{host}/?"),
        own.replace("127.0.0.1", "localhost"),
        "https://evil.example/".to_owned(),
        String::new(),
    ] {
        metadata.refuses(Fault::new().set("issuer", &issuer), "names another issuer").await;
    }
    for issuer in [json!([own]), json!(1)] {
        metadata.refuses(Fault::new().set("issuer", issuer), "its issuer is no text").await;
    }
    metadata.refuses(Fault::new().set("issuer", json!(null)), "its issuer is missing").await;
    metadata.refuses(Fault::new().remove("issuer"), "its issuer is missing").await;
    metadata.refuses(Fault::new().duplicate("issuer", "https://evil.example/"), "is no JSON object").await;
}

/// D2
#[tokio::test]
async fn a_root_slash_is_forgiven_and_the_documents_own_issuer_counts_from_there_on() {
    let with_slash = TestProvider::start().await;
    let without_slash = TestProvider::builder().without_trailing_slash().start().await;
    for (provider, configured) in [
        (&with_slash, with_slash.issuer().trim_end_matches('/').to_owned()),
        (&without_slash, format!("{}/", without_slash.issuer())),
    ] {
        let auth = web_auth(&Application::new(&configured, provider.client_id()));
        let credentials = login(&auth).await.unwrap();
        assert_eq!(credentials.issuer(), provider.issuer());
        let error = altered_login(provider, &auth, move |token| token.set("iss", &configured)).await.unwrap_err();
        assert!(error.to_string().contains("iss is not the issuer"), "{error}");
    }
    // Under a path a slash makes another issuer.
    let with_slash = TestProvider::builder().issuer_path("/tenant").start().await;
    let without_slash = TestProvider::builder().issuer_path("/tenant").without_trailing_slash().start().await;
    for configured in [with_slash.issuer().trim_end_matches('/').to_owned(), format!("{}/", without_slash.issuer())] {
        let error = web_auth(&Application::new(configured, "native")).begin().await.unwrap_err();
        assert!(error.to_string().contains("names another issuer"), "{error}");
    }
}

/// D3 — discovery: 0
#[tokio::test]
async fn an_issuer_that_cannot_be_one_is_a_configuration_error() {
    let provider = TestProvider::start().await;
    let loopback = provider.issuer();
    for domain in [
        "https://acme.auth0.com/?tenant=a",
        "https://acme.auth0.com/#a",
        "https://user@acme.auth0.com/",
        "https://user:password@acme.auth0.com/",
        "acme.auth0.com?a",
        "http://acme.auth0.com/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://169.254.169.254/",
        "http://0.0.0.0/",
        "ftp://acme.auth0.com/",
        "file:///etc/passwd",
        "https://",
        "",
        " ",
        "acme auth0 com",
        &format!("{loopback}?a"),
        &loopback.replace("http://", "http://user@"),
    ] {
        let error = web_auth(&Application::new(domain, "native")).begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{domain}: {error}");
        assert!(!format!("{error:?}").contains("password@"), "{error:?}");
    }
    assert_eq!(provider.count(Endpoint::Discovery), 0);
}

/// D4, D5
#[tokio::test]
async fn endpoints_that_are_no_place_for_secrets_are_refused_and_nothing_is_opened() {
    let opened = Arc::new(AtomicUsize::new(0));
    for url in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "$(touch x)",
        "data:text/html,x",
        "//evil.example/",
        "ssh://x/",
        "http://evil.example/",
    ] {
        let provider = TestProvider::start().await;
        provider.always(Endpoint::Discovery, Fault::new().set("authorization_endpoint", url));
        let count = Arc::clone(&opened);
        let browser = move |_: &Url| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port().browser(browser);
        let error = auth.start().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Discovery && error.to_string().contains("its authorization_endpoint"), "{url}: {error}");
    }
    assert_eq!(opened.load(Ordering::Relaxed), 0);
    let metadata = Refusing::start().await;
    for name in ["token_endpoint", "jwks_uri"] {
        for (url, says) in BAD_URLS {
            metadata.refuses(Fault::new().set(name, url), &format!("its {name} {says}")).await;
        }
        metadata.refuses(Fault::new().set(name, 1), &format!("its {name} is no text")).await;
        metadata.refuses(Fault::new().remove(name), &format!("this provider has no {name}")).await;
    }
    for name in ["response_modes_supported", "id_token_signing_alg_values_supported"] {
        metadata.refuses(Fault::new().set(name, "query"), &format!("its {name} is no list of texts")).await;
    }
    metadata.refuses(Fault::new().set("issuer", 1), "its issuer is no text").await;
}

/// K18, D4 — userinfo: 0, revoke: 0
#[tokio::test]
async fn an_endpoint_that_cannot_be_used_is_an_error_where_it_is_used() {
    for (url, says) in BAD_URLS {
        let provider = TestProvider::start().await;
        let names = ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint", "introspection_endpoint"];
        let fault = names.iter().fold(Fault::new(), |fault, name| fault.set(name, url));
        provider.always(Endpoint::Discovery, fault);
        let (application, auth) = (application(&provider), web_auth(&application(&provider)));
        let credentials = login(&auth).await.unwrap();
        let errors = [
            ("userinfo_endpoint", application.user_info(&credentials).await.unwrap_err()),
            ("revocation_endpoint", application.revoke(&"token".into()).await.unwrap_err()),
            ("introspection_endpoint", application.introspect(&"token".into()).await.unwrap_err()),
        ];
        for (name, error) in errors {
            assert_eq!(error.kind(), ErrorKind::Discovery, "{error}");
            assert!(error.to_string().contains(&format!("its {name} {says}")), "{error}");
        }
        let counts = [Endpoint::UserInfo, Endpoint::Revoke, Endpoint::Introspect].map(|endpoint| provider.count(endpoint));
        assert_eq!(counts, [0, 0, 0]);
    }
}

/// K18 — token: 1
#[tokio::test]
async fn metadata_that_a_service_does_not_need_cannot_stop_it() {
    let provider = TestProvider::start().await;
    let fault = Fault::new().remove("authorization_endpoint").remove("jwks_uri").set("end_session_endpoint", "");
    provider.always(Endpoint::Discovery, fault.set("code_challenge_methods_supported", ["plain"]));
    let service = Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(provider.client_secret()));
    service.client_credentials().audience("https://api.acme.com").token().await.unwrap();
    assert_eq!(provider.count(Endpoint::Token), 1);
    let error = web_auth(&service).begin().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Discovery && error.to_string().contains("PKCE with S256"), "{error}");
}

const BAD_URLS: [(&str, &str); 6] = [
    ("http://evil.example/", "is neither https nor http on loopback"),
    ("http://127.0.0.1.evil.example/", "is neither https nor http on loopback"),
    ("gopher://127.0.0.1/", "is neither https nor http on loopback"),
    ("https://user@evil.example/", "holds a user name or a password"),
    ("https://evil.example/#a", "has a fragment"),
    ("/relative", "is no absolute URL"),
];

/// D6, D7
#[tokio::test]
async fn a_redirect_of_metadata_or_keys_is_not_followed() {
    let provider = TestProvider::start().await;
    let elsewhere = provider.endpoint_url(Endpoint::Other).to_string();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        for status in [301, 302, 303, 307, 308] {
            for location in ["http://169.254.169.254/latest/meta-data/", &elsewhere, "/other"] {
                let asked = provider.count(endpoint);
                provider.next(endpoint, Fault::redirect(location).with_status(status));
                let error = login(&web_auth(&application(&provider))).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Discovery, "{}", told(&error));
                assert!(error.to_string().contains(&format!("a redirect ({status}")), "{error}");
                assert_eq!((provider.count(endpoint), provider.count(Endpoint::Other)), (asked + 1, 0));
            }
        }
    }
}

/// D8
#[tokio::test]
async fn metadata_that_cannot_be_had_is_a_typed_and_bounded_failure() {
    let metadata = Refusing::start().await;
    metadata.refuses(Fault::status(404), "404").await;
    metadata.refuses(Fault::answer(200, "text/html", "<html>"), "text/html").await;
    metadata.refuses(Fault::answer(200, "application/json", ""), "there is nothing").await;
    metadata.refuses(Fault::answer(200, "application/json", "[]"), "is no JSON object").await;
    metadata.refuses(Fault::answer(200, "application/json", "{".repeat(100_000)), "malformed").await;
    metadata.refuses(Fault::answer(200, "application/json", format!(r#"{{"issuer":{}"#, "[".repeat(200_000))), "malformed").await;
    metadata.refuses(Fault::huge(50_000_000, true), "more than 1024 KiB").await;
    metadata.refuses(Fault::huge(50_000_000, false), "more than 1024 KiB").await;
    let provider = TestProvider::start().await;
    for (fault, kind) in [
        (Fault::status(500), ErrorKind::Discovery),
        (Fault::status(503).header("retry-after", "7"), ErrorKind::Discovery),
        (Fault::rate_limited(Duration::from_secs(7)), ErrorKind::Discovery),
        (Fault::close(), ErrorKind::Network),
        (Fault::raw("no HTTP"), ErrorKind::Network),
    ] {
        provider.next(Endpoint::Discovery, fault.clone());
        let error = web_auth(&application(&provider)).begin().await.unwrap_err();
        assert!(error.kind() == kind && error.is_transient(), "{fault:?}: {error:?}");
        assert!(error.retry_after().is_none_or(|wait| wait <= Duration::from_secs(7)), "{error:?}");
    }
}

/// D8: in real time, since requests run on a thread whose time no test can pause.
#[tokio::test]
async fn metadata_that_does_not_come_in_half_a_minute_is_given_up() {
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::stall());
    let started = std::time::Instant::now();
    let error = web_auth(&application(&provider)).begin().await.unwrap_err();
    assert!(error.kind() == ErrorKind::TimedOut && error.is_timeout() && error.is_transient(), "{error:?}");
    assert!(started.elapsed() >= Duration::from_secs(30), "it is not given up earlier");
}

/// D8
#[tokio::test]
async fn a_shorter_timeout_of_the_callers_own_client_holds() {
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::stall());
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(50));
    let auth = web_auth(&application(&provider).http_client(impatient));
    let error = tokio::time::timeout(Duration::from_secs(20), auth.begin()).await.unwrap().unwrap_err();
    assert!(error.kind() == ErrorKind::TimedOut && error.is_timeout(), "{error:?}");
}

/// D20
#[tokio::test]
async fn a_malformed_alias_for_mutual_tls_is_an_error() {
    let metadata = Refusing::start().await;
    for name in ["token_endpoint", "revocation_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint"] {
        for alias in
            [json!("http://evil.example/"), json!("javascript:x"), json!(""), json!(1), json!(null), json!("https://u@x.example/")]
        {
            metadata
                .refuses(Fault::new().set("mtls_endpoint_aliases", json!({ name: alias })), &format!("its alias of {name}"))
                .await;
        }
    }
    for aliases in [json!("https://x.example/"), json!(["https://x.example/"])] {
        metadata.refuses(Fault::new().set("mtls_endpoint_aliases", aliases), "its mtls_endpoint_aliases is no object").await;
    }
    let good = json!({ "token_endpoint": "https://mtls.example/token", "note": 1 });
    metadata.provider.next(Endpoint::Discovery, Fault::new().set("mtls_endpoint_aliases", good));
    login(&metadata.auth).await.unwrap();
}

/// D22
#[tokio::test]
async fn the_well_known_path_stands_behind_the_issuers_own() {
    for (provider, path) in [
        (TestProvider::builder().issuer_path("/tenant/a").start().await, "/tenant/a/.well-known/openid-configuration"),
        (
            TestProvider::builder().issuer_path("/tenant/a").without_trailing_slash().start().await,
            "/tenant/a/.well-known/openid-configuration",
        ),
        (TestProvider::start().await, "/.well-known/openid-configuration"),
    ] {
        let credentials = login(&web_auth(&application(&provider))).await.unwrap();
        assert_eq!(credentials.issuer(), provider.issuer());
        let asked: Vec<_> = provider.requests(Endpoint::Discovery).iter().map(|request| request.path().to_owned()).collect();
        assert_eq!(asked, [path]);
        assert_eq!(provider.count(Endpoint::Other), 0);
    }
}

/// D23 — discovery: 1
#[tokio::test]
async fn a_thousand_logins_that_begin_at_once_discover_once() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    let gate = provider.hold(Endpoint::Discovery);
    let begun: Vec<_> = (0..1_000)
        .map(|_| {
            let auth = auth.clone();
            tokio::spawn(async move { auth.begin().await })
        })
        .collect();
    gate.reached(1).await;
    gate.release();
    for login in begun {
        login.await.unwrap().unwrap();
    }
    assert_eq!(provider.count(Endpoint::Discovery), 1);
}

/// D23
#[tokio::test]
async fn a_failed_discovery_is_kept_for_seconds_only() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let auth = web_auth(&application(&provider).clock(&clock));
    let wait = || clock.advance(Duration::from_secs(11));
    provider.next(Endpoint::Discovery, Fault::status(503));
    provider.next(Endpoint::Discovery, Fault::new().set("issuer", "https://evil.example/"));
    provider.next(Endpoint::Jwks, Fault::status(404));
    for _again in 0..2 {
        assert!(auth.begin().await.unwrap_err().is_transient());
        assert_eq!(provider.count(Endpoint::Discovery), 1);
    }
    wait();
    assert_eq!(auth.begin().await.unwrap_err().kind(), ErrorKind::Discovery);
    wait();
    assert_eq!(login(&auth).await.unwrap_err().kind(), ErrorKind::Discovery);
    wait();
    login(&auth).await.unwrap();
    assert_eq!((provider.count(Endpoint::Discovery), provider.count(Endpoint::Jwks)), (3, 2));
}

#[tokio::test]
async fn metadata_is_asked_for_again_after_an_hour_and_serves_on_while_the_host_is_down() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let auth = web_auth(&application(&provider).clock(&clock));
    login(&auth).await.unwrap();
    clock.advance(Duration::from_secs(59 * 60));
    auth.begin().await.unwrap();
    assert_eq!(provider.count(Endpoint::Discovery), 1);
    provider.always(Endpoint::Discovery, Fault::status(500));
    clock.advance(Duration::from_secs(60));
    auth.begin().await.unwrap();
    assert_eq!(provider.count(Endpoint::Discovery), 2);
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert!(auth.begin().await.unwrap_err().is_transient());
}
