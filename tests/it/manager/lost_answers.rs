//! A renewal whose answer does not arrive: the refresh token may be spent.

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
fn losses() -> [Fault; 6] {
    [
        Fault::close().committed(),
        Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"access_t").committed(),
        Fault::answer(200, "text/html", "<p>Welcome to the airport's Wi-Fi").committed(),
        Fault::answer(200, "application/json", "").committed(),
        Fault::answer(204, "text/plain", "").committed(),
        Fault::answer(200, "application/json", "{}").committed(),
    ]
}

/// A provider that takes a spent refresh token once more.
async fn at_a_tolerant_provider() -> Kept {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR * 24)).await;
    kept.clock.advance(HOUR);
    kept
}

/// G13, J2 — token: 2, with the same refresh token
#[tokio::test]
async fn a_refresh_token_whose_answer_was_lost_is_sent_once_more_at_once() {
    for fault in losses() {
        let kept = at_a_tolerant_provider().await;
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, fault);
        let renewed = kept.session.credentials().await.unwrap();
        let sent = sent_since(&kept, before);
        assert!(sent.len() == 2 && sent[0] == sent[1], "{sent:?}");
        assert_eq!(kept.sibling().credentials().await.unwrap().refresh_token(), renewed.refresh_token());
        kept.session.renew().await.unwrap();
    }
}

/// G13 — token: 2: a provider that takes a refresh token once only has ended the session by then
#[tokio::test]
async fn a_provider_that_punishes_the_second_sending_ends_the_session() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    for _ in 0..3 {
        assert!(kept.session.credentials().await.unwrap_err().is_login_required());
        assert!(kept.sibling().credentials().await.unwrap_err().is_login_required());
    }
    assert_eq!(kept.asked(), before + 2);
    kept.session.login_if_needed().await.unwrap();
    kept.session.renew().await.unwrap();
}

/// G13 — token: 1, then 2: while the access token serves, there is no hurry
#[tokio::test]
async fn while_the_access_token_serves_the_second_sending_waits() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR * 24)).await;
    let first = kept.session.credentials().await.unwrap();
    kept.clock.advance(HOUR - seconds(50));
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(kept.session.credentials().await.unwrap().access_token(), first.access_token());
    assert_eq!(kept.asked(), before + 1);
    kept.clock.advance(seconds(2));
    assert_ne!(kept.session.credentials().await.unwrap().access_token(), first.access_token());
    let sent = sent_since(&kept, before);
    assert!(sent.len() == 2 && sent[0] == sent[1], "{sent:?}");
}

/// G13 — token: 2
#[tokio::test]
async fn a_second_loss_is_the_last() {
    let kept = at_a_tolerant_provider().await;
    let before = kept.asked();
    kept.provider.always(Endpoint::Token, Fault::close());
    let error = kept.session.credentials().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Ambiguous && error.is_transient(), "{error:?}");
    for wait in [0, 1, 31, 7200] {
        kept.clock.advance(seconds(wait));
        let sibling = kept.sibling();
        for error in [sibling.renew().await.unwrap_err(), sibling.credentials().await.unwrap_err()] {
            assert!(error.is_login_required(), "{error:?}");
        }
    }
    assert_eq!(kept.asked(), before + 2);
    kept.provider.clear(Endpoint::Token);
    kept.session.login_if_needed().await.unwrap();
    kept.session.renew().await.unwrap();
}

/// G13 — token: 3: the provider says that it did not take the second one
#[tokio::test]
async fn a_sending_that_the_provider_did_not_take_does_not_count() {
    for busy in [Fault::status(500), Fault::status(503), Fault::rate_limited(seconds(1))] {
        let kept = at_a_tolerant_provider().await;
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, Fault::close().committed());
        kept.provider.next(Endpoint::Token, busy);
        assert!(kept.session.credentials().await.unwrap_err().is_transient());
        kept.clock.advance(seconds(5));
        kept.session.credentials().await.unwrap();
        let sent = sent_since(&kept, before);
        assert!(sent.len() == 3 && sent.iter().all(|token| *token == sent[0]), "{sent:?}");
        kept.session.renew().await.unwrap();
    }
}

/// G13 — token: 1
#[tokio::test]
async fn a_program_can_forbid_the_second_sending() {
    let kept = at_a_tolerant_provider().await;
    let session = kept.session.clone().resend_after_lost_answer(false);
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    for wait in [0, 2, 31] {
        kept.clock.advance(seconds(wait));
        assert!(session.renew().await.unwrap_err().is_login_required());
    }
    assert_eq!(kept.asked(), before + 1);
}

/// G13 — token: 6: a provider that does not rotate refresh tokens loses none
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_is_sent_any_number_of_times() {
    let kept = logged_in_to(Memory::new(), |provider| provider.without_rotation()).await;
    kept.session.renew().await.unwrap();
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.always(Endpoint::Token, Fault::close());
    let mut wait = seconds(1);
    for _ in 0..4 {
        assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
        wait *= 4;
        kept.clock.advance(wait);
    }
    kept.provider.clear(Endpoint::Token);
    kept.session.credentials().await.unwrap();
    let sent = sent_since(&kept, before);
    assert!(sent.len() == 6 && sent.iter().all(|token| *token == sent[0]), "{}", sent.len());
}

/// G13 — token: 2: of all processes, one sends it once more
#[tokio::test]
async fn a_lost_answer_is_known_to_every_process() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR * 24)).await;
    kept.clock.advance(HOUR - seconds(50));
    let before = kept.asked();
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    kept.session.credentials().await.unwrap();
    kept.clock.advance(seconds(50));
    let renewed = kept.sibling().credentials().await.unwrap();
    assert_eq!(kept.sibling().credentials().await.unwrap().access_token(), renewed.access_token());
    kept.clock.advance(seconds(5));
    assert_eq!(kept.session.credentials().await.unwrap().access_token(), renewed.access_token());
    assert_eq!(kept.asked(), before + 2);
    kept.session.renew().await.unwrap();
}

/// G13: a connection that was never made loses no answer.
#[tokio::test]
async fn a_request_that_was_not_sent_spends_nothing() {
    let kept = logged_in_to(Memory::new(), |provider| provider.reuse_interval(HOUR * 4)).await;
    // The metadata is fetched again each hour: what it says of the token endpoint is nonsense for a while.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = Fault::new().set("token_endpoint", format!("http://{nobody}/token"));
    let before = kept.asked();
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Discovery, unreachable);
    for _ in 0..4 {
        let error = kept.session.credentials().await.unwrap_err();
        assert!(error.is_connect() && error.is_transient(), "{error:?}");
        kept.clock.advance(seconds(30));
    }
    kept.clock.advance(HOUR);
    kept.session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
}

/// G13 — token: 1 for each of the two: the loss of one says nothing of the other
#[tokio::test]
async fn a_loss_is_that_of_its_own_refresh_token() {
    let kept = at_a_tolerant_provider().await;
    let session = kept.session.clone().resend_after_lost_answer(false);
    kept.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    kept.sibling().save(&kept.log_in("jane@example.com").await).await.unwrap();
    kept.clock.advance(HOUR);
    let before = kept.asked();
    session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
}
