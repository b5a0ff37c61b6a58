//! The status of a token endpoint's answer decides what the answer means for the grant.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, Secret};
use serde_json::json;

use crate::altered_login::application;
use crate::two_halves::TwoHalves;
use crate::virtual_time::VirtualTime;

fn html(status: u16) -> Fault {
    Fault::answer(status, "text/html", "<html>Blocked</html>")
}

async fn halves() -> TwoHalves {
    TwoHalves::start().await.scope("openid offline_access")
}

/// J1 — token: 1 for each
#[tokio::test]
async fn a_renewal_that_was_not_taken_or_got_no_verdict_is_transient() {
    let halves = halves().await;
    let old = halves.log_in().await.unwrap();
    let object = json!({"error": {"code": 503, "message": "Busy"}});
    let mut rows = Vec::new();
    for status in [408, 425, 429, 500, 503] {
        let bodies = [
            Fault::json(status, &object),
            html(status),
            Fault::status(status),
            Fault::error(status, "invalid_grant", "Unknown"),
            Fault::answer(status, "text/html", "x".repeat(2 * 1024 * 1024)),
        ];
        rows.extend(bodies.map(|fault| (status, fault.header("retry-after", "7"), Some(Duration::from_secs(7)))));
    }
    for status in [400, 401, 403, 404] {
        rows.extend(
            [Fault::json(status, &object), html(status), Fault::status(status), Fault::json(status, json!({}))]
                .map(|fault| (status, fault, None)),
        );
    }
    for status in [302, 307] {
        rows.push((status, Fault::redirect("https://login.example/").with_status(status), None));
    }
    for (status, fault, retry_after) in rows {
        let before = halves.provider.count(Endpoint::Token);
        halves.provider.next(Endpoint::Token, fault);
        let error = halves.auth.application().renew_credentials(&old).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Server, true), "{status}: {error:?}");
        assert_eq!(error.retry_after(), retry_after, "{status}: {error:?}");
        assert!(!error.is_login_required());
        assert_eq!(halves.provider.count(Endpoint::Token), before + 1, "{status}");
        if status / 100 == 3 {
            assert!(error.to_string().contains("final address"), "{error}");
        }
    }
    halves.auth.application().renew_credentials(&old).await.expect("the refresh token was never taken");
}

/// J2 — token: 1 for each
#[tokio::test]
async fn a_renewal_answered_by_what_no_token_endpoint_sends_is_ambiguous_and_transient() {
    let halves = halves().await;
    let old = halves.log_in().await.unwrap();
    for fault in [
        html(200),
        Fault::status(200),
        Fault::status(204),
        Fault::json(200, json!({"status": "ok"})),
        Fault::json(200, json!({"error": {"code": 5}})),
        Fault::answer(200, "application/json", "x".repeat(2 * 1024 * 1024)),
        Fault::close(),
    ] {
        halves.provider.next(Endpoint::Token, fault);
        let error = halves.auth.application().renew_credentials(&old).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Ambiguous, true), "{error:?}");
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 8);
}

/// J3 — token: 6
#[tokio::test]
async fn a_device_login_goes_on_after_a_redirect_or_a_page() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let mut login = time.application().device().start().await.unwrap();
    let faults = [
        Fault::redirect("https://login.example/"),
        html(200),
        Fault::status(204),
        html(403),
        Fault::error(503, "access_denied", ""),
    ];
    for fault in faults {
        time.provider.next(Endpoint::Token, fault);
        assert!(time.poll(&mut login).await.unwrap().is_none());
    }
    TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    assert!(time.poll(&mut login).await.unwrap().is_some());
    assert_eq!(time.provider.count(Endpoint::Token), 6);
}

