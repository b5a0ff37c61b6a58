//! Answers that the provider signs (JARM): by whom, for whom, until when, and nothing beside them.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, PublicKeyForm, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, ErrorKind, PendingLogin, WebAuth};
use serde_json::json;

use crate::altered_login::{Alteration, told};
use crate::two_halves::{REDIRECT_URI, TwoHalves, all_of, parameter, with, without};

async fn signing() -> TwoHalves {
    signing_at(TestProvider::start().await)
}

fn signing_at(provider: TestProvider) -> TwoHalves {
    let halves = TwoHalves::at(provider);
    TwoHalves { auth: halves.auth.signed_response(), ..halves }
}

fn loopback(provider: &TestProvider) -> WebAuth {
    WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port().signed_response()
}

#[tokio::test]
async fn a_signed_answer_ends_a_login() {
    let halves = signing().await;
    let (login, callback) = halves.returned().await;
    assert_eq!(parameter(login.url().as_str(), "response_mode"), "query.jwt");
    assert!(!callback.contains("code="), "{callback}");
    let kept = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    let credentials = halves.auth.finish(kept, &callback).await.unwrap();
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some("jane@example.com"));

    for (auth, mode) in [(loopback(&halves.provider), "query.jwt"), (loopback(&halves.provider).form_post(), "form_post.jwt")] {
        let browser = TestBrowser::new();
        auth.browser(browser.clone()).start().await.unwrap();
        assert_eq!(halves.provider.requests(Endpoint::Authorize).pop().unwrap().parameter("response_mode").as_deref(), Some(mode));
        assert_eq!(browser.shown(1).await[0].url().query(), None);
    }
    let order = halves.auth.clone().form_post().begin().await.unwrap();
    assert_eq!(parameter(order.url().as_str(), "response_mode"), "form_post.jwt");
}

#[tokio::test]
async fn a_refusal_is_signed_too() {
    let halves = signing().await;
    let login = halves.auth.begin().await.unwrap();
    let callback = TestBrowser::new().refusing().visit(login.url()).await.unwrap();
    let error = halves.auth.finish(login, &callback).await.unwrap_err();
    assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Cancelled, "access_denied"));
    let error = loopback(&halves.provider).browser(TestBrowser::new().refusing()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}

