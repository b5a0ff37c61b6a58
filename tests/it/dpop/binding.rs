use hallpass::dpop::{DpopKey, ProofAlgorithm};
use hallpass::testing::{Api, Endpoint, Fault, TestBrowser, TestClient, TestProvider};
use hallpass::token::TokenExchange;
use hallpass::{AccessToken, Application, AuthorizedClient, ClientAuth, ErrorKind, PendingLogin, TokenType};
use reqwest::Client;
use serde_json::json;

use super::{AUDIENCE, key, log_in, part, strict_provider, verified, web_auth};
use crate::two_halves::{REDIRECT_URI, parameter};

#[tokio::test]
async fn a_login_its_renewal_and_its_calls_are_bound_to_the_key() {
    let provider = strict_provider().await;
    let api = Api::start(&provider, AUDIENCE).await;
    for algorithm in [ProofAlgorithm::Es256, ProofAlgorithm::Ps256, ProofAlgorithm::EdDsa] {
        let key = key(algorithm);
        let credentials = log_in(&provider, &key).await.unwrap();
        let application = Application::new(provider.issuer(), provider.client_id());
        let renewed = application.renew_credentials(&credentials).await.unwrap();
        for credentials in [credentials, renewed] {
            assert_eq!(credentials.token_type(), TokenType::DPoP);
            assert_eq!(credentials.access_token().dpop_key(), Some(&key));
            assert_eq!(part(credentials.access_token().expose(), 1)["cnf"], json!({ "jkt": key.thumbprint() }));
            assert_eq!(application.user_info(&credentials).await.unwrap().subject(), "auth0|jane@example.com");
            let client = AuthorizedClient::new(credentials).unwrap().base_url(api.url()).unwrap();
            assert_eq!(client.post("messages?a=b").body("hello").send().await.unwrap().status(), 200);
        }
    }
    assert!(api.seen().iter().all(|seen| seen.header("authorization").unwrap().starts_with("DPoP ")));
    let seen = provider.requests(Endpoint::UserInfo);
    let claims = verified(seen[0].header("dpop").unwrap());
    assert_eq!((&claims["htm"], claims["ath"].is_string()), (&"GET".into(), true));
}

/// Why all this is done: who steals a token has not stolen the key.
#[tokio::test]
async fn a_stolen_token_is_worth_nothing() {
    let provider = strict_provider().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let credentials = log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap();
    let stolen = credentials.access_token().expose();

    let plain = Client::builder().no_proxy().build().unwrap();
    let as_bearer = plain.get(api.url().clone()).bearer_auth(stolen).build().unwrap();
    assert_eq!(plain.execute(as_bearer).await.unwrap().status(), 401);
    let thief = AccessToken::dpop(stolen, DpopKey::generate().unwrap()).unwrap();
    let with_another_key = AuthorizedClient::new(thief).unwrap().get(api.url().as_str()).send().await.unwrap();
    assert_eq!(with_another_key.status(), 401);

    let thief = Application::new(provider.issuer(), provider.client_id()).dpop(DpopKey::generate().unwrap());
    let error = thief.renew(credentials.refresh_token().unwrap()).await.unwrap_err();
    assert!(error.is_login_required(), "{error}");
    let owner = Application::new(provider.issuer(), provider.client_id());
    owner.renew_credentials(&credentials).await.unwrap();
}

