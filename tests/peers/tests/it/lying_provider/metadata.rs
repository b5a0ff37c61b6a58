use std::time::Duration;

use hallpass::ErrorKind::{Discovery, IdToken};
use hallpass::testing::TestClock;
use hallpass::{Application, Secret};
use hallpass_peers::MockServer;
use serde_json::{Value, json};

use super::{all_refused, log_in, web_auth};

/// A22, B29, B30, D1, D4, D5, D8 — token: 0
#[tokio::test]
async fn metadata_that_cannot_be_trusted_end_the_login_before_it_begins() {
    let lies = [
        ("issuer", json!("https://another.example")),
        ("issuer", json!(5)),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!("file:///etc/passwd")),
        ("authorization_endpoint", json!("$(reboot)")),
        ("authorization_endpoint", json!("http://192.0.2.1/authorize")),
        ("token_endpoint", json!("http://192.0.2.1/token")),
        ("token_endpoint", json!("http://user:password@127.0.0.1/token")),
        ("jwks_uri", json!("http://192.0.2.1/jwks")),
        ("code_challenge_methods_supported", json!(["plain"])),
    ];
    let raw = ["", "<html>", "[]", "{"].map(|raw| json!({ "on": "openid-configuration", "raw": raw }));
    let drops = ["issuer", "authorization_endpoint", "token_endpoint"];
    let drops = drops.map(|name| json!({ "on": "openid-configuration", "drop": [name] }));
    all_refused(Discovery, 0, lies.map(member).into_iter().chain(raw).chain(drops)).await;
}

/// D1 — authorize: 0, token: 0
#[tokio::test]
async fn an_issuer_that_is_nearly_right_is_wrong() {
    let provider = MockServer::start();
    let lie = member(("issuer", json!(format!("{}INVALID", provider.issuer()))));
    assert_eq!(log_in(&provider, &web_auth(&provider), lie).await.unwrap_err().kind(), Discovery);
    assert_eq!((provider.count("/authorize").await, provider.count("/token").await), (0, 0));
}

/// D2
#[tokio::test]
async fn a_root_slash_more_is_the_same_issuer_under_its_own_name() {
    let provider = MockServer::with(&[("TRAILING_SLASH", "1")]);
    let without = provider.issuer().trim_end_matches('/').to_owned();
    let login = hallpass::WebAuth::new(without, super::CLIENT_ID).redirect_uri(super::CALLBACK);
    let credentials = log_in(&provider, &login, json!({ "on": "nothing" })).await.unwrap();
    assert!(credentials.issuer().ends_with('/'), "{}", credentials.issuer());
}

/// D6, D7 — token: 0 and 1
#[tokio::test]
async fn redirects_of_the_metadata_and_of_the_keys_are_not_followed() {
    let (provider, elsewhere) = (MockServer::start(), MockServer::start());
    for (on, path) in [("openid-configuration", "/.well-known/openid-configuration"), ("jwks", "/jwks")] {
        let location = format!("{}{path}", elsewhere.issuer());
        let lie = json!({ "on": on, "status": 302, "headers": { "location": location } });
        assert_eq!(log_in(&provider, &web_auth(&provider), lie).await.unwrap_err().kind(), Discovery, "{on}");
        assert_eq!(elsewhere.count(path).await, 0);
    }
}

/// D8, D23, J7 — token: 0
#[tokio::test]
async fn a_provider_in_trouble_is_asked_again_after_a_pause() {
    let (provider, clock) = (MockServer::start(), TestClock::new());
    let login = Application::new(provider.issuer(), super::CLIENT_ID).clock(&clock).web_auth().redirect_uri(super::CALLBACK);
    for (count, status) in [(1, 404), (2, 500), (3, 503)] {
        let lie = json!({ "on": "openid-configuration", "status": status, "raw": "<html>" });
        let error = log_in(&provider, &login, lie).await.unwrap_err();
        let again = login.begin().await.unwrap_err();
        for error in [error, again] {
            assert_eq!(error.kind(), Discovery, "{error:?}");
            assert_eq!(error.is_transient(), status >= 500, "{error:?}");
        }
        assert_eq!(provider.count("/.well-known/openid-configuration").await, count, "the next login does not ask at once");
        clock.advance(Duration::from_secs(60));
    }
    log_in(&provider, &login, json!({ "on": "nothing" })).await.unwrap();
    assert_eq!(provider.count("/.well-known/openid-configuration").await, 4);
}

/// D8, D12 — token: 1
#[tokio::test]
async fn a_set_without_a_key_for_the_token_verifies_nothing() {
    for raw in ["", "<html>", "[]", r#"{"keys":5}"#] {
        all_refused(Discovery, 1, [json!({ "on": "jwks", "raw": raw })]).await;
    }
    all_refused(Discovery, 1, [json!({ "on": "jwks", "status": 500 })]).await;
    let symmetric = json!({ "on": "jwks", "times": 9, "raw": r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"# });
    let none = json!({ "on": "jwks", "times": 9, "raw": r#"{"keys":[]}"# });
    all_refused(IdToken, 1, [symmetric, none]).await;
}

#[tokio::test]
async fn a_provider_that_says_little_is_enough() {
    let provider = MockServer::start();
    let five = ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"];
    let document: Value =
        reqwest::get(format!("{}/.well-known/openid-configuration", provider.issuer())).await.unwrap().json().await.unwrap();
    let others: Vec<&String> = document.as_object().unwrap().keys().filter(|name| !five.contains(&name.as_str())).collect();
    let credentials =
        log_in(&provider, &web_auth(&provider), json!({ "on": "openid-configuration", "drop": others })).await.unwrap();
    assert_eq!(credentials.user().unwrap().subject(), "johndoe");

    let login = web_auth(&provider);
    provider.next(json!({ "on": "openid-configuration", "drop": others })).await;
    let refusal = login.application().revoke(&Secret::new("any")).await.unwrap_err();
    assert_eq!(refusal.kind(), Discovery, "no revocation endpoint is named: {refusal:?}");
    assert_eq!(provider.count("/revoke").await, 0);
}

fn member((name, value): (&str, Value)) -> Value {
    json!({ "on": "openid-configuration", "set": { name: value } })
}
