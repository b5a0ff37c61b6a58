//! The methods of a manager beside those for tokens: log in if needed, query, forget, show.

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault, TestBrowser};
use hallpass::web_auth::Logout;
use hallpass::{CredentialsManager, ErrorKind, TokenSource as _};

use super::odd_store::{OddStore, Oddity};
use super::{HOUR, Kept, logged_in, logged_in_to, seconds, user_of, web_auth};

/// The same session, for a login that asks for something else.
fn asking(kept: &Kept, scope: &str, audience: &str) -> CredentialsManager {
    let auth = web_auth(&kept.provider, &kept.clock).scope(scope).audience(audience).browser(kept.browser.clone());
    CredentialsManager::new(auth, kept.store.clone())
}

#[tokio::test]
async fn a_person_is_asked_again_only_for_what_was_not_asked_before() {
    let kept = logged_in_to(Memory::new(), |provider| provider.withhold_scope("admin")).await;
    let rows = [
        ("openid email offline_access", "https://api.acme.com", false),
        ("offline_access", "https://api.acme.com", false),
        ("openid email offline_access read:messages", "https://api.acme.com", true),
        // Another audience is first tried as another token of the same login.
        ("openid email offline_access read:messages", "https://billing.acme.com", false),
        ("openid email offline_access", "https://billing.acme.com", false),
        ("openid email offline_access", "https://api.acme.com", false),
        ("openid email offline_access admin", "https://api.acme.com", true),
        ("openid email offline_access admin", "https://api.acme.com", false),
    ];
    let mut logins = 1;
    for (scope, audience, is_needed) in rows {
        logins += usize::from(is_needed);
        let session = asking(&kept, scope, audience);
        for _ in 0..2 {
            let credentials = session.login_if_needed().await.unwrap();
            assert_eq!(kept.provider.count(Endpoint::Authorize), logins, "{scope} for {audience}");
            assert_eq!(session.credentials().await.unwrap().access_token(), credentials.access_token());
            assert_eq!(session.cached().as_ref(), Some(credentials.access_token()), "memory has it");
            let sibling = asking(&kept, scope, audience);
            assert_eq!(sibling.credentials().await.unwrap().access_token(), credentials.access_token(), "so has the store");
        }
        // What was asked is remembered through a renewal.
        kept.clock.advance(HOUR);
        session.login_if_needed().await.unwrap();
        assert_eq!(kept.provider.count(Endpoint::Authorize), logins, "{scope} for {audience}");
    }
}

/// B24 — token: 0
#[tokio::test]
async fn a_scope_that_was_not_granted_whole_is_known_to_whoever_reads_the_record() {
    let kept = logged_in_to(Memory::new(), |provider| provider.withhold_scope("email")).await;
    let before = kept.asked();
    let granted = kept.session.credentials().await.unwrap();
    assert_eq!(granted.scope(), "openid offline_access");
    let read = kept.sibling().credentials().await.unwrap();
    assert_eq!((read.scope(), read.has_scope("email")), ("openid offline_access", false));
    assert_eq!(kept.asked(), before);
}

/// A login that was kept as text between its halves remembers for which API it was.
#[tokio::test]
async fn a_login_in_two_halves_remembers_what_was_asked() {
    let kept = logged_in().await;
    kept.session.clear().await.unwrap();
    let auth = web_auth(&kept.provider, &kept.clock).redirect_uri("http://127.0.0.1:9999/callback");
    let login = auth.begin().await.unwrap();
    let login = hallpass::PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    kept.session.save(&auth.finish(login, &callback).await.unwrap()).await.unwrap();
    kept.session.login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), 2, "there was no third login");
}

/// A dead session means a login; a provider in trouble does not.
#[tokio::test]
async fn only_a_dead_session_opens_a_browser() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Token, Fault::status(503));
    assert!(kept.session.login_if_needed().await.unwrap_err().is_transient());
    assert_eq!(kept.provider.count(Endpoint::Authorize), 1);
    kept.clock.advance(seconds(5));
    kept.provider.revoke_everything();
    kept.session.login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), 2);
    kept.session.renew().await.unwrap();
}

#[tokio::test]
async fn one_browser_opens_however_many_need_a_login() {
    let kept = logged_in().await;
    kept.session.clear().await.unwrap();
    let gate = kept.provider.hold(Endpoint::Authorize);
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let session = kept.session.clone();
            tokio::spawn(async move { session.login_if_needed().await.unwrap() })
        })
        .collect();
    gate.reached(1).await;
    gate.release();
    let mut tokens = Vec::new();
    for waiter in waiting {
        tokens.push(waiter.await.unwrap().access_token().clone());
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(kept.provider.count(Endpoint::Authorize), 2);
}

