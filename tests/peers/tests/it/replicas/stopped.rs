use std::time::{Duration, Instant};

use hallpass::ErrorKind;
use hallpass_peers::{Answer, Moment};

use super::{Fleet, LEASE, keys};

fn one(token: &str) -> Answer {
    Answer { tokens: vec![token.to_owned()], errors: Vec::new() }
}

/// G21 — token: 1
#[tokio::test]
async fn a_holder_that_is_stopped_before_it_sends_finds_that_others_have_renewed() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeAnnouncing);
    stopped.ask(10);
    stopped.stops().await;

    let renewed = fleet.here().credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 1);
    stopped.goes_on();
    assert_eq!(stopped.answer().await, one(renewed.access_token().expose()));
    assert_eq!(fleet.renewals(), 1, "it sent nothing");
    fleet.family_lives().await;
}

/// G21 — token: 1
#[tokio::test]
async fn a_holder_whose_lease_has_become_anothers_waits_for_that_one() {
    const ANOTHERS: Duration = Duration::from_millis(1500);
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeAnnouncing);
    stopped.ask(10);
    stopped.stops().await;
    let lease = keys(&fleet.redis).await.into_iter().find(|key| key.ends_with(":lease")).unwrap();
    let mut redis = fleet.redis.connection().await;
    let began = Instant::now();
    let life = ANOTHERS.as_millis() as u64;
    () = redis::cmd("SET").arg(lease).arg("another").arg("PX").arg(life).query_async(&mut redis).await.unwrap();

    stopped.goes_on();
    assert_eq!(stopped.answer().await.errors, Vec::<String>::new());
    assert!(began.elapsed() >= ANOTHERS);
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}

/// G21 — token: 1
#[tokio::test]
async fn what_the_provider_gave_a_holder_that_is_stopped_is_stored_when_it_goes_on() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSaving);
    stopped.ask(10);
    stopped.stops().await;

    // Its lease ends, and nobody sends the same refresh token.
    let error = fleet.here().credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired);
    assert_eq!(fleet.renewals(), 1);

    stopped.goes_on();
    let answer = stopped.answer().await;
    assert_eq!(answer.tokens.len(), 1, "{answer:?}");
    let here = fleet.here().credentials().await.unwrap();
    assert_eq!(answer, one(here.access_token().expose()));
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}

/// G21 — token: 1
#[tokio::test]
async fn a_holder_that_is_stopped_between_word_and_deed_sends_what_nobody_else_has_sent() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSending);
    stopped.ask(10);
    stopped.stops().await;
    assert_eq!(fleet.here().credentials().await.unwrap_err().kind(), ErrorKind::LoginRequired);
    assert_eq!(fleet.renewals(), 0);

    stopped.goes_on();
    let answer = stopped.answer().await;
    assert_eq!(answer, one(fleet.here().credentials().await.unwrap().access_token().expose()));
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}

/// G21 — token: 1
#[tokio::test]
async fn a_login_while_a_holder_is_stopped_stands() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSaving);
    stopped.ask(1);
    stopped.stops().await;
    let session = fleet.here();
    let login = session.web_auth().start().await.unwrap();
    session.save(&login).await.unwrap();

    stopped.goes_on();
    assert_eq!(stopped.answer().await, one(login.access_token().expose()));
    assert_eq!(session.credentials().await.unwrap().access_token(), login.access_token());
}

/// G20 — token: 1
#[tokio::test]
async fn a_holder_that_dies_keeps_others_out_no_longer_than_its_lease() {
    let fleet = Fleet::start().await;
    let mut dies = fleet.replica_that_stops(Moment::BeforeAnnouncing);
    dies.ask(1);
    dies.stops().await;
    dies.dies();
    tokio::time::timeout(LEASE * 10, fleet.here().credentials()).await.unwrap().unwrap();
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}
