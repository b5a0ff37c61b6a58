use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass_peers::Moment;

use super::{Fleet, HOUR, LEASE};

const REUSE: Duration = Duration::from_secs(600);

/// Its refresh token is spent, and what it bought died with a replica.
async fn fleet_whose_replica_died(reuse_interval: Duration) -> Fleet {
    let fleet = Fleet::with(TestProvider::builder().access_token_life(HOUR).reuse_interval(reuse_interval)).await;
    let mut dies = fleet.replica_that_stops(Moment::BeforeSaving);
    dies.ask(1);
    dies.stops().await;
    dies.dies();
    assert_eq!(fleet.renewals(), 1);
    fleet
}

/// G13 — token: 1
#[tokio::test]
async fn what_died_with_a_replica_is_not_sent_again_and_a_login_is_needed() {
    let fleet = fleet_whose_replica_died(Duration::ZERO).await;
    for _ in 0..2 {
        let error = fleet.here().credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoginRequired);
    }
    assert_eq!(fleet.renewals(), 1);
    let session = fleet.here();
    let login = session.login_if_needed().await.unwrap();
    assert_eq!(fleet.here().credentials().await.unwrap().access_token(), login.access_token());
    fleet.family_lives().await;
}

/// G13 — token: 2
#[tokio::test]
async fn what_died_with_a_replica_is_sent_once_more_where_the_provider_allows_that() {
    let fleet = fleet_whose_replica_died(REUSE).await;
    let error = fleet.here().credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired, "the program did not say that the provider allows it");
    assert_eq!(fleet.renewals(), 1);
    fleet.here().reuse_interval(REUSE).credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 2);
    fleet.family_lives().await;
}

/// G13 — token: 2
#[tokio::test]
async fn a_replay_whose_answer_is_lost_too_is_the_last_one() {
    let fleet = fleet_whose_replica_died(REUSE).await;
    fleet.provider.next(Endpoint::Token, Fault::close().committed());
    let error = fleet.here().reuse_interval(REUSE).credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let error = fleet.here().reuse_interval(REUSE).credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired);
    assert_eq!(fleet.renewals(), 2);
}

/// G13 — token: 2
#[tokio::test]
async fn a_replay_that_the_provider_did_not_take_is_still_to_be_had() {
    let fleet = fleet_whose_replica_died(REUSE).await;
    fleet.provider.next(Endpoint::Token, Fault::status(503));
    fleet.here().reuse_interval(REUSE).credentials().await.unwrap_err();
    fleet.here().reuse_interval(REUSE).credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 3);
    fleet.family_lives().await;
}

/// G13 — token: 1
#[tokio::test]
async fn a_lost_answer_is_known_to_all_replicas_at_once() {
    let fleet = Fleet::start().await;
    fleet.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(fleet.here().credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    let there = fleet.here();
    let error = tokio::time::timeout(LEASE / 2, there.credentials()).await.expect("nobody waits").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired);
    assert_eq!(fleet.renewals(), 1);
}

#[tokio::test]
async fn a_refresh_token_that_the_provider_did_not_take_is_anybodys_to_send() {
    let fleet = Fleet::start().await;
    fleet.provider.next(Endpoint::Token, Fault::status(503));
    assert!(fleet.here().credentials().await.unwrap_err().is_transient());
    let there = fleet.here();
    tokio::time::timeout(LEASE / 2, there.credentials()).await.expect("nobody waits").unwrap();
    assert_eq!(fleet.renewals(), 2);
    fleet.family_lives().await;
}
