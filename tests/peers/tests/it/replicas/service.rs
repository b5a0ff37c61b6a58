//! A service in several processes, with one token on one Redis.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hallpass::testing::{Endpoint, TestProvider};
use hallpass::{Application, ClientAuth};
use hallpass_peers::Replica;

use super::{Fleet, keys};

const LIFE: Duration = Duration::from_secs(1);
const REPLICAS: usize = 8;

async fn fleet() -> Fleet {
    Fleet::with(TestProvider::builder().access_token_life(LIFE)).await
}

async fn replicas(fleet: &Fleet) -> Vec<Replica> {
    let service = [("CLIENT_ID", fleet.provider.confidential_client_id()), ("CLIENT_SECRET", fleet.provider.client_secret())];
    let mut replicas: Vec<_> = (0..REPLICAS).map(|_| fleet.replica(&service)).collect();
    for replica in &mut replicas {
        replica.ask(1);
        assert_eq!(replica.answer().await.errors, Vec::<String>::new());
    }
    replicas
}

/// H12 — token: 1 for each life of a token, by eight processes
#[tokio::test]
async fn eight_processes_make_one_request_for_each_token() {
    let fleet = fleet().await;
    let mut replicas = replicas(&fleet).await;
    let (began, before) = (Instant::now(), fleet.renewals());
    for replica in &mut replicas {
        replica.ask_for(LIFE * 10, 50);
    }
    let mut tokens = BTreeSet::new();
    for replica in &mut replicas {
        let answer = replica.answer().await;
        assert_eq!(answer.errors, Vec::<String>::new());
        tokens.extend(answer.tokens);
    }
    let (requests, lives) = (fleet.renewals() - before, began.elapsed().as_secs_f64());
    println!("{REPLICAS} processes, {lives:.1} s: {} tokens in {requests} requests", tokens.len());
    assert!(requests >= 9, "{requests} requests in {lives} lives");
    // Ahead of the end by three tenths of the life at most.
    assert!(requests as f64 <= lives / 0.7 + 1.0, "{requests} requests in {lives} lives");
    // Before the first request there may have been a token, and the last one may have come too late to be seen.
    assert!(requests.abs_diff(tokens.len()) <= 1, "{} tokens in {requests} requests", tokens.len());
}

/// H12 — token: 1 for each process while Redis is down, for each life of a token
#[tokio::test]
async fn without_redis_each_process_asks_for_itself_and_no_more() {
    let mut fleet = fleet().await;
    let mut replicas = replicas(&fleet).await;
    fleet.redis.kill();
    let (began, before) = (Instant::now(), fleet.renewals());
    for replica in &mut replicas {
        replica.ask_for(LIFE * 3, 50);
    }
    for replica in &mut replicas {
        assert_eq!(replica.answer().await.errors, Vec::<String>::new(), "every call is served");
    }
    let (requests, lives) = (fleet.renewals() - before, began.elapsed().as_secs_f64());
    assert!(requests as f64 <= REPLICAS as f64 * (lives / 0.7 + 1.0), "{requests} requests in {lives} lives");

    fleet.redis.start_again();
    let before = fleet.renewals();
    let mut tokens = BTreeSet::new();
    for _ in 0..2 {
        // The second time, all of them have what the first of them put there.
        tokens.clear();
        for replica in &mut replicas {
            replica.ask_at_each_end(10, 1);
        }
        for replica in &mut replicas {
            tokens.extend(replica.answer().await.tokens);
        }
    }
    assert!(tokens.len() <= 2, "the fleet shares again: {} tokens", tokens.len());
    assert!(fleet.renewals() - before <= REPLICAS + 3);
}

/// The token is sealed, and belongs to no session.
#[tokio::test]
async fn redis_is_shown_no_token() {
    let fleet = Fleet::start().await;
    let service = Application::new(fleet.provider.issuer(), fleet.provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(fleet.provider.client_secret()));
    let token = service.client_credentials().audience("https://api.acme.com").shared(fleet.store()).token().await.unwrap();
    let mut redis = fleet.redis.connection().await;
    let records: Vec<_> = keys(&fleet.redis).await.into_iter().filter(|key| key.ends_with(":record")).collect();
    assert_eq!(records.len(), 2, "a person's and the service's");
    for key in &records {
        let stored: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(key).query_async(&mut redis).await.unwrap();
        assert!(!String::from_utf8_lossy(&stored.concat()).contains(token.expose()));
    }
    assert_eq!(fleet.provider.count(Endpoint::Token), 2, "of the person and of the service");
}
