//! Failures of the provider and of the store.

use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault};
use hallpass::{CredentialsManager, ErrorKind, TokenSource as _};
use tokio::time::timeout;

use super::odd_store::{OddStore, Oddity};
use super::{HOUR, Kept, logged_in, logged_in_to, seconds};

impl Kept<OddStore> {
    /// Puts a record in the place of the session's whose content is no JSON.
    async fn break_record(&self) -> hallpass::store::Record {
        let mut bytes = self.store.record(&self.key()).await.unwrap().as_bytes().to_vec();
        *bytes.last_mut().unwrap() = b'!';
        let broken = hallpass::store::Record::from_bytes(bytes).unwrap();
        self.store.put(&self.key(), &broken).await;
        broken
    }
}

async fn with_odd_store() -> Kept<OddStore> {
    logged_in_to(OddStore::default(), |provider| provider).await
}

/// G4 — token: 1
#[tokio::test]
async fn each_waiter_has_a_deadline_of_its_own() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    let gate = kept.provider.hold(Endpoint::Token);
    let patient = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    for milliseconds in [1, 20] {
        let waited = timeout(Duration::from_millis(milliseconds), kept.session.credentials()).await;
        assert!(waited.is_err(), "nothing is answered within {milliseconds} ms");
    }
    gate.release();
    let credentials = patient.await.unwrap().unwrap();
    assert_eq!(kept.session.credentials().await.unwrap().access_token(), credentials.access_token());
    assert_eq!(kept.asked(), before + 1);
}

/// G5 — token: 1
#[tokio::test]
async fn a_panic_in_the_store_is_an_error_of_the_store_and_loses_nothing() {
    type Arrange = fn(&OddStore);
    let rows: [(&str, Arrange); 4] = [
        ("load", |store| store.next_load(Oddity::Panics)),
        ("lock", |store| store.next_lock(Oddity::Panics)),
        ("announcement", |store| store.next_save(Oddity::Panics)),
        ("save", |store| store.next_answer(Oddity::Panics)),
    ];
    for (row, arrange) in rows {
        let kept = with_odd_store().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        arrange(&kept.store);
        let (first, second) = tokio::join!(kept.session.credentials(), kept.session.credentials());
        // On a busy machine the second one comes when the first has ended.
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Store, "{row}");
        assert!(second.err().is_none_or(|error| error.kind() == ErrorKind::Store), "{row}");
        let credentials = kept.session.credentials().await.unwrap();
        assert_eq!(kept.asked(), before + 1, "{row}");
        let sibling = kept.sibling().credentials().await.unwrap();
        assert_eq!(sibling.refresh_token(), credentials.refresh_token(), "{row}: what came is stored");
        assert_eq!(kept.asked(), before + 1, "{row}");
    }
}

/// G5
#[tokio::test]
async fn a_store_that_panics_is_an_error_wherever_it_is_used() {
    let kept = with_odd_store().await;
    kept.store.next_load(Oddity::Panics);
    assert_eq!(kept.session.has_valid(seconds(1)).await.unwrap_err().kind(), ErrorKind::Store);
    assert!(kept.session.has_valid(seconds(1)).await.unwrap());
}

