//! Several users, issuers, applications and managers: none gets what is another's.

use std::collections::HashSet;

use hallpass::store::{Memory, RecordKey};
use hallpass::testing::{Endpoint, TestBrowser, TestClient, TestClock, TestProvider};
use hallpass::web_auth::Logout;
use hallpass::{Application, CredentialsManager, ErrorKind, TokenSource as _};
use tokio::task::JoinSet;

use super::odd_store::OddStore;
use super::{HOUR, logged_in, logged_in_to, manager, seconds, user_of};

/// G24 — token: 1
#[tokio::test]
async fn whoever_logs_in_during_a_renewal_stays_logged_in() {
    for answered in [false, true] {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        let bob = kept.log_in("bob@example.com").await;
        let before = kept.asked();
        let gate = if answered { kept.provider.hold_answer(Endpoint::Token) } else { kept.provider.hold(Endpoint::Token) };
        let asking = tokio::spawn({
            let session = kept.session.clone();
            async move { session.credentials().await }
        });
        gate.reached(1).await;
        kept.session.save(&bob).await.unwrap();
        gate.release();
        let adopted = asking.await.unwrap().unwrap();
        assert_eq!((user_of(&adopted), adopted.refresh_token()), ("bob@example.com".to_owned(), bob.refresh_token()));
        for session in [&kept.session, &kept.sibling()] {
            let credentials = session.credentials().await.unwrap();
            assert_eq!((credentials.access_token(), user_of(&credentials)), (bob.access_token(), "bob@example.com".to_owned()));
            assert_eq!(session.cached().as_ref(), Some(bob.access_token()));
        }
        assert_eq!(kept.asked(), before + 1);
    }
}

/// G23, G24: between the moment when a renewal is stored and the moment when it hears of that.
#[tokio::test]
async fn memory_does_not_go_back_to_what_was_stored_before_a_login_or_a_logout() {
    for logs_in in [false, true] {
        let kept = logged_in_to(OddStore::default(), |provider| provider).await;
        kept.clock.advance(HOUR);
        let bob = kept.log_in("bob@example.com").await;
        let held = kept.store.hold_answer();
        let asking = tokio::spawn({
            let session = kept.session.clone();
            async move { session.credentials().await }
        });
        held.reached().await;
        if logs_in {
            kept.session.save(&bob).await.unwrap();
        } else {
            kept.session.clear().await.unwrap();
        }
        held.release();
        // It was asked for before, and answers for then.
        asking.await.unwrap().unwrap();
        assert_ne!(kept.session.cached().as_ref().map(|token| token == bob.access_token()), Some(false));
        if logs_in {
            assert_eq!(user_of(&kept.session.credentials().await.unwrap()), "bob@example.com");
        } else {
            assert!(kept.session.credentials().await.unwrap_err().is_login_required());
        }
    }
}

/// G23, G24: what the store said before a login or a logout is over when it arrives after it.
#[tokio::test]
async fn memory_does_not_go_back_to_what_was_read_before_a_login_or_a_logout() {
    for logs_in in [false, true] {
        let kept = logged_in_to(OddStore::default(), |provider| provider).await;
        let (bob, cold, held) = (kept.log_in("bob@example.com").await, kept.sibling(), kept.store.hold_load());
        let asking = tokio::spawn({
            let session = cold.clone();
            async move { session.credentials().await }
        });
        held.reached().await;
        if logs_in {
            cold.save(&bob).await.unwrap();
        } else {
            cold.clear().await.unwrap();
        }
        held.release();
        assert_eq!(user_of(&asking.await.unwrap().unwrap()), "jane@example.com", "it was asked for before");
        assert_eq!(cold.cached().as_ref(), logs_in.then(|| bob.access_token()));
    }
}

