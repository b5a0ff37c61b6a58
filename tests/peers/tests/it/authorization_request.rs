//! How a certified provider gets to know what a login asks for.

use std::time::Duration;

use hallpass::client_auth::PrivateKey;
use hallpass::{Application, ErrorKind, WebAuth};
use hallpass_peers::{OidcProvider, Person};

use crate::browser_login::log_in;

/// H7
#[tokio::test]
async fn a_login_is_pushed_where_the_provider_takes_no_other() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native-par", |login| login.pushed()).await;
    assert_eq!(credentials.user().unwrap().subject(), "alice");

    let login = WebAuth::new(provider.issuer(), "native-par").ephemeral_port().browser(person.browser());
    let pushed = login.clone().redirect_uri("http://127.0.0.1/callback").pushed().begin().await.unwrap();
    let names: Vec<_> = pushed.url().query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    let error = login.start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().description(), Some("Pushed Authorization Request must be used"));
}

#[tokio::test]
async fn the_answer_comes_by_a_form_or_signed_or_both() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    log_in(&provider, &person, "native", |login| login.form_post()).await;
    person.sees("You are logged in").await;
    assert_eq!(person.url().await.query(), None);
    let again: [fn(WebAuth) -> WebAuth; 2] = [WebAuth::signed_response, |login| login.signed_response().form_post()];
    for ask in again {
        let login = ask(WebAuth::new(provider.issuer(), "native")).ephemeral_port().browser(person.browser());
        let (credentials, ()) = tokio::join!(login.start(), person.consents());
        assert_eq!(credentials.unwrap().user().unwrap().subject(), "alice");
    }
    let login = WebAuth::new(provider.issuer(), "native").signed_response().ephemeral_port().browser(person.browser());
    let error = login.prompt("none").start().await.unwrap_err();
    assert!(error.is_login_required(), "an error is signed, too: {error}");
}

#[tokio::test]
async fn a_signed_request_begins_a_login_pushed_or_not() {
    for algorithm in ["ES256", "PS256", "EdDSA"] {
        let key = PrivateKey::generate(algorithm).unwrap().kid("one");
        let keys = std::env::temp_dir().join(format!("hallpass-signed-{algorithm}-{}.json", std::process::id()));
        std::fs::write(&keys, format!("{{\"keys\":[{}]}}", key.public_jwk())).unwrap();
        let provider = OidcProvider::with(&[("CLIENT_JWKS", keys.to_str().unwrap())]);
        std::fs::remove_file(keys).unwrap();
        let login = WebAuth::new(provider.issuer(), "native-signed").redirect_uri("http://127.0.0.1/callback");
        login.clone().signed(key.clone()).pushed().begin().await.unwrap();
        let other = PrivateKey::generate(algorithm).unwrap().kid("one");
        let error = login.clone().signed(other).pushed().begin().await.unwrap_err();
        assert_eq!(error.server_error().unwrap().code(), "invalid_request_object");
        assert_eq!(login.pushed().begin().await.unwrap_err().server_error().unwrap().code(), "invalid_request");
        if algorithm == "ES256" {
            let person = Person::sits_down().await;
            let asked = |login: WebAuth| login.signed(key).max_age(Duration::from_secs(60));
            let credentials = log_in(&provider, &person, "native-signed", asked).await;
            assert!(credentials.id_token().unwrap().auth_time().is_some(), "max_age was read in the request object");
        }
    }
}

#[tokio::test]
async fn signed_user_info_is_verified() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native-user-info-jwt", |login| login).await;
    let application = Application::new(provider.issuer(), "native-user-info-jwt");
    let user = application.user_info(&credentials).await.unwrap();
    assert_eq!((user.subject(), user.email().as_deref()), ("alice", Some("alice@example.com")));
}

/// H6
#[tokio::test]
async fn what_is_wrong_with_a_pushed_request_is_said_before_a_browser_opens() {
    let provider = OidcProvider::start();
    let login = WebAuth::new(provider.issuer(), "native-par").redirect_uri("http://127.0.0.1/other").pushed();
    let error = login.begin().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.server_error().unwrap().code(), "invalid_request", "{error}");
}