/// J4 — token: 1 for each
#[tokio::test]
async fn a_dead_refresh_token_is_known_by_any_name() {
    let halves = halves().await;
    let old = halves.log_in().await.unwrap();
    let renew = |fault: Fault| {
        halves.provider.next(Endpoint::Token, fault);
        halves.auth.application().renew_credentials(&old)
    };
    let dex = "Refresh token is invalid or has already been claimed by another client.";
    for (status, code, description) in [
        (400, "invalid_token", ""),
        (401, "token_inactive", ""),
        (403, "token_expired", ""),
        (200, "refresh_token_reused", ""),
        (400, "invalid_refresh_token", ""),
        (400, "bad_refresh_token", ""),
        (400, "refresh_token_not_found", ""),
        (400, "invalid_request", dex),
        (403, "unauthorized_client", "refresh_token is invalid"),
        (400, "access_denied", "The refresh token was revoked"),
        (400, "something_new", ""),
    ] {
        let error = renew(Fault::error(status, code, description)).await.unwrap_err();
        assert!(error.is_login_required() && error.kind() == ErrorKind::LoginRequired, "{code}: {error:?}");
        assert_eq!(error.server_error().unwrap().code(), code);
    }
    for (code, description) in [
        ("invalid_client", ""),
        ("unauthorized_client", "grant not allowed"),
        ("access_denied", "a rule"),
        ("invalid_scope", ""),
        ("invalid_target", ""),
        ("unsupported_grant_type", ""),
        ("invalid_dpop_proof", ""),
        ("invalid_request", "DPoP proof is missing"),
        ("invalid_request", "client_id is missing"),
    ] {
        let error = renew(Fault::error(400, code, description)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{code}: {error:?}");
    }
}

/// J5 — token: 2
#[tokio::test]
async fn the_tokens_of_another_person_are_not_handed_out() {
    let halves = halves().await;
    let old = halves.log_in().await.unwrap();
    halves.provider.next_id_token(|token| _ = token.set("sub", "auth0|joe"));
    let error = halves.auth.application().renew_credentials(&old).await.unwrap_err();
    assert!(error.kind() == ErrorKind::LoginRequired && error.to_string().contains("another person"), "{error:?}");
    assert_eq!(halves.provider.count(Endpoint::Token), 2);
}

/// J6, B19, B20, B21, B22, B23, B24
#[tokio::test]
async fn an_odd_member_throws_no_successor_away() {
    let halves = halves().await;
    let mut kept = halves.log_in().await.unwrap();
    for fault in [
        Fault::new().set("scope", json!(["openid", "offline_access"])),
        Fault::new().set("scope", "openid,offline_access"),
        Fault::new().set("expires_in", ""),
        Fault::new().set("expires_in", -1),
        Fault::new().set("expires_in", json!({})),
        Fault::new().set("authorization_details", 5),
        Fault::new().set("scope", 5),
        Fault::new().set("id_token", 5),
    ] {
        halves.provider.next(Endpoint::Token, fault);
        let renewed = halves.auth.application().renew_credentials(&kept).await.unwrap();
        assert_ne!(renewed.refresh_token(), kept.refresh_token());
        assert!(renewed.has_scope("openid") && renewed.has_scope("offline_access"));
        kept = renewed;
    }
    for (name, value) in [("token_type", json!("mac")), ("token_type", json!(5)), ("access_token", json!(5))] {
        halves.provider.next(Endpoint::Token, Fault::new().set(name, value));
        let application = halves.auth.application();
        let error = application.renew_credentials(&kept).await.unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidResponse && error.to_string().contains(name), "{error:?}");
        kept = application.renew_credentials(&application.renew(error.refresh_token().unwrap()).await.unwrap()).await.unwrap();
    }
}

/// J7 — token: 1, and 1 more when it is over
#[tokio::test]
async fn a_service_that_is_told_to_wait_waits() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let service = Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(provider.client_secret()))
        .clock(&clock)
        .client_credentials()
        .audience("https://api.acme.com");
    provider.next(Endpoint::Token, Fault::status(429).header("retry-after", "60"));
    for _call in 0..300 {
        assert!(service.token().await.unwrap_err().is_transient());
    }
    assert_eq!(provider.count(Endpoint::Token), 1);
    clock.advance(Duration::from_secs(67));
    service.token().await.unwrap();
    provider.always(Endpoint::Discovery, Fault::status(404));
    let broken = Application::new(provider.issuer(), provider.client_id()).clock(&clock);
    let before = provider.count(Endpoint::Discovery);
    for _call in 0..3 {
        assert_eq!(broken.client_credentials().token().await.unwrap_err().kind(), ErrorKind::Discovery);
    }
    assert_eq!(provider.count(Endpoint::Discovery), before + 1);
}

/// J23 — revoke: 2
#[tokio::test]
async fn a_revocation_of_an_unknown_token_is_done() {
    let provider = TestProvider::start().await;
    let application = application(&provider);
    for status in [400, 200] {
        provider.next(Endpoint::Revoke, Fault::error(status, "invalid_token", "Unknown token"));
        application.revoke(&Secret::new("refresh")).await.unwrap();
    }
    assert_eq!(provider.count(Endpoint::Revoke), 2);
}

/// J24
#[tokio::test]
async fn the_end_of_a_refresh_token_is_the_end_of_the_login() {
    let halves = halves().await;
    for name in ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"] {
        let login = halves.answered(Fault::new().set("expires_in", 3600).set(name, 86_400)).await.unwrap();
        let after_the_access_token = login.ends_at().unwrap() - login.expires_at().unwrap();
        assert_eq!(after_the_access_token.whole_seconds(), 82_800, "{name}");
        assert!(halves.answered(Fault::new().set(name, 0)).await.unwrap().ends_at().is_none(), "{name}");
    }
}
