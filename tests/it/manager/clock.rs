//! The decisions of the clock: the end of a token, and the consequences of a wrong clock.

use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault};
use hallpass::{ErrorKind, TokenSource as _};

use super::{HOUR, logged_in, logged_in_to, seconds};

/// G14 — token: 1 for each jump beyond what is known of the token
#[tokio::test]
async fn a_clock_that_jumps_costs_one_renewal_and_no_stale_token_is_used() {
    let kept = logged_in().await;
    let mut token = kept.session.credentials().await.unwrap().access_token().clone();
    let before = kept.asked();
    let jumps: [fn(&hallpass::testing::TestClock); 4] =
        [|clock| clock.advance(HOUR), |clock| clock.rewind(HOUR), |clock| clock.rewind(HOUR), |clock| clock.advance(HOUR)];
    for (renewals, jump) in (1..).zip(jumps) {
        jump(&kept.clock);
        assert!(kept.session.cached().is_none(), "nothing is known of its age");
        let renewed = kept.session.credentials().await.unwrap().access_token().clone();
        assert_ne!(renewed, token, "jump {renewals}");
        token = renewed;
        for _ in 0..100 {
            assert_eq!(kept.session.credentials().await.unwrap().access_token(), &token);
            assert_eq!(kept.session.token(None).await.unwrap(), token);
        }
        assert_eq!(kept.session.cached(), Some(token.clone()));
        assert_eq!(kept.asked(), before + renewals, "jump {renewals}");
    }
}

/// G14: clocks of two machines that differ by seconds are no reason for anything.
#[tokio::test]
async fn a_clock_that_is_a_little_behind_costs_nothing() {
    let kept = logged_in().await;
    let before = kept.asked();
    kept.clock.rewind(seconds(55));
    kept.session.credentials().await.unwrap();
    kept.sibling().credentials().await.unwrap();
    assert_eq!(kept.asked(), before);
}

/// G15 — token: 1
#[tokio::test]
async fn after_a_sleep_the_wall_clock_decides() {
    let kept = logged_in_to(Memory::new(), |provider| provider).await;
    let before = kept.asked();
    let asleep = std::time::Instant::now();
    // The wall clock goes on, the monotonic one hardly.
    kept.clock.advance(HOUR * 8);
    assert!(kept.session.cached().is_none());
    kept.session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
    assert!(asleep.elapsed() < HOUR);
}

/// G15 — token: 1
#[tokio::test]
async fn credentials_that_are_saved_late_are_as_old_as_they_are() {
    let kept = logged_in().await;
    let login = kept.log_in("jane@example.com").await;
    kept.clock.advance(HOUR - seconds(30));
    kept.session.save(&login).await.unwrap();
    let before = kept.asked();
    let renewed = kept.session.credentials().await.unwrap();
    assert_ne!(renewed.access_token(), login.access_token());
    assert_eq!(kept.asked(), before + 1);
}

/// G17 — token: 1
#[tokio::test]
async fn a_min_ttl_beyond_the_life_of_tokens_is_an_error_that_costs_one_request_in_such_a_life() {
    let kept = logged_in().await;
    for min_ttl in [HOUR, HOUR * 2, Duration::MAX] {
        let session = kept.session.clone().min_ttl(min_ttl);
        let before = kept.asked();
        let refresh_token = kept.session.credentials().await.unwrap().refresh_token().cloned();
        for _ in 0..5 {
            let error = session.credentials().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("live 3600 seconds"), "{error}");
        }
        assert_eq!(kept.asked(), before, "a token that is valid still would be followed by one that is as short");
        kept.clock.advance(HOUR);
        for _ in 0..5 {
            assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Configuration);
        }
        assert_eq!(kept.asked(), before + 1);
        let stored = kept.sibling().credentials().await.unwrap();
        assert_ne!(stored.refresh_token().cloned(), refresh_token, "the new tokens are stored first");
        assert_eq!(kept.asked(), before + 1);
    }
}

/// B21, J6 — token: 1: a life of no seconds says nothing, so the token serves until an API refuses it
#[tokio::test]
async fn a_token_without_a_known_end_serves_until_it_is_refused() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Token, Fault::new().set("expires_in", 0));
    let before = kept.asked();
    let renewed = kept.session.credentials().await.unwrap();
    kept.clock.advance(HOUR * 24);
    assert_eq!(kept.session.credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(kept.asked(), before + 1);
    let refused = kept.session.token(Some(renewed.access_token())).await.unwrap();
    assert_ne!(&refused, renewed.access_token());
    assert_eq!(kept.asked(), before + 2);
}

/// G18: a token that lives hardly longer than `min_ttl` is used, and not renewed by every call.
#[tokio::test]
async fn a_short_life_is_no_storm() {
    let kept = logged_in_to(Memory::new(), |provider| provider.access_token_life(seconds(62))).await;
    let before = kept.asked();
    for _ in 0..50 {
        kept.session.renew().await.unwrap();
        kept.session.credentials().await.unwrap();
        assert!(kept.session.cached().is_some());
    }
    assert_eq!(kept.asked(), before + 50);
}

/// G18: the moment is drawn once for a token, so that tasks near it do not read the store again and again.
#[tokio::test]
async fn everybody_agrees_when_a_token_is_due() {
    let kept = logged_in().await;
    // No look at the store beside the ones below: memory would hand out nothing until it is back.
    let session = kept.sibling().recheck_after(HOUR);
    session.credentials().await.unwrap();
    let before = kept.asked();
    kept.clock.advance(HOUR - seconds(95));
    session.credentials().await.unwrap();
    while session.cached().is_some() {
        assert_eq!(kept.asked(), before);
        session.credentials().await.unwrap();
        kept.clock.advance(seconds(1));
    }
    session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1, "a token that memory does not hand out any more is renewed");
}
