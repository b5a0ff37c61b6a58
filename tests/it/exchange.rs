//! One token for another (RFC 8693), and Auth0's own kinds of it.

use hallpass::testing::{Api, Endpoint, Fault, TestProvider};
use hallpass::token::TokenExchange;
use hallpass::{Application, AuthorizedClient, ClientAuth, ErrorKind, Secret};
use serde_json::json;

use crate::two_halves::{TwoHalves, all_of};

const FRONT: &str = "https://api.acme.com";
const BACK: &str = "https://archive.acme.com";
const LEGACY: &str = "urn:acme:legacy-session";

async fn provider() -> TestProvider {
    TestProvider::builder().subject_token(LEGACY, "CANARY-legacy", "joe@example.com").start().await
}

fn api(provider: &TestProvider) -> Application {
    Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(provider.client_secret()))
}

fn sent(provider: &TestProvider) -> Vec<(String, String)> {
    let mut fields = provider.requests(Endpoint::Token).pop().unwrap().fields();
    fields.retain(|(name, _)| !name.starts_with("client_"));
    fields
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// token: 1
#[tokio::test]
async fn a_token_for_one_api_becomes_one_for_the_next() {
    let provider = provider().await;
    let archive = Api::start(&provider, BACK).await;
    let presented = provider.access_token(FRONT, "read:messages");
    let exchange =
        api(&provider).exchange(&*presented, TokenExchange::ACCESS_TOKEN).audience(BACK).scope(" read:messages  offline_access ");
    let issued = exchange.send().await.unwrap();
    assert_eq!(issued.issued_token_type(), Some(TokenExchange::ACCESS_TOKEN));
    assert_eq!((issued.scope(), issued.refresh_token().is_some()), (Some("read:messages offline_access"), true));
    assert_eq!(issued.token().expose(), issued.access_token().unwrap().expose());
    assert_eq!(issued.expires_at(), issued.access_token().unwrap().expires_at());
    assert_eq!(
        sent(&provider),
        pairs(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &presented),
            ("subject_token_type", TokenExchange::ACCESS_TOKEN),
            ("audience", BACK),
            ("scope", "read:messages offline_access"),
        ])
    );
    let client = AuthorizedClient::new(issued.credentials().unwrap().clone()).unwrap();
    assert_eq!(client.get(archive.url()).send().await.unwrap().status(), 200);
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// token: 1
#[tokio::test]
async fn whatever_is_said_of_it_is_sent() {
    let provider = provider().await;
    let (subject, actor) = (provider.access_token(FRONT, ""), provider.access_token(FRONT, "read:messages"));
    let exchange = api(&provider)
        .exchange(&*subject, TokenExchange::JWT)
        .actor(&*actor, TokenExchange::ACCESS_TOKEN)
        .audience("one")
        .audience("two")
        .resource("https://one.example/")
        .resource("https://two.example/")
        .requested_token_type(TokenExchange::JWT)
        .organization("org_acme")
        .parameter("reason", "first")
        .parameter("reason", "second");
    exchange.send().await.unwrap();
    assert_eq!(
        sent(&provider),
        pairs(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &subject),
            ("subject_token_type", TokenExchange::JWT),
            ("actor_token", &actor),
            ("actor_token_type", TokenExchange::ACCESS_TOKEN),
            ("audience", "one"),
            ("audience", "two"),
            ("resource", "https://one.example/"),
            ("resource", "https://two.example/"),
            ("requested_token_type", TokenExchange::JWT),
            ("organization", "org_acme"),
            ("reason", "second"),
        ])
    );
}

/// token: 0
#[tokio::test]
async fn a_parameter_of_the_crates_own_is_refused_before_anything_is_sent() {
    let provider = provider().await;
    for name in [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "scope",
        "subject_token",
        "actor_token_type",
        "organization",
    ] {
        let error = api(&provider).exchange("x", LEGACY).parameter(name, "CANARY").send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(name) && !all_of(&error).contains("CANARY"), "{error}");
    }
    assert_eq!(provider.count(Endpoint::Token), 0);
}