/// G24: of two that were asked, the store's later answer counts, whichever arrives first.
#[tokio::test]
async fn memory_does_not_go_back_to_what_was_read_before_another_read() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let jane = kept.session.credentials().await.unwrap();
    let (bob, cold, held) = (kept.log_in("bob@example.com").await, kept.sibling(), kept.store.hold_load());
    let asking = tokio::spawn({
        let session = cold.clone();
        async move { session.credentials().await }
    });
    held.reached().await;
    kept.sibling().save(&bob).await.unwrap();
    assert_eq!(&cold.token(Some(jane.access_token())).await.unwrap(), bob.access_token());
    held.release();
    assert_eq!(asking.await.unwrap().unwrap().access_token(), jane.access_token(), "it was asked for before");
    assert_eq!(cold.cached().as_ref(), Some(bob.access_token()));
}

/// G11, G24: a renewal that could not be stored does not take the place of a login that was.
#[tokio::test]
async fn whoever_logs_in_while_a_write_fails_stays_logged_in() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    kept.clock.advance(HOUR);
    let (bob, held) = (kept.log_in("bob@example.com").await, kept.store.hold_failing_answer());
    let asking = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    held.reached().await;
    kept.session.save(&bob).await.unwrap();
    held.release();
    assert_eq!(asking.await.unwrap().unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(kept.session.cached().as_ref(), Some(bob.access_token()));
    assert_eq!(kept.session.user().await.unwrap().unwrap().email().unwrap(), "bob@example.com");
}

/// G11, G24: a login that finds the record replaced is stored after it, and not only reported as stored.
#[tokio::test]
async fn a_login_that_was_overtaken_by_a_renewal_is_stored() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let (bob, held) = (kept.log_in("bob@example.com").await, kept.store.hold_load());
    let saving = tokio::spawn({
        let (session, bob) = (kept.session.clone(), bob.clone());
        async move { session.save(&bob).await }
    });
    held.reached().await;
    kept.sibling().renew().await.unwrap();
    held.release();
    saving.await.unwrap().unwrap();
    for session in [&kept.session, &kept.sibling()] {
        assert_eq!(session.credentials().await.unwrap().access_token(), bob.access_token());
    }
}

