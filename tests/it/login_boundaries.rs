//! What a login was protected by cannot be taken off it: not by a parameter, and not by finishing it elsewhere.

use std::time::Duration;

use hallpass::testing::{Endpoint, TestBrowser};
use hallpass::{ErrorKind, WebAuth};

use crate::two_halves::TwoHalves;

#[tokio::test]
async fn a_login_is_not_finished_by_a_web_auth_that_asks_for_more() {
    let halves = TwoHalves::start().await;
    let minutes = |number: u64| Duration::from_secs(60 * number);
    let plain = &halves.auth;
    let of = |organization: &str| plain.clone().organization(organization);
    let fresh = |number| plain.clone().max_age(minutes(number));
    let rows: [(&str, WebAuth, WebAuth); 6] = [
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
    ] {
        let login = began.begin().await.unwrap();
        let callback = halves.browser.visit(login.url()).await.unwrap();
        let finished = finishes.finish(login, &callback).await;
        assert!(finished.is_ok(), "{row}: {finished:?}");
    }
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
