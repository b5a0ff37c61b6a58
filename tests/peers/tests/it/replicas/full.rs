//! A Redis that has no room, at each moment of a renewal.
use std::time::Duration;

use hallpass::{ErrorKind, TokenSource as _};
use hallpass_peers::{Interrupted, Moment, RedisServer};

use super::{Fleet, HOUR, keys};

/// 0 is no limit. Less than a Redis takes for itself leaves no room.
fn limit_memory(url: &str, bytes: u64) {
    let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
    () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).query(&mut redis).unwrap();
}

fn fill(redis: &RedisServer) -> impl FnOnce() + Send + use<> {
    let url = redis.url();
    move || limit_memory(&url, 1 << 20)
}

/// J9 — token: 0 while there is no room
#[tokio::test]
async fn nothing_is_sent_when_there_is_no_room_for_the_successor() {
    for moment in [Moment::BeforeLoading, Moment::BeforeLocking, Moment::BeforeAnnouncing] {
        let fleet = Fleet::start().await;
        let session = fleet.here_on(Interrupted::new(fleet.store(), moment, fill(&fleet.redis)));
        for _ in 0..3 {
            let error = session.credentials().await.unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true), "{moment:?}: {error:?}");
            assert!(error.credentials().is_none());
        }
        assert_eq!(fleet.renewals(), 0, "{moment:?}");

        limit_memory(&fleet.redis.url(), 0);
        let renewed = session.credentials().await.unwrap();
        assert_eq!(fleet.here().credentials().await.unwrap().access_token(), renewed.access_token());
        assert_eq!(fleet.renewals(), 1, "{moment:?}");
        fleet.family_lives().await;
    }
}

/// J9, G11 — token: 1
#[tokio::test]
async fn an_answer_for_which_there_is_no_room_is_kept_and_written_when_there_is() {
    for moment in [Moment::BeforeSending, Moment::BeforeSaving] {
        let fleet = Fleet::start().await;
        let session = fleet.here_on(Interrupted::new(fleet.store(), moment, fill(&fleet.redis)));
        let error = session.credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "{moment:?}: {error:?}");
        let rescued = error.credentials().expect("the error holds what could not be stored").clone();
        assert_eq!(session.credentials().await.unwrap().access_token(), rescued.access_token());
        assert_eq!(fleet.renewals(), 1, "{moment:?}");
        let left = keys(&fleet.redis).await;
        assert!(!left.iter().any(|name| name.ends_with(":lease")), "a release needs no room: {left:?}");

        limit_memory(&fleet.redis.url(), 0);
        assert_eq!(session.credentials().await.unwrap().access_token(), rescued.access_token());
        assert_eq!(fleet.here().credentials().await.unwrap().access_token(), rescued.access_token());
        assert_eq!(fleet.renewals(), 1, "{moment:?}");
        fleet.family_lives().await;
    }
}

/// J9 — token: 0: a token that is valid serves while there is no room for its successor.
#[tokio::test]
async fn a_valid_token_serves_while_there_is_no_room() {
    let fleet = Fleet::start().await;
    let session = fleet.here();
    let token = session.credentials().await.unwrap().access_token().clone();
    limit_memory(&fleet.redis.url(), 1 << 20);
    fleet.clock.advance(HOUR - Duration::from_secs(30));
    assert!(session.cached().is_none(), "it is due for renewal");
    assert_eq!(*session.credentials().await.unwrap().access_token(), token);
    assert_eq!(fleet.renewals(), 1);
    limit_memory(&fleet.redis.url(), 0);
    assert_ne!(*session.credentials().await.unwrap().access_token(), token);
    assert_eq!(fleet.renewals(), 2);
}