/// token: 1 each
#[tokio::test]
async fn what_is_no_access_token_is_no_key_to_an_api() {
    let provider = provider().await;
    let exchange = |wanted: &str| api(&provider).exchange("CANARY-legacy", LEGACY).scope("openid").requested_token_type(wanted);
    for wanted in [TokenExchange::ID_TOKEN, TokenExchange::REFRESH_TOKEN] {
        let issued = exchange(wanted).send().await.unwrap();
        assert!(issued.access_token().is_none() && issued.credentials().is_none());
        assert_eq!((issued.issued_token_type(), issued.token().expose().is_empty()), (Some(wanted), false));
        assert!(issued.expires_at().is_some());
    }
    for (kind, token_type) in [
        (TokenExchange::ID_TOKEN, "Bearer"),
        (TokenExchange::REFRESH_TOKEN, "Bearer"),
        (TokenExchange::SAML2, "Bearer"),
        ("urn:ietf:params:oauth:token-type:saml1", "Bearer"),
        // RFC 8141, section 3.1: the first two parts are the same in capitals.
        ("URN:IETF:params:oauth:token-type:refresh_token", "Bearer"),
        (TokenExchange::ACCESS_TOKEN, "N_A"),
        ("urn:acme:ticket", "n_a"),
    ] {
        provider.next(Endpoint::Token, Fault::new().set("issued_token_type", kind).set("token_type", token_type));
        let issued = exchange(TokenExchange::ACCESS_TOKEN).send().await.unwrap();
        assert!(issued.access_token().is_none(), "{kind} {token_type}");
        assert_eq!(issued.user().unwrap().email(), None, "the ID token beside it was verified");
    }
    // What a provider leaves out is not held against it: then token_type alone decides.
    provider.next(Endpoint::Token, Fault::new().remove("issued_token_type"));
    let issued = exchange(TokenExchange::ACCESS_TOKEN).send().await.unwrap();
    assert!(issued.access_token().is_some() && issued.issued_token_type().is_none());
}

/// token: 1 each
#[tokio::test]
async fn an_answer_without_a_token_or_with_a_bad_one_is_refused() {
    let provider = provider().await;
    for fault in [
        Fault::new().remove("access_token"),
        Fault::new().set("access_token", ""),
        Fault::new().set("access_token", 7),
        Fault::new().set("token_type", "N_A").set("access_token", ""),
        Fault::new().set("token_type", "mac"),
        Fault::new().remove("token_type"),
        Fault::new().duplicate("issued_token_type", "x"),
        Fault::new().set("issued_token_type", ["x"]),
        Fault::answer(200, "application/x-www-form-urlencoded", "access_token=CANARY"),
    ] {
        let before = provider.count(Endpoint::Token);
        provider.next(Endpoint::Token, fault);
        let error = api(&provider).exchange("CANARY-legacy", LEGACY).send().await.unwrap_err();
        assert_eq!((error.kind(), provider.count(Endpoint::Token) - before), (ErrorKind::InvalidResponse, 1));
        assert!(!all_of(&error).contains("CANARY"), "{error:?}");
    }
}

/// C40 — token: 1 each
#[tokio::test]
async fn the_id_token_of_a_custom_exchange_is_verified() {
    let provider = provider().await;
    let exchange = || api(&provider).exchange("CANARY-legacy", LEGACY).scope("openid email").organization("org_acme");
    let issued = exchange().send().await.unwrap();
    assert_eq!(issued.user().unwrap().email().as_deref(), Some("joe@example.com"));

    provider.next_id_token(|token| _ = token.unsigned());
    provider.next_id_token(|token| _ = token.sign_with_stranger());
    provider.next_id_token(|token| _ = token.set("aud", "another"));
    provider.next_id_token(|token| _ = token.set("nonce", "unasked"));
    provider.next_id_token(|token| _ = token.set("org_id", "org_other"));
    provider.next_id_token(|token| _ = token.remove("org_id"));
    for _ in 0..6 {
        assert_eq!(exchange().send().await.unwrap_err().kind(), ErrorKind::IdToken);
    }
    // Beside a token that is none for APIs, too.
    provider.next_id_token(|token| _ = token.unsigned());
    provider.next(Endpoint::Token, Fault::new().set("token_type", "N_A"));
    assert_eq!(exchange().send().await.unwrap_err().kind(), ErrorKind::IdToken);
    provider.next(Endpoint::Token, Fault::new().remove("id_token"));
    assert_eq!(exchange().send().await.unwrap_err().kind(), ErrorKind::IdToken);
    assert_eq!(provider.count(Endpoint::Token), 9);
}

