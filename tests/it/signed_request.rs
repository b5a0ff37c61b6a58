//! Logins whose request the application signs (JAR, RFC 9101).

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, TestBrowser, TestClient, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, PendingLogin, WebAuth};
use serde_json::{Value, json};

use crate::two_halves::{REDIRECT_URI, all_of, parameter};

async fn provider(key: &PrivateKey) -> TestProvider {
    TestProvider::builder().client(TestClient::public("signs").signed_requests(key.public_jwk())).start().await
}

fn web_auth(provider: &TestProvider, key: &PrivateKey) -> WebAuth {
    Application::new(provider.issuer(), "signs").web_auth().redirect_uri(REDIRECT_URI).signed(key.clone())
}

fn part(jwt: &str, position: usize) -> Value {
    serde_json::from_slice(&BASE64.decode(jwt.split('.').nth(position).unwrap()).unwrap()).unwrap()
}

fn names(login: &PendingLogin) -> Vec<String> {
    login.url().query_pairs().map(|(name, _)| name.into_owned()).collect()
}

#[tokio::test]
async fn all_of_a_request_is_signed() {
    let key = PrivateKey::generate("ES256").unwrap().kid("2025");
    let provider = provider(&key).await;
    let auth = web_auth(&provider, &key)
        .max_age(Duration::from_secs(60))
        .resource("urn:one")
        .resource("urn:two")
        .resource("urn:three")
        .claims(json!({ "id_token": { "email": null } }))
        .authorization_details(json!([{ "type": "payment" }]))
        .organization("org_acme")
        .parameter("own", "7");
    let login = auth.begin().await.unwrap();
    assert_eq!(names(&login), ["response_type", "scope", "client_id", "request"]);
    assert_eq!(parameter(login.url().as_str(), "scope"), "openid", "the rest is signed alone");
    let jwt = parameter(login.url().as_str(), "request");
    assert_eq!(part(&jwt, 0), json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt", "kid": "2025" }));
    let claims = part(&jwt, 1);
    for (name, value) in [
        ("iss", json!("signs")),
        ("aud", json!(provider.issuer())),
        ("client_id", json!("signs")),
        ("response_type", json!("code")),
        ("redirect_uri", json!(REDIRECT_URI)),
        ("scope", json!("openid profile email")),
        ("code_challenge_method", json!("S256")),
        ("max_age", json!(60)),
        ("resource", json!(["urn:one", "urn:two", "urn:three"])),
        ("claims", json!({ "id_token": { "email": null } })),
        ("authorization_details", json!([{ "type": "payment" }])),
        ("organization", json!("org_acme")),
        ("own", json!("7")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let time = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!((time("exp") - time("iat"), time("nbf")), (60, time("iat")));
    let again = part(&parameter(auth.begin().await.unwrap().url().as_str(), "request"), 1);
    for name in ["jti", "state", "nonce", "code_challenge"] {
        assert!(claims[name].as_str().unwrap().len() >= 32 && claims[name] != again[name], "{name}");
    }

    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    let credentials = auth.finish(login, &callback).await.unwrap();
    assert_eq!(credentials.authorization_details::<Value>().unwrap(), [json!({ "type": "payment" })]);
    assert_eq!(provider.count(Endpoint::Par), 0);
}

#[tokio::test]
async fn a_signed_request_may_be_pushed() {
    let key = PrivateKey::generate("EdDSA").unwrap();
    let provider = provider(&key).await;
    let login = web_auth(&provider, &key).pushed().begin().await.unwrap();
    assert_eq!(names(&login), ["client_id", "request_uri"]);
    let sent = provider.requests(Endpoint::Par).remove(0);
    assert_eq!(sent.fields().iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["client_id", "request"]);
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    web_auth(&provider, &key).finish(login, &callback).await.unwrap();

    // One key for both: the assertion and the request are of different types, and neither serves as the other.
    let client = TestClient::signing("both", key.public_jwk()).signed_requests(key.public_jwk());
    let provider = TestProvider::builder().client(client).require_pushed_requests().start().await;
    let application = Application::new(provider.issuer(), "both").client_auth(ClientAuth::private_key_jwt(key.clone()));
    let auth = application.web_auth().redirect_uri(REDIRECT_URI).signed(key);
    let login = auth.begin().await.unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    auth.finish(login, &callback).await.unwrap();
}

#[tokio::test]
async fn a_request_that_somebody_else_signed_begins_no_login() {
    let (key, stranger) = (PrivateKey::generate("ES256").unwrap(), PrivateKey::generate("ES256").unwrap());
    let provider = provider(&key).await;
    let login = web_auth(&provider, &stranger).begin().await.unwrap();
    let page = TestBrowser::new().visit_page(login.url()).await.unwrap();
    assert_eq!(page.title(), "Invalid request object");
    let error = web_auth(&provider, &stranger).pushed().begin().await.unwrap_err();
    assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Server, "invalid_request"));
    let unsigned = Application::new(provider.issuer(), "signs").web_auth().redirect_uri(REDIRECT_URI).begin().await.unwrap();
    assert_eq!(TestBrowser::new().visit_page(unsigned.url()).await.unwrap().title(), "Invalid request object");
}

#[tokio::test]
async fn a_signed_url_is_good_for_a_minute_and_once() {
    let clock = TestClock::new();
    let key = PrivateKey::generate("ES256").unwrap();
    let client = TestClient::public("signs").signed_requests(key.public_jwk());
    let provider = TestProvider::builder().client(client).clock(clock.clone()).start().await;
    let application = Application::new(provider.issuer(), "signs").clock(&clock);
    let auth = application.web_auth().redirect_uri(REDIRECT_URI).signed(key);
    let login = auth.begin().await.unwrap();
    let kept = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    assert!(login.url_expires_at().is_some() && kept.url_expires_at() == login.url_expires_at());
    clock.advance(Duration::from_secs(61));
    assert_eq!(TestBrowser::new().visit_page(login.url()).await.unwrap().title(), "Invalid request object");
    let login = auth.begin().await.unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    assert_eq!(TestBrowser::new().visit_page(login.url()).await.unwrap().title(), "Invalid request object", "its jti was seen");
    auth.finish(login, &callback).await.unwrap();
}

/// I1, I3
#[tokio::test]
async fn a_signed_login_shows_nothing_of_its_key_and_request() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = provider(&key).await;
    let auth = web_auth(&provider, &key);
    let login = auth.begin().await.unwrap();
    let jwt = parameter(login.url().as_str(), "request");
    let pem = key.to_pem();
    let shown = format!("{auth:?} {login:?}");
    assert!(!shown.contains(&jwt[..40]) && !shown.contains(pem.expose().lines().nth(1).unwrap()), "{shown}");
    for name in ["state", "nonce"] {
        let secret = part(&jwt, 1)[name].as_str().unwrap().to_owned();
        assert!(!shown.contains(&secret));
        let error = auth.finish(PendingLogin::from_secret_string(&login.to_secret_string()).unwrap(), "state=x").await.unwrap_err();
        assert!(!all_of(&error).contains(&secret));
    }
}
