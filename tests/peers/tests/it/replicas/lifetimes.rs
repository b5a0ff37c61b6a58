use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, RecordFilter, RecordKey, Redis, SealingKey};
use hallpass_peers::RedisServer;
use redis::aio::MultiplexedConnection;

use super::{keys, labelled, record};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Scene {
    server: RedisServer,
    redis: MultiplexedConnection,
    key: RecordKey,
}

impl Scene {
    async fn start() -> Self {
        let server = RedisServer::start();
        Self { redis: server.connection().await, server, key: RecordKey::new("issuer", "client", "session") }
    }

    fn store(&self) -> Redis {
        Redis::new(&self.server.url(), SealingKey::from_bytes([1; 32]))
    }

    fn name(&self) -> String {
        format!("{{hallpass:{}}}:record", self.key.id())
    }

    /// Milliseconds until the key ends; -1: never; -2: it is not there.
    async fn ends_in(&mut self, name: &str) -> i64 {
        redis::cmd("PTTL").arg(name).query_async(&mut self.redis).await.unwrap()
    }

    /// Returns whether the record expires in this time; to an hour.
    async fn record_ends_in(&mut self, time: Duration) -> bool {
        let name = self.name();
        let ends_in = Duration::from_millis(u64::try_from(self.ends_in(&name).await).unwrap());
        ends_in <= time && ends_in + Duration::from_secs(3600) > time
    }
}

/// J19
#[tokio::test]
async fn a_record_ends_30_days_after_its_last_save() {
    let mut scene = Scene::start().await;
    assert!(scene.store().save(&scene.key, None, &record(1)).await.unwrap());
    assert!(scene.record_ends_in(DAY * 30).await);
    let name = scene.name();
    () = redis::cmd("PEXPIRE").arg(&name).arg(60_000).query_async(&mut scene.redis).await.unwrap();
    assert!(scene.store().save(&scene.key, Some(1), &record(2)).await.unwrap());
    assert!(scene.record_ends_in(DAY * 30).await, "a save renews it");
}

/// J19
#[tokio::test]
async fn the_idle_lifetime_is_the_programs_and_may_be_none() {
    let mut scene = Scene::start().await;
    assert!(scene.store().idle_lifetime(DAY).save(&scene.key, None, &labelled(1, &scene.key, "jane", "one")).await.unwrap());
    assert!(scene.record_ends_in(DAY).await);
    assert!(scene.store().idle_lifetime(None).save(&scene.key, Some(1), &labelled(2, &scene.key, "jane", "one")).await.unwrap());
    for name in keys(&scene.server).await {
        assert_eq!(scene.ends_in(&name).await, -1, "{name} never ends");
    }
    let error = scene.store().idle_lifetime(Duration::ZERO).save(&scene.key, Some(2), &record(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(scene.store().load(&scene.key).await.unwrap().unwrap().generation(), 2);
}

/// J19
#[tokio::test]
async fn the_absolute_lifetime_counts_from_the_login() {
    let mut scene = Scene::start().await;
    let store = scene.store().idle_lifetime(DAY * 7).absolute_lifetime(DAY * 10);
    assert!(store.save(&scene.key, None, &record(1)).await.unwrap());
    assert!(scene.record_ends_in(DAY * 7).await, "the idle lifetime ends first");
    // As if the login had been 8 days ago.
    let name = scene.name();
    let created: u64 = redis::cmd("HGET").arg(&name).arg("created").query_async(&mut scene.redis).await.unwrap();
    let earlier = created - u64::try_from((DAY * 8).as_millis()).unwrap();
    () = redis::cmd("HSET").arg(&name).arg("created").arg(earlier).query_async(&mut scene.redis).await.unwrap();
    for generation in 2..5 {
        assert!(store.save(&scene.key, Some(generation - 1), &record(generation)).await.unwrap());
        assert!(scene.record_ends_in(DAY * 2).await, "a save does not renew it");
    }
    store.remove(&scene.key).await.unwrap();
    assert!(store.save(&scene.key, None, &record(5)).await.unwrap());
    assert!(scene.record_ends_in(DAY * 7).await, "another login begins anew");
}

/// J19
#[tokio::test]
async fn a_record_whose_time_is_over_is_gone_and_so_is_its_session() {
    let scene = Scene::start().await;
    let store = scene.store().idle_lifetime(Duration::from_millis(50));
    assert!(store.save(&scene.key, None, &labelled(1, &scene.key, "jane", "one")).await.unwrap());
    let gone = async { while store.load(&scene.key).await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it ends");
    assert_eq!(store.list(&scene.key, &RecordFilter::All).await.unwrap(), []);
    assert!(store.save(&scene.key, None, &record(2)).await.unwrap(), "there is no record to replace");
}

/// J19, J25
#[tokio::test]
async fn an_index_never_ends_before_a_record_that_it_names() {
    let mut scene = Scene::start().await;
    let long = RecordKey::new("issuer", "client", "long");
    let name = format!("{{hallpass:{}}}:sessions", RecordKey::new("issuer", "client", "").id());
    let save = async |key: &RecordKey, life: Option<Duration>, expected: Option<u64>| {
        let generation = expected.map_or(1, |generation| generation + 1);
        scene.store().idle_lifetime(life).save(key, expected, &labelled(generation, key, "jane", "one")).await.unwrap()
    };
    assert!(save(&long, Some(DAY * 20), None).await);
    assert!(save(&scene.key, Some(DAY), None).await);
    let ends_in = scene.ends_in(&name).await;
    assert!(ends_in >= i64::try_from((DAY * 20).as_millis()).unwrap() - 60_000, "{ends_in}");
    assert!(ends_in <= i64::try_from((DAY * 21).as_millis()).unwrap(), "it ends some time: {ends_in}");
    // What has ended is taken out by the next save.
    let old = RecordKey::new("issuer", "client", "old").id();
    () = redis::cmd("ZADD").arg(&name).arg(1).arg(&old).query_async(&mut scene.redis).await.unwrap();
    assert!(scene.store().save(&scene.key, Some(1), &labelled(2, &scene.key, "jane", "one")).await.unwrap());
    let score: Option<f64> = redis::cmd("ZSCORE").arg(&name).arg(&old).query_async(&mut scene.redis).await.unwrap();
    assert_eq!(score, None);
    let count: usize = redis::cmd("ZCARD").arg(&name).query_async(&mut scene.redis).await.unwrap();
    assert_eq!(count, 2);
    assert_eq!(scene.store().list(&long, &RecordFilter::All).await.unwrap().len(), 2);
}
