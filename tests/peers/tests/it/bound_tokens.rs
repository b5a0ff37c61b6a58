//! Tokens that are bound to a key, at a certified provider that wants its nonce in each proof.
use hallpass::dpop::{DpopKey, ProofAlgorithm};
use hallpass::store::Memory;
use hallpass::{AccessToken, Application, CredentialsManager, ErrorKind, TokenType, WebAuth};
use hallpass_peers::{OidcProvider, Person};

use crate::browser_login::{claims, log_in};

const OFFLINE: &str = "openid profile offline_access";

#[tokio::test]
async fn a_login_its_renewals_and_user_info_are_bound_with_nonces_required() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let key = DpopKey::generate().unwrap();
    let ask = |login: WebAuth| login.dpop(key.clone()).scope(OFFLINE).prompt("consent");
    let first = log_in(&provider, &person, "native-nonce", ask).await;
    assert_eq!((first.token_type(), first.access_token().dpop_key()), (TokenType::DPoP, Some(&key)));

    // The key comes from the credentials, as after a restart.
    let application = Application::new(provider.issuer(), "native-nonce");
    let mut credentials = first.clone();
    for _ in 0..2 {
        assert_eq!(application.user_info(&credentials).await.unwrap().subject(), "alice");
        let renewed = application.renew_credentials(&credentials).await.unwrap();
        assert_ne!(renewed.access_token(), credentials.access_token());
        assert_eq!(renewed.access_token().dpop_key(), Some(&key));
        credentials = renewed;
    }
    application.revoke(credentials.refresh_token().unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_access_token_for_an_api_names_the_key() {
    let provider = OidcProvider::start();
    for algorithm in [ProofAlgorithm::Es256, ProofAlgorithm::EdDsa, ProofAlgorithm::Ps256] {
        let person = Person::sits_down().await;
        let key = DpopKey::generate_with(algorithm).unwrap();
        let ask = |login: WebAuth| login.dpop(key.clone()).scope("openid read:things").audience("https://api.example.com");
        let credentials = log_in(&provider, &person, "native-nonce", ask).await;
        let token = claims(&credentials.access_token().expose().into());
        assert_eq!(token["cnf"]["jkt"], key.thumbprint(), "{algorithm:?}");
    }
}

/// DPoP by the application's wish, without a nonce.
#[tokio::test]
async fn a_client_of_whom_no_proof_is_required_has_bound_tokens_too() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native", |login| login.dpop_per_login().scope("openid")).await;
    assert_eq!(credentials.token_type(), TokenType::DPoP);
    assert_eq!(Application::new(provider.issuer(), "native").user_info(&credentials).await.unwrap().subject(), "alice");
}

#[tokio::test]
async fn a_stolen_token_is_worth_nothing() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let ask = |login: WebAuth| login.dpop_per_login().scope(OFFLINE).prompt("consent");
    let credentials = log_in(&provider, &person, "native-nonce", ask).await;
    let thief = Application::new(provider.issuer(), "native-nonce").dpop(DpopKey::generate().unwrap());
    let refusal = thief.renew(credentials.refresh_token().unwrap()).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::LoginRequired);

    let owner = Application::new(provider.issuer(), "native-nonce");
    assert_eq!(owner.user_info(&credentials).await.unwrap().subject(), "alice", "that did no harm");
    owner.renew_credentials(&credentials).await.unwrap();
}

/// The start of a program: the key of its login comes from the store.
#[tokio::test]
async fn after_a_restart_a_manager_goes_on_with_the_key_of_its_login() {
    let (provider, person, store) = (OidcProvider::start(), Person::sits_down().await, Memory::new());
    let start = || {
        let auth = WebAuth::new(provider.issuer(), "native-nonce").dpop(DpopKey::generate().unwrap()).scope(OFFLINE);
        CredentialsManager::new(auth.prompt("consent").ephemeral_port().browser(person.browser()), store.clone())
    };
    let session = start();
    let (first, ()) = tokio::join!(session.login_if_needed(), async {
        person.logs_in_as("alice").await;
        person.consents().await;
    });
    let first = first.unwrap();
    let renewed = start().renew().await.unwrap();
    assert_eq!(renewed.access_token().dpop_key(), first.access_token().dpop_key());
    assert_ne!(renewed.access_token(), first.access_token());
    let kept = start().credentials().await.unwrap();
    let user = start().web_auth().application().user_info(&kept).await.unwrap();
    assert_eq!(user.subject(), "alice");
}

/// F22: the provider's user info takes no bound token for a bearer token.
#[tokio::test]
async fn user_info_refuses_a_bound_token_that_is_shown_as_a_bearer_token() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native-nonce", |login| login.dpop_per_login().scope("openid")).await;
    let as_bearer = AccessToken::bearer(credentials.access_token().expose()).unwrap();
    let client = hallpass::AuthorizedClient::new(as_bearer).unwrap();
    let response = client.get(format!("{}/me", provider.issuer())).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let client = hallpass::AuthorizedClient::new(credentials).unwrap();
    let response = client.get(format!("{}/me", provider.issuer())).send().await.unwrap();
    assert_eq!(response.status(), 200, "an API at the provider's own origin, with its nonces");
}
