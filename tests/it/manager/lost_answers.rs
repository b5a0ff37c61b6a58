//! A renewal whose answer does not arrive: nobody knows whether the refresh token is spent.

use hallpass::ErrorKind;
use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault};

use super::{HOUR, Kept, logged_in, logged_in_to, seconds};

/// The refresh tokens that the provider was sent since it had been asked so often, in their order.
fn sent_since(kept: &Kept, before: usize) -> Vec<String> {
    let requests = kept.provider.requests(Endpoint::Token);
    requests[before..].iter().map(|request| request.field("refresh_token").unwrap()).collect()
}

/// Answers that are lost after the provider has spent the refresh token.
fn losses() -> [(Fault, ErrorKind); 3] {
    [
        (Fault::close().committed(), ErrorKind::Ambiguous),
        (Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"access_t").committed(), ErrorKind::Ambiguous),
        (Fault::answer(200, "text/html", "<p>Welcome to the airport's Wi-Fi").committed(), ErrorKind::InvalidResponse),
    ]
}

/// G13 — token: 1
#[tokio::test]
async fn a_refresh_token_whose_answer_was_lost_is_not_sent_again() {
    for (fault, kind) in losses() {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, fault);
        assert_eq!(kept.session.credentials().await.unwrap_err().kind(), kind);
        for wait in [0, 1, 31, 7200] {
            kept.clock.advance(seconds(wait));
            assert!(kept.session.credentials().await.unwrap_err().is_login_required());
        }
        assert_eq!(kept.asked(), before + 1);
        kept.session.login_if_needed().await.unwrap();
        kept.session.renew().await.unwrap();
    }
}

/// G13 — token: 2, the second time within the reuse interval that was configured
#[tokio::test]
async fn within_the_reuse_interval_it_is_sent_once_more() {
    for (fault, _) in losses() {
        let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(seconds(10))).await;
        let session = kept.session.clone().reuse_interval(seconds(10));
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, fault);
        session.credentials().await.unwrap_err();
        session.credentials().await.unwrap();
        let sent = sent_since(&kept, before);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], sent[1]);
        session.renew().await.unwrap();
    }
}

/// G13 — token: 2
#[tokio::test]
async fn a_replay_whose_answer_is_lost_too_is_the_last() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR)).await;
    let session = kept.session.clone().reuse_interval(HOUR);
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.always(Endpoint::Token, Fault::close());
    for _ in 0..2 {
        assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    }
    for _ in 0..5 {
        assert!(session.credentials().await.unwrap_err().is_login_required());
    }
    assert_eq!(kept.asked(), before + 2);
}

/// G13 — token: 3: the provider says that it did not take the second one
#[tokio::test]
async fn a_replay_that_the_provider_did_not_take_is_not_used_up() {
    for busy in [Fault::status(500), Fault::status(503), Fault::rate_limited(seconds(1))] {
        let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR)).await;
        let session = kept.session.clone().reuse_interval(HOUR);
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, Fault::close().committed());
        assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
        kept.provider.next(Endpoint::Token, busy);
        assert!(session.credentials().await.unwrap_err().is_transient());
        kept.clock.advance(seconds(2));
        session.credentials().await.unwrap();
        let sent = sent_since(&kept, before);
        assert!(sent.len() == 3 && sent.iter().all(|token| *token == sent[0]));
        session.renew().await.unwrap();
    }
}

/// G13 — token: 1
#[tokio::test]
async fn a_replay_comes_only_within_the_interval() {
    for (wait, back) in [(10, 0), (3600, 0), (0, 10), (0, 3600)] {
        let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(seconds(10))).await;
        let session = kept.session.clone().reuse_interval(seconds(10));
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, Fault::close().committed());
        session.credentials().await.unwrap_err();
        kept.clock.advance(seconds(wait));
        kept.clock.rewind(seconds(back));
        assert!(session.renew().await.unwrap_err().is_login_required(), "{wait} seconds later, {back} earlier");
        assert_eq!(kept.asked(), before + 1);
    }
}

