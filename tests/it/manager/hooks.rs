//! Hooks: each renewal once, each loss once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hallpass::testing::{Endpoint, Fault};
use hallpass::{CredentialsManager, ErrorKind, TokenSource as _};

use super::odd_store::{OddStore, Oddity};
use super::{HOUR, logged_in, logged_in_to, seconds};

#[derive(Clone, Default)]
struct Told {
    renewed: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

impl Told {
    fn of(session: &CredentialsManager) -> (Self, CredentialsManager) {
        let told = Self::default();
        let (renewed, lost) = (Arc::clone(&told.renewed), Arc::clone(&told.lost));
        let session = session
            .clone()
            .on_renewed(move |credentials| {
                assert!(credentials.refresh_token().is_some());
                renewed.fetch_add(1, Ordering::SeqCst);
            })
            .on_login_required(move |error| {
                assert!(error.is_login_required());
                lost.fetch_add(1, Ordering::SeqCst);
            });
        (told, session)
    }

    fn counts(&self) -> (usize, usize) {
        (self.renewed.load(Ordering::SeqCst), self.lost.load(Ordering::SeqCst))
    }
}

/// G1, G8: however many wait.
#[tokio::test]
async fn a_program_is_told_once() {
    let kept = logged_in().await;
    let (told, session) = Told::of(&kept.session);
    session.credentials().await.unwrap();
    assert_eq!(told.counts(), (0, 0), "a login is no renewal");
    kept.clock.advance(HOUR);
    let (one, two) = tokio::join!(session.credentials(), session.token(None));
    one.unwrap();
    two.unwrap();
    assert_eq!(told.counts(), (1, 0));
    kept.clock.advance(HOUR);
    kept.provider.revoke_everything();
    for _ in 0..3 {
        let (one, two) = tokio::join!(session.credentials(), session.renew());
        assert!(one.unwrap_err().is_login_required() && two.unwrap_err().is_login_required());
        kept.clock.advance(seconds(31));
    }
    assert_eq!(told.counts(), (1, 1), "one session is lost once, however often that is noticed");
    session.login_if_needed().await.unwrap();
    kept.provider.revoke_everything();
    assert!(session.renew().await.unwrap_err().is_login_required());
    assert_eq!(told.counts(), (1, 2), "the next session is another one");
    session.clear().await.unwrap();
    assert!(session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(told.counts(), (1, 2), "nobody has lost what nobody had");
}

/// A person who has to consent to another API has lost nothing.
#[tokio::test]
async fn what_is_refused_for_another_api_ends_no_session() {
    let kept = logged_in().await;
    let (told, session) = Told::of(&kept.session);
    for code in ["consent_required", "interaction_required"] {
        kept.provider.next(Endpoint::Token, Fault::error(400, code, "not for this API"));
        let error = session.credentials_for("https://other.acme.com", "read").await.unwrap_err();
        assert!(error.is_login_required(), "{error:?}");
    }
    assert_eq!(told.counts(), (0, 0));
    let asked = kept.provider.count(Endpoint::Authorize);
    session.login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), asked, "no browser was opened");
    // But a refresh token that is dead is so for all of them.
    kept.provider.revoke_everything();
    assert!(session.credentials_for("https://other.acme.com", "read").await.unwrap_err().is_login_required());
    assert_eq!(told.counts(), (0, 1));
}

/// G13: a refresh token that may be spent means a login, which is said when it is clear.
#[tokio::test]
async fn a_lost_answer_is_a_loss_once_nothing_more_is_tried() {
    let kept = logged_in().await;
    let (told, session) = Told::of(&kept.session);
    kept.clock.advance(HOUR);
    kept.provider.always(Endpoint::Token, Fault::close());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    assert_eq!(told.counts(), (0, 0));
    kept.clock.advance(seconds(5));
    for _ in 0..3 {
        assert!(session.credentials().await.unwrap_err().is_login_required());
    }
    assert_eq!(told.counts(), (0, 1));
}

/// G5 — token: 1
#[tokio::test]
async fn a_panic_in_a_hook_costs_its_waiters_an_error_and_no_token() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let panics = Arc::new(AtomicUsize::new(1));
    let session = kept.session.clone().on_renewed(move |_| {
        assert!(panics.fetch_sub(1, Ordering::SeqCst) != 1, "the hook panics, as the test wants");
    });
    kept.clock.advance(HOUR);
    let before = kept.asked();
    let (one, two) = tokio::join!(session.credentials(), session.credentials());
    for waiter in [one, two] {
        let error = waiter.unwrap_err();
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("on_renewed"), "{error}");
    }
    let credentials = session.credentials().await.unwrap();
    assert_eq!(kept.sibling().credentials().await.unwrap().refresh_token(), credentials.refresh_token());
    assert_eq!(kept.asked(), before + 1);
    session.renew().await.unwrap();
}

/// G5
#[tokio::test]
async fn a_panic_in_the_hook_of_a_loss_leaves_the_error_as_it_is() {
    let kept = logged_in().await;
    let session = kept.session.clone().on_login_required(|_| panic!("the hook panics, as the test wants"));
    kept.provider.revoke_everything();
    assert!(session.renew().await.unwrap_err().is_login_required());
    session.login_if_needed().await.unwrap();
    kept.clock.advance(HOUR);
    kept.provider.revoke_everything();
    session.login_if_needed().await.unwrap();
    session.renew().await.unwrap();
}

/// G11: what is not stored was not told, and is not forgotten.
#[tokio::test]
async fn a_renewal_that_could_not_be_stored_is_no_loss() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let (told, session) = Told::of(&kept.session);
    kept.store.next_answer(Oddity::Fails);
    session.renew().await.unwrap_err().credentials().unwrap();
    assert_eq!(told.counts(), (0, 0));
    session.renew().await.unwrap();
    assert_eq!(told.counts(), (1, 0));
}

/// A session has an end, at Auth0 the claim `session_expiry` — token: 0
#[tokio::test]
async fn nothing_is_used_or_renewed_beyond_the_sessions_end() {
    let kept = logged_in().await;
    let (told, session) = Told::of(&kept.session);
    // What a claim says is in the clock's own time.
    let now = kept.session.credentials().await.unwrap().expires_at().unwrap().unix_timestamp() - 3600;
    kept.provider.always_id_token(move |token| {
        token.set("session_expiry", now + 1800);
    });
    session.save(&kept.log_in("jane@example.com").await).await.unwrap();
    let billing = session.credentials_for("https://billing.acme.com", "read").await.unwrap();
    let before = kept.asked();
    kept.clock.advance(seconds(1770));
    session.credentials().await.unwrap();
    assert!(session.cached().is_some(), "it serves until the end, whatever min_ttl is");
    assert!(!session.has_valid(seconds(60)).await.unwrap() && session.has_valid(seconds(10)).await.unwrap());
    kept.clock.advance(seconds(31));
    assert!(session.cached().is_none());
    assert!(billing.expires_at().unwrap().unix_timestamp() > now + 1801);
    for _ in 0..3 {
        assert!(session.credentials().await.unwrap_err().is_login_required());
        assert!(session.credentials_for("https://billing.acme.com", "read").await.unwrap_err().is_login_required());
        assert!(session.renew().await.unwrap_err().is_login_required());
    }
    assert!(!session.has_valid(seconds(0)).await.unwrap());
    assert_eq!(kept.asked(), before);
    assert_eq!(told.counts().1, 1);
    kept.provider.clear_id_tokens();
    session.login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), 3);
}
