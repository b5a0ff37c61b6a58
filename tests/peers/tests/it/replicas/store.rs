use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, Record, RecordKey, Redis, SealingKey};
use hallpass::testing::store_contract;
use hallpass_peers::RedisServer;

use super::{Fleet, keys};

#[tokio::test]
async fn redis_keeps_the_contract_of_stores() {
    let server = RedisServer::start();
    let sealing_key = SealingKey::generate().unwrap();
    store_contract(|| Redis::new(&server.url(), sealing_key.clone())).await;
    assert_eq!(keys(&server).await, Vec::<String>::new(), "nothing is left, no lease either");
}

#[tokio::test]
async fn the_keys_of_a_session_share_a_hash_tag_and_records_show_no_token() {
    let fleet = Fleet::start().await;
    let session = fleet.here();
    let credentials = session.credentials().await.unwrap();
    let key = RecordKey::new(fleet.provider.issuer(), fleet.provider.client_id(), "");
    let _lock = fleet.store().lock(&key, Duration::from_secs(10)).await.unwrap();
    let tag = format!("{{hallpass:{}}}", key.id());
    assert_eq!(keys(&fleet.redis).await, [format!("{tag}:lease"), format!("{tag}:record")]);

    let record = format!("{tag}:record");
    let stored: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(record).query_async(&mut fleet.redis.connection().await).await.unwrap();
    assert_eq!(stored.len(), 4, "generation and record; the intent is resolved");
    let shown = String::from_utf8_lossy(&stored.concat()).into_owned();
    for secret in [credentials.access_token().expose(), credentials.refresh_token().unwrap().expose()] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test]
async fn a_lease_is_extended_while_it_is_held_and_released_when_dropped() {
    let fleet = Fleet::start().await;
    let (key, store) = (RecordKey::new("issuer", "client", "extended"), fleet.store().lease(Duration::from_millis(300)));
    let lock = store.lock(&key, Duration::ZERO).await.unwrap();
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let mut redis = fleet.redis.connection().await;
    let holder: String = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let still: String = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    assert_eq!(holder, still);
    drop(lock);
    // In this process a waiter gets it when Redis knows; it is another holder's lease then.
    let next = store.lock(&key, Duration::from_secs(10)).await.unwrap();
    let other: String = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    assert_ne!(holder, other);
    drop(next);
}

/// A holder that hangs does not keep the fleet out for ever.
#[tokio::test]
async fn a_lease_that_is_held_for_five_minutes_is_extended_no_more() {
    let fleet = Fleet::start().await;
    let (key, store) = (RecordKey::new("issuer", "client", "hangs"), fleet.store().lease(Duration::from_millis(600)));
    let lock = store.lock(&key, Duration::ZERO).await.unwrap();
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let mut redis = fleet.redis.connection().await;
    for (passes, extended) in [(295, true), (5, false)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(passes)).await;
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let there: bool = redis::cmd("EXISTS").arg(&lease).query_async(&mut redis).await.unwrap();
        assert_eq!(there, extended, "{passes} seconds later");
    }
    drop(lock);
    // What has ended is not released a second time: the next one is not in its way.
    store.lock(&key, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn somebody_elses_lease_is_waited_for_and_never_released() {
    let fleet = Fleet::start().await;
    let (key, store) = (RecordKey::new("issuer", "client", "somebody else's"), fleet.store());
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let mut redis = fleet.redis.connection().await;
    () = redis::cmd("SET").arg(&lease).arg("somebody").query_async(&mut redis).await.unwrap();
    let error = store.lock(&key, Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.is_transient());
    let given_up = tokio::time::timeout(Duration::from_millis(100), store.lock(&key, Duration::from_secs(60))).await;
    assert!(given_up.is_err());
    let holder: String = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    assert_eq!(holder, "somebody");

    // A lease that ended while its holder was away is not taken from the next one.
    () = redis::cmd("DEL").arg(&lease).query_async(&mut redis).await.unwrap();
    let lock = store.lock(&key, Duration::from_secs(10)).await.unwrap();
    () = redis::cmd("SET").arg(&lease).arg("next").query_async(&mut redis).await.unwrap();
    drop(lock);
    // In this process a waiter's turn comes after the release.
    store.lock(&key, Duration::from_millis(200)).await.unwrap_err();
    let holder: String = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    assert_eq!(holder, "next");
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_configuration_error_or_a_passing_one_and_tells_no_password() {
    let mut server = RedisServer::start();
    let (key, record) = (RecordKey::new("issuer", "client", ""), Record::from_bytes(record_bytes()).unwrap());
    let sealing_key = || SealingKey::from_bytes([1; 32]);

    let plain = Redis::new("redis://:canary@192.0.2.1/", sealing_key());
    let error = plain.load(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!format!("{error:?}").contains("canary"));

    let stranger = Redis::new(&server.url_with("canary"), sealing_key());
    let error = stranger.load(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, false));
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

/// Of generation 9, without content.
pub(super) fn record_bytes() -> Vec<u8> {
    [b"hlps\x01".as_slice(), &9_u64.to_be_bytes(), &0_u64.to_be_bytes()].concat()
}
