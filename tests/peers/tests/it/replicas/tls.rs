use std::fs;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, RecordKey, Redis, SealingKey};
use hallpass::testing::store_contract;
use hallpass_peers::{Authority, RedisServer};

#[tokio::test]
async fn redis_is_spoken_to_over_tls_whose_authority_is_given() {
    let own = Authority::new();
    let authority = fs::read(own.certificate()).unwrap();
    let server = RedisServer::with_tls(&own, own.server("IP:127.0.0.1"));
    let undecided = std::panic::catch_unwind(rustls::ClientConfig::builder);
    assert!(undecided.is_err(), "this program has no default for rustls, and TLS works all the same");
    let sealing_key = SealingKey::generate().unwrap();
    store_contract(|| Redis::new(&server.url(), sealing_key.clone()).certificate_authority(authority.clone())).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_redis_is_refused() {
    let own = Authority::new();
    let authority = fs::read(own.certificate()).unwrap();
    let key = RecordKey::new("issuer", "client", "");
    let store = |server: &RedisServer| Redis::new(&server.url(), SealingKey::from_bytes([1; 32]));

    let of_another_name = RedisServer::with_tls(&own, own.server("DNS:other.example"));
    for store in [store(&of_another_name).certificate_authority(authority.clone()), store(&of_another_name)] {
        assert_eq!(store.load(&key).await.unwrap_err().kind(), ErrorKind::Configuration);
    }

    let stranger = Authority::new();
    let of_a_stranger = RedisServer::with_tls(&stranger, stranger.server("IP:127.0.0.1"));
    let error = store(&of_a_stranger).certificate_authority(authority).load(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = store(&of_a_stranger).certificate_authority("canary").load(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn plain_text_never_takes_the_place_of_tls() {
    let server = RedisServer::start();
    let url = server.url().replace("redis://", "rediss://");
    let store = Redis::new(&url, SealingKey::from_bytes([1; 32])).danger_plain_text();
    let error = store.load(&RecordKey::new("issuer", "client", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
}

/// J19
#[tokio::test]
async fn redis_that_asks_for_a_client_certificate_gets_it() {
    let own = Authority::new();
    let authority = fs::read(own.certificate()).unwrap();
    let server = RedisServer::with_tls_for_clients(&own, own.server("IP:127.0.0.1"));
    let store = || Redis::new(&server.url(), SealingKey::from_bytes([1; 32])).certificate_authority(authority.clone());
    let shown = own.client("fleet");
    let [chain, secret] = [&shown.certificate, &shown.key].map(|path| fs::read(path).unwrap());
    store_contract(|| store().client_certificate(chain.clone(), secret.clone())).await;

    let key = RecordKey::new("issuer", "client", "");
    let strangers = own.self_signed("stranger");
    let [other_chain, other_secret] = [&strangers.certificate, &strangers.key].map(|path| fs::read(path).unwrap());
    for (store, words) in [
        (store(), "client_certificate"),
        (store().client_certificate(other_chain.clone(), other_secret), "client_certificate"),
        (store().client_certificate("canary", secret.clone()), "cannot be used"),
        (store().client_certificate(chain.clone(), "canary"), "cannot be used"),
        (store().client_certificate(other_chain, secret.clone()), "cannot be used"),
    ] {
        let error = store.load(&key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}