/// G23: a session that was found to be gone is gone from memory, too.
#[tokio::test]
async fn a_logout_elsewhere_counts_as_soon_as_it_is_seen() {
    let kept = logged_in().await;
    let before = kept.asked();
    kept.sibling().clear().await.unwrap();
    assert!(kept.session.renew().await.unwrap_err().is_login_required());
    assert!(kept.session.cached().is_none());
    assert!(kept.session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(kept.asked(), before);
}

/// G2 — token: 2, one after the other, each with the refresh token of its time
#[tokio::test]
async fn tokens_for_several_apis_are_renewed_one_after_another() {
    let kept = logged_in().await;
    let before = kept.asked();
    let apis = ["https://billing.acme.com", "https://mail.acme.com", "https://files.acme.com"];
    let mut asking = JoinSet::new();
    for api in apis {
        for _ in 0..20 {
            let session = kept.session.clone();
            asking.spawn(async move { session.credentials_for(api, "read").await.unwrap() });
        }
    }
    let credentials = asking.join_all().await;
    assert!(credentials.iter().all(|credentials| credentials.refresh_token().is_none() && credentials.id_token().is_none()));
    let sent: HashSet<_> =
        kept.provider.requests(Endpoint::Token)[before..].iter().map(|request| request.field("refresh_token").unwrap()).collect();
    assert_eq!((sent.len(), kept.asked()), (3, before + 3));
    let sibling = kept.sibling();
    for api in apis {
        let stored = sibling.credentials_for(api, "read").await.unwrap();
        assert!(credentials.iter().any(|own| own.access_token() == stored.access_token()));
    }
    assert_eq!(kept.asked(), before + 3);
}

/// G2 — token: 1 for each that is not held, or due
#[tokio::test]
async fn tokens_for_several_apis_are_held_once_each_and_in_a_bounded_number() {
    const HELD: usize = 32;
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let api = |number: usize| format!("https://api{number}.acme.com");
    for number in 0..HELD {
        kept.session.credentials_for(&api(number), "read").await.unwrap();
    }
    let length = async || kept.store.record(&kept.key()).await.unwrap().as_bytes().len();
    let (before, full) = (kept.asked(), length().await);
    let first = kept.session.credentials_for(&api(1), "read").await.unwrap();
    assert_eq!(kept.asked(), before);

    // Due, though it has not ended: the new one takes its place.
    kept.clock.advance(HOUR - seconds(50));
    let second = kept.session.credentials_for(&api(1), "read").await.unwrap();
    assert_ne!(first.access_token(), second.access_token());
    for session in [&kept.session, &kept.sibling()] {
        assert_eq!(session.credentials_for(&api(1), "read").await.unwrap().access_token(), second.access_token());
    }
    assert_eq!(kept.asked(), before + 1);
    for number in HELD..HELD + 8 {
        kept.session.credentials_for(&api(number), "read").await.unwrap();
    }
    assert!(length().await < full + full / 10, "they are not held beside all the others");
    // What has ended takes no room.
    kept.clock.advance(seconds(60));
    kept.session.credentials_for(&api(0), "read").await.unwrap();
    assert!(length().await < full / 2);
}

/// D21 — token: 0 at either
#[tokio::test]
async fn a_refresh_token_never_goes_to_another_issuer() {
    for store_mixes_keys in [false, true] {
        let kept = logged_in_to(OddStore::default(), |provider| provider).await;
        if store_mixes_keys {
            kept.store.mix_up_keys(kept.key());
        }
        let record = kept.store.record(&kept.key()).await.unwrap();
        let other = TestProvider::builder().other_keys().clock(kept.clock.clone()).start().await;
        let session = manager(&other, &kept.clock, kept.store.clone());
        let before = kept.asked();
        for wait in [0, 1] {
            kept.clock.advance(HOUR * wait);
            let mut outcomes = vec![session.credentials().await.map(drop), session.renew().await.map(drop)];
            if store_mixes_keys {
                outcomes.push(session.login_if_needed().await.map(drop));
                outcomes.push(session.revoke().await);
                outcomes.push(session.logout(Logout::new()).await);
                outcomes.push(session.user().await.map(drop));
            }
            assert!(session.cached().is_none());
            let expected = if store_mixes_keys { ErrorKind::Configuration } else { ErrorKind::LoginRequired };
            for outcome in outcomes {
                assert_eq!(outcome.unwrap_err().kind(), expected);
            }
        }
        for endpoint in [Endpoint::Token, Endpoint::Revoke, Endpoint::Logout, Endpoint::Authorize] {
            assert_eq!(other.count(endpoint), 0);
        }
        assert_eq!(kept.asked(), before);
        assert_eq!(kept.store.record(&kept.key()).await.unwrap().as_bytes(), record.as_bytes());
    }
}

/// D21
#[tokio::test]
async fn credentials_of_another_issuer_or_application_are_not_saved() {
    let kept = logged_in().await;
    let credentials = kept.session.credentials().await.unwrap();
    let other = TestProvider::start().await;
    let elsewhere = manager(&other, &TestClock::new(), Memory::new());
    let by_another = Application::new(kept.provider.issuer(), kept.provider.confidential_client_id()).clock(&kept.clock);
    let by_another = CredentialsManager::new(by_another, Memory::new());
    let nowhere = CredentialsManager::new(Application::new("no issuer at all?", kept.provider.client_id()), Memory::new());
    for manager in [elsewhere, by_another, nowhere] {
        assert_eq!(manager.save(&credentials).await.unwrap_err().kind(), ErrorKind::Configuration);
        assert!(!manager.is_logged_in().await.unwrap());
    }
    kept.session.save(&credentials).await.unwrap();
}

/// Another client id at the same issuer, in a store that does not look at keys.
#[tokio::test]
async fn another_applications_record_is_an_error_and_left_as_it_is() {
    let other = TestClient::public("other");
    let kept = logged_in_to(OddStore::default(), |provider| provider.client(other)).await;
    kept.store.mix_up_keys(kept.key());
    let record = kept.store.record(&kept.key()).await.unwrap();
    let auth = Application::new(kept.provider.issuer(), "other").clock(&kept.clock).web_auth().ephemeral_port();
    let auth = auth.browser(TestBrowser::new());
    let session = CredentialsManager::new(auth.clone(), kept.store.clone());
    assert_eq!(session.login_if_needed().await.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(kept.provider.count(Endpoint::Authorize), 1, "no browser opens for it");
    assert_eq!(session.save(&auth.start().await.unwrap()).await.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(kept.store.record(&kept.key()).await.unwrap().as_bytes(), record.as_bytes());
}

/// G25: also where nothing is sealed, a record under another session's key is noticed.
#[tokio::test]
async fn a_store_that_mixes_up_sessions_hands_nobody_anothers_token() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let before = kept.asked();
    let alice = kept.session.session("alice");
    let key = RecordKey::new(kept.provider.issuer(), kept.provider.client_id(), "alice");
    kept.store.put(&key, &kept.store.record(&kept.key()).await.unwrap()).await;
    assert_eq!(alice.credentials().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(alice.renew().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(alice.revoke().await.unwrap_err().kind(), ErrorKind::Store);
    assert!(alice.cached().is_none());
    assert_eq!((kept.asked(), kept.provider.count(Endpoint::Revoke)), (before, 0));
}

/// G24, G25: however many sessions there are, and fewer of them in memory than in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_never_mixed() {
    const USERS: usize = 12;
    let kept = logged_in().await;
    let manager = kept.session.clone().max_sessions(4);
    for user in 0..USERS {
        let email = format!("user{user}@example.com");
        manager.session(&email).save(&kept.log_in(&email).await).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (manager, clock, email) = (manager.clone(), kept.clock.clone(), format!("user{}@example.com", task % USERS));
        tasks.spawn(async move {
            let mut last = None;
            for round in 0..20 {
                let session = manager.session(&email);
                let credentials = session.credentials().await.unwrap();
                assert_eq!(user_of(&credentials), email);
                assert_eq!(session.user().await.unwrap().unwrap().email().unwrap(), email);
                last = Some(credentials);
                if task == 0 && round % 5 == 0 {
                    clock.advance(HOUR);
                }
            }
            last.map(|credentials| (email, credentials.access_token().expose().to_owned()))
        });
    }
    let tokens: HashSet<_> = tasks.join_all().await.into_iter().flatten().collect();
    let owners: HashSet<_> = tokens.iter().map(|(email, _)| email).collect();
    let distinct: HashSet<_> = tokens.iter().map(|(_, token)| token).collect();
    assert_eq!(owners.len(), USERS);
    assert_eq!(distinct.len(), tokens.len(), "no token was handed to two");
    manager.session("user3@example.com").clear().await.unwrap();
    assert!(manager.session("user3@example.com").credentials().await.unwrap_err().is_login_required());
    assert_eq!(user_of(&manager.session("user4@example.com").credentials().await.unwrap()), "user4@example.com");
    assert_eq!(user_of(&manager.credentials().await.unwrap()), "jane@example.com");
}

/// A session that left memory for others is read from its store again.
#[tokio::test]
async fn a_session_that_had_to_leave_memory_is_still_logged_in() {
    let kept = logged_in().await;
    let manager = kept.session.clone().max_sessions(2);
    manager.session("first").save(&kept.log_in("first@example.com").await).await.unwrap();
    for other in 0..100 {
        assert!(!manager.session(other.to_string()).is_logged_in().await.unwrap());
    }
    let first = manager.session("first");
    assert!(first.cached().is_none(), "it has left memory");
    assert_eq!(user_of(&first.credentials().await.unwrap()), "first@example.com");
    assert!(first.cached().is_some());
}
