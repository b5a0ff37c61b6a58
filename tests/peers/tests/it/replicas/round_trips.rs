//! The round trips to Redis in a renewal.
use std::time::Duration;

use hallpass::testing::TestProvider;

use super::Fleet;

#[tokio::test]
async fn to_load_is_one_round_trip_and_to_renew_three_besides_the_lease() {
    // Shorter than the provider's keys are kept without asking again.
    const LIFE: Duration = Duration::from_secs(300);
    let fleet = Fleet::with(TestProvider::builder().access_token_life(LIFE)).await;
    let store = fleet.store();
    let session = fleet.here_on(store.clone());
    // From here on there is a connection, Redis knows the scripts, and this process the provider's keys.
    session.credentials().await.unwrap();
    let mut watch = fleet.redis.watch().await;

    fleet.here_on(store).credentials().await.unwrap();
    assert_eq!(watch.commands().await, ["HMGET record"], "to load");

    for _ in 0..10 {
        session.credentials().await.unwrap();
    }
    assert_eq!(watch.commands().await, Vec::<String>::new(), "what is in memory");

    fleet.clock.advance(LIFE);
    session.credentials().await.unwrap();
    let renewal = watch.commands().await;
    let expected = ["HMGET record", "EVALSHA lease", "HMGET record", "EVALSHA record", "EVALSHA record", "EVALSHA lease"];
    assert_eq!(renewal, expected, "to load; the lease; to load again; the announcement; the new tokens; the release");
    assert_eq!(fleet.renewals(), 2);
}

/// The new tokens are stored first, and the ID token by another write.
#[tokio::test]
async fn keys_that_have_to_be_waited_for_cost_one_round_trip_more() {
    let fleet = Fleet::start().await;
    let session = fleet.here();
    session.credentials().await.unwrap();
    // Signed by a key that is not there yet.
    fleet.provider.rotate_keys();
    let mut watch = fleet.redis.watch().await;
    let renewed = session.renew().await.unwrap();
    let writes = watch.commands().await.into_iter().filter(|command| command == "EVALSHA record").count();
    assert_eq!(writes, 3, "the announcement, the new tokens, the ID token");
    assert!(renewed.id_token_refusal().is_none());
    assert_eq!(fleet.here().user().await.unwrap().unwrap().subject(), renewed.user().unwrap().subject());
}
