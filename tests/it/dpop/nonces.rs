//! Nonces that the provider wants in proofs.

use std::sync::{Arc, Mutex};

use hallpass::client_auth::PrivateKey;
use hallpass::dpop::DpopKey;
use hallpass::testing::{Endpoint, Fault, SeenRequest, TestBrowser, TestClient, TestProvider};
use hallpass::{Application, ClientAuth, Credentials, ErrorKind};
use serde_json::Value;

use super::{log_in, part, provider_with_nonces, verified, web_auth};

/// The nonces of proofs, in order.
fn nonces(requests: &[SeenRequest]) -> Vec<Option<String>> {
    let nonce = |request: &SeenRequest| Some(verified(request.header("dpop").unwrap()).get("nonce")?.as_str().unwrap().to_owned());
    requests.iter().map(nonce).collect()
}

fn asks(nonce: &str) -> Fault {
    Fault::error(400, "use_dpop_nonce", "The proof has to hold a nonce").header("dpop-nonce", nonce)
}

/// — token: 2 for the first login, then 1 each
#[tokio::test]
async fn a_nonce_costs_one_request_more_and_is_remembered() {
    let (provider, key) = (provider_with_nonces().await, DpopKey::generate().unwrap());
    let credentials = log_in(&provider, &key).await.unwrap();
    let requests = provider.requests(Endpoint::Token);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].field("code"), requests[1].field("code"), "the same code, which the first request did not spend");
    assert!(matches!(&nonces(&requests)[..], [None, Some(_)]));

    let application = Application::new(provider.issuer(), provider.client_id());
    let renewed = application.renew_credentials(&credentials).await.unwrap();
    application.user_info(&renewed).await.unwrap();
    log_in(&provider, &key).await.unwrap();
    assert_eq!((provider.count(Endpoint::Token), provider.count(Endpoint::UserInfo)), (4, 1));

    provider.renew_dpop_nonce();
    application.user_info(&renewed).await.unwrap();
    application.renew_credentials(&renewed).await.unwrap();
    assert_eq!((provider.count(Endpoint::Token), provider.count(Endpoint::UserInfo)), (5, 3), "learnt from the user info's answer");
    let [.., old, new] = &nonces(&provider.requests(Endpoint::UserInfo))[..] else { panic!("there are three") };
    assert_ne!(old, new);
}

/// F19 — token: 2
#[tokio::test]
async fn a_provider_that_asks_for_ever_is_asked_twice() {
    let (provider, key) = (TestProvider::start().await, DpopKey::generate().unwrap());
    for nonce in ["n1", "n2", "n3", "n4"] {
        provider.next(Endpoint::Token, asks(nonce));
    }
    let error = log_in(&provider, &key).await.unwrap_err();
    assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Server, "use_dpop_nonce"));
    assert_eq!(nonces(&provider.requests(Endpoint::Token)), [None, Some("n1".to_owned())]);

    log_in(&provider, &key).await.unwrap_err();
    let sent = nonces(&provider.requests(Endpoint::Token));
    assert_eq!(sent[2..], [Some("n2".to_owned()), Some("n3".to_owned())], "the latest is used, wherever it came from");
}

/// F19 — token: 1 each
#[tokio::test]
async fn only_a_nonce_that_is_one_makes_a_second_request() {
    let long = "n".repeat(1025);
    let error = |code: &str, status: u16| Fault::error(status, code, "no").header("dpop-nonce", "n1");
    let rows = [
        ("no nonce", Fault::error(400, "use_dpop_nonce", "no")),
        ("two nonces", asks("n1").header("dpop-nonce", "n2")),
        ("an empty one", asks("")),
        ("a quote", asks("n\"1")),
        ("a backslash", asks("n\\1")),
        ("a space", asks("n 1")),
        ("too long", asks(&long)),
        ("another error", error("invalid_grant", 400)),
        ("an error of the server", error("use_dpop_nonce", 503)),
        ("a success", error("use_dpop_nonce", 200)),
    ];
    for (row, fault) in rows {
        let (provider, key) = (TestProvider::start().await, DpopKey::generate().unwrap());
        provider.next(Endpoint::Token, fault);
        log_in(&provider, &key).await.unwrap_err();
        assert_eq!(provider.count(Endpoint::Token), 1, "{row}");
    }
}