/// G6, J7 — token: 1 in each pause
#[tokio::test]
async fn a_token_that_has_not_ended_serves_while_the_provider_is_in_trouble() {
    let minute = |fault: Fault| fault.header("retry-after", "60");
    let rows = [
        minute(Fault::status(500)),
        minute(Fault::answer(502, "text/html", "<h1>Bad gateway</h1>")),
        minute(Fault::status(503)),
        Fault::rate_limited(seconds(60)),
        minute(Fault::error(503, "temporarily_unavailable", "later")),
    ];
    for fault in rows {
        let kept = logged_in().await;
        let first = kept.session.credentials().await.unwrap();
        kept.clock.advance(HOUR - seconds(45));
        let before = kept.asked();
        kept.provider.always(Endpoint::Token, fault);
        for _ in 0..20 {
            assert_eq!(kept.session.credentials().await.unwrap().access_token(), first.access_token());
        }
        assert_eq!(kept.asked(), before + 1);
        kept.clock.advance(seconds(45));
        for _ in 0..20 {
            let error = kept.session.credentials().await.unwrap_err();
            assert!(error.is_transient() && error.kind() == ErrorKind::Server, "{error:?}");
        }
        assert_eq!(kept.asked(), before + 1, "it is asked again after its Retry-After");
        kept.clock.advance(seconds(25));
        assert!(kept.session.credentials().await.unwrap_err().is_transient());
        assert_eq!(kept.asked(), before + 2);
        kept.session.renew().await.unwrap_err();
        assert_eq!(kept.asked(), before + 3, "by hand it is always asked");
        kept.provider.clear(Endpoint::Token);
        assert_ne!(kept.session.renew().await.unwrap().access_token(), first.access_token());
        assert_eq!(kept.asked(), before + 4);
    }
}

/// G6: the last minute of a token, and who wants a new one gets none that was there already.
#[tokio::test]
async fn what_was_refused_does_not_serve_even_while_the_provider_is_in_trouble() {
    use hallpass::TokenSource as _;
    let kept = logged_in().await;
    let first = kept.session.credentials().await.unwrap();
    kept.provider.always(Endpoint::Token, Fault::status(503));
    assert_eq!(kept.session.renew().await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(kept.session.token(Some(first.access_token())).await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(&kept.session.token(None).await.unwrap(), first.access_token());
}

/// G11 — token: 1
#[tokio::test]
async fn credentials_that_could_not_be_stored_are_in_the_error_and_stored_by_the_next_call() {
    for oddity in [Oddity::Fails, Oddity::Panics, Oddity::FailsAfterwards] {
        let kept = with_odd_store().await;
        let old = kept.session.credentials().await.unwrap();
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.store.next_answer(oddity);
        let error = kept.session.credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        let rescued = error.credentials().unwrap();
        assert_ne!(rescued.refresh_token(), old.refresh_token());
        assert!(kept.session.has_valid(seconds(3000)).await.unwrap(), "memory has them");
        let credentials = kept.session.credentials().await.unwrap();
        assert_eq!(credentials.refresh_token(), rescued.refresh_token());
        assert_eq!(kept.sibling().credentials().await.unwrap().refresh_token(), rescued.refresh_token(), "they are stored");
        assert_eq!(kept.asked(), before + 1);
    }
}

/// G11 — token: 1
#[tokio::test]
async fn while_the_store_is_down_memory_serves_and_a_renewal_waits_for_the_store() {
    let kept = with_odd_store().await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.store.next_answer(Oddity::Fails);
    for _ in 0..3 {
        kept.store.next_save(Oddity::Fails);
    }
    let rescued = kept.session.credentials().await.unwrap_err().credentials().unwrap().clone();
    for _ in 0..2 {
        assert_eq!(kept.session.credentials().await.unwrap().access_token(), rescued.access_token());
    }
    kept.clock.advance(HOUR);
    let error = kept.session.credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(error.credentials().unwrap().refresh_token(), rescued.refresh_token(), "it still says what would be lost");
    assert_eq!(kept.asked(), before + 1);
    kept.session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 2, "once they are stored they can be renewed");
}

/// G11, G23: a write that is tried again does not undo a logout elsewhere.
#[tokio::test]
async fn a_write_that_is_tried_again_undoes_neither_a_logout_nor_a_login() {
    for logs_in_again in [false, true] {
        let kept = with_odd_store().await;
        kept.clock.advance(HOUR);
        kept.store.next_answer(Oddity::Fails);
        kept.session.credentials().await.unwrap_err();
        let sibling = kept.sibling();
        sibling.clear().await.unwrap();
        if logs_in_again {
            sibling.save(&kept.log_in("bob@example.com").await).await.unwrap();
            assert_eq!(super::user_of(&kept.session.credentials().await.unwrap()), "bob@example.com");
        } else {
            assert!(kept.session.credentials().await.unwrap_err().is_login_required());
            assert!(kept.store.record(&kept.key()).await.is_none());
        }
    }
}

/// G11, G23: nor does it put into memory what did not get into the store, also while that is asked, or cannot be.
#[tokio::test]
async fn a_write_that_came_too_late_is_forgotten_at_once() {
    for store_fails in [false, true] {
        let kept = with_odd_store().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.store.next_answer(Oddity::Fails);
        kept.session.credentials().await.unwrap_err();
        kept.sibling().clear().await.unwrap();
        if store_fails {
            kept.store.next_load(Oddity::None);
            kept.store.next_load(Oddity::Fails);
            let error = kept.session.credentials().await.unwrap_err();
            assert!(error.kind() == ErrorKind::Store && error.credentials().is_none(), "{error:?}");
        } else {
            let held = kept.store.hold_load();
            let asking = tokio::spawn({
                let session = kept.session.clone();
                async move { session.credentials().await }
            });
            held.reached().await;
            assert!(kept.session.cached().is_none());
            held.release();
            assert!(asking.await.unwrap().unwrap_err().is_login_required());
        }
        assert!(!kept.session.has_valid(Duration::ZERO).await.unwrap());
        assert!(kept.store.record(&kept.key()).await.is_none());
        assert_eq!(kept.asked(), before + 1);
    }
}

/// G11 — token: 2, with the refresh token of before and its successor
#[tokio::test]
async fn whoever_waited_for_the_lock_writes_first_what_another_could_not() {
    let kept = with_odd_store().await;
    kept.clock.advance(HOUR);
    let (before, gate) = (kept.asked(), kept.provider.hold(Endpoint::Token));
    let locks = kept.store.locks_so_far();
    let first = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    let second = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials_for("https://billing.acme.com", "read").await }
    });
    kept.store.asked_to_lock(locks + 2).await;
    kept.store.next_save(Oddity::Fails);
    gate.release();
    let rescued = first.await.unwrap().unwrap_err().credentials().unwrap().refresh_token().cloned();
    second.await.unwrap().unwrap();
    let sent: Vec<_> =
        kept.provider.requests(Endpoint::Token)[before..].iter().map(|request| request.field("refresh_token")).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].as_deref(), rescued.as_ref().map(hallpass::Secret::expose), "the old one is spent");
    kept.sibling().renew().await.unwrap();
}

