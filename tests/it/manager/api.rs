//! A manager beneath clients of an API that refuses its tokens.

use hallpass::testing::{Api, Fault};
use hallpass::{AuthorizedClient, TokenSource as _};
use tokio::task::JoinSet;

use super::{HOUR, logged_in, seconds};

/// F17, G1 — token: 1
#[tokio::test]
async fn a_thousand_refusals_at_once_cost_one_renewal() {
    const CALLS: usize = 1000;
    let kept = logged_in().await;
    let api = Api::start(&kept.provider, "https://api.acme.com").await;
    let old = kept.session.credentials().await.unwrap();
    api.refuse(old.access_token().expose());
    let client = AuthorizedClient::new(kept.session.clone()).unwrap().base_url(api.url()).unwrap();
    let (before, gate) = (kept.asked(), kept.provider.hold(hallpass::testing::Endpoint::Token));
    let mut calls = JoinSet::new();
    for call in 1..=CALLS {
        calls.spawn(client.get("messages").send());
        // Connections are files, and files are few: a dozen calls at a time are refused, until all of them are.
        if call % 10 == 0 {
            api.asked(call).await;
        }
    }
    gate.reached(1).await;
    gate.release();
    while let Some(response) = calls.join_next().await {
        assert_eq!(response.unwrap().unwrap().status(), 200);
    }
    assert_eq!((api.count(), kept.asked()), (2 * CALLS, before + 1));
}

/// F29 — token: 1 in 30 seconds
#[tokio::test]
async fn an_api_that_refuses_everything_costs_one_renewal_however_many_clients_there_are() {
    let kept = logged_in().await;
    let api = Api::start(&kept.provider, "https://api.acme.com").await;
    api.always(Fault::status(401));
    let before = kept.asked();
    for renewals in 1..=2 {
        for call in 0..8 {
            // Each client is new and knows of no renewal; the sibling is another process.
            let session = if call % 2 == 0 { kept.session.clone() } else { kept.sibling() };
            let client = AuthorizedClient::new(session).unwrap().base_url(api.url()).unwrap();
            assert_eq!(client.get("messages").send().await.unwrap().status(), 401);
            assert_eq!(kept.asked(), before + renewals);
        }
        let mut token = kept.session.credentials().await.unwrap().access_token().clone();
        for _ in 0..1000 {
            token = kept.session.token(Some(&token)).await.unwrap();
        }
        assert_eq!(kept.asked(), before + renewals);
        kept.clock.advance(seconds(31));
    }
}

/// F29: a clock that was set back makes nothing final for an hour.
#[tokio::test]
async fn a_refusal_is_final_only_moments_after_a_renewal() {
    let kept = logged_in().await;
    let first = kept.session.token(None).await.unwrap();
    let second = kept.session.token(Some(&first)).await.unwrap();
    assert_ne!(first, second, "a login's own token is renewed when it is refused");
    assert_eq!(kept.session.token(Some(&second)).await.unwrap(), second);
    assert_eq!(kept.session.token(Some(&first)).await.unwrap(), second, "an older one was replaced already");
    kept.clock.rewind(HOUR);
    assert_ne!(kept.session.token(Some(&second)).await.unwrap(), second);
}

/// G32: a task that waits for a valid token does not answer for a task whose token was refused.
#[tokio::test]
async fn a_refused_token_does_not_come_back_from_somebody_elses_wait() {
    let kept = logged_in().await;
    let refused = kept.session.token(None).await.unwrap();
    let cold = kept.sibling();
    let before = kept.asked();
    let (valid, another) = tokio::join!(cold.token(None), cold.token(Some(&refused)));
    valid.unwrap();
    assert_ne!(another.unwrap(), refused);
    let (valid, new) = tokio::join!(cold.credentials(), cold.renew());
    assert_ne!(new.unwrap().access_token(), &refused);
    valid.unwrap();
    assert_eq!(kept.asked(), before + 2);
}