/// K25 — token: 3. An organization still has to be proved.
#[tokio::test]
async fn an_exchange_needs_no_id_token() {
    let provider = provider().await;
    let exchange = || api(&provider).exchange("CANARY-legacy", LEGACY).scope("openid email");
    provider.next(Endpoint::Token, Fault::new().remove("id_token"));
    let issued = exchange().send().await.unwrap();
    assert!(issued.access_token().is_some() && issued.user().is_none());
    provider.next(Endpoint::Token, Fault::new().remove("id_token"));
    assert_eq!(exchange().organization("org_acme").send().await.unwrap_err().kind(), ErrorKind::IdToken);
    let answer = json!({ "access_token": "a", "token_type": "Bearer", "scope": "openid" });
    provider.next(Endpoint::Token, Fault::json(200, answer));
    assert!(api(&provider).jwt_bearer("e30.e30.").scope("openid").send().await.unwrap().user().is_none());
    assert_eq!(provider.count(Endpoint::Token), 3);
}

/// token: 1 each
#[tokio::test]
async fn a_refusal_says_what_it_means_for_an_exchange() {
    let provider = provider().await;
    for (status, code, advice) in [
        (400, "invalid_grant", "the subject token is not good, good no longer, or not this application's to hand in"),
        (400, "invalid_target", "name an audience or a resource that the provider knows and gives this application tokens for"),
        (400, "invalid_scope", "ask for scopes that this application may have"),
        (403, "unsupported_grant_type", "the provider does not know this grant, or has it turned off"),
        (403, "unauthorized_client", "allow this grant in the application's settings at the provider"),
    ] {
        provider.next(Endpoint::Token, Fault::error(status, code, "No CANARY-legacy"));
        let error = api(&provider).exchange("CANARY-legacy", LEGACY).send().await.unwrap_err();
        assert_eq!(error.to_string(), format!("the provider refused the token request: {code}; {advice}"));
        assert_eq!((error.kind(), error.server_error().unwrap().description()), (ErrorKind::Server, None));
    }
    let error = api(&provider).exchange("another", LEGACY).send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the provider refused the token request: invalid_request (The subject_token is not valid); check what this program asks for"
    );
}

/// I1
#[tokio::test]
async fn an_exchange_and_what_it_gave_show_no_token() {
    let provider = provider().await;
    let exchange = api(&provider).exchange("CANARY-legacy", LEGACY).actor("CANARY-actor", LEGACY).parameter("pin", "CANARY-pin");
    assert!(!format!("{exchange:?} {exchange:#?}").contains("CANARY"), "{exchange:?}");
    for wanted in [TokenExchange::ACCESS_TOKEN, TokenExchange::REFRESH_TOKEN] {
        let issued = api(&provider).exchange("CANARY-legacy", LEGACY).requested_token_type(wanted).send().await.unwrap();
        assert!(!format!("{issued:?} {issued:#?}").contains(issued.token().expose()), "{issued:?}");
    }
}