/// G11: a login whose write fails takes the place of what is there when it is tried again.
#[tokio::test]
async fn a_login_that_could_not_be_stored_is_stored_by_the_next_call() {
    let kept = with_odd_store().await;
    let bob = kept.log_in("bob@example.com").await;
    for arrange in [OddStore::next_save, OddStore::next_load] {
        arrange(&kept.store, Oddity::Fails);
        let error = kept.session.save(&bob).await.unwrap_err();
        assert_eq!(error.credentials().unwrap().access_token(), bob.access_token());
        assert_eq!(super::user_of(&kept.session.credentials().await.unwrap()), "bob@example.com");
        assert_eq!(super::user_of(&kept.sibling().credentials().await.unwrap()), "bob@example.com");
        kept.session.save(&kept.log_in("jane@example.com").await).await.unwrap();
    }
}

/// G12: keys that are ready are not waited for, and the ID token is stored with the rest.
#[tokio::test]
async fn keys_are_fetched_while_the_refresh_token_is_on_its_way() {
    let kept = logged_in().await;
    kept.session.credentials().await.unwrap();
    kept.clock.advance(HOUR);
    let (fetched, gate) = (kept.provider.count(Endpoint::Jwks), kept.provider.hold(Endpoint::Token));
    let renewing = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    kept.provider.asked(Endpoint::Jwks, fetched + 1).await;
    gate.release();
    assert!(renewing.await.unwrap().unwrap().id_token_refusal().is_none());
    assert_eq!(kept.provider.count(Endpoint::Jwks), fetched + 1);
}

