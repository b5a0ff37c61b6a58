//! Asking the provider about a token (RFC 7662).

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, Secret};
use serde_json::{Value, json};

use crate::two_halves::all_of;

const API: &str = "https://api.acme.com";

fn api(provider: &TestProvider) -> Application {
    Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_basic(provider.client_secret()))
}

/// introspect: 3
#[tokio::test]
async fn the_provider_says_whose_token_it_is_and_for_how_long() {
    let clock = TestClock::new();
    let life = Duration::from_secs(600);
    let provider = TestProvider::builder().clock(clock.clone()).access_token_life(life).start().await;
    let api = api(&provider);
    let token = Secret::new(provider.access_token(API, "read:messages write:messages"));
    let said = api.introspect(&token).await.unwrap();
    assert!(said.is_active() && said.has_scope("write:messages") && !said.has_scope("messages"));
    assert_eq!(said.scope().as_deref(), Some("read:messages write:messages"));
    assert_eq!((said.client_id().as_deref(), said.audience()), (Some("native"), vec![API.to_owned()]));
    assert_eq!((said.issuer().as_deref(), said.token_type().as_deref()), (Some(provider.issuer()), Some("Bearer")));
    assert!(said.subject().unwrap().starts_with("auth0|"), "{:?}", said.subject());
    assert_eq!(said.expires_at().unwrap() - said.issued_at().unwrap(), time::Duration::seconds(600));
    assert_eq!(said.get::<i64>("exp"), said.expires_at().map(time::OffsetDateTime::unix_timestamp));
    let request = &provider.requests(Endpoint::Introspect)[0];
    assert_eq!(request.fields(), [("token".to_owned(), token.expose().to_owned())]);

    clock.advance(life);
    let over = api.introspect(&token).await.unwrap();
    assert!(!over.is_active() && !over.has_scope("read:messages"));
    assert_eq!((over.subject(), over.scope(), over.expires_at()), (None, None, None));
    assert!(!api.introspect(&"invented".into()).await.unwrap().is_active());
    assert_eq!(provider.count(Endpoint::Introspect), 3);
}

/// introspect: 1 each
#[tokio::test]
async fn an_answer_that_is_none_lets_nobody_in() {
    let provider = TestProvider::start().await;
    let api = api(&provider);
    let token = Secret::new(provider.access_token(API, "read:messages"));
    for fault in [
        Fault::new().remove("active"),
        Fault::new().set("active", "true"),
        Fault::new().set("active", 1),
        Fault::new().set("active", Value::Null),
        Fault::new().duplicate("active", false),
        Fault::new().duplicate("scope", "admin"),
        Fault::new().duplicate("cnf", 1).duplicate("cnf", 2),
        Fault::answer(200, "text/html", "<p>active"),
        Fault::json(200, json!([{ "active": true }])),
        Fault::answer(200, "application/jwt", "eyJhbGciOiJub25lIn0.e30."),
    ] {
        provider.next(Endpoint::Introspect, fault);
        let error = api.introspect(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(!all_of(&error).contains(token.expose()), "{error:?}");
    }
    assert_eq!(provider.count(Endpoint::Introspect), 10);
    // What follows "no" is not believed.
    provider.next(Endpoint::Introspect, Fault::json(200, json!({ "active": false, "sub": "admin", "scope": "read:messages" })));
    let said = api.introspect(&token).await.unwrap();
    assert!(!said.is_active() && !said.has_scope("read:messages") && said.subject().is_none());
    for (audience, expected) in [(json!("a"), vec!["a"]), (json!(["a", "b"]), vec!["a", "b"]), (json!(7), vec![])] {
        provider.next(Endpoint::Introspect, Fault::json(200, json!({ "active": true, "aud": audience, "exp": 1e300 })));
        let said = api.introspect(&token).await.unwrap();
        assert_eq!((said.audience(), said.expires_at().unwrap().year()), (expected.into_iter().map(str::to_owned).collect(), 9999));
    }
}

/// introspect: 2, and 0 without such an endpoint
#[tokio::test]
async fn a_refusal_is_an_error_and_no_verdict() {
    let provider = TestProvider::start().await;
    let token = Secret::new("CANARY-token");
    let stranger = Application::new(provider.issuer(), provider.client_id());
    let error = stranger.introspect(&token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(error.to_string().contains("set client_auth"), "{error}");
    provider.next(Endpoint::Introspect, Fault::error(503, "temporarily_unavailable", "no CANARY-token today"));
    let error = api(&provider).introspect(&token).await.unwrap_err();
    assert!(error.is_transient() && !all_of(&error).contains("CANARY"), "{error:?}");
    assert_eq!(provider.count(Endpoint::Introspect), 2);

    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().remove("introspection_endpoint"));
    let error = api(&provider).introspect(&token).await.unwrap_err();
    assert_eq!((error.kind(), provider.count(Endpoint::Introspect)), (ErrorKind::Discovery, 0));
}
