//! Client assertions (RFC 7523), checked by another library, and strictly by the provider.

use std::collections::HashSet;
use std::time::Duration;

use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, SeenRequest, TestClient, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::{API, SECRET, application, token_of};
use crate::scripted_api::{ScriptedApi, answer};
use crate::two_halves::all_of;

fn assertion(request: &SeenRequest) -> String {
    let kind = request.field("client_assertion_type");
    assert_eq!(kind.as_deref(), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    assert_eq!(request.field("client_id").as_deref(), Some("service"));
    assert!(request.field("client_secret").is_none() && request.header("authorization").is_none());
    request.field("client_assertion").unwrap()
}

/// Another library's reading of an assertion for this provider.
fn verified(assertion: &str, key: &DecodingKey, issuer: &str) -> Value {
    let header = decode_header(assertion).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[issuer]);
    validation.set_issuer(&["service"]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let claims = decode::<Value>(assertion, key, &validation).unwrap().claims;
    assert_eq!((&claims["iss"], &claims["sub"], &claims["aud"]), (&json!("service"), &json!("service"), &json!(issuer)));
    let (issued, expiry) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((1..=60).contains(&(expiry - issued)), "{claims}");
    assert!(claims["jti"].as_str().unwrap().len() >= 22, "{claims}");
    claims
}

/// H9 — token: 2 each
#[tokio::test]
async fn an_assertion_is_for_the_issuer_short_lived_and_signed_anew_each_time() {
    for algorithm in ["ES256", "PS256", "RS256", "EdDSA", "ES384"] {
        let key = PrivateKey::generate(algorithm).unwrap().kid("key 1");
        let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
        let public: Jwk = serde_json::from_str(&key.public_jwk().to_string()).unwrap();
        let public = DecodingKey::from_jwk(&public).unwrap();
        let mut ids = HashSet::new();
        for number in 0..2 {
            token_of(&provider, ClientAuth::private_key_jwt(key.clone())).token().await.unwrap();
            let assertion = assertion(&provider.requests(Endpoint::Token)[number]);
            let header = decode_header(&assertion).unwrap();
            assert_eq!((format!("{:?}", header.alg), header.kid.as_deref()), (algorithm.to_owned(), Some("key 1")));
            assert_eq!(header.typ.as_deref(), Some("client-authentication+jwt"), "K26");
            ids.insert(verified(&assertion, &public, provider.issuer())["jti"].to_string());
        }
        assert_eq!((ids.len(), provider.count(Endpoint::Token)), (2, 2));
    }
}

/// K26 — token: 1
#[tokio::test]
async fn assertions_say_jwt_for_a_provider_that_takes_no_other_type() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
    token_of(&provider, ClientAuth::private_key_jwt(key).untyped_assertions()).token().await.unwrap();
    let assertion = assertion(&provider.requests(Endpoint::Token)[0]);
    assert_eq!(decode_header(&assertion).unwrap().typ.as_deref(), Some("JWT"));
    assert_eq!(provider.requests(Endpoint::Token).len(), 1);
}

/// H9 — token: 2
#[tokio::test]
async fn a_secret_of_32_bytes_signs_instead_of_being_sent() {
    let provider = TestProvider::builder().client(TestClient::confidential("service", SECRET)).start().await;
    let application = application(&provider, ClientAuth::client_secret_jwt(SECRET));
    for number in 0..2 {
        application.client_credentials().audience(API).token().await.unwrap();
        let assertion = assertion(&provider.requests(Endpoint::Token)[number]);
        verified(&assertion, &DecodingKey::from_secret(SECRET.as_bytes()), provider.issuer());
    }
    let short = Application::new(provider.issuer(), "service").client_auth(ClientAuth::client_secret_jwt(&SECRET[..31]));
    let error = short.client_credentials().audience(API).token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("at least 32 bytes") && !error.to_string().contains(&SECRET[..31]), "{error}");
    assert_eq!(provider.count(Endpoint::Token), 2);
}

/// H9: also at the endpoints beside the token endpoint, and after a failure.
#[tokio::test]
async fn every_endpoint_gets_an_assertion_of_its_own() {
    let key = PrivateKey::generate("ES256").unwrap();
    let clock = TestClock::new();
    let client = TestClient::signing("service", key.public_jwk());
    let provider = TestProvider::builder().client(client).clock(clock.clone()).start().await;
    let application = application(&provider, ClientAuth::private_key_jwt(key)).clock(&clock);
    provider.next(Endpoint::Token, Fault::status(503));
    let source = application.client_credentials().audience(API);
    assert!(source.token().await.unwrap_err().is_transient());
    // It is not asked again at once.
    clock.advance(Duration::from_secs(2));
    source.token().await.unwrap();
    application.revoke(&"unknown".into()).await.unwrap();
    application.introspect(&"unknown".into()).await.unwrap();
    application.device().start().await.unwrap();
    let requests = [Endpoint::Token, Endpoint::Revoke, Endpoint::Introspect, Endpoint::DeviceCode]
        .map(|endpoint| provider.requests(endpoint))
        .concat();
    let assertions: HashSet<_> = requests.iter().map(assertion).collect();
    assert_eq!((requests.len(), assertions.len()), (5, 5));
}

/// H9 — token: 1
#[tokio::test]
async fn an_assertion_tells_the_applications_time() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
    let clock = TestClock::new();
    clock.advance(std::time::Duration::from_secs(1000));
    let source = application(&provider, ClientAuth::private_key_jwt(key)).clock(&clock).client_credentials().audience(API);
    let error = source.token().await.unwrap_err();
    assert!(error.to_string().contains("this machine's clock"), "{error}");
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// I1: what would be good for another minute.
#[tokio::test]
async fn a_provider_that_repeats_an_assertion_is_not_quoted() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
    let echo = ScriptedApi::start(|seen| {
        let form = url::form_urlencoded::parse(&seen.body);
        let assertion = form.into_owned().find(|(name, _)| name == "client_assertion").unwrap().1;
        answer(400, &[], &json!({ "error": "invalid_request", "error_description": format!("what is {assertion}?") }).to_string())
    });
    let echo = echo.await;
    provider.always(Endpoint::Discovery, Fault::new().set("token_endpoint", echo.url("/token")));
    for auth in [ClientAuth::private_key_jwt(key), ClientAuth::client_secret_jwt(SECRET)] {
        let error = token_of(&provider, auth).token().await.unwrap_err();
        assert_eq!(error.server_error().map(|server| (server.code(), server.description())), Some(("invalid_request", None)));
        let shown = all_of(&error);
        assert!(!shown.contains("eyJ") && !shown.contains("what is"), "{shown}");
    }
    assert_eq!(echo.seen().len(), 2);
}