/// token: 3 beside the login
#[tokio::test]
async fn the_token_of_a_connected_service_is_had_for_a_refresh_or_an_access_token() {
    let provider = provider().await;
    let halves = TwoHalves::of(provider.clone(), &api(&provider)).scope("openid offline_access");
    let credentials = halves.log_in().await.unwrap();
    let refresh_token = credentials.refresh_token().unwrap();
    let issued = api(&provider)
        .exchange_for_connection(refresh_token.clone(), TokenExchange::REFRESH_TOKEN, "google-oauth2")
        .send()
        .await
        .unwrap();
    assert_eq!(issued.issued_token_type(), Some(TokenExchange::CONNECTION_ACCESS_TOKEN));
    assert!(issued.access_token().is_some() && issued.refresh_token().is_none());
    assert_eq!(
        sent(&provider),
        pairs(&[
            ("grant_type", "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"),
            ("subject_token", refresh_token.expose()),
            ("subject_token_type", TokenExchange::REFRESH_TOKEN),
            ("requested_token_type", "http://auth0.com/oauth/token-type/federated-connection-access-token"),
            ("connection", "google-oauth2"),
        ])
    );
    let presented = provider.access_token(FRONT, "read:messages");
    let exchange = api(&provider).exchange_for_connection(presented, TokenExchange::ACCESS_TOKEN, "google-oauth2");
    exchange.parameter("login_hint", "jane@gmail.com").send().await.unwrap();
    // Nobody can bind another service's token to this application's key.
    let presented = provider.access_token(FRONT, "read:messages");
    let bound = api(&provider).dpop(hallpass::dpop::DpopKey::generate().unwrap());
    let exchange = bound.exchange_for_connection(presented, TokenExchange::ACCESS_TOKEN, "google-oauth2");
    assert_eq!(exchange.send().await.unwrap().access_token().unwrap().token_type(), hallpass::TokenType::Bearer);
    assert_eq!(provider.count(Endpoint::Token), 4);
}

async fn logged_in() -> (TwoHalves, Secret) {
    let halves = TwoHalves::start().await.scope("openid email offline_access");
    let refresh_token = halves.log_in().await.unwrap().refresh_token().unwrap().clone();
    (halves, refresh_token)
}

/// token: 2 beside the login
#[tokio::test]
async fn a_session_is_taken_to_a_web_application_by_a_refresh_token() {
    let (halves, refresh_token) = logged_in().await;
    let (provider, application) = (&halves.provider, halves.auth.application());
    let issued = application.session_transfer_token(&refresh_token).await.unwrap();
    assert_eq!(issued.issued_token_type(), Some(TokenExchange::SESSION_TRANSFER_TOKEN));
    assert!(issued.access_token().is_none() && issued.expires_at().is_some() && !issued.token().expose().is_empty());
    assert_eq!(issued.user().unwrap().email().as_deref(), Some("jane@example.com"));
    assert_eq!(
        sent(provider),
        pairs(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
            ("audience", "urn:127.0.0.1:session_transfer"),
        ])
    );
    // It rotated, and an ID token that is bad does not lose the one that is good now.
    provider.next_id_token(|token| _ = token.unsigned());
    let again = application.session_transfer_token(issued.refresh_token().unwrap()).await.unwrap();
    assert!(again.user().is_none());
    application.renew(again.refresh_token().unwrap()).await.unwrap();
    assert_eq!(provider.count(Endpoint::Token), 4);
}

/// token: 1 each
#[tokio::test]
async fn what_comes_in_place_of_a_session_is_not_lost() {
    let (halves, refresh_token) = logged_in().await;
    let (provider, application) = (&halves.provider, halves.auth.application());
    // As Auth0 does with an audience that an application may not have.
    provider.next(Endpoint::Token, Fault::new().set("token_type", "Bearer").remove("issued_token_type"));
    let error = application.session_transfer_token(&refresh_token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    let rotated = error.credentials().unwrap().refresh_token().unwrap().clone();

    provider.next(Endpoint::Token, Fault::close().committed());
    let error = application.session_transfer_token(&rotated).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let error = application.session_transfer_token(&rotated).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired);
    assert_eq!(provider.count(Endpoint::Token), 4);
}

/// token: 1
#[tokio::test]
async fn a_service_exchanges_a_token_of_its_own() {
    let provider = provider().await;
    let own = api(&provider).client_credentials().audience(FRONT).token().await.unwrap();
    let issued = api(&provider).exchange(own.expose(), TokenExchange::ACCESS_TOKEN).resource(BACK).send().await.unwrap();
    assert_eq!(issued.issued_token_type(), Some(TokenExchange::ACCESS_TOKEN));
    let said = api(&provider).introspect(&issued.token()).await.unwrap();
    assert_eq!(said.audience(), [BACK]);
    assert_eq!(said.get::<serde_json::Value>("client_id"), Some(json!("web")));
}
