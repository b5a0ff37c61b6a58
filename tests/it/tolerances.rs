//! Checks that a program can turn off for a provider that does not pass them, each by its own name.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Api, Endpoint, TestClient, TestClock, TestProvider};
use hallpass::web_auth::ApiDiscovery;
use hallpass::{Application, ClientAuth, ErrorKind};
use serde_json::{Value, json};

use crate::altered_login::{application, login, web_auth};

fn part(jwt: &str, number: usize) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

/// K17 — token: 3
#[tokio::test]
async fn an_id_token_without_a_nonce_is_accepted_where_the_program_says_so() {
    let provider = TestProvider::start().await;
    provider.next_id_token(|token| _ = token.remove("nonce"));
    let error = login(&web_auth(&application(&provider))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken);
    assert!(error.to_string().contains("danger_accept_missing_nonce()"), "{error}");
    let tolerant = web_auth(&application(&provider).danger_accept_missing_nonce());
    provider.next_id_token(|token| _ = token.remove("nonce"));
    login(&tolerant).await.unwrap();
    provider.next_id_token(|token| _ = token.set("nonce", "another"));
    assert_eq!(login(&tolerant).await.unwrap_err().kind(), ErrorKind::IdToken);
    assert_eq!(provider.count(Endpoint::Token), 3);
}

/// K17 — token: 3
#[tokio::test]
async fn several_audiences_without_azp_are_accepted_where_the_program_says_so() {
    let provider = TestProvider::start().await;
    let several = || provider.next_id_token(|token| _ = token.set("aud", json!(["native", "https://api.acme.com"])).remove("azp"));
    several();
    let error = login(&web_auth(&application(&provider))).await.unwrap_err();
    assert!(error.to_string().contains("danger_accept_missing_azp()"), "{error}");
    let tolerant = web_auth(&application(&provider).danger_accept_missing_azp());
    several();
    login(&tolerant).await.unwrap();
    provider.next_id_token(|token| _ = token.set("aud", json!(["native", "other"])).set("azp", "other"));
    assert_eq!(login(&tolerant).await.unwrap_err().kind(), ErrorKind::IdToken);
    assert_eq!(provider.count(Endpoint::Token), 3);
}

/// K28
#[tokio::test]
async fn a_logout_token_without_an_end_is_accepted_for_two_minutes_where_the_program_says_so() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let strict = application(&provider).clock(&clock);
    let credentials = login(&web_auth(&strict)).await.unwrap();
    let token = provider.logout_token(credentials.user().unwrap(), |token| _ = token.remove("exp"));
    let error = strict.verify_logout_token(&token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken);
    assert!(error.to_string().contains("danger_accept_endless_logout_token()"), "{error}");
    let tolerant = strict.leeway(Duration::ZERO).danger_accept_endless_logout_token();
    tolerant.verify_logout_token(&token).await.unwrap();
    clock.advance(Duration::from_secs(110));
    tolerant.verify_logout_token(&token).await.unwrap();
    clock.advance(Duration::from_secs(20));
    assert_eq!(tolerant.verify_logout_token(&token).await.unwrap_err().kind(), ErrorKind::IdToken);
    let undated = provider.logout_token(credentials.user().unwrap(), |token| _ = token.remove("exp").remove("iat"));
    assert_eq!(tolerant.verify_logout_token(&undated).await.unwrap_err().kind(), ErrorKind::IdToken);
}

/// K17, K26 — token: 1 each; 0 where an API named the provider
#[tokio::test]
async fn an_assertion_names_the_token_endpoint_where_the_program_says_so() {
    let key = PrivateKey::generate("ES256").unwrap().certificate(b"a certificate");
    let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
    let service = Application::new(provider.issuer(), "service");
    let auth = ClientAuth::private_key_jwt(key).danger_token_endpoint_audience();
    // TestProvider takes its issuer alone.
    let error = service.client_auth(auth.clone()).client_credentials().token().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().status().map(|status| status.as_u16()), Some(401));
    assert!(error.to_string().contains("danger_token_endpoint_audience()"), "{error}");
    let assertion = provider.requests(Endpoint::Token)[0].field("client_assertion").unwrap();
    assert_eq!(part(&assertion, 1)["aud"], json!(provider.endpoint_url(Endpoint::Token).as_str()));
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(<sha2::Sha256 as sha2::Digest>::digest(b"a certificate"));
    assert_eq!(part(&assertion, 0)["x5t#S256"], json!(thumbprint));

    let api = Api::start(&provider, "https://api.acme.com").await;
    let found = ApiDiscovery::new(api.url()).client_id("service").discover().await.unwrap();
    let named_by_the_api = found.application().clone().client_auth(auth);
    let error = named_by_the_api.client_credentials().token().await.unwrap_err();
    assert_eq!((error.kind(), provider.count(Endpoint::Token)), (ErrorKind::Configuration, 1), "{error}");
}

/// K17 — token: 1
#[tokio::test]
async fn the_client_id_is_in_the_body_too_where_the_program_says_so() {
    let provider = TestProvider::start().await;
    let auth = ClientAuth::client_secret_basic(provider.client_secret()).client_id_in_body();
    let service = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(auth);
    service.client_credentials().audience("https://api.acme.com").token().await.unwrap();
    let request = &provider.requests(Endpoint::Token)[0];
    assert!(request.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(request.field("client_id").as_deref(), Some(provider.confidential_client_id()));
}
