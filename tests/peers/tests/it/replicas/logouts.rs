//! A logout on one replica, as the others see it.
use std::time::Duration;

use hallpass::store::RecordFilter;
use hallpass::testing::TestBrowser;
use hallpass::{CredentialsManager, ErrorKind, TokenSource as _};

use super::{Endpoint, Fleet};

/// As `CredentialsManager::recheck_after` is unless set.
const RECHECK_AFTER: Duration = Duration::from_secs(30);

/// The session has ended, and the provider is asked nothing to find that.
async fn is_logged_out(fleet: &Fleet, session: &CredentialsManager) {
    let asked = requests(fleet);
    assert!(session.cached().is_none());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::LoginRequired);
    assert!(session.user().await.unwrap().is_none());
    assert!(!session.is_logged_in().await.unwrap());
    assert!(!session.has_valid(Duration::ZERO).await.unwrap());
    assert!(!session.status().await.unwrap().is_logged_in());
    assert!(session.cached().is_none());
    assert_eq!(requests(fleet), asked);
}

fn requests(fleet: &Fleet) -> usize {
    let endpoints =
        [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Authorize, Endpoint::Token, Endpoint::Revoke, Endpoint::UserInfo];
    endpoints.into_iter().map(|endpoint| fleet.provider.count(endpoint)).sum()
}

/// J17 — token: 0 after the logout
#[tokio::test]
async fn a_logout_on_one_replica_is_seen_by_another() {
    for revokes in [false, true] {
        let fleet = Fleet::start().await;
        let (one, other) = (fleet.here(), fleet.here());
        let token = one.credentials().await.unwrap().access_token().clone();
        assert_eq!(*other.credentials().await.unwrap().access_token(), token);
        if revokes {
            one.revoke().await.unwrap();
        } else {
            one.clear().await.unwrap();
        }
        assert_eq!(fleet.provider.count(Endpoint::Revoke), usize::from(revokes));
        is_logged_out(&fleet, &one).await;
        fleet.clock.advance(RECHECK_AFTER);
        is_logged_out(&fleet, &other).await;
        assert_eq!(fleet.renewals(), 1);
    }
}

/// J17 — token: 0: a session that did not end goes on without a request.
#[tokio::test]
async fn another_replica_looks_after_a_while_and_keeps_what_is_there() {
    let fleet = Fleet::start().await;
    let session = fleet.here();
    let token = session.credentials().await.unwrap().access_token().clone();
    let mut watch = fleet.redis.watch().await;
    fleet.clock.advance(RECHECK_AFTER);
    assert!(session.cached().is_none());
    assert_eq!(*session.credentials().await.unwrap().access_token(), token);
    assert_eq!(watch.commands().await.first().map(String::as_str), Some("HMGET record"));
    assert_eq!(session.cached().unwrap(), token);
    assert_eq!(fleet.renewals(), 1);
}

/// J17 — token: 0: a look in the background finds the logout before the time is over.
#[tokio::test]
async fn a_session_in_use_is_looked_up_in_the_background() {
    let fleet = Fleet::start().await;
    let (one, other) = (fleet.here(), fleet.here());
    other.credentials().await.unwrap();
    one.clear().await.unwrap();
    fleet.clock.advance(RECHECK_AFTER / 2);
    assert!(other.cached().is_some(), "the hot path does not wait for Redis");
    let dropped = async {
        while other.cached().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(RECHECK_AFTER, dropped).await.expect("the look ends");
    is_logged_out(&fleet, &other).await;
}

/// J17, J25 — token: 0 after the logouts: a person's sessions, then one of the provider's, on the replicas that never saw the login.
#[tokio::test]
async fn the_sessions_of_a_person_are_listed_and_cleared() {
    let fleet = Fleet::start().await;
    let (one, other) = (fleet.here(), fleet.here());
    let mut subjects = Vec::new();
    for (name, email) in [("jane-laptop", "jane@example.com"), ("jane-phone", "jane@example.com"), ("bob", "bob@example.com")] {
        let session = one.session(name);
        let login = one.web_auth().clone().browser(TestBrowser::new().user(email)).start().await.unwrap();
        session.save(&login).await.unwrap();
        other.session(name).credentials().await.unwrap();
        let user = login.user().unwrap();
        subjects.push((user.subject().to_owned(), user.get::<String>("sid").expect("the provider names its session")));
    }
    let by_subject = |place: usize| RecordFilter::Subject(subjects[place].0.clone());
    let by_session = |place: usize| RecordFilter::ProviderSession(subjects[place].1.clone());
    assert_eq!(other.list(&by_session(1)).await.unwrap(), ["jane-phone"]);
    assert_eq!(other.list(&by_subject(2)).await.unwrap(), ["bob"]);
    let of_jane = other.list(&by_subject(0)).await.unwrap();
    assert!(["jane-laptop", "jane-phone"].iter().all(|name| of_jane.iter().any(|listed| listed == name)), "{of_jane:?}");
    assert!(!of_jane.iter().any(|listed| listed == "bob"), "{of_jane:?}");

    // As a back-channel logout: one session of the provider's.
    for name in one.list(&by_session(1)).await.unwrap() {
        one.session(name).clear().await.unwrap();
    }
    fleet.clock.advance(RECHECK_AFTER);
    is_logged_out(&fleet, &other.session("jane-phone")).await;
    other.session("jane-laptop").credentials().await.unwrap();
    // All of a person's.
    one.session("jane-laptop").clear().await.unwrap();
    fleet.clock.advance(RECHECK_AFTER);
    is_logged_out(&fleet, &other.session("jane-laptop")).await;
    other.session("bob").credentials().await.unwrap();
    assert_eq!(other.list(&by_session(1)).await.unwrap(), Vec::<String>::new());
    assert_eq!(fleet.renewals(), 3, "the logins");
}
