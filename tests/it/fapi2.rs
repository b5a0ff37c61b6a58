//! The FAPI 2.0 Security Profile in one call: what it turns on, and what it refuses.

use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClient, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, Result, TokenType, WebAuth};

use crate::two_halves::{REDIRECT_URI, without};

async fn provider(key: &PrivateKey, algorithm: &str) -> TestProvider {
    let client = TestClient::signing("bank", key.public_jwk()).callback("com.example.app:/callback");
    TestProvider::builder().client(client).id_token_algorithm(algorithm).start().await
}

fn web_auth(provider: &TestProvider, client_auth: ClientAuth) -> WebAuth {
    Application::new(provider.issuer(), "bank").client_auth(client_auth).web_auth().redirect_uri(REDIRECT_URI)
}

async fn log_in(auth: &WebAuth, alter: impl FnOnce(&str) -> String) -> Result<hallpass::Credentials> {
    let login = auth.begin().await?;
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    auth.finish(login, &alter(&callback)).await
}

/// H7, H9
#[tokio::test]
async fn a_login_is_pushed_proved_and_bound() {
    for algorithm in ["ES256", "PS256", "EdDSA"] {
        let key = PrivateKey::generate("ES256").unwrap();
        let provider = provider(&key, algorithm).await;
        let auth = web_auth(&provider, ClientAuth::private_key_jwt(key.clone())).dpop_per_login().fapi2();
        let credentials = log_in(&auth, str::to_owned).await.unwrap();
        assert_eq!(credentials.token_type(), TokenType::DPoP);
        let pushed = provider.requests(Endpoint::Par).remove(0);
        assert!(pushed.field("client_assertion").is_some() && pushed.field("dpop_jkt").is_some());
        assert_eq!(provider.requests(Endpoint::Authorize)[0].parameters().len(), 2);
        log_in(&auth.signed(key).signed_response(), str::to_owned).await.expect("and with signed messages");
    }
}

/// H9 — par: 0 until all is as it should be
#[tokio::test]
async fn what_the_profile_refuses_is_refused_before_a_login_begins() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = provider(&key, "ES256").await;
    let rsa = PrivateKey::generate("RS256").unwrap();
    let by = |key: &PrivateKey| ClientAuth::private_key_jwt(key.clone());
    let bound = |client_auth| web_auth(&provider, client_auth).dpop_per_login().fapi2();
    let loose = Application::new(provider.issuer(), "bank").client_auth(by(&key)).danger_accept_missing_token_type();
    let renamed = Application::new(provider.issuer(), "bank").client_auth(by(&key)).danger_accept_issuer("https://bank.example");
    let rows: [(&str, WebAuth); 10] = [
        ("danger_accept_issuer", renamed.web_auth().redirect_uri(REDIRECT_URI).dpop_per_login().fapi2()),
        ("use private_key_jwt", bound(ClientAuth::none())),
        ("use private_key_jwt", bound(ClientAuth::client_secret_basic("secret"))),
        ("use private_key_jwt", bound(ClientAuth::client_secret_post("secret"))),
        ("use private_key_jwt", bound(ClientAuth::client_secret_jwt("a secret of thirty-two bytes or more"))),
        ("use private_key_jwt", bound(by(&rsa))),
        ("bound to a key", web_auth(&provider, by(&key)).fapi2()),
        ("signed by PS256", bound(by(&key)).signed(rsa.clone())),
        ("danger_accept_missing_token_type", loose.web_auth().redirect_uri(REDIRECT_URI).dpop_per_login().fapi2()),
        ("a redirect URI", bound(by(&key)).redirect_uri("com.example.app:/callback")),
    ];
    for (says, auth) in rows {
        let error = auth.begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{says}: {error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    assert_eq!((provider.count(Endpoint::Par), provider.count(Endpoint::Authorize)), (0, 0));
    web_auth(&provider, ClientAuth::tls_client_auth()).fapi2().begin().await.expect_err("this provider knows it by another method");
    assert_eq!(provider.count(Endpoint::Par), 1, "a certificate proves and binds at once");
}

/// A7 — token: 0
#[tokio::test]
async fn an_answer_names_its_issuer_whatever_the_metadata_says() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = provider(&key, "ES256").await;
    provider.always(Endpoint::Discovery, Fault::new().remove("authorization_response_iss_parameter_supported"));
    let auth = web_auth(&provider, ClientAuth::private_key_jwt(key)).dpop_per_login();
    let error = log_in(&auth.clone().fapi2(), |callback| without(callback, "iss")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Callback && error.to_string().contains("iss"), "{error}");
    assert_eq!(provider.count(Endpoint::Token), 0);
    log_in(&auth, |callback| without(callback, "iss")).await.expect("without the profile it is as the metadata says");
}

#[tokio::test]
async fn an_id_token_signed_by_rs256_is_refused() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = provider(&key, "RS256").await;
    let auth = web_auth(&provider, ClientAuth::private_key_jwt(key)).dpop_per_login();
    let error = log_in(&auth.clone().fapi2(), str::to_owned).await.unwrap_err();
    assert!(error.kind() == ErrorKind::IdToken && error.to_string().contains("algorithm"), "{error}");
    log_in(&auth, str::to_owned).await.unwrap();
}

/// token: 0: a program that finishes a login by the profile relies on the profile, also for a login that began elsewhere.
#[tokio::test]
async fn a_login_that_is_finished_by_the_profile_is_held_to_it() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = provider(&key, "ES256").await;
    let loose = web_auth(&provider, ClientAuth::private_key_jwt(key.clone()));
    let strict = loose.clone().dpop_per_login().fapi2();
    let by_scheme = loose.clone().redirect_uri("com.example.app:/callback");
    let login = by_scheme.begin().await.unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    assert_eq!(strict.finish(login, &callback).await.unwrap_err().kind(), ErrorKind::Configuration);
    let login = loose.begin().await.unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    assert_eq!(loose.clone().fapi2().finish(login, &callback).await.unwrap_err().kind(), ErrorKind::Configuration);
    let login = loose.begin().await.unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    assert_eq!(strict.finish(login, &callback).await.unwrap_err().kind(), ErrorKind::Configuration, "without a key of its own");
    assert_eq!(provider.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn whoever_logs_in_for_an_application_of_the_profile_pushes_the_request() {
    let key = PrivateKey::generate("ES256").unwrap();
    let provider = provider(&key, "ES256").await;
    let application = web_auth(&provider, ClientAuth::private_key_jwt(key)).fapi2().application().clone();
    let login = application.web_auth().dpop_per_login().redirect_uri(REDIRECT_URI).begin().await.unwrap();
    let names: Vec<_> = login.url().query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
}
