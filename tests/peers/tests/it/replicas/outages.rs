use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hallpass::store::{CredentialsStore as _, RecordKey, Redis, SealingKey};
use hallpass::testing::Fault;
use hallpass::{CredentialsManager, ErrorKind, TokenSource};
use hallpass_peers::{Interrupted, Moment, RedisServer, Severed, Signal};
use url::Url;

use super::{Endpoint, Fleet, HOUR, LEASE, record};

/// A fleet whose Redis this process kills at some moment of its renewal.
struct Outage {
    fleet: Fleet,
    session: CredentialsManager,
    redis: Arc<Mutex<RedisServer>>,
}

impl Outage {
    async fn at(moment: Moment) -> Self {
        let mut fleet = Fleet::start().await;
        let store = fleet.store();
        let redis = Arc::new(Mutex::new(std::mem::replace(&mut fleet.redis, RedisServer::start())));
        let kill = {
            let redis = Arc::clone(&redis);
            move || redis.lock().unwrap().kill()
        };
        let session = fleet.here_on(Interrupted::new(store, moment, kill));
        Self { fleet, session, redis }
    }

    fn ends(self) -> (Fleet, CredentialsManager) {
        let Self { mut fleet, session, redis } = self;
        redis.lock().unwrap().start_again();
        std::mem::swap(&mut fleet.redis, &mut redis.lock().unwrap());
        (fleet, session)
    }
}

/// G22 — token: 0
#[tokio::test]
async fn a_valid_token_serves_while_redis_is_down() {
    let mut fleet = Fleet::start().await;
    let session = fleet.here();
    let token = session.credentials().await.unwrap().access_token().clone();
    let before = fleet.renewals();
    fleet.redis.kill();
    assert_eq!(session.cached().unwrap(), token);
    assert_eq!(*session.credentials().await.unwrap().access_token(), token);

    // Due for renewal, and valid for half a minute.
    fleet.clock.advance(HOUR - Duration::from_secs(30));
    assert!(session.cached().is_none());
    assert_eq!(*session.credentials().await.unwrap().access_token(), token);
    // Over.
    fleet.clock.advance(Duration::from_secs(31));
    let error = session.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true));
    assert_eq!(fleet.renewals(), before, "nothing is sent when nobody can be told");

    fleet.redis.start_again();
    assert_ne!(*session.credentials().await.unwrap().access_token(), token);
    assert_eq!(fleet.renewals(), before + 1);
}

/// G22 — token: 0
#[tokio::test]
async fn redis_that_goes_down_before_anything_is_sent_costs_an_error_and_nothing_else() {
    for moment in [Moment::BeforeLoading, Moment::BeforeLocking, Moment::BeforeAnnouncing] {
        let outage = Outage::at(moment).await;
        let error = outage.session.credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true), "{moment:?}");
        assert!(error.credentials().is_none());
        assert_eq!(outage.fleet.renewals(), 0, "{moment:?}");
        let (fleet, session) = outage.ends();
        let renewed = session.credentials().await.unwrap();
        assert_eq!(fleet.here().credentials().await.unwrap().access_token(), renewed.access_token());
        assert_eq!(fleet.renewals(), 1, "{moment:?}");
        fleet.family_lives().await;
    }
}

/// G22, G11 — token: 1
#[tokio::test]
async fn what_the_provider_gave_while_redis_went_down_is_kept_and_written_when_it_is_back() {
    for moment in [Moment::BeforeSending, Moment::BeforeSaving] {
        let outage = Outage::at(moment).await;
        let error = outage.session.credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        let rescued = error.credentials().expect("the error holds what could not be stored").clone();
        assert_eq!(outage.fleet.renewals(), 1);
        // From memory, and the store is tried again each time.
        assert_eq!(outage.session.credentials().await.unwrap().access_token(), rescued.access_token());

        let (fleet, session) = outage.ends();
        assert_eq!(session.credentials().await.unwrap().access_token(), rescued.access_token());
        assert_eq!(fleet.here().credentials().await.unwrap().access_token(), rescued.access_token());
        assert_eq!(fleet.renewals(), 1, "{moment:?}");
        fleet.family_lives().await;
    }
}

