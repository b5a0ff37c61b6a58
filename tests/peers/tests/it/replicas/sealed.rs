use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, RecordKey, Redis, SealingKey};
use redis::aio::MultiplexedConnection;

use super::{Fleet, SEALING_KEY};

fn key(number: u8) -> SealingKey {
    SealingKey::from_bytes([number; 32])
}

fn record_key(fleet: &Fleet, session: &str) -> RecordKey {
    RecordKey::new(fleet.provider.issuer(), fleet.provider.client_id(), session)
}

fn name(key: &RecordKey) -> String {
    format!("{{hallpass:{}}}:record", key.id())
}

async fn read(redis: &mut MultiplexedConnection, name: &str, field: &str) -> Vec<u8> {
    redis::cmd("HGET").arg(name).arg(field).query_async(redis).await.unwrap()
}

async fn write(redis: &mut MultiplexedConnection, name: &str, field: &str, value: &[u8]) {
    redis::cmd("HSET").arg(name).arg(field).arg(value).query_async(redis).await.unwrap()
}

/// G25 — token: 0
#[tokio::test]
async fn a_record_in_the_place_of_another_sessions_is_refused() {
    let fleet = Fleet::start().await;
    let mut redis = fleet.redis.connection().await;
    let (own, of_a_stranger) = (record_key(&fleet, ""), record_key(&fleet, "stranger"));
    for field in ["generation", "sealed"] {
        let value = read(&mut redis, &name(&own), field).await;
        write(&mut redis, &name(&of_a_stranger), field, &value).await;
    }
    let error = fleet.here().session("stranger").credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(!error.is_transient());
    assert!(!read(&mut redis, &name(&of_a_stranger), "sealed").await.is_empty(), "it is left as it is");
    assert_eq!(fleet.renewals(), 0);
}

/// G25 — token: 0
#[tokio::test]
async fn a_record_with_another_generation_is_refused() {
    let fleet = Fleet::start().await;
    let mut redis = fleet.redis.connection().await;
    let name = name(&record_key(&fleet, ""));
    let (generation, sealed) = (read(&mut redis, &name, "generation").await, read(&mut redis, &name, "sealed").await);
    let number: u64 = String::from_utf8(generation.clone()).unwrap().parse().unwrap();
    let at = sealed.windows(8).position(|bytes| bytes == number.to_be_bytes()).expect("the head names the generation");

    let mut altered = sealed.clone();
    altered[at..at + 8].copy_from_slice(&(number + 1).to_be_bytes());
    let later = (number + 1).to_string().into_bytes();
    for (generation, sealed, what) in [
        (&later, &sealed, "beside the record"),
        (&generation, &altered, "in the record's head"),
        (&later, &altered, "in both places"),
    ] {
        write(&mut redis, &name, "generation", generation).await;
        write(&mut redis, &name, "sealed", sealed).await;
        let error = fleet.here().credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "{what}");
        assert_eq!(fleet.store().load(&record_key(&fleet, "")).await.unwrap_err().kind(), ErrorKind::Store, "{what}");
    }
    assert_eq!(fleet.renewals(), 0);
    write(&mut redis, &name, "generation", &generation).await;
    write(&mut redis, &name, "sealed", &sealed).await;
    fleet.family_lives().await;
}

/// G33
#[tokio::test]
async fn records_of_the_old_key_open_and_are_sealed_anew_with_the_new_one() {
    let fleet = Fleet::start().await;
    let (old, new) = (key(SEALING_KEY), key(SEALING_KEY + 1));
    let with = |keys: Vec<SealingKey>| fleet.here_on(Redis::new(&fleet.redis.url(), keys));
    assert_eq!(with(vec![new.clone()]).credentials().await.unwrap_err().kind(), ErrorKind::Store);

    let both = with(vec![new.clone(), old.clone()]);
    let renewed = both.credentials().await.unwrap();
    assert_eq!(with(vec![new.clone()]).credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(with(vec![old.clone()]).credentials().await.unwrap_err().kind(), ErrorKind::Store);
    let store = Redis::new(&fleet.redis.url(), old);
    assert_eq!(store.load(&record_key(&fleet, "")).await.unwrap_err().kind(), ErrorKind::Store);
}