/// Only the provider's word makes a refresh token go out twice — token: 2
#[tokio::test]
async fn a_refresh_token_goes_out_again_only_when_the_proof_was_refused() {
    let (provider, key) = (TestProvider::start().await, DpopKey::generate().unwrap());
    let credentials = log_in(&provider, &key).await.unwrap();
    let application = Application::new(provider.issuer(), provider.client_id());
    for lost in [Fault::close(), Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{")] {
        let asked = provider.count(Endpoint::Token);
        provider.next(Endpoint::Token, lost.header("dpop-nonce", "n1"));
        let error = application.renew_credentials(&credentials).await.unwrap_err();
        assert_eq!((error.kind(), provider.count(Endpoint::Token) - asked), (ErrorKind::Ambiguous, 1));
    }
    provider.next(Endpoint::Token, asks("n2"));
    provider.next(Endpoint::Token, Fault::close().committed());
    let asked = provider.count(Endpoint::Token);
    let error = application.renew_credentials(&credentials).await.unwrap_err();
    assert_eq!((error.kind(), provider.count(Endpoint::Token) - asked), (ErrorKind::Ambiguous, 2), "the second answer was lost");
}

/// H9: proofs and assertions for one use are made again.
#[tokio::test]
async fn the_second_request_is_proved_and_authenticated_afresh() {
    let registered = PrivateKey::generate("ES256").unwrap();
    let client = TestClient::signing("service", registered.public_jwk()).requires_dpop_nonce();
    let provider = TestProvider::builder().client(client).start().await;
    let application = Application::new(provider.issuer(), "service").client_auth(ClientAuth::private_key_jwt(registered));
    let service = application.dpop(DpopKey::generate().unwrap()).client_credentials().audience(super::AUDIENCE);
    service.token().await.unwrap();
    let requests = provider.requests(Endpoint::Token);
    assert_eq!(requests.len(), 2);
    let id = |request: &SeenRequest, what: &str| -> Value {
        let jwt = request.field(what).or_else(|| request.header(what).map(str::to_owned)).unwrap();
        part(&jwt, 1)["jti"].clone()
    };
    for what in ["client_assertion", "dpop"] {
        assert_ne!(id(&requests[0], what), id(&requests[1], what), "{what}");
    }
}

/// F20: an answer of another endpoint, to a request that needed no proof.
#[tokio::test]
async fn a_nonce_is_learnt_from_every_answer() {
    let (provider, key) = (provider_with_nonces().await, DpopKey::generate().unwrap());
    let application = Application::new(provider.issuer(), provider.client_id()).dpop(key.clone());
    provider.next(Endpoint::DeviceCode, Fault::new().set("interval", 1).header("dpop-nonce", "from-elsewhere"));
    let mut login = application.device().start().await.unwrap();
    TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    login.wait().await.unwrap();
    assert_eq!(nonces(&provider.requests(Endpoint::Token))[0].as_deref(), Some("from-elsewhere"));

    provider.next(Endpoint::Revoke, Fault::new().header("dpop-nonce", "from-a-revocation"));
    application.revoke(&"unknown".into()).await.unwrap();
    web_auth(&provider).dpop(key).start().await.unwrap();
    let sent = nonces(&provider.requests(Endpoint::Token));
    assert!(sent.contains(&Some("from-a-revocation".to_owned())), "{sent:?}");
}

/// F20: a pushed request needs no proof either, names the key, and its answer brings a nonce.
#[tokio::test]
async fn a_nonce_is_learnt_from_the_answer_to_a_pushed_request() {
    let provider = provider_with_nonces().await;
    provider.next(Endpoint::Par, Fault::new().header("dpop-nonce", "from-par"));
    let credentials = web_auth(&provider).dpop_per_login().pushed().start().await.unwrap();
    let pushed = &provider.requests(Endpoint::Par)[0];
    assert_eq!(pushed.field("dpop_jkt").as_deref(), Some(credentials.access_token().dpop_key().unwrap().thumbprint()));
    assert_eq!(nonces(&provider.requests(Endpoint::Token))[0].as_deref(), Some("from-par"));
}

/// F20: two providers are two origins.
#[tokio::test]
async fn what_one_provider_said_is_not_told_another() {
    let (one, other, key) = (provider_with_nonces().await, provider_with_nonces().await, DpopKey::generate().unwrap());
    log_in(&one, &key).await.unwrap();
    log_in(&other, &key).await.unwrap();
    let (of_one, of_other) = (nonces(&one.requests(Endpoint::Token)), nonces(&other.requests(Endpoint::Token)));
    assert_eq!((&of_one[0], &of_other[0]), (&None, &None));
    assert_ne!(of_one[1], of_other[1]);
}

/// F21
#[tokio::test]
async fn concurrent_renewals_each_get_their_own_answer() {
    let (provider, key) = (provider_with_nonces().await, DpopKey::generate().unwrap());
    let users: Vec<String> = (0..8).map(|user| format!("user-{user}@example.com")).collect();
    let mut sessions: Vec<Credentials> = Vec::new();
    for user in &users {
        let auth = web_auth(&provider).dpop(key.clone()).browser(TestBrowser::new().user(user));
        sessions.push(auth.start().await.unwrap());
    }
    provider.renew_dpop_nonce();
    let renewed = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = sessions
        .into_iter()
        .map(|session| {
            let (application, renewed) = (Application::new(provider.issuer(), provider.client_id()), Arc::clone(&renewed));
            tokio::spawn(async move {
                let before = session.user().unwrap().subject().to_owned();
                let after = application.renew_credentials(&session).await.unwrap();
                renewed.lock().unwrap().push((before, part(after.access_token().expose(), 1)["sub"].as_str().unwrap().to_owned()));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let renewed = renewed.lock().unwrap();
    assert_eq!(renewed.len(), users.len());
    assert!(renewed.iter().all(|(before, after)| before == after), "{renewed:?}");
}
