//! The protection of a login cannot be removed: not by a parameter, and not by finishing it elsewhere.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{Application, ErrorKind, WebAuth};
use serde_json::json;

use crate::two_halves::TwoHalves;

#[tokio::test]
async fn a_login_is_not_finished_by_a_web_auth_that_asks_for_more() {
    let halves = TwoHalves::start().await;
    let minutes = |number: u64| Duration::from_secs(60 * number);
    let plain = &halves.auth;
    let of = |organization: &str| plain.clone().organization(organization);
    let fresh = |number| plain.clone().max_age(minutes(number));
    let bound = plain.clone().dpop_per_login();
    let nobody = plain.clone().scope("read:messages");
    let rows: [(&str, WebAuth, WebAuth); 8] = [
        ("no key", plain.clone(), bound.clone()),
        ("no ID token", nobody.clone(), plain.clone()),
        ("no organization", plain.clone(), of("org_acme")),
        ("another organization", of("org_other"), of("org_acme")),
        ("its name for its id", of("acme"), of("org_acme")),
        ("an id for a name", of("org_acme"), of("acme")),
        ("no max_age", plain.clone(), fresh(5)),
        ("a longer max_age", fresh(6), fresh(5)),
    ];
    for (row, began, finishes) in rows {
        let login = began.begin().await.unwrap();
        let callback = halves.browser.visit(login.url()).await.unwrap();
        let error = finishes.finish(login, &callback).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{row}: {error}");
        assert_eq!(halves.provider.count(Endpoint::Token), 0, "{row}");
    }
    for (row, began, finishes) in [
        ("the same", fresh(5).organization("org_acme"), fresh(5).organization("org_acme")),
        ("less", fresh(5).organization("org_acme"), plain.clone()),
        ("a shorter max_age", fresh(4), fresh(5)),
        ("its own key", bound.clone(), bound.clone()),
        ("a key for none", bound, plain.clone()),
        ("an ID token for none", plain.clone(), nobody),
    ] {
        let login = began.begin().await.unwrap();
        let callback = halves.browser.visit(login.url()).await.unwrap();
        let finished = finishes.finish(login, &callback).await;
        assert!(finished.is_ok(), "{row}: {finished:?}");
    }
}

/// Whatever becomes of the request on its way, only the ID token can prove it.
#[tokio::test]
async fn what_an_id_token_has_to_prove_is_not_asked_for_without_one() {
    let halves = TwoHalves::start().await;
    let nobody = halves.auth.clone().scope("read:messages");
    let acr = json!({ "id_token": { "acr": { "essential": true, "value": "phr" } } });
    for (row, auth) in [
        ("organization", nobody.clone().organization("org_acme")),
        ("max_age", nobody.clone().max_age(Duration::from_secs(300))),
        ("acr", nobody.clone().claims(&acr)),
    ] {
        let error = auth.begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{row}");
        assert!(error.to_string().contains("openid"), "{row}: {error}");
        auth.scope("openid").begin().await.unwrap_or_else(|error| panic!("{row}: {error}"));
    }
    nobody.begin().await.unwrap();
}

/// token: 1: a provider that may leave the ID token out may not leave out what it was to prove.
#[tokio::test]
async fn who_accepts_a_missing_id_token_accepts_no_missing_proof() {
    let provider = TestProvider::start().await;
    let application = Application::new(provider.issuer(), provider.client_id()).danger_accept_missing_id_token();
    let mut halves = TwoHalves::of(provider, &application);
    halves.answered(Fault::new().remove("id_token")).await.unwrap();
    halves.auth = halves.auth.organization("org_acme");
    let error = halves.answered(Fault::new().remove("id_token")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken, "{error}");
}

#[tokio::test]
async fn what_protects_a_login_is_no_parameter() {
    let halves = TwoHalves::start().await;
    for name in [
        "response_type",
        "response_mode",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
    ] {
        let error = halves.auth.clone().parameter(name, "mine").begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let login = halves.auth.clone().parameter("own", "mine").begin().await.unwrap();
    assert!(TestBrowser::new().visit(login.url()).await.is_ok());
}