/// G22 — token: 1
#[tokio::test]
async fn redis_that_goes_down_before_the_lease_is_released_delays_the_next_renewal_only() {
    let outage = Outage::at(Moment::BeforeReleasing).await;
    let renewed = outage.session.credentials().await.unwrap();
    let (fleet, session) = outage.ends();
    assert_eq!(session.credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(fleet.here().credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(fleet.renewals(), 1);
    tokio::time::timeout(LEASE * 10, fleet.here().renew()).await.expect("the lease ends by itself").unwrap();
}

/// G22 — token: 1
#[tokio::test]
async fn redis_that_hangs_fails_in_time_and_what_it_does_when_it_wakes_up_harms_nobody() {
    for moment in [Moment::BeforeLocking, Moment::BeforeAnnouncing] {
        let fleet = Fleet::start().await;
        let process = fleet.redis.process_id();
        let session = fleet.here_on(Interrupted::new(fleet.store(), moment, move || Signal::Stop.send(process)));
        let error = tokio::time::timeout(Duration::from_secs(30), session.credentials()).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true), "{moment:?}");
        fleet.redis.go_on();
        // Commands that were sent before are carried out now.
        session.credentials().await.unwrap();
        assert_eq!(fleet.renewals(), 1, "{moment:?}");
        fleet.family_lives().await;
    }
}

/// G22 — token: 2
#[tokio::test]
async fn others_hear_that_nothing_was_taken_even_when_redis_was_down_just_then() {
    let mut fleet = Fleet::start().await;
    let session = fleet.here();
    fleet.provider.next(Endpoint::Token, Fault::status(503));
    let gate = fleet.provider.hold(Endpoint::Token);
    let asking = tokio::spawn(async move { session.credentials().await });
    while fleet.renewals() == 0 {
        tokio::task::yield_now().await;
    }
    fleet.redis.kill();
    gate.release();
    assert!(asking.await.unwrap().unwrap_err().is_transient());
    fleet.redis.start_again();
    fleet.here().credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 2);
    fleet.family_lives().await;
}

/// G22: a server that has become another's replica takes no writes; a new connection reaches the one that does.
#[tokio::test]
async fn a_failover_costs_one_error() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    let way = Severed::before(&one.url()).await;
    let store = Redis::new(way.url(), SealingKey::generate().unwrap());
    let (key, record) = (RecordKey::new("issuer", "client", "failover"), record(9));
    assert!(store.save(&key, None, &record).await.unwrap());

    let address = Url::parse(&other.url()).unwrap();
    let mut asked = one.connection().await;
    redis::cmd("CONFIG").arg("SET").arg("masterauth").arg(address.password()).query_async::<()>(&mut asked).await.unwrap();
    redis::cmd("REPLICAOF").arg(address.host_str()).arg(address.port()).query_async::<()>(&mut asked).await.unwrap();
    way.leads_to(&other.url());
    let error = store.save(&key, Some(record.generation()), &record).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true));
    assert!(store.save(&key, None, &record).await.unwrap(), "the other has no record of it yet");
}

/// G22: after one failed extension the lease is extended again, because it may still be in time.
#[tokio::test]
async fn a_lease_outlives_an_outage_that_is_shorter() {
    let mut fleet = Fleet::start().await;
    let life = Duration::from_secs(6);
    let (key, store) = (RecordKey::new("issuer", "client", "outage"), fleet.store().lease(life));
    let began = Instant::now();
    let _lock = store.lock(&key, Duration::ZERO).await.unwrap();
    let lease = format!("{{hallpass:{}}}:lease", key.id());
    let holder = async |fleet: &Fleet| -> Option<String> {
        redis::cmd("GET").arg(&lease).query_async(&mut fleet.redis.connection().await).await.unwrap()
    };
    let first = holder(&fleet).await;
    assert!(first.is_some());
    fleet.redis.kill();
    // It is extended each third of its life.
    tokio::time::sleep(life / 3 + Duration::from_millis(500)).await;
    fleet.redis.start_again();
    tokio::time::sleep((life + Duration::from_millis(1500)).saturating_sub(began.elapsed())).await;
    assert_eq!(holder(&fleet).await, first);
}
