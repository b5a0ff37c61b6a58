use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, RecordKey, Redis, SealingKey};
use hallpass_peers::Severed;

use super::{Fleet, LEASE, SEALING_KEY, keys, record};

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
async fn a_lease_that_is_held_for_eight_lives_is_extended_no_more() {
    let fleet = Fleet::start().await;
    let (key, store) = (RecordKey::new("issuer", "client", "hangs"), fleet.store().lease(Duration::from_millis(300)));
    let lock = store.lock(&key, Duration::ZERO).await.unwrap();
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let mut redis = fleet.redis.connection().await;
    let ended = async {
        while redis::cmd("EXISTS").arg(&lease).query_async(&mut redis).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the lease ends while it is held");
    drop(lock);
    // What has ended is not released a second time: the next holder's lease stays.
    store.lock(&key, Duration::from_secs(10)).await.unwrap();
}

/// J18
#[tokio::test]
async fn a_lease_is_gone_when_its_release_has_ended() {
    let fleet = Fleet::start().await;
    let way = Severed::before(&fleet.redis.url()).await;
    let store = Redis::new(way.url(), SealingKey::from_bytes([SEALING_KEY; 32]));
    let key = RecordKey::new("issuer", "client", "released");
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let mut redis = fleet.redis.connection().await;
    way.delays(300);
    let lock = store.lock(&key, Duration::ZERO).await.unwrap();
    assert!(redis::cmd("EXISTS").arg(&lease).query_async::<bool>(&mut redis).await.unwrap());
    lock.release().await;
    assert!(!redis::cmd("EXISTS").arg(&lease).query_async::<bool>(&mut redis).await.unwrap());
}

/// J18 — token: 1: a program may end right after it has its credentials.
#[tokio::test]
async fn the_lease_of_a_renewal_is_gone_when_the_credentials_are_there() {
    let fleet = Fleet::start().await;
    let way = Severed::before(&fleet.redis.url()).await;
    let session = fleet.here_on(Redis::new(way.url(), SealingKey::from_bytes([SEALING_KEY; 32])));
    way.delays(300);
    session.credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 1);
    let left = keys(&fleet.redis).await;
    assert!(!left.iter().any(|name| name.ends_with(":lease")), "{left:?}");
}

/// J18 — token: 1 by each: the same of a process that ends.
#[tokio::test]
async fn a_process_that_ends_when_it_has_its_credentials_leaves_no_lease() {
    let fleet = Fleet::start().await;
    let way = Severed::before(&fleet.redis.url()).await;
    way.delays(300);
    // A lease that nobody would wait for.
    let mut ends = fleet.replica(&[("REDIS_URL", way.url()), ("LEASE_MILLIS", "600000")]);
    ends.ask_last(1);
    let answer = ends.answer().await;
    assert_eq!((answer.tokens.len(), answer.errors), (1, Vec::new()));
    ends.ends();
    let left = keys(&fleet.redis).await;
    assert!(!left.iter().any(|name| name.ends_with(":lease")), "{left:?}");
    fleet.family_lives().await;
    assert_eq!(fleet.renewals(), 2);
}

/// J18: a lease whose release Redis did not get expires, and the release does not wait for that.
#[tokio::test]
async fn a_release_waits_for_no_redis_that_is_down() {
    let mut fleet = Fleet::start().await;
    let (key, store) = (RecordKey::new("issuer", "client", "down"), fleet.store().lease(Duration::from_secs(600)));
    let lock = store.lock(&key, Duration::ZERO).await.unwrap();
    fleet.redis.kill();
    tokio::time::timeout(Duration::from_secs(60), lock.release()).await.expect("the release gives up");
}

/// J20
#[test]
fn a_lease_is_released_without_the_runtime_that_took_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let fleet = first.block_on(Fleet::start());
    let (key, store) = (RecordKey::new("issuer", "client", "two runtimes"), fleet.store().lease(Duration::from_secs(600)));
    let lock = first.block_on(store.lock(&key, Duration::ZERO)).unwrap();
    // Nothing polls the first runtime any more, and later it is gone.
    second.block_on(lock.release());
    let lock = first.block_on(store.lock(&key, Duration::ZERO)).unwrap();
    first.shutdown_background();
    drop(lock);
    drop(second.block_on(store.lock(&key, Duration::from_secs(60))).unwrap());
    // The provider of the fleet lives in the first runtime.
    std::mem::forget(fleet.provider);
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

/// G22: a command whose answer is lost is sent again, and does what it would have done once.
#[tokio::test]
async fn what_is_sent_twice_is_done_once() {
    let fleet = Fleet::start().await;
    let severed = Severed::before(&fleet.redis.url()).await;
    let store = Redis::new(severed.url(), SealingKey::from_bytes([SEALING_KEY; 32])).lease(Duration::from_secs(600));
    let key = RecordKey::new("issuer", "client", "sent twice");
    assert!(store.load(&key).await.unwrap().is_none());

    for (expected, generation) in [(None, 1), (Some(1), 2)] {
        severed.loses_the_next_answer();
        assert!(store.save(&key, expected, &record(generation)).await.unwrap(), "the first time has saved it");
    }
    severed.loses_the_next_answer();
    let lock = tokio::time::timeout(LEASE, store.lock(&key, Duration::from_secs(600))).await.expect("it has it already").unwrap();
    severed.loses_the_next_answer();
    lock.release().await;
    drop(store.lock(&key, Duration::ZERO).await.unwrap());
    severed.loses_the_next_answer();
    store.remove(&key).await.unwrap();
    assert!(store.load(&key).await.unwrap().is_none());
    assert_eq!(severed.lost(), 5);
}

/// G21: the lease of the next holder is not made longer.
#[tokio::test]
async fn a_holder_extends_no_lease_but_its_own() {
    let fleet = Fleet::start().await;
    let key = RecordKey::new("issuer", "client", "not its own");
    let store = fleet.store().lease(Duration::from_millis(300));
    let lock = store.lock(&key, Duration::ZERO).await.unwrap();
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let mut redis = fleet.redis.connection().await;
    () = redis::cmd("SET").arg(&lease).arg("next").arg("PX").arg(400).query_async(&mut redis).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    let holder: Option<String> = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    assert_eq!(holder, None, "it ended by itself");
    drop(lock);
}
