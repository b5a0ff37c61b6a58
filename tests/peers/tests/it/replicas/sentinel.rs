use std::fs;
use std::time::Duration;

use hallpass::store::{CredentialsStore, RecordFilter, RecordKey, Redis, SealingKey};
use hallpass::testing::{Endpoint, store_contract};
use hallpass_peers::{Authority, RedisSentinel, SERVICE};

use super::{Fleet, HOUR, labelled};

fn store(fleet: &RedisSentinel) -> Redis {
    Redis::sentinel([fleet.url()], SERVICE, SealingKey::from_bytes([1; 32]))
}

/// J19
#[tokio::test]
async fn the_master_that_a_sentinel_names_keeps_the_contract_of_stores() {
    let fleet = RedisSentinel::start().await;
    store_contract(|| store(&fleet)).await;
}

/// J19
#[tokio::test]
async fn sentinel_and_servers_speak_tls_that_is_this_crates_own() {
    let authority = Authority::new();
    let pem = fs::read(authority.certificate()).unwrap();
    let fleet = RedisSentinel::with_tls(&authority, &authority.server("IP:127.0.0.1")).await;
    let undecided = std::panic::catch_unwind(rustls::ClientConfig::builder);
    assert!(undecided.is_err(), "this program has no default for rustls");
    store_contract(|| store(&fleet).certificate_authority(pem.clone())).await;
}

/// J19, G22 — token: 2
#[tokio::test]
async fn a_session_outlives_a_failover() {
    let sentinel = RedisSentinel::start().await;
    let fleet = Fleet::start().await;
    let session = fleet.here_on(store(&sentinel));
    let login = session.web_auth().start().await.unwrap();
    session.save(&login).await.unwrap();
    let requests = fleet.provider.count(Endpoint::Token);
    fleet.clock.advance(HOUR * 2);
    session.credentials().await.unwrap();
    // Replication is asynchronous. Each wait is shorter than this connection waits for an answer.
    let mut master = sentinel.servers[0].connection().await;
    let replicated = async { while redis::cmd("WAIT").arg(1).arg(100).query_async(&mut master).await != Ok(1) {} };
    tokio::time::timeout(Duration::from_secs(30), replicated).await.expect("the replica has it");

    let store = store(&sentinel);
    let key = RecordKey::new("issuer", "client", "failover");
    assert!(store.load(&key).await.unwrap().is_none(), "there is a connection to the master");
    sentinel.fails_over().await;
    assert_eq!(sentinel.master_port().await, sentinel.servers[1].port());
    let record = labelled(1, &key, "jane", "one");
    let saved = async {
        loop {
            match store.save(&key, None, &record).await {
                Ok(saved) => return assert!(saved),
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), saved).await.expect("the new master takes it");
    assert_eq!(store.list(&key, &RecordFilter::All).await.unwrap(), [key]);

    fleet.clock.advance(HOUR * 2);
    fleet.here_on(store).credentials().await.expect("the new master has the session");
    assert_eq!(fleet.provider.count(Endpoint::Token), requests + 2);
}

/// J19
#[tokio::test]
async fn a_sentinel_that_is_down_is_passed_over() {
    let fleet = RedisSentinel::start().await;
    let down = fleet.url().replace(&format!(":{}/", fleet.url().rsplit_once(':').unwrap().1.trim_end_matches("/0")), ":1/");
    let store = Redis::sentinel([down, fleet.url()], SERVICE, SealingKey::from_bytes([1; 32]));
    assert!(store.load(&RecordKey::new("issuer", "client", "")).await.unwrap().is_none());
}
