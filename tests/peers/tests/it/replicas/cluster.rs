use std::fs;
use std::time::Duration;

use hallpass::store::{CredentialsStore, RecordFilter, RecordKey, Redis, SealingKey};
use hallpass::testing::{Endpoint, store_contract};
use hallpass_peers::{Authority, RedisCluster};

use super::{Fleet, HOUR, labelled, record};

fn store(cluster: &RedisCluster) -> Redis {
    Redis::cluster(cluster.urls(), SealingKey::from_bytes([1; 32]))
}

/// J19, J25
#[tokio::test]
async fn a_cluster_keeps_the_contract_of_stores() {
    let cluster = RedisCluster::start().await;
    store_contract(|| store(&cluster)).await;
    let left = cluster.keys("*").await;
    // A save that was refused had entered its session into the index of a name. Such an entry is dropped when it is read, and ends.
    assert!(left.len() <= 1 && left.iter().all(|name| name.contains(":sid:")), "no record, lease or session is left: {left:?}");
    for name in left {
        let mut node = cluster.nodes[cluster.node_of(&name).await].connection().await;
        assert!(redis::cmd("PTTL").arg(&name).query_async::<i64>(&mut node).await.unwrap() > 0);
    }
}

/// J19
#[tokio::test]
async fn the_nodes_of_a_cluster_are_spoken_to_over_tls_that_is_this_crates_own() {
    let authority = Authority::new();
    let pem = fs::read(authority.certificate()).unwrap();
    let cluster = RedisCluster::with_tls(&authority, &authority.server("IP:127.0.0.1")).await;
    let undecided = std::panic::catch_unwind(rustls::ClientConfig::builder);
    assert!(undecided.is_err(), "this program has no default for rustls");
    store_contract(|| store(&cluster).certificate_authority(pem.clone())).await;
}

/// J19: one URL is enough, and records lie at all nodes.
#[tokio::test]
async fn a_node_names_the_others() {
    let cluster = RedisCluster::start().await;
    let store = Redis::cluster(&cluster.urls()[..1], SealingKey::from_bytes([1; 32]));
    let mut at = [0; 3];
    for number in 0..30 {
        let key = RecordKey::new("issuer", "client", &number.to_string());
        assert!(store.save(&key, None, &labelled(1, &key, "jane", "one")).await.unwrap());
        at[cluster.node_of(&format!("{{hallpass:{}}}:record", key.id())).await] += 1;
    }
    assert!(at.iter().all(|count| *count > 0), "{at:?}");
    let jane = RecordFilter::Subject("jane".to_owned());
    assert_eq!(store.list(&RecordKey::new("issuer", "client", ""), &jane).await.unwrap().len(), 30);
}

/// J19 — token: 2
#[tokio::test]
async fn a_session_on_a_cluster_is_renewed() {
    let (cluster, fleet) = (RedisCluster::start().await, Fleet::start().await);
    let session = fleet.here_on(store(&cluster));
    let before = fleet.provider.count(Endpoint::Token);
    let login = session.login_if_needed().await.unwrap();
    fleet.clock.advance(HOUR * 2);
    let renewed = fleet.here_on(store(&cluster)).credentials().await.unwrap();
    assert_ne!(login.access_token(), renewed.access_token());
    assert_eq!(session.credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(fleet.provider.count(Endpoint::Token), before + 2);
    let key = RecordKey::new(fleet.provider.issuer(), fleet.provider.client_id(), "");
    assert_eq!(store(&cluster).list(&key, &RecordFilter::All).await.unwrap(), [key]);
}

/// J19: a slot that moves to another node, before, while and after it moves.
#[tokio::test]
async fn redirections_are_followed() {
    let cluster = RedisCluster::start().await;
    let (store, key) = (store(&cluster), RecordKey::new("issuer", "client", "moves"));
    assert!(store.save(&key, None, &record(1)).await.unwrap());
    let name = format!("{{hallpass:{}}}:record", key.id());
    let from = cluster.node_of(&name).await;
    let to = (from + 1) % 3;
    let mut connections = [cluster.nodes[from].connection().await, cluster.nodes[to].connection().await];
    let mut ids = Vec::new();
    for connection in &mut connections {
        let id: String = redis::cmd("CLUSTER").arg("MYID").query_async(connection).await.unwrap();
        ids.push(id);
    }
    let [source, target] = &mut connections;
    let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(&name).query_async(source).await.unwrap();
    let set_slot = async |connection: &mut redis::aio::MultiplexedConnection, words: &[&str]| {
        let mut command = redis::cmd("CLUSTER");
        () = command.arg("SETSLOT").arg(slot).arg(words).query_async(connection).await.unwrap();
    };
    set_slot(target, &["IMPORTING", &ids[0]]).await;
    set_slot(source, &["MIGRATING", &ids[1]]).await;
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation(), 1, "it is still where it was");
    () = redis::cmd("MIGRATE")
        .arg("127.0.0.1")
        .arg(cluster.nodes[to].port())
        .arg(&name)
        .arg(0)
        .arg(10_000)
        .arg("AUTH")
        .arg("correct-horse")
        .query_async(source)
        .await
        .unwrap();
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation(), 1, "ASK is followed");
    assert!(store.save(&key, Some(1), &record(2)).await.unwrap(), "also for a script");
    set_slot(target, &["NODE", &ids[1]]).await;
    set_slot(source, &["NODE", &ids[1]]).await;
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation(), 2, "MOVED is followed");
    assert!(store.save(&key, Some(2), &record(3)).await.unwrap());
}

/// J19
#[tokio::test]
async fn a_node_that_is_down_fails_its_own_sessions_only() {
    let mut cluster = RedisCluster::start().await;
    let store = store(&cluster);
    let keys: Vec<RecordKey> = (0..20).map(|number| RecordKey::new("issuer", "client", &number.to_string())).collect();
    let mut of_first = Vec::new();
    for key in &keys {
        assert!(store.save(key, None, &record(1)).await.unwrap());
        of_first.push(cluster.node_of(&format!("{{hallpass:{}}}:record", key.id())).await == 0);
    }
    cluster.nodes[0].kill();
    let (mut failed, mut served) = (0, 0);
    for (key, of_first) in keys.iter().zip(&of_first) {
        match store.load(key).await {
            Ok(record) => {
                assert!(record.is_some() && !of_first);
                served += 1;
            }
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                failed += usize::from(*of_first);
            }
        }
    }
    assert!(failed > 0 && served > 0, "{failed} {served}");
    cluster.nodes[0].start_again();
    let serves = async {
        for key in &keys {
            while store.load(key).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), serves).await.expect("it is back");
}
