use std::time::Duration;

use hallpass::ErrorKind::{IdToken, InvalidResponse, Server};
use hallpass_peers::MockServer;
use serde_json::json;

use super::{all_accepted, all_refused, log_in, web_auth};

/// B1, B3, B9, B14, B15 — token: 1
#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let html = json!({ "on": "token", "raw": "<html>", "headers": { "content-type": "text/html" } });
    let form = json!({ "on": "token", "raw": "access_token=a&token_type=Bearer",
        "headers": { "content-type": "application/x-www-form-urlencoded" } });
    let nested = "[".repeat(100_000);
    let twice = r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#;
    let raw = ["", "null", "[]", "{} x", "\u{feff}{}", &nested, twice].map(|raw| json!({ "on": "token", "raw": raw }));
    all_refused(InvalidResponse, 1, [html, form].into_iter().chain(raw)).await;
}

/// B4, B5, B7 — token: 1
#[tokio::test]
async fn the_providers_own_error_is_reported() {
    let provider = MockServer::start();
    let body = json!({ "error": "invalid_grant", "error_description": "The code is spent." });
    for status in [200, 400, 401, 403] {
        let lie = json!({ "on": "token", "status": status, "raw": body.to_string(),
            "headers": { "www-authenticate": "Basic realm=\"x\"" } });
        let error = log_in(&provider, &web_auth(&provider), lie).await.unwrap_err();
        assert_eq!(error.kind(), Server, "{status}: {error:?}");
        let server_error = error.server_error().unwrap();
        assert_eq!((server_error.code(), server_error.description()), ("invalid_grant", Some("The code is spent.")));
        assert_eq!(server_error.status().unwrap(), status);
        assert!(!error.is_transient());
    }
    for (status, raw) in [(400, "no such code"), (500, "<html>"), (502, "")] {
        let lie = json!({ "on": "token", "status": status, "raw": raw, "headers": { "content-type": "text/html" } });
        let error = log_in(&provider, &web_auth(&provider), lie).await.unwrap_err();
        assert_eq!((error.kind(), error.server_error().unwrap().status().unwrap().as_u16()), (Server, status), "{error:?}");
        // An answer that is no OAuth error, of whatever status, says nothing about the code.
        assert!(error.is_transient(), "{status}: {error:?}");
    }
    assert_eq!(provider.token_requests().await.len(), 7, "a code is redeemed once, whatever comes back");
}

/// B8 — token: 1
#[tokio::test]
async fn a_provider_in_trouble_is_asked_once_and_says_when_to_come_back() {
    let provider = MockServer::start();
    for (count, status) in [(1, 503), (2, 429)] {
        let lie = json!({ "on": "token", "status": status, "headers": { "retry-after": "7" } });
        let error = log_in(&provider, &web_auth(&provider), lie).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(provider.token_requests().await.len(), count);
    }
}

/// B10 — token: 1
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (provider, elsewhere) = (MockServer::start(), MockServer::start());
    for status in [302, 307] {
        let location = format!("{}/token", elsewhere.issuer());
        let lie = json!({ "on": "token", "status": status, "headers": { "location": location } });
        log_in(&provider, &web_auth(&provider), lie).await.unwrap_err();
    }
    assert_eq!((provider.count("/token").await, elsewhere.count("/token").await), (2, 0));
}

/// B16, B17, B18, B24, B26 — token: 1
#[tokio::test]
async fn members_that_are_not_what_they_must_be_are_refused() {
    let drops = ["access_token", "token_type"].map(|name| json!({ "on": "token", "drop": [name] }));
    let lies = [
        ("access_token", json!("")),
        ("access_token", json!(null)),
        ("access_token", json!(5)),
        ("access_token", json!("a b")),
        ("access_token", json!("a\r\nb")),
        ("token_type", json!("mac")),
        ("token_type", json!(null)),
        ("scope", json!(["openid", 5])),
    ];
    let lies = lies.map(|(name, value)| json!({ "on": "token", "set": { name: value } }));
    all_refused(InvalidResponse, 1, drops.into_iter().chain(lies)).await;
}

/// B2, B18, B19, B22, B23, B24 — token: 1
#[tokio::test]
async fn oddities_that_real_providers_have_are_borne() {
    let set = [
        ("token_type", json!("bEARER")),
        ("expires_in", json!("3600")),
        ("expires_in", json!(3600.7)),
        ("expires_in", json!(0)),
        ("expires_in", json!(1e300)),
        ("expires_in", json!(u64::MAX)),
        ("refresh_token", json!("")),
        ("refresh_token", json!(null)),
        ("scope", json!("openid")),
        ("scope", json!(["openid"])),
    ];
    let set = set.map(|(name, value)| json!({ "on": "token", "set": { name: value } }));
    let others = [
        json!({ "on": "token", "drop": ["expires_in", "scope", "refresh_token"] }),
        json!({ "on": "token", "headers": { "content-type": "text/plain" } }),
    ];
    all_accepted(set.into_iter().chain(others)).await;
}

/// B20, B21 — token: 1
#[tokio::test]
async fn a_lifetime_that_is_none_is_unknown() {
    let provider = MockServer::start();
    for expires_in in [json!("3600abc"), json!(""), json!(true), json!(-1)] {
        let lie = json!({ "on": "token", "set": { "expires_in": expires_in } });
        assert_eq!(log_in(&provider, &web_auth(&provider), lie).await.unwrap().expires_at(), None, "{expires_in}");
    }
    assert_eq!(provider.token_requests().await.len(), 4);
}

/// B19, B24
#[tokio::test]
async fn what_was_granted_is_what_the_answer_says() {
    let provider = MockServer::start();
    let lie = json!({ "on": "token", "set": { "expires_in": "3600", "scope": "openid" } });
    let credentials = log_in(&provider, &web_auth(&provider), lie).await.unwrap();
    let expires_in = credentials.expires_at().unwrap().unix_timestamp() - super::seconds_from_now(0);
    assert!((3590..=3600).contains(&expires_in), "{expires_in} seconds");
    assert_eq!(credentials.scope(), "openid");
    assert_eq!(credentials.missing_scopes().collect::<Vec<_>>(), ["profile"]);

    let lie = json!({ "on": "token", "drop": ["expires_in", "scope"] });
    let credentials = log_in(&provider, &web_auth(&provider), lie).await.unwrap();
    assert_eq!((credentials.expires_at(), credentials.scope()), (None, "openid profile"));
}

/// B25 — token: 1
#[tokio::test]
async fn a_login_with_openid_needs_an_id_token() {
    all_refused(IdToken, 1, [json!({ "on": "token", "drop": ["id_token"] })]).await;

    let provider = MockServer::start();
    let lie = json!({ "on": "token", "drop": ["id_token"] });
    let credentials = log_in(&provider, &web_auth(&provider).scope("read:things"), lie.clone()).await.unwrap();
    assert!(credentials.id_token().is_none());

    let login = web_auth(&provider).application().clone().danger_accept_missing_id_token().web_auth();
    let credentials = log_in(&provider, &login.redirect_uri(super::CALLBACK), lie).await.unwrap();
    assert!(credentials.user().is_none());
}