/// G12: it takes the place of the one before, in the store and in memory.
#[tokio::test]
async fn an_id_token_whose_key_comes_late_is_kept_all_the_same() {
    let kept = logged_in().await;
    let id_token = |credentials: &hallpass::Credentials| credentials.id_token().unwrap().raw().clone();
    let old = id_token(&kept.session.credentials().await.unwrap());
    kept.clock.advance(HOUR);
    kept.provider.rotate_keys();
    let (before, gate) = (kept.asked(), kept.provider.hold(Endpoint::Jwks));
    let renewing = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    let sibling = kept.sibling();
    let stored = timeout(seconds(10), async {
        while !sibling.has_valid(HOUR / 2).await.unwrap() {
            tokio::task::yield_now().await;
        }
        sibling.credentials().await.unwrap()
    });
    assert_eq!(id_token(&stored.await.unwrap()), old, "it is not verified yet");
    gate.release();
    let new = id_token(&renewing.await.unwrap().unwrap());
    assert_ne!(new, old);
    for session in [&kept.session, &kept.sibling()] {
        assert_eq!(id_token(&session.credentials().await.unwrap()), new);
    }
    assert_eq!(kept.asked(), before + 1);
}

/// G12 — token: 1
#[tokio::test]
async fn tokens_are_stored_before_the_keys_for_their_id_token_are_fetched() {
    let kept = logged_in().await;
    let old = kept.session.credentials().await.unwrap();
    kept.clock.advance(HOUR);
    kept.provider.rotate_keys();
    kept.provider.always(Endpoint::Jwks, Fault::status(503));
    let (before, gate) = (kept.asked(), kept.provider.hold(Endpoint::Jwks));
    let renewing = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    let sibling = kept.sibling();
    let stored = tokio::time::timeout(seconds(10), async {
        while !sibling.has_valid(HOUR / 2).await.unwrap() {
            tokio::task::yield_now().await;
        }
        sibling.credentials().await.unwrap()
    });
    let stored = stored.await.expect("they are stored while the keys are waited for");
    assert_ne!(stored.refresh_token(), old.refresh_token());
    gate.release();
    let renewed = renewing.await.unwrap().unwrap();
    assert_eq!(renewed.refresh_token(), stored.refresh_token());
    assert!(renewed.id_token_refusal().is_some());
    assert_eq!(renewed.user().unwrap().subject(), old.user().unwrap().subject(), "the ID token before stays");
    for _ in 0..3 {
        kept.session.credentials().await.unwrap();
    }
    assert_eq!(kept.asked(), before + 1);
    kept.provider.clear(Endpoint::Jwks);
    kept.clock.advance(HOUR);
    assert!(kept.session.credentials().await.unwrap().id_token_refusal().is_none());
}

