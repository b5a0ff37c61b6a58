//! Refresh tokens that the provider refuses, and those that it does not replace.

use hallpass::store::Memory;
use hallpass::testing::{Api, Endpoint, Fault};
use hallpass::{AuthorizedClient, ErrorKind};

use super::{HOUR, Kept, logged_in, logged_in_to, seconds, user_of};

/// G7 — token: 1
#[tokio::test]
async fn a_refused_refresh_token_gives_way_to_a_newer_one_in_the_store() {
    let kept = logged_in().await;
    let bob = kept.log_in("bob@example.com").await;
    kept.clock.advance(HOUR - seconds(30));
    kept.provider.next(Endpoint::Token, Fault::error(403, "invalid_grant", "Unknown or invalid refresh token."));
    let (before, gate) = (kept.asked(), kept.provider.hold(Endpoint::Token));
    let asking = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    kept.clock.rewind(seconds(1000));
    kept.sibling().save(&bob).await.unwrap();
    gate.release();
    let adopted = asking.await.unwrap().unwrap();
    assert_eq!(adopted.refresh_token(), bob.refresh_token());
    assert_eq!(kept.asked(), before + 1);
}

/// G7 — token: 1: also for who wants new ones in any case
#[tokio::test]
async fn newer_credentials_in_the_store_are_new_ones() {
    let kept = logged_in().await;
    let bob = kept.log_in("bob@example.com").await;
    kept.provider.next(Endpoint::Token, Fault::error(403, "invalid_grant", "Unknown or invalid refresh token."));
    let (before, gate) = (kept.asked(), kept.provider.hold(Endpoint::Token));
    let asking = tokio::spawn({
        let session = kept.session.clone();
        async move { session.renew().await }
    });
    gate.reached(1).await;
    kept.sibling().save(&bob).await.unwrap();
    gate.release();
    assert_eq!(asking.await.unwrap().unwrap().refresh_token(), bob.refresh_token());
    assert_eq!(kept.asked(), before + 1);
}

/// G7: the newer one's access token has ended too, but its refresh token is good.
#[tokio::test]
async fn a_newer_refresh_token_is_used_by_the_next_call() {
    let kept = logged_in().await;
    let bob = kept.log_in("bob@example.com").await;
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Token, Fault::error(403, "invalid_grant", "Unknown or invalid refresh token."));
    let (before, gate) = (kept.asked(), kept.provider.hold(Endpoint::Token));
    let asking = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    kept.sibling().save(&bob).await.unwrap();
    gate.release();
    let error = asking.await.unwrap().unwrap_err();
    assert!(error.is_transient() && error.kind() == ErrorKind::Store, "{error:?}");
    assert_eq!(user_of(&kept.session.credentials().await.unwrap()), "bob@example.com");
    assert_eq!(kept.asked(), before + 2);
}

/// G7, G8 — token: 1 in 30 seconds
#[tokio::test]
async fn a_dead_refresh_token_is_not_tried_again_for_30_seconds() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    kept.provider.revoke_everything();
    let before = kept.asked();
    for _ in 0..20 {
        assert!(kept.session.credentials().await.unwrap_err().is_login_required());
        assert!(kept.session.renew().await.unwrap_err().is_login_required());
    }
    // The clock goes on by itself meanwhile, on a busy machine by seconds.
    kept.clock.advance(seconds(10));
    assert!(kept.session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(kept.asked(), before + 1);
    kept.clock.advance(seconds(21));
    assert!(kept.session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(kept.asked(), before + 2);
    kept.clock.rewind(HOUR);
    assert!(kept.session.renew().await.unwrap_err().is_login_required());
    assert_eq!(kept.asked(), before + 3, "a clock that was set back does not hold it up for an hour");
    kept.clock.advance(HOUR);
    kept.session.login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), 2);
    kept.session.renew().await.unwrap();
}

/// G9 — token: 3
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_is_kept() {
    let kept = logged_in_to(Memory::new(), |provider| provider.without_rotation()).await;
    let first = kept.session.credentials().await.unwrap();
    let before = kept.asked();
    for _ in 0..3 {
        kept.clock.advance(HOUR);
        assert_eq!(kept.session.credentials().await.unwrap().refresh_token(), first.refresh_token());
        assert_eq!(kept.sibling().credentials().await.unwrap().refresh_token(), first.refresh_token());
    }
    assert_eq!(kept.asked(), before + 3);
}

/// F11, G7 — token: 1, refused; authorize: 1
#[tokio::test]
async fn a_session_that_cannot_be_renewed_is_logged_in_anew_though_its_token_has_not_ended() {
    let Kept { provider, session, .. } = logged_in().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    let client = AuthorizedClient::new(session.clone()).unwrap().base_url(api.url()).unwrap();
    let old = session.credentials().await.unwrap();
    api.refuse(old.access_token().expose());
    provider.revoke_everything();
    let before = provider.count(Endpoint::Token);
    assert!(client.get("messages").send().await.unwrap_err().is_login_required());
    assert_eq!(provider.count(Endpoint::Token), before + 1);

    let logins = provider.count(Endpoint::Authorize);
    let new = session.login_if_needed().await.unwrap();
    assert_ne!(new.access_token(), old.access_token());
    assert_eq!(provider.count(Endpoint::Authorize), logins + 1);
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    session.login_if_needed().await.unwrap();
    assert_eq!(provider.count(Endpoint::Authorize), logins + 1, "the new one is good");
}

/// G7 — authorize: 0
#[tokio::test]
async fn a_session_that_a_sibling_has_logged_in_anew_needs_no_other_login() {
    let kept = logged_in().await;
    let sibling = kept.sibling();
    kept.provider.revoke_everything();
    assert!(kept.session.renew().await.unwrap_err().is_login_required());
    let new = kept.log_in("jane@example.com").await;
    sibling.save(&new).await.unwrap();
    let logins = kept.provider.count(Endpoint::Authorize);
    assert_eq!(kept.session.login_if_needed().await.unwrap().access_token(), new.access_token());
    assert_eq!(kept.provider.count(Endpoint::Authorize), logins);
}
