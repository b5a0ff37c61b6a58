use std::time::Duration;

use hallpass::testing::TestProvider;
use hallpass_peers::{Answer, Moment};

use super::{Fleet, HOUR, LEASE};

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
async fn what_the_provider_gave_a_holder_that_is_stopped_is_stored_when_it_goes_on() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSaving);
    stopped.ask(10);
    stopped.stops().await;

    // Its lease ends. Others wait for its answer, and do not send the same refresh token.
    let (here, mut watch) = (fleet.here(), fleet.redis.watch().await);
    let waiting = tokio::spawn(async move { here.credentials().await });
    watch.until("HMGET record", 20).await;
    assert_eq!(fleet.renewals(), 1);

    stopped.goes_on();
    let answer = stopped.answer().await;
    assert_eq!(answer, one(waiting.await.unwrap().unwrap().access_token().expose()));
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}

/// G13, G21 — token: 2: after the deadline others send the refresh token once more, and the later answer stands
#[tokio::test]
async fn an_answer_that_is_saved_after_its_deadline_does_not_replace_a_later_one() {
    let fleet = Fleet::with(TestProvider::builder().access_token_life(HOUR).reuse_interval(HOUR * 24)).await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSaving);
    stopped.ask(10);
    stopped.stops().await;
    fleet.clock.advance(AFTER_THE_DEADLINE);
    let later = fleet.here().credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 2);

    stopped.goes_on();
    assert_eq!(stopped.answer().await, one(later.access_token().expose()));
    assert_eq!(fleet.here().credentials().await.unwrap().refresh_token(), later.refresh_token());
    fleet.family_lives().await;
}

/// G21 — token: 1
#[tokio::test]
async fn a_holder_that_is_stopped_for_long_before_it_sends_announces_again() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSending);
    stopped.ask(10);
    stopped.stops().await;
    // The process' own clock counts, which no test can set.
    tokio::time::sleep(LONGER_THAN_AN_ANNOUNCEMENT_HOLDS).await;
    assert_eq!(fleet.renewals(), 0);
    stopped.goes_on();
    let answer = stopped.answer().await;
    assert_eq!(answer, one(fleet.here().credentials().await.unwrap().access_token().expose()));
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}

/// G21 — token: 1
#[tokio::test]
async fn a_holder_that_is_stopped_until_others_have_sent_sends_nothing() {
    let fleet = Fleet::start().await;
    let mut stopped = fleet.replica_that_stops(Moment::BeforeSending);
    stopped.ask(10);
    stopped.stops().await;
    fleet.clock.advance(AFTER_THE_DEADLINE);
    let renewed = fleet.here().credentials().await.unwrap();
    assert_eq!(fleet.renewals(), 1);
    tokio::time::sleep(LONGER_THAN_AN_ANNOUNCEMENT_HOLDS).await;
    stopped.goes_on();
    assert_eq!(stopped.answer().await, one(renewed.access_token().expose()));
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

const AFTER_THE_DEADLINE: Duration = Duration::from_secs(41);
const LONGER_THAN_AN_ANNOUNCEMENT_HOLDS: Duration = Duration::from_millis(5100);
