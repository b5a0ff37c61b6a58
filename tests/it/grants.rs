//! Grants without a method in this crate, and assertions about people.

use std::time::UNIX_EPOCH;

use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestClient, TestProvider};
use hallpass::token::Grant;
use hallpass::{Application, ErrorKind};
use serde_json::{Value, json};

use crate::two_halves::all_of;

const BADGE: &str = "urn:acme:params:oauth:grant-type:badge";

fn badge(provider: &TestProvider) -> Grant {
    Application::new(provider.issuer(), provider.client_id()).grant(BADGE).parameter("badge", "CANARY-badge")
}

/// token: 1
#[tokio::test]
async fn any_other_grant_is_sent_as_it_is_named() {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Token, Fault::json(200, json!({ "access_token": "a", "token_type": "bearer", "expires_in": 60 })));
    let credentials = badge(&provider).scope("read:doors").audience("https://doors.acme.com").send().await.unwrap();
    assert_eq!((credentials.scope(), credentials.has_scope("read:doors")), ("read:doors", true));
    assert!(credentials.user().is_none() && credentials.expires_at().is_some());
    let fields = provider.requests(Endpoint::Token)[0].fields();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        fields,
        [
            ("grant_type", BADGE),
            ("badge", "CANARY-badge"),
            ("audience", "https://doors.acme.com"),
            ("scope", "read:doors"),
            ("client_id", provider.client_id()),
        ]
    );
}

/// B16, B17, B18, B25 — token: 1 each
#[tokio::test]
async fn what_comes_back_is_checked_as_after_a_login() {
    let provider = TestProvider::start().await;
    let answer = |members: Value| Fault::json(200, members);
    for (members, kind) in [
        (json!({ "token_type": "Bearer" }), ErrorKind::InvalidResponse),
        (json!({ "access_token": "", "token_type": "Bearer" }), ErrorKind::InvalidResponse),
        (json!({ "access_token": "CANARY-a" }), ErrorKind::InvalidResponse),
        (json!({ "access_token": "CANARY-a", "token_type": "mac" }), ErrorKind::InvalidResponse),
        (json!({ "access_token": "CANARY-a", "token_type": "N_A" }), ErrorKind::InvalidResponse),
        (json!({ "access_token": "CANARY-a", "token_type": "Bearer" }), ErrorKind::IdToken),
        (json!({ "access_token": "CANARY-a", "token_type": "Bearer", "id_token": "e30.e30." }), ErrorKind::IdToken),
        (json!({ "error": "mfa_required", "mfa_token": "CANARY-m" }), ErrorKind::MfaRequired),
    ] {
        let before = provider.count(Endpoint::Token);
        provider.next(Endpoint::Token, answer(members.clone()));
        let error = badge(&provider).scope("openid").send().await.unwrap_err();
        assert_eq!((error.kind(), provider.count(Endpoint::Token) - before), (kind, 1), "{members}");
        assert!(!all_of(&error).contains("CANARY"), "{error:?}");
    }
}

/// token: 1, and 0 for what is the crate's own
#[tokio::test]
async fn a_grant_that_the_provider_does_not_know_says_so() {
    let provider = TestProvider::start().await;
    let error = badge(&provider).send().await.unwrap_err();
    insta::assert_snapshot!(error, @"the provider refused the token request: unsupported_grant_type (Unsupported grant type); the provider does not know this grant, or has it turned off");
    assert_eq!(provider.count(Endpoint::Token), 1);
    assert!(!format!("{:?}", badge(&provider)).contains("CANARY"));
    // An organization has a setter, so that the ID token is held to it.
    for own in ["client_secret", "organization"] {
        let error = badge(&provider).parameter(own, "CANARY").send().await.unwrap_err();
        assert_eq!((error.kind(), provider.count(Endpoint::Token)), (ErrorKind::Configuration, 1), "{own}");
    }
}

/// token: 1 each
#[tokio::test]
async fn an_assertion_about_a_person_is_good_once() {
    let key = PrivateKey::generate("PS256").unwrap();
    let provider = TestProvider::builder().client(TestClient::signing("personnel", key.public_jwk())).start().await;
    let application = Application::new(provider.issuer(), provider.client_id());
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = |id: &str| json!({ "iss": "personnel", "sub": "joe@example.com", "aud": provider.issuer(), "iat": now, "exp": now + 60, "jti": id });
    let assertion = key.sign_jwt(&claims("1")).unwrap();
    let credentials = application.jwt_bearer(assertion.clone()).scope("openid email read:messages").send().await.unwrap();
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some("joe@example.com"));
    let request = &provider.requests(Endpoint::Token)[0];
    assert_eq!(request.field("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    assert_eq!(request.field("assertion").as_deref(), Some(assertion.expose()));

    let stranger = PrivateKey::generate("PS256").unwrap();
    let elsewhere = |mut claims: Value| {
        claims["aud"] = "https://elsewhere.example/".into();
        claims
    };
    for bad in [assertion, stranger.sign_jwt(&claims("2")).unwrap(), key.sign_jwt(&elsewhere(claims("3"))).unwrap()] {
        let error = application.jwt_bearer(bad.clone()).send().await.unwrap_err();
        assert!(error.to_string().contains("what was handed in is not good, good no longer"), "{error}");
        assert!(!all_of(&error).contains(bad.expose()));
    }
    assert_eq!(provider.count(Endpoint::Token), 4);
    let error = key.sign_jwt(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