/// A1, A2, A3, A8, A9, A15 — token: 0
#[tokio::test]
async fn a_response_that_is_not_exactly_as_it_should_be_is_refused() {
    let halves = signing().await;
    let rows: [(&str, Alteration); 30] = [
        ("no code", |jwt| jwt.remove("code")),
        ("an empty code", |jwt| jwt.set("code", "")),
        ("a code that is a number", |jwt| jwt.set("code", 7)),
        ("a NUL in the code", |jwt| jwt.set("code", "a\0b")),
        ("no state", |jwt| jwt.remove("state")),
        ("another state", |jwt| jwt.set("state", "other")),
        ("state and one letter", |jwt| {
            let state = jwt.claim("state").unwrap();
            jwt.set("state", state + "1")
        }),
        ("no iss", |jwt| jwt.remove("iss")),
        ("iss and one letter", |jwt| {
            let iss = jwt.claim("iss").unwrap();
            jwt.set("iss", iss + "1")
        }),
        ("iss without the slash", |jwt| {
            let iss = jwt.claim("iss").unwrap();
            jwt.set("iss", iss.trim_end_matches('/'))
        }),
        ("no aud", |jwt| jwt.remove("aud")),
        ("another aud", |jwt| jwt.set("aud", "web")),
        ("aud a number", |jwt| jwt.set("aud", 7)),
        ("aud empty", |jwt| jwt.set("aud", json!([]))),
        ("several aud", |jwt| jwt.set("aud", ["native", "web"])),
        ("no exp", |jwt| jwt.remove("exp")),
        ("exp as text", |jwt| jwt.set("exp", "9999999999")),
        ("expired", |jwt| jwt.set("exp", 1_000_000_000)),
        ("issued in the future", |jwt| jwt.set("iat", 99_999_999_999_i64)),
        ("not valid yet", |jwt| jwt.set("nbf", 99_999_999_999_i64)),
        ("a token in it", |jwt| jwt.set("access_token", "x")),
        ("an ID token in it", |jwt| jwt.set("id_token", "x")),
        ("not signed", |jwt| jwt.unsigned()),
        ("signed by somebody else", |jwt| jwt.sign_with_stranger()),
        ("signed with the public key as a secret", |jwt| jwt.sign_with_public_key(PublicKeyForm::Pem)),
        ("signed with an empty secret", |jwt| jwt.sign_with_secret("")),
        ("signed by an algorithm that is not announced", |jwt| jwt.sign_as("ES256")),
        ("of another type", |jwt| jwt.set_header("typ", "at+jwt")),
        ("an array", |jwt| jwt.payload("[]")),
        ("no JWT", |jwt| jwt.sent(|_| "x.y.z".to_owned())),
    ];
    for (row, alter) in rows {
        halves.provider.next_signed_response(move |jwt| {
            alter(jwt);
        });
        let (login, callback) = halves.returned().await;
        let error = halves.auth.finish(login, &callback).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{row}: {}", told(&error));
        assert!(!all_of(&error).contains(&parameter(&callback, "response")), "{row}: {error:?}");
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
    halves.provider.next_signed_response(|jwt| {
        jwt.set("iat", 1_000_000_000).set("more", [1, 2]).set_header("typ", "JWT");
    });
    halves.log_in().await.expect("what it may hold beside does no harm");
}

/// A5, A6 — token: 0
#[tokio::test]
async fn a_claim_that_stands_there_twice_is_refused() {
    let halves = signing().await;
    for name in ["state", "code", "iss", "aud", "other"] {
        halves.provider.next_signed_response(move |jwt| {
            let claims = ["iss", "aud", "state", "code"].map(|name| format!(r#""{name}":"{}""#, jwt.claim(name).unwrap()));
            let twice = format!(r#""{name}":"{}1","other":1"#, jwt.claim(name).unwrap_or_default());
            jwt.payload(format!(r#"{{{},"exp":99999999999,{twice}}}"#, claims.join(",")));
        });
        let (login, callback) = halves.returned().await;
        let error = halves.auth.finish(login, &callback).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{name}: {error}");
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}

/// K24 — token: 5. Keycloak's responses have `iss` twice.
#[tokio::test]
async fn a_claim_that_stands_there_twice_with_one_value_counts_once() {
    let halves = signing().await;
    for name in ["state", "code", "iss", "aud", "other"] {
        halves.provider.next_signed_response(move |jwt| {
            let claims = ["iss", "aud", "state", "code"].map(|name| format!(r#""{name}":"{}""#, jwt.claim(name).unwrap()));
            let twice = format!(r#""{name}":"{0}","{name}":"{0}""#, jwt.claim(name).unwrap_or_default());
            jwt.payload(format!(r#"{{{},"exp":99999999999,{twice}}}"#, claims.join(",")));
        });
        let (login, callback) = halves.returned().await;
        halves.auth.finish(login, &callback).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 5);
}

/// A19 — token: 0
#[tokio::test]
async fn a_plain_answer_is_refused_where_a_signed_one_was_asked_for() {
    let halves = signing().await;
    let plain = TwoHalves::at(halves.provider.clone());
    let (_, answer) = plain.returned().await;
    let code = parameter(&answer, "code");
    let state = |login: &PendingLogin| parameter(login.url().as_str(), "state");
    let (login, _) = halves.returned().await;
    let forged = with(&with(&answer, "state", &state(&login)), "code", &code);
    let error = halves.auth.finish(login, &forged).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Callback && error.to_string().contains("it is not signed"), "{error}");
    // What stands beside a signed response is not looked at.
    let (login, callback) = halves.returned().await;
    let error = halves.auth.finish(login, &format!("{}&code=x&state=y", without(&callback, "response"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback);
    let (login, callback) = halves.returned().await;
    let error = halves.auth.finish(login, &format!("{callback}&response=x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback);
    assert_eq!(halves.provider.count(Endpoint::Token), 0);

    // A provider that knows no signed responses says so plainly, and the login does not hang.
    halves.provider.next(Endpoint::Callback, Fault::new().remove("response").set("error", "unsupported_response_mode"));
    let (login, callback) = halves.returned().await;
    let with_state = format!("{callback}&state={}", state(&login));
    assert_eq!(halves.auth.finish(login, &with_state).await.unwrap_err().kind(), ErrorKind::Callback);
    let (login, callback) = plain.returned().await;
    assert_eq!(halves.auth.finish(login, &callback).await.unwrap_err().kind(), ErrorKind::Configuration, "begun without");
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a_response_is_good_for_a_while_only() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let application = Application::new(provider.issuer(), provider.client_id()).clock(&clock);
    let auth = application.web_auth().redirect_uri(REDIRECT_URI).signed_response().timeout(Duration::from_secs(3600));
    let login = auth.begin().await.unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    clock.advance(Duration::from_secs(700));
    let error = auth.finish(login, &callback).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Callback && error.to_string().contains("check the clock"), "{error}");
    assert_eq!(provider.count(Endpoint::Token), 0);
}

/// A11 — token: 0
#[tokio::test]
async fn the_signed_answer_of_one_issuer_is_refused_by_the_login_at_another() {
    let (honest, attacker) = (signing().await, signing_at(TestProvider::builder().other_keys().start().await));
    let (login, _) = attacker.returned().await;
    let state = parameter(login.url().as_str(), "state");
    honest.provider.next_signed_response(move |jwt| {
        jwt.set("state", &state);
    });
    let (_, answer) = honest.returned().await;
    let error = attacker.auth.finish(login, &answer).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Callback && error.to_string().contains("iss is not the issuer"), "{error}");
    assert_eq!((honest.provider.count(Endpoint::Token), attacker.provider.count(Endpoint::Token)), (0, 0));
}

/// E6 — token: 0 until the right callback
#[tokio::test]
async fn a_forged_response_does_not_end_a_login() {
    let provider = TestProvider::start().await;
    provider.next_signed_response(|jwt| {
        jwt.set("state", "forged").sign_with_stranger();
    });
    let (opened, mut urls) = tokio::sync::mpsc::unbounded_channel();
    let auth = loopback(&provider).browser(move |url: &url::Url| -> hallpass::Result<()> {
        opened.send(url.clone()).unwrap();
        Ok(())
    });
    let login = tokio::spawn(async move { auth.start().await });
    let url = urls.recv().await.unwrap();
    let browser = TestBrowser::new();
    let forged = browser.visit(&url).await.unwrap();
    let status = reqwest::get(&forged).await.unwrap().status();
    assert_eq!((status.as_u16(), login.is_finished(), provider.count(Endpoint::Token)), (400, false, 0));
    let right = browser.visit(&url).await.unwrap();
    reqwest::get(&right).await.unwrap();
    login.await.unwrap().unwrap();
}