/// G27, J11 — token: 1, revoke: 0: an error for who reads, and replaced by a login
#[tokio::test]
async fn a_record_that_cannot_be_opened_is_an_error_until_somebody_logs_in() {
    type Replace =
        fn(&CredentialsManager, hallpass::Credentials) -> std::pin::Pin<Box<dyn Future<Output = hallpass::Result<()>> + '_>>;
    let rows: [(&str, Replace); 2] = [
        ("save", |session, bob| Box::pin(async move { session.save(&bob).await })),
        ("login_if_needed", |session, _| Box::pin(async move { session.login_if_needed().await.map(drop) })),
    ];
    for (row, replace) in rows {
        let kept = with_odd_store().await;
        let broken = kept.break_record().await;
        let (before, bob) = (kept.asked(), kept.log_in("bob@example.com").await);
        let session = kept.sibling();
        let errors = [
            session.credentials().await.unwrap_err(),
            session.renew().await.unwrap_err(),
            session.has_valid(Duration::ZERO).await.unwrap_err(),
            session.user().await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind() == ErrorKind::Store && error.is_unreadable_record() && !error.is_transient(), "{error:?}");
        }
        assert!(!session.is_logged_in().await.unwrap());
        assert!(!session.status().await.unwrap().is_logged_in());
        assert_eq!(kept.store.record(&kept.key()).await.unwrap().as_bytes(), broken.as_bytes(), "it is left as it is");
        assert_eq!((kept.asked(), kept.provider.count(Endpoint::Revoke)), (before + 1, 0), "nobody but Bob asked");
        replace(&session, bob).await.unwrap_or_else(|error| panic!("{row}: {error}"));
        assert!(kept.sibling().is_logged_in().await.unwrap(), "{row}");
        kept.sibling().renew().await.unwrap();
    }
}

/// G27, J11 — revoke: 0
#[tokio::test]
async fn a_record_that_cannot_be_opened_is_removed_by_a_logout() {
    type End = fn(&CredentialsManager) -> std::pin::Pin<Box<dyn Future<Output = hallpass::Result<()>> + '_>>;
    let rows: [(&str, End); 3] = [
        ("clear", |session| Box::pin(session.clear())),
        ("revoke", |session| Box::pin(session.revoke())),
        ("logout", |session| Box::pin(session.logout(hallpass::web_auth::Logout::new()))),
    ];
    for (row, end) in rows {
        let kept = with_odd_store().await;
        kept.break_record().await;
        end(&kept.sibling()).await.unwrap_or_else(|error| panic!("{row}: {error}"));
        assert!(kept.store.record(&kept.key()).await.is_none(), "{row}");
        assert_eq!(kept.provider.count(Endpoint::Revoke), 0, "{row}");
    }
}

/// G28
#[tokio::test]
async fn ten_thousand_managers_leave_nothing_running() {
    let kept = logged_in().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let auth = kept.session.web_auth().clone();
    for round in 0..10_000 {
        let manager = CredentialsManager::new(auth.clone(), kept.store.clone());
        if round % 100 == 0 {
            manager.credentials().await.unwrap();
        }
        drop(manager.session(round.to_string()));
    }
    let other = CredentialsManager::new(auth, Memory::new());
    assert!(other.credentials().await.unwrap_err().is_login_required());
    drop(other);
    // What had to run has run to its end; a connection of one client may still be about to close.
    let over = timeout(seconds(10), async {
        while metrics.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    });
    over.await.unwrap();
}

/// Programs that send no refresh token twice.
fn sending_once(session: CredentialsManager) -> CredentialsManager {
    session.resend_after_lost_answer(false)
}

/// J27 — token: 1: the store took the announcement of a request that was not sent
#[tokio::test]
async fn an_announcement_that_failed_costs_this_process_nothing() {
    let kept = with_odd_store().await;
    let session = sending_once(kept.sibling());
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.store.next_save(Oddity::FailsAfterwards);
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(kept.asked(), before);
    session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
}

/// J27 — token: 1: it is taken back within the time for which others wait
#[tokio::test]
async fn an_announcement_that_failed_costs_other_processes_nothing() {
    let kept = with_odd_store().await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.store.next_save(Oddity::FailsAfterwards);
    assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Store);
    sending_once(kept.sibling()).credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
}

/// J27 — token: 2: the provider did not take the refresh token, and the store did not take that it did not
#[tokio::test]
async fn an_answer_that_could_not_be_recorded_costs_other_processes_nothing() {
    let kept = with_odd_store().await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::status(503));
    kept.store.next_answer(Oddity::Fails);
    assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(kept.asked(), before + 1);
    sending_once(kept.sibling()).credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 2);
}