/// G13: the interval began when the refresh token was sent, however long its answer was waited for.
#[tokio::test]
async fn the_time_that_an_answer_was_waited_for_counts() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(seconds(10))).await;
    let session = kept.session.clone().reuse_interval(seconds(10));
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    let gate = kept.provider.hold_answer(Endpoint::Token);
    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    kept.clock.advance(seconds(11));
    gate.release();
    assert_eq!(asking.await.unwrap().unwrap_err().kind(), ErrorKind::Ambiguous);
    assert!(session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(kept.asked(), before + 1);
}

/// G13: what did not leave this machine is no replay, and a connection that was never made loses no answer.
#[tokio::test]
async fn a_request_that_was_not_sent_spends_nothing() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR * 4)).await;
    let session = kept.session.clone().reuse_interval(HOUR * 4);
    // The metadata is fetched again each hour: what it says of the token endpoint is nonsense for a while.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = Fault::new().set("token_endpoint", format!("http://{nobody}/token"));
    let before = kept.asked();
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Discovery, unreachable.clone());
    for _ in 0..3 {
        let error = session.credentials().await.unwrap_err();
        assert!(error.is_connect() && error.is_transient(), "{error:?}");
    }
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Discovery, unreachable);
    assert!(session.credentials().await.unwrap_err().is_connect());
    kept.clock.advance(HOUR);
    session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 2);
}

/// G13 — token: 1: what one process has sent in vain, no other sends
#[tokio::test]
async fn a_lost_answer_is_known_to_every_process() {
    for (fault, kind) in losses() {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, fault);
        assert_eq!(kept.session.credentials().await.unwrap_err().kind(), kind);
        for sibling in [kept.sibling(), kept.sibling().reuse_interval(seconds(10))] {
            kept.clock.advance(seconds(10));
            assert!(sibling.credentials().await.unwrap_err().is_login_required());
        }
        assert_eq!(kept.asked(), before + 1);
        kept.sibling().login_if_needed().await.unwrap();
        kept.sibling().renew().await.unwrap();
    }
}

/// G13 — token: 2: of all processes, one may send it once more
#[tokio::test]
async fn a_replay_is_one_for_all_processes() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR)).await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.always(Endpoint::Token, Fault::close());
    let sibling = || kept.sibling().reuse_interval(HOUR);
    for session in [&kept.session, &sibling()] {
        assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    }
    for session in [&kept.session.clone().reuse_interval(HOUR), &sibling(), &sibling()] {
        assert!(session.credentials().await.unwrap_err().is_login_required());
    }
    assert_eq!(kept.asked(), before + 2);
}

/// G13 — token: 2: the word that was left goes with the old refresh token
#[tokio::test]
async fn after_a_replay_that_was_answered_everybody_goes_on() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR)).await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    let renewed = kept.sibling().reuse_interval(HOUR).credentials().await.unwrap();
    assert_eq!(kept.session.credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(kept.asked(), before + 2);
    kept.session.renew().await.unwrap();
}

/// G13 — token: 1 for each of the two: that one is lost says nothing of the other
#[tokio::test]
async fn a_loss_that_is_heard_of_is_that_of_its_own_refresh_token() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    let sibling = kept.sibling();
    sibling.save(&kept.log_in("jane@example.com").await).await.unwrap();
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(sibling.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    assert!(kept.session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(kept.asked(), before + 1);
}

/// G8, G13 — token: 2: after the provider has refused it, no word from before brings it back
#[tokio::test]
async fn a_replay_that_the_provider_refused_is_the_last() {
    let kept = logged_in().await;
    let session = kept.session.clone().reuse_interval(HOUR);
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    for _ in 0..5 {
        assert!(session.credentials().await.unwrap_err().is_login_required());
    }
    assert_eq!(kept.asked(), before + 2, "the provider has no such interval");
}
