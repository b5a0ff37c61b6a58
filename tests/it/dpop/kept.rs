//! A key is kept with the credentials that are bound to it.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hallpass::dpop::DpopKey;
use hallpass::store::{CredentialsStore, Memory, RecordKey};
use hallpass::testing::{Api, Endpoint, TestProvider};
use hallpass::{AccessToken, Application, AuthorizedClient, ClientAuth, CredentialsManager, PendingLogin, TokenType};

use super::{AUDIENCE, provider_with_nonces, strict_provider, web_auth};
use crate::counting_allocator::left_behind;
use crate::two_halves::REDIRECT_URI;

/// Each start of a program makes itself a key, and goes on with the one of its login.
#[tokio::test]
async fn after_a_restart_the_key_of_the_login_is_used() {
    let provider = provider_with_nonces().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let store = Memory::new();
    let start = || CredentialsManager::new(web_auth(&provider).dpop(DpopKey::generate().unwrap()), store.clone());
    let first = start();
    let credentials = first.login_if_needed().await.unwrap();
    let key = credentials.access_token().dpop_key().unwrap().clone();
    drop(first);

    let second = start();
    assert_eq!(second.login_if_needed().await.unwrap().access_token().dpop_key(), Some(&key));
    let renewed = second.renew().await.unwrap();
    assert_eq!(renewed.access_token().dpop_key(), Some(&key));
    let client = AuthorizedClient::new(start()).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    assert_eq!(provider.count(Endpoint::Authorize), 1);

    let other = second.credentials_for("https://other.acme.com", "openid").await.unwrap();
    assert_eq!(other.access_token().dpop_key(), Some(&key));
    let kept = start().credentials_for("https://other.acme.com", "openid").await.unwrap();
    assert_eq!((kept.access_token(), kept.access_token().dpop_key()), (other.access_token(), Some(&key)));
}

/// A record holds the key once, however many tokens are bound to it.
#[tokio::test]
async fn a_record_holds_the_key_once() {
    let (provider, store) = (strict_provider().await, Memory::new());
    let session = CredentialsManager::new(web_auth(&provider).dpop(DpopKey::generate().unwrap()), store.clone());
    let credentials = session.login_if_needed().await.unwrap();
    session.credentials_for("https://other.acme.com", "openid").await.unwrap();
    let record = store.load(&RecordKey::new(provider.issuer(), provider.client_id(), "")).await.unwrap().unwrap();
    let record = String::from_utf8_lossy(record.as_bytes()).into_owned();
    let pem: String =
        credentials.access_token().dpop_key().unwrap().to_pem().expose().lines().filter(|line| line.len() < 65).collect();
    let private = &pem.replace("-----BEGIN PRIVATE KEY-----", "")[60..100];
    assert_eq!(record.matches(private).count(), 1);
}

/// A program that binds its tokens now does not go on with one that is bound to nothing.
#[tokio::test]
async fn a_bearer_token_from_before_is_not_enough() {
    let provider = TestProvider::start().await;
    let store = Memory::new();
    let before = CredentialsManager::new(web_auth(&provider), store.clone());
    assert_eq!(before.login_if_needed().await.unwrap().token_type(), TokenType::Bearer);
    for auth in [web_auth(&provider).dpop(DpopKey::generate().unwrap()), web_auth(&provider).dpop_per_login()] {
        let now = CredentialsManager::new(auth, store.clone());
        assert_eq!(now.login_if_needed().await.unwrap().token_type(), TokenType::DPoP);
    }
    assert_eq!(provider.count(Endpoint::Authorize), 2, "the third found what it needs");
}

/// And one that comes by a renewal is bound at once.
#[tokio::test]
async fn the_renewal_of_a_bearer_token_gives_a_bound_one() {
    let provider = TestProvider::start().await;
    let store = Memory::new();
    CredentialsManager::new(web_auth(&provider), store.clone()).login_if_needed().await.unwrap();
    let key = DpopKey::generate().unwrap();
    let now = CredentialsManager::new(web_auth(&provider).dpop(key.clone()), store);
    assert_eq!(now.renew().await.unwrap().access_token().dpop_key(), Some(&key));
}

/// A service's replicas share a token and its key, and a bearer token from before serves none that binds its tokens.
#[tokio::test]
async fn replicas_share_a_bound_token_with_its_key() {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let store = Memory::new();
    let service = || {
        let client_auth = ClientAuth::client_secret_post(provider.client_secret());
        Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(client_auth)
    };
    let replica = |application: Application| application.client_credentials().audience(AUDIENCE).shared(store.clone());
    let before = replica(service()).token().await.unwrap();
    let bound = || replica(service().dpop(DpopKey::generate().unwrap()));
    let (first, second) = (bound().token().await.unwrap(), bound().token().await.unwrap());
    assert_eq!([&before, &first, &second].map(AccessToken::token_type), [TokenType::Bearer, TokenType::DPoP, TokenType::DPoP]);
    assert_eq!((&first, first.dpop_key()), (&second, second.dpop_key()));
    assert_eq!(provider.count(Endpoint::Token), 2);
    let client = AuthorizedClient::new(bound()).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
}

/// I5
#[tokio::test]
async fn no_private_key_is_left_behind() {
    let provider = strict_provider().await;
    let (store, auth) = (Memory::new(), web_auth(&provider));
    let manager = || CredentialsManager::new(auth.clone(), store.clone());
    let credentials = auth.clone().dpop_per_login().start().await.unwrap();
    let key = credentials.access_token().dpop_key().unwrap();
    let encoded: String = key.to_pem().expose().lines().filter(|line| !line.starts_with("--")).collect();
    // Of the private number itself, as it stands in a record and in PEM.
    let (start, end) = (&encoded[50..66], &encoded[64..80]);

    let (managers, waker) = ((manager(), manager()), Waker::noop());
    let (_, left) = left_behind(start, || {
        let (writer, reader) = managers;
        let saved = pin!(writer.save(&credentials)).poll(&mut Context::from_waker(waker));
        assert!(matches!(saved, Poll::Ready(Ok(()))));
        let read = pin!(reader.has_valid(Duration::ZERO)).poll(&mut Context::from_waker(waker));
        assert!(matches!(read, Poll::Ready(Ok(true))));
    });
    assert_eq!(left, 0, "by a manager");
    for part in [start, end] {
        let (_, left) = left_behind(part, || drop(DpopKey::from_pem(key.to_pem().expose()).unwrap()));
        assert_eq!(left, 0, "by PEM");
    }

    let pending = auth.dpop(key.clone()).redirect_uri(REDIRECT_URI).begin().await.unwrap();
    let (_, left) = left_behind(start, || drop(PendingLogin::from_secret_string(&pending.to_secret_string()).unwrap()));
    assert_eq!(left, 0, "by a login that was kept");
}