#[tokio::test]
async fn a_code_is_bound_to_the_key_too() {
    let provider = strict_provider().await;
    let key = DpopKey::generate().unwrap();
    let auth = web_auth(&provider).dpop(key.clone()).redirect_uri(REDIRECT_URI);
    let login = auth.begin().await.unwrap();
    assert_eq!(parameter(login.url().as_str(), "dpop_jkt"), key.thumbprint());
    let without = web_auth(&provider).redirect_uri(REDIRECT_URI).begin().await.unwrap();
    assert!(!without.url().as_str().contains("dpop_jkt"));
    let error = web_auth(&provider).redirect_uri(REDIRECT_URI).parameter("dpop_jkt", "mine").begin().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

/// A login is finished with the key that it began with, also by a process that has generated another one since.
#[tokio::test]
async fn a_pending_login_brings_its_key_along() {
    let provider = strict_provider().await;
    let began = DpopKey::generate().unwrap();
    let auth = web_auth(&provider).dpop(began.clone()).redirect_uri(REDIRECT_URI);
    let later = web_auth(&provider).dpop(DpopKey::generate().unwrap()).redirect_uri(REDIRECT_URI);
    for keep in [false, true] {
        let mut login = auth.begin().await.unwrap();
        let callback = TestBrowser::new().visit(login.url()).await.unwrap();
        if keep {
            login = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
        }
        let credentials = later.finish(login, &callback).await.unwrap();
        assert_eq!(credentials.access_token().dpop_key(), Some(&began));
    }
}

#[tokio::test]
async fn each_login_can_have_a_key_of_its_own() {
    let provider = strict_provider().await;
    let auth = web_auth(&provider).dpop_per_login();
    let (first, second) = (auth.start().await.unwrap(), auth.start().await.unwrap());
    assert_ne!(first.access_token().dpop_key().unwrap(), second.access_token().dpop_key().unwrap());
    for credentials in [first, second] {
        let renewed = auth.application().renew_credentials(&credentials).await.unwrap();
        assert_eq!(renewed.access_token().dpop_key(), credentials.access_token().dpop_key());
    }
}

#[tokio::test]
async fn a_service_and_a_device_have_bound_tokens_too() {
    let service = TestClient::confidential("service", "secret").requires_dpop();
    let provider = TestProvider::builder().client(service).client(TestClient::public("native").requires_dpop()).start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let key = DpopKey::generate().unwrap();
    let service = Application::new(provider.issuer(), "service").client_auth(ClientAuth::client_secret_basic("secret"));
    let token = service.dpop(key.clone()).client_credentials().audience(AUDIENCE);
    let client = AuthorizedClient::new(token).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);

    let application = Application::new(provider.issuer(), provider.client_id()).dpop(key.clone());
    provider.next(Endpoint::DeviceCode, Fault::new().set("interval", 1));
    let mut login = application.device().audience(AUDIENCE).start().await.unwrap();
    TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    let credentials = login.wait().await.unwrap();
    let client = AuthorizedClient::new(credentials).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
}

/// Grants of every kind go the same way: an exchange, and a password at Auth0.
#[tokio::test]
async fn other_grants_give_bound_tokens_too() {
    let client = TestClient::confidential("web", "secret").requires_dpop_nonce();
    let provider = TestProvider::builder().client(client).start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let key = DpopKey::generate().unwrap();
    let application = Application::new(provider.issuer(), "web").client_auth(ClientAuth::client_secret_post("secret"));
    let application = application.dpop(key.clone());
    let presented = provider.access_token("https://front.acme.com", "");
    let exchanged = application.exchange(presented, TokenExchange::ACCESS_TOKEN).audience(AUDIENCE).send().await.unwrap();
    let auth0 = application.auth0().audience(AUDIENCE);
    let logged_in = auth0.log_in("jane@example.com", &"correct horse".into()).await.unwrap();
    for token in [exchanged.access_token().unwrap(), logged_in.access_token()] {
        assert_eq!(token.dpop_key(), Some(&key));
        let client = AuthorizedClient::new(token.clone()).unwrap().base_url(api.url()).unwrap();
        assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    }
    assert_eq!(provider.count(Endpoint::Token), 3, "the nonce of the first answer serves the second grant");
}

/// An application without a key, at a provider that wants none, is as it was.
#[tokio::test]
async fn without_a_key_there_are_no_proofs() {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let credentials = web_auth(&provider).start().await.unwrap();
    assert_eq!(credentials.token_type(), TokenType::Bearer);
    let client = AuthorizedClient::new(credentials.clone()).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    web_auth(&provider).application().user_info(&credentials).await.unwrap();
    let requests = [provider.requests(Endpoint::Token), provider.requests(Endpoint::UserInfo), api.seen()];
    assert!(requests.iter().flatten().all(|request| request.header("dpop").is_none()));
}
