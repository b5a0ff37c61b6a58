use hallpass::ErrorKind::IdToken;
use hallpass_peers::MockServer;
use serde_json::{Value, json};

use super::{all_accepted, all_refused, log_in, seconds_from_now, web_auth};

/// C17, C19, C20, C21, C31 — token: 1
#[tokio::test]
async fn a_token_from_or_for_or_about_somebody_else_is_refused() {
    let issuer = "https://another.example";
    let lies = [
        ("iss", json!(issuer)),
        ("iss", json!(5)),
        ("aud", json!("somebody")),
        ("aud", json!("me1")),
        ("aud", json!([])),
        ("aud", json!(5)),
        ("aud", json!(["me", "other"])),
        ("azp", json!("other")),
        ("sub", json!("")),
        ("sub", json!(5)),
        ("sub", json!("x".repeat(256))),
    ];
    let drops = ["iss", "aud", "sub"].map(|claim| json!({ "on": "id_token", "drop": [claim] }));
    all_refused(IdToken, 1, lies.map(claim).into_iter().chain(drops)).await;
    all_accepted([("aud", json!(["me"])), ("azp", json!("me"))].map(claim)).await;
    all_accepted([json!({ "on": "id_token", "set": { "aud": ["me", "other"], "azp": "me" } })]).await;
}

/// C17 — token: 1
#[tokio::test]
async fn an_issuer_that_is_nearly_right_is_wrong() {
    let provider = MockServer::start();
    for issuer in [format!("{}1", provider.issuer()), format!("{}/", provider.issuer())] {
        let error = log_in(&provider, &web_auth(&provider), claim(("iss", json!(issuer)))).await.unwrap_err();
        assert_eq!(error.kind(), IdToken, "{issuer}");
    }
}

/// C22, C23, C25, C27 — token: 1
#[tokio::test]
async fn a_token_of_another_time_is_refused() {
    let (past, future) = (seconds_from_now(-120), seconds_from_now(120));
    let lies = [
        ("exp", json!(past)),
        ("exp", json!(seconds_from_now(3600).to_string())),
        ("exp", json!(-1)),
        ("iat", json!(future)),
        ("iat", json!(past.to_string())),
        ("nbf", json!(future)),
        ("nbf", json!(past.to_string())),
    ];
    let drops = ["exp", "iat"].map(|claim| json!({ "on": "id_token", "drop": [claim] }));
    all_refused(IdToken, 1, lies.map(claim).into_iter().chain(drops)).await;
}

/// C24, C26 — token: 1
#[tokio::test]
async fn odd_but_good_times_are_borne() {
    let leeway = [("exp", -30), ("iat", 30), ("nbf", 30)].map(|(name, seconds)| (name, json!(seconds_from_now(seconds))));
    let odd = [
        ("exp", json!(seconds_from_now(3600) as f64 + 0.5)),
        ("exp", json!(1e300)),
        ("iat", json!(seconds_from_now(-7 * 24 * 3600))),
        ("auth_time", json!(0)),
        ("auth_time", json!(seconds_from_now(-5) as f64 + 0.25)),
    ];
    all_accepted(leeway.into_iter().chain(odd).map(claim)).await;
}

/// C41
#[tokio::test]
async fn a_time_error_prints_both_times_and_the_leeway() {
    let provider = MockServer::start();
    let past = seconds_from_now(-120);
    let error = log_in(&provider, &web_auth(&provider), claim(("exp", json!(past)))).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("60"), "the leeway: {shown}");
    assert!(shown.matches("20").count() >= 2, "two dates: {shown}");
}

/// C28 — token: 1
#[tokio::test]
async fn a_token_that_answers_another_login_is_refused() {
    all_refused(IdToken, 1, [claim(("nonce", json!("another"))), claim(("nonce", json!(null))), claim(("nonce", json!("")))]).await;
    all_refused(IdToken, 1, [json!({ "on": "id_token", "drop": ["nonce"] })]).await;
}

/// C29, C30 — token: 1
#[tokio::test]
async fn a_token_for_another_access_token_or_code_is_refused() {
    let other = "LDktKdoQak3Pk0cnXxCltA";
    all_refused(IdToken, 1, [claim(("at_hash", json!(other))), claim(("c_hash", json!(other)))]).await;
}

/// C6, C11 — token: 1
#[tokio::test]
async fn a_header_that_leads_to_no_key_is_refused() {
    let headers = [
        json!({ "kid": "unknown" }),
        json!({ "kid": "../../x" }),
        json!({ "kid": "x".repeat(100_000) }),
        json!({ "kid": 5 }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": "dpop+jwt" }),
    ];
    all_refused(IdToken, 1, headers.map(|header| json!({ "on": "id_token", "header": header }))).await;
}

/// C5, C8 — token: 1
#[tokio::test]
async fn keys_in_the_header_are_ignored_and_one_key_needs_no_name() {
    let provider = MockServer::start();
    let elsewhere = format!("{}/jwks?by=header", provider.issuer());
    for lie in [
        json!({ "on": "id_token", "drop_header": ["kid"] }),
        json!({ "on": "id_token", "header": { "jku": elsewhere, "x5u": elsewhere, "x5c": ["AAAA"], "jwk": { "kty": "oct" } } }),
    ] {
        let before = provider.count("/jwks").await;
        log_in(&provider, &web_auth(&provider), lie).await.unwrap();
        assert_eq!(provider.count("/jwks").await - before, 1, "only the keys that the metadata name are fetched");
    }
}

/// C40 — token: 1
#[tokio::test]
async fn an_organization_that_was_asked_for_has_to_be_named() {
    let provider = MockServer::start();
    let lies = [("org_id", json!("org_other")), ("org_id", json!(5)), ("org_name", json!("org_mine"))];
    for lie in lies.map(claim).into_iter().chain([json!({ "on": "id_token" })]) {
        let login = web_auth(&provider).organization("org_mine");
        assert_eq!(log_in(&provider, &login, lie.clone()).await.unwrap_err().kind(), IdToken, "{lie}");
    }
    for (asked, named) in [("org_mine", ("org_id", json!("org_mine"))), ("Mine", ("org_name", json!("mine")))] {
        log_in(&provider, &web_auth(&provider).organization(asked), claim(named)).await.unwrap();
    }
}

/// D13, D14
#[tokio::test]
async fn keys_that_were_rotated_between_two_logins_are_fetched_anew() {
    let provider = MockServer::start();
    let login = web_auth(&provider);
    let honest = json!({ "on": "nothing" });
    log_in(&provider, &login, honest.clone()).await.unwrap();
    log_in(&provider, &login, honest.clone()).await.unwrap();
    assert_eq!(provider.count("/jwks").await, 1, "known keys are not fetched again");
    provider.rotate_keys().await;
    log_in(&provider, &login, honest).await.unwrap();
    assert_eq!(provider.count("/jwks").await, 2);
}

fn claim((name, value): (&str, Value)) -> Value {
    json!({ "on": "id_token", "set": { name: value } })
}
