use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, RecordKey, Redis, SealingKey};
use hallpass::testing::store_contract;
use hallpass_peers::RedisServer;

use super::{Fleet, keys, record};

/// J19, J25
#[tokio::test]
async fn redis_keeps_the_contract_of_stores() {
    let server = RedisServer::start();
    let sealing_key = SealingKey::generate().unwrap();
    store_contract(|| Redis::new(&server.url(), sealing_key.clone())).await;
    assert_eq!(keys(&server).await, Vec::<String>::new(), "nothing is left, no lease and no index either");
}

#[tokio::test]
async fn the_keys_of_a_session_share_a_hash_tag_and_records_show_no_token() {
    let fleet = Fleet::start().await;
    let session = fleet.here();
    let credentials = session.credentials().await.unwrap();
    let key = RecordKey::new(fleet.provider.issuer(), fleet.provider.client_id(), "");
    let _lock = fleet.store().lock(&key, Duration::from_secs(10)).await.unwrap();
    let tag = format!("{{hallpass:{}}}", key.id());
    let of_session: Vec<_> = keys(&fleet.redis)
        .await
        .into_iter()
        .filter(|key| ![":subject:", ":sid:"].iter().any(|index| key.contains(index)))
        .collect();
    assert_eq!(of_session, [format!("{tag}:lease"), format!("{tag}:record"), format!("{tag}:sessions")]);

    let record = format!("{tag}:record");
    let stored: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(record).query_async(&mut fleet.redis.connection().await).await.unwrap();
    assert_eq!(stored.len(), 8, "generation and record, when it was created, and its indexes");
    let shown = String::from_utf8_lossy(&stored.concat()).into_owned();
    for secret in [credentials.access_token().expose(), credentials.refresh_token().unwrap().expose()] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_configuration_error_or_a_passing_one_and_tells_no_password() {
    let mut server = RedisServer::start();
    let (key, record) = (RecordKey::new("issuer", "client", ""), record(9));
    let sealing_key = || SealingKey::from_bytes([1; 32]);

    let plain = Redis::new("redis://:canary@192.0.2.1/", sealing_key());
    let error = plain.load(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!format!("{error:?}").contains("canary"));

    let nobody = Redis::new(&server.url(), Vec::new());
    assert_eq!(nobody.save(&key, None, &record).await.unwrap_err().kind(), ErrorKind::Configuration);

    let store = Redis::new(&server.url(), sealing_key());
    assert!(store.save(&key, None, &record).await.unwrap());
    server.kill();
    let error = store.load(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true));
    server.start_again();
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation(), 9, "the next call makes a new connection");
    server.kill();
    server.start_again();
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation(), 9, "a connection that broke meanwhile shows in no call");
}
