//! The ways in which a certified provider gets an authorization request.

use std::time::Duration;

use hallpass::client_auth::PrivateKey;
use hallpass::{Application, ClientAuth, ErrorKind, Secret, TokenType, WebAuth};
use hallpass_peers::{OidcProvider, Person};
use serde_json::{Value, json};

use crate::browser_login::{claims, log_in, log_in_at};

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
        let provider = OidcProvider::knowing([&key]);
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

/// H7, H9: FAPI 2.0, as the provider enforces it, and what a payment is for (RFC 9396).
#[tokio::test]
async fn a_bank_gets_all_that_its_profile_wants() {
    let key = PrivateKey::generate("ES256").unwrap().kid("one");
    let (provider, person) = (OidcProvider::knowing([&key]), Person::sits_down().await);
    let application = Application::new(provider.issuer(), "bank-app").client_auth(ClientAuth::private_key_jwt(key));
    let payment = json!([{ "type": "payment", "amount": "12.50", "currency": "EUR" }]);
    let ask = |login: WebAuth| {
        let login = login.scope("openid offline_access read:things").resource("https://api.example.com");
        login.prompt("consent").dpop_per_login().fapi2().authorization_details(&payment)
    };
    let credentials = log_in_at(&application, &person, ask).await;
    assert_eq!(credentials.token_type(), TokenType::DPoP);
    assert_eq!(json!(credentials.authorization_details::<Value>().unwrap()), payment);
    let token = claims(&Secret::new(credentials.access_token().expose()));
    assert_eq!(token["authorization_details"], payment);
    assert!(token["cnf"]["jkt"].is_string(), "{token}");
    let renewed = application.renew_credentials(&credentials).await.unwrap();
    assert_eq!(json!(renewed.authorization_details::<Value>().unwrap()), payment);

    let login = application.web_auth().ephemeral_port().browser(person.browser());
    let refused = login.clone().dpop_per_login().pushed().signed_response().authorization_details(json!([{ "type": "payment" }]));
    let error = refused.start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "invalid_authorization_details", "{error}");
    let error = login.fapi2().start().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("bound to a key"), "{error}");
}

/// RFC 8707
#[tokio::test]
async fn a_resource_decides_what_the_access_token_is_for() {
    let (provider, person) = (OidcProvider::with(&[("STRICT_RESOURCE", "1")]), Person::sits_down().await);
    let ask = |login: WebAuth| login.scope("openid read:things").resource("https://api.example.com");
    let credentials = log_in(&provider, &person, "native", ask).await;
    assert!(credentials.has_scope("read:things"));
    let token = claims(&Secret::new(credentials.access_token().expose()));
    assert_eq!((&token["aud"], &token["scope"]), (&json!("https://api.example.com"), &json!("read:things")));

    let login = WebAuth::new(provider.issuer(), "native").ephemeral_port().browser(person.browser());
    let error = login.resource("https://unknown.example.com").start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "invalid_target");
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
