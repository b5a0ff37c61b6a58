use std::time::Duration;

use hallpass::store::{CredentialsStore, RecordKey, Redis, SealingKey};
use hallpass_peers::{RedisServer, Severed};
use tokio::runtime::{Builder, Runtime};

use super::record;

fn key() -> RecordKey {
    RecordKey::new("issuer", "client", "session")
}

fn store(url: &str) -> Redis {
    Redis::new(url, SealingKey::from_bytes([1; 32]))
}

/// J19: as a firewall does it to a connection that was idle.
#[tokio::test]
async fn a_connection_that_was_dropped_in_silence_fails_no_call() {
    let server = RedisServer::start();
    let way = Severed::before(&server.url()).await;
    let store = store(way.url());
    assert!(store.save(&key(), None, &record(1)).await.unwrap());
    way.silences_its_connections();
    // After a while a connection is not trusted any more.
    tokio::time::sleep(Duration::from_millis(5100)).await;
    let began = std::time::Instant::now();
    assert_eq!(store.load(&key()).await.unwrap().unwrap().generation(), 1);
    println!("a call after a connection was dropped in silence: {:?}", began.elapsed());
    assert_eq!(way.connections(), 2);
}

/// J20, J21
#[test]
fn a_store_serves_several_runtimes_and_needs_no_timers() {
    let current = || Builder::new_current_thread().build().unwrap();
    let server = RedisServer::start();
    let store = store(&server.url());
    let first = current();
    assert!(first.block_on(store.save(&key(), None, &record(1))).unwrap());
    // The first one is there and is polled no longer.
    let second = current();
    assert_eq!(second.block_on(store.load(&key())).unwrap().unwrap().generation(), 1);
    drop(first);
    assert!(second.block_on(store.save(&key(), Some(1), &record(2))).unwrap());
    drop(second);
    let paused = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    assert_eq!(paused.block_on(store.load(&key())).unwrap().unwrap().generation(), 2);
    drop(paused.block_on(store.lock(&key(), Duration::from_secs(1))).unwrap());
    let many = Runtime::new().unwrap();
    drop(many.block_on(store.lock(&key(), Duration::from_secs(60))).unwrap());
}

/// J19: connections are probed by the system, so that a way that was cut is noticed while nothing is sent.
#[tokio::test]
async fn connections_have_keepalive() {
    let server = RedisServer::start();
    let store = store(&server.url());
    store.load(&key()).await.unwrap();
    let port = format!(":{:04X}", server.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    // Columns: number, local address, remote address, state, queues, timer and when it goes off. 02 is keepalive.
    let timers: Vec<&str> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() > 5 && columns[2].ends_with(&port) && columns[3] == "01")
        .map(|columns| columns[5].split_once(':').map_or("", |(timer, _)| timer).to_owned())
        .map(|timer| if timer == "02" { "keepalive" } else { "none" })
        .collect();
    assert!(timers.contains(&"keepalive"), "{timers:?}\n{table}");
}