/// A login that fails or is dropped blocks no other task, and the stored record stays.
#[tokio::test]
async fn a_login_that_fails_leaves_everything_as_it_was() {
    let kept = logged_in().await;
    let before = kept.session.credentials().await.unwrap();
    let refusing = web_auth(&kept.provider, &kept.clock).scope("openid offline_access more").browser(TestBrowser::new().refusing());
    let session = CredentialsManager::new(refusing, kept.store.clone());
    for _ in 0..2 {
        assert_eq!(session.login_if_needed().await.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(session.credentials().await.unwrap().access_token(), before.access_token());
}

#[tokio::test]
async fn a_manager_says_what_it_has() {
    let kept = logged_in().await;
    let before = kept.asked();
    for session in [&kept.session, &kept.sibling()] {
        assert!(session.is_logged_in().await.unwrap() && session.can_renew().await.unwrap());
        assert_eq!(session.user().await.unwrap().unwrap().email().as_deref(), Some("jane@example.com"));
        assert!(session.has_valid(seconds(3590)).await.unwrap() && !session.has_valid(HOUR).await.unwrap());
    }
    kept.clock.advance(HOUR);
    assert!(!kept.session.has_valid(seconds(0)).await.unwrap());
    assert!(kept.session.is_logged_in().await.unwrap(), "a refresh token is there");
    let nobody = kept.session.session("nobody");
    assert!(!nobody.is_logged_in().await.unwrap() && !nobody.can_renew().await.unwrap());
    assert!(!nobody.has_valid(seconds(0)).await.unwrap() && nobody.user().await.unwrap().is_none());
    let short =
        CredentialsManager::new(web_auth(&kept.provider, &kept.clock).scope("openid").browser(TestBrowser::new()), Memory::new());
    short.login_if_needed().await.unwrap();
    assert!(short.is_logged_in().await.unwrap() && !short.can_renew().await.unwrap());
    kept.clock.advance(HOUR);
    assert!(!short.is_logged_in().await.unwrap());
    assert_eq!(kept.asked(), before + 1, "nothing was renewed for an answer");
}

/// G23
#[tokio::test]
async fn what_was_cleared_is_gone_here_and_in_the_store() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let before = kept.asked();
    kept.session.clear().await.unwrap();
    assert!(kept.store.record(&kept.key()).await.is_none() && kept.session.cached().is_none());
    for session in [&kept.session, &kept.sibling()] {
        assert!(session.credentials().await.unwrap_err().is_login_required());
        assert!(session.renew().await.unwrap_err().is_login_required());
    }
    kept.session.clear().await.unwrap();
    assert_eq!((kept.asked(), kept.provider.count(Endpoint::Revoke)), (before, 0));
}

/// G23: another process notices a logout when its token has ended, and brings nothing back.
#[tokio::test]
async fn a_logout_elsewhere_is_noticed_when_the_token_ends() {
    let kept = logged_in().await;
    let sibling = kept.sibling();
    sibling.credentials().await.unwrap();
    let before = kept.asked();
    kept.session.clear().await.unwrap();
    assert!(sibling.cached().is_some());
    kept.clock.advance(HOUR);
    assert!(sibling.credentials().await.unwrap_err().is_login_required());
    assert!(sibling.cached().is_none() && !kept.session.is_logged_in().await.unwrap());
    assert_eq!(kept.asked(), before);
}

/// G23: a logout whose future is dropped has logged out.
#[tokio::test]
async fn credentials_are_forgotten_although_nobody_waits_for_their_removal() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    kept.store.next_save(Oddity::Fails);
    let other = kept.log_in("joe").await;
    assert_eq!(kept.session.save(&other).await.unwrap_err().kind(), ErrorKind::Store);
    let held = kept.store.hold_removal();
    tokio::select! {
        _ = kept.session.clear() => panic!("the removal waits"),
        () = held.reached() => {}
    }
    assert!(kept.session.cached().is_none());
    assert!(kept.session.credentials().await.unwrap_err().is_login_required(), "nor is it written again");
    assert!(kept.store.record(&kept.key()).await.is_none());
}

