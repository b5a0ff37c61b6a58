use hallpass::store::{CredentialsStore, RecordFilter, RecordKey, Redis, SealingKey};
use hallpass_peers::RedisServer;

use super::{Fleet, keys, labelled, record};

const NAMES: [&str; 4] = ["https://issuer.example", "client-of-the-issuer", "auth0|jane", "provider-session-one"];

fn key(session: &str) -> RecordKey {
    RecordKey::new(NAMES[0], NAMES[1], session)
}

fn store(server: &RedisServer) -> Redis {
    Redis::new(&server.url(), SealingKey::from_bytes([1; 32]))
}

/// J25: an index shows no issuer, client, person, session or session at the provider.
#[tokio::test]
async fn redis_is_shown_no_name() {
    let server = RedisServer::start();
    let key = key("session-of-jane");
    assert!(store(&server).save(&key, None, &labelled(1, &key, NAMES[2], NAMES[3])).await.unwrap());
    let names = keys(&server).await;
    assert_eq!(names.len(), 4, "the record, and the indexes of all sessions, of the person's, of the provider session: {names:?}");
    let mut shown = names.join("\n").into_bytes();
    let mut redis = server.connection().await;
    for name in &names {
        let dumped: Vec<u8> = redis::cmd("DUMP").arg(name).query_async(&mut redis).await.unwrap();
        shown.extend(dumped);
    }
    shown.extend(server.written());
    let shown = String::from_utf8_lossy(&shown);
    for name in NAMES.iter().chain(&["session-of-jane"]) {
        assert!(!shown.contains(name), "{name}");
    }
}

/// J25: indexes are only a hint. What they name is read, and entries that do not hold are dropped.
#[tokio::test]
async fn stale_entries_are_neither_listed_nor_kept() {
    let server = RedisServer::start();
    let (store, gone, there) = (store(&server), key("gone"), key("there"));
    for key in [&gone, &there] {
        assert!(store.save(key, None, &labelled(1, key, "jane", "one")).await.unwrap());
    }
    let mut redis = server.connection().await;
    () = redis::cmd("DEL").arg(format!("{{hallpass:{}}}:record", gone.id())).query_async(&mut redis).await.unwrap();
    assert!(store.save(&there, Some(1), &labelled(2, &there, "joe", "two")).await.unwrap());

    assert_eq!(store.list(&gone, &RecordFilter::All).await.unwrap(), std::slice::from_ref(&there));
    assert_eq!(store.list(&gone, &RecordFilter::Subject("jane".to_owned())).await.unwrap(), []);
    assert_eq!(store.list(&gone, &RecordFilter::ProviderSession("one".to_owned())).await.unwrap(), []);
    let names = keys(&server).await;
    assert_eq!(names.len(), 4, "the indexes that were left without an entry are gone: {names:?}");
    assert_eq!(store.list(&gone, &RecordFilter::Subject("joe".to_owned())).await.unwrap(), [there]);
}

/// J25: a record that cannot be opened here may be another replica's, which has the new sealing key.
#[tokio::test]
async fn the_entry_of_a_record_that_cannot_be_opened_is_kept() {
    let server = RedisServer::start();
    let key = key("sealed anew");
    let new = Redis::new(&server.url(), SealingKey::from_bytes([2; 32]));
    assert!(new.save(&key, None, &labelled(1, &key, "jane", "one")).await.unwrap());
    assert_eq!(store(&server).list(&key, &RecordFilter::All).await.unwrap(), []);
    assert_eq!(new.list(&key, &RecordFilter::All).await.unwrap(), [key]);
}

/// J25
#[tokio::test]
async fn what_names_no_session_is_in_no_index() {
    let server = RedisServer::start();
    let key = key("");
    assert!(store(&server).save(&key, None, &record(1)).await.unwrap());
    assert_eq!(keys(&server).await, [format!("{{hallpass:{}}}:record", key.id())]);
    store(&server).remove(&key).await.unwrap();
    assert_eq!(keys(&server).await, Vec::<String>::new());
}

/// J19, J25: the layout of release 0.1.0, with an intent that a replica of it left.
#[tokio::test]
async fn a_record_of_the_first_release_is_read_and_replaced() {
    let fleet = Fleet::start().await;
    let key = RecordKey::new(fleet.provider.issuer(), fleet.provider.client_id(), "");
    let name = format!("{{hallpass:{}}}:record", key.id());
    let mut redis = fleet.redis.connection().await;
    () = redis::cmd("HDEL").arg(&name).arg("created").arg("index").query_async(&mut redis).await.unwrap();
    () = redis::cmd("PERSIST").arg(&name).query_async(&mut redis).await.unwrap();
    for field in ["token", "holder", "began", "until", "replayed"] {
        () = redis::cmd("HSET").arg(&name).arg(field).arg("1").query_async(&mut redis).await.unwrap();
    }
    fleet.here().credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 1);
    let mut fields: Vec<String> = redis::cmd("HKEYS").arg(&name).query_async(&mut redis).await.unwrap();
    fields.sort();
    assert_eq!(fields, ["created", "generation", "index", "sealed"]);
    let ends_in: i64 = redis::cmd("PTTL").arg(&name).query_async(&mut redis).await.unwrap();
    assert!(ends_in > 0);
    assert_eq!(fleet.store().list(&key, &RecordFilter::All).await.unwrap(), [key]);
}
