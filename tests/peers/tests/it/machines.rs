//! Services that authenticate at a certified provider, in every way that it knows.

use std::fs;

use hallpass::client_auth::PrivateKey;
use hallpass::{AccessToken, Application, ClientAuth, ErrorKind, Secret};
use hallpass_peers::{Authority, Certificate, OidcProvider, Person};

use crate::browser_login::{claims, log_in_at};

const API: &str = "https://api.example.com";

async fn token(application: &Application) -> hallpass::Result<AccessToken> {
    application.client_credentials().audience(API).scope("read:things").token().await
}

fn service(provider: &OidcProvider, client_id: &str, auth: ClientAuth) -> Application {
    Application::new(provider.issuer(), client_id).client_auth(auth)
}

fn is_for(token: &AccessToken, client_id: &str) {
    let claims = claims(&token.expose().into());
    assert_eq!((claims["client_id"].as_str(), claims["aud"].as_str()), (Some(client_id), Some(API)));
    assert_eq!(claims["scope"], "read:things");
}

/// B28
#[tokio::test]
async fn a_secret_serves_in_a_header_in_a_form_and_as_a_key() {
    let provider = OidcProvider::start();
    for (client_id, auth) in [
        ("m2m-basic", ClientAuth::client_secret_basic("m2m-basic-secret")),
        ("m2m-post", ClientAuth::client_secret_post("m2m-post-secret")),
        ("m2m-secret-jwt", ClientAuth::client_secret_jwt("m2m-secret-jwt-0123456789-0123456789")),
    ] {
        is_for(&token(&service(&provider, client_id, auth)).await.unwrap(), client_id);
    }
    for (client_id, auth, advice) in [
        ("m2m-basic", ClientAuth::client_secret_basic("another"), "check the client id and the secret"),
        ("m2m-secret-jwt", ClientAuth::client_secret_jwt("another-0123456789-0123456789-0123456789"), "this machine's clock"),
        ("m2m-post", ClientAuth::none(), "set client_auth"),
    ] {
        let error = token(&service(&provider, client_id, auth)).await.unwrap_err();
        assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Server, "invalid_client"));
        assert!(error.to_string().contains(advice), "{error}");
    }
}

/// H9
#[tokio::test]
async fn a_private_key_of_each_kind_signs_for_a_service() {
    let authority = Authority::new();
    let made = |how: &str| PrivateKey::from_pem(authority.openssl(how)).unwrap();
    let rsa = made("genrsa -traditional 2048");
    let keys = [
        made("ecparam -name prime256v1 -genkey").kid("P-256 in SEC 1"),
        rsa.clone().kid("RSA in PKCS#1"),
        rsa.algorithm("PS256").unwrap().kid("RSA for PSS"),
        made("genpkey -algorithm ed25519").kid("Ed25519 in PKCS#8"),
        PrivateKey::generate("ES256").unwrap().kid("made here"),
    ];
    let provider = OidcProvider::knowing(&keys);
    for key in keys {
        let service = service(&provider, "m2m-pkjwt", ClientAuth::private_key_jwt(key.clone()));
        is_for(&token(&service).await.unwrap(), "m2m-pkjwt");
        is_for(&token(&service).await.unwrap(), "m2m-pkjwt");
    }
    let stranger = PrivateKey::generate("ES256").unwrap();
    let error = token(&service(&provider, "m2m-pkjwt", ClientAuth::private_key_jwt(stranger))).await.unwrap_err();
    assert!(error.to_string().contains("check that the provider has its public key, for ES256"), "{error}");
}

fn client(authority: &Authority, own: Option<&Certificate>) -> reqwest::ClientBuilder {
    let certificate = reqwest::Certificate::from_pem(&fs::read(authority.certificate()).unwrap()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([certificate]);
    match own {
        Some(own) => builder.identity(own.identity()),
        None => builder,
    }
}

#[tokio::test]
async fn a_certificate_authenticates_and_tokens_are_bound_to_it() {
    let authority = Authority::new();
    let (signed, self_signed) = (authority.client("m2m-mtls"), authority.self_signed("m2m-self-signed"));
    let provider = OidcProvider::with_tls(&authority, &self_signed);
    for (client_id, auth, own, other) in [
        ("m2m-mtls", ClientAuth::tls_client_auth(), &signed, &self_signed),
        ("m2m-self-signed", ClientAuth::self_signed_tls_client_auth(), &self_signed, &signed),
    ] {
        let service = service(&provider, client_id, auth);
        let bound = token(&service.clone().http_client(client(&authority, Some(own)))).await.unwrap();
        is_for(&bound, client_id);
        assert_eq!(claims(&bound.expose().into())["cnf"]["x5t#S256"].as_str(), Some(&*own.thumbprint()));
        for wrong in [None, Some(other)] {
            let error = token(&service.clone().http_client(client(&authority, wrong))).await.unwrap_err();
            assert_eq!(error.server_error().unwrap().code(), "invalid_client");
            assert!(error.to_string().contains("check that http_client brings the certificate"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_persons_token_that_is_bound_to_a_certificate_is_good_only_with_it() {
    let authority = Authority::new();
    let own = authority.self_signed("laptop");
    let provider = OidcProvider::with_tls(&authority, &own);
    let public = |auth, own| service(&provider, "native-mtls", auth).http_client(client(&authority, own));
    let application = public(ClientAuth::self_signed_tls_client_auth(), Some(&own));
    let person = Person::sits_down().await;
    let credentials = log_in_at(&application, &person, |login| login.scope("openid profile")).await;
    assert_eq!(application.user_info(&credentials).await.unwrap().subject(), "alice");

    let another = authority.self_signed("other");
    for stranger in [public(ClientAuth::none(), None), public(ClientAuth::self_signed_tls_client_auth(), Some(&another))] {
        let error = stranger.user_info(&credentials).await.unwrap_err();
        assert_eq!(error.server_error().unwrap().code(), "invalid_token");
    }
}

/// H10
#[tokio::test]
async fn a_resource_server_asks_about_tokens_until_they_are_revoked() {
    let provider = OidcProvider::start();
    let service = service(&provider, "m2m-basic", ClientAuth::client_secret_basic("m2m-basic-secret"));
    let resource_server = Application::new(provider.issuer(), "rs").client_auth(ClientAuth::client_secret_basic("rs-secret"));
    let token = service.client_credentials().audience("urn:opaque-api").scope("read:things").token().await.unwrap();
    assert!(!token.expose().contains('.'), "opaque");
    let token = Secret::new(token.expose());
    let said = resource_server.introspect(&token).await.unwrap();
    assert!(said.is_active() && said.has_scope("read:things"));
    assert_eq!((said.client_id().as_deref(), said.audience()), (Some("m2m-basic"), vec!["urn:opaque-api".to_owned()]));
    assert_eq!(said.issuer().as_deref(), Some(provider.issuer()));
    let life = said.expires_at().unwrap() - said.issued_at().unwrap();
    assert_eq!(life.whole_seconds(), 300);

    service.revoke(&token).await.unwrap();
    assert!(!resource_server.introspect(&token).await.unwrap().is_active());
    assert!(!resource_server.introspect(&"invented".into()).await.unwrap().is_active());
}