/// G23: the refresh token of a concurrent renewal is the one that is revoked.
#[tokio::test]
async fn a_refresh_token_is_revoked_once_nobody_renews_it() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    kept.clock.advance(HOUR);
    let gate = kept.provider.hold(Endpoint::Token);
    let renewing = tokio::spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    let (sibling, locks) = (kept.sibling(), kept.store.locks_so_far());
    let (revoked, renewed) = tokio::join!(sibling.revoke(), async {
        kept.store.asked_to_lock(locks + 1).await;
        gate.release();
        renewing.await.unwrap().unwrap()
    });
    revoked.unwrap();
    let sent = kept.provider.requests(Endpoint::Revoke).pop().unwrap();
    assert_eq!(sent.field("token").as_deref(), Some(renewed.refresh_token().unwrap().expose()));
    assert!(!kept.sibling().is_logged_in().await.unwrap());
}

/// G11 — revoke: 1: a token that only memory has is revoked, with or without a lock.
#[tokio::test]
async fn what_could_not_be_stored_is_revoked_too() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    kept.clock.advance(HOUR);
    kept.store.next_answer(Oddity::Fails);
    let newer = kept.session.credentials().await.unwrap_err().credentials().unwrap().clone();
    kept.store.next_lock(Oddity::Fails);
    kept.session.revoke().await.unwrap();
    let sent = kept.provider.requests(Endpoint::Revoke);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].field("token").as_deref(), Some(newer.refresh_token().unwrap().expose()));
    assert!(!kept.session.is_logged_in().await.unwrap());
}

/// H10 — revoke: 1 for each
#[tokio::test]
async fn a_revocation_that_fails_forgets_nothing() {
    let kept = logged_in().await;
    let refresh_token = kept.session.credentials().await.unwrap().refresh_token().unwrap().expose().to_owned();
    kept.provider.next(Endpoint::Revoke, Fault::status(503));
    assert!(kept.session.revoke().await.unwrap_err().is_transient());
    assert!(kept.session.is_logged_in().await.unwrap());
    kept.session.revoke().await.unwrap();
    assert!(!kept.session.is_logged_in().await.unwrap() && !kept.sibling().is_logged_in().await.unwrap());
    let requests = kept.provider.requests(Endpoint::Revoke);
    assert!(requests.iter().all(|request| request.field("token").as_deref() == Some(refresh_token.as_str())));
    kept.session.revoke().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Revoke), 2, "there is nothing to revoke any more");
}

#[tokio::test]
async fn a_logout_forgets_first_and_then_tells_the_provider() {
    let kept = logged_in().await;
    kept.session.logout(Logout::new()).await.unwrap();
    assert!(!kept.session.is_logged_in().await.unwrap() && kept.session.cached().is_none());
    tokio::time::timeout(seconds(10), kept.provider.asked(Endpoint::Logout, 1)).await.unwrap();
}

/// I1
#[tokio::test]
async fn nothing_that_is_shown_holds_a_secret() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let credentials = kept.session.credentials().await.unwrap();
    let record = kept.store.record(&kept.key()).await.unwrap();
    let session = kept.session.session("cookie-4711").on_renewed(|_| ()).on_login_required(|_| ());
    session.save(&credentials).await.unwrap();
    kept.store.next_answer(super::odd_store::Oddity::Fails);
    let unsaved = session.renew().await.unwrap_err();
    let rescued = unsaved.credentials().unwrap().clone();
    kept.provider.always(Endpoint::Token, Fault::close());
    let lost = session.renew().await.unwrap_err();
    let spent = session.renew().await.unwrap_err();
    let secrets = [&credentials, &rescued].map(|credentials| {
        [
            credentials.access_token().expose().to_owned(),
            credentials.refresh_token().unwrap().expose().to_owned(),
            credentials.id_token().unwrap().raw().expose().to_owned(),
        ]
    });
    let mut shown = vec![format!("{session:?}"), format!("{record:?}"), format!("{:?}", kept.key())];
    for error in [&unsaved, &lost, &spent] {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            shown.push(format!("{error} {error:?} {error:#?}"));
            cause = error.source();
        }
    }
    for text in shown {
        for secret in secrets.iter().flatten().map(String::as_str).chain(["cookie-4711"]) {
            assert!(!text.contains(secret), "{text}");
            assert!(!text.contains(&secret[secret.len() / 2..]), "{text}");
        }
    }
    assert_eq!(user_of(&rescued), "jane@example.com");
}
