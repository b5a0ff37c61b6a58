//! The transport of a token request: its target, redirects, size and time.

use std::time::{Duration, Instant};

use hallpass::ErrorKind;
use hallpass::testing::{Endpoint, Fault, TestProvider};

use crate::two_halves::{TwoHalves, all_of};

/// B10 — token: 1, and 0 where the redirect leads
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TestProvider::start().await;
    let halves = TwoHalves::start().await;
    for status in [301, 302, 303, 307, 308] {
        let target = elsewhere.endpoint_url(Endpoint::Token);
        let error = halves.answered(Fault::redirect(target.as_str()).with_status(status)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Server, true), "{status}: {error}");
        assert!(error.to_string().contains("final address"), "{error}");
        assert!(!all_of(&error).contains(target.as_str()), "{error:?}");
        let itself = halves.provider.endpoint_url(Endpoint::Token);
        halves.answered(Fault::redirect(itself.as_str()).with_status(status)).await.unwrap_err();
    }
    assert_eq!(elsewhere.count(Endpoint::Token), 0);
}

/// B11
#[tokio::test]
async fn a_body_over_one_mebibyte_is_cut_off() {
    let halves = TwoHalves::start().await;
    let began = Instant::now();
    for announced in [true, false] {
        // Reading it all would take longer than the deadline, and more memory than there is.
        let error = halves.answered(Fault::huge(1 << 40, announced)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
        assert!(error.to_string().contains("1024 KiB"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(25), "it was cut off, not waited for");
    let body = |padding: usize| Fault::new().replace("{", &format!("{}{{", " ".repeat(padding)));
    halves.answered(body(1_000_000)).await.expect("a body just under the cap is read");
    assert_eq!(halves.answered(body(1 << 20)).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
}

/// B12
#[tokio::test]
async fn a_body_is_capped_after_it_was_unpacked() {
    let halves = TwoHalves::start().await;
    let error = halves.answered(Fault::gzip_bomb(64 << 20)).await.unwrap_err();
    assert!(halves.provider.requests(Endpoint::Token)[0].header("accept-encoding").unwrap().contains("gzip"));
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
    assert!(error.to_string().contains("1024 KiB"), "{error}");
    // Unpacked it is no JSON, and short enough to be read.
    let error = halves.answered(Fault::gzip_bomb(1000)).await.unwrap_err();
    assert!(error.to_string().contains("not with the JSON object"), "{error}");
}

/// B13 — token: 1
#[tokio::test]
async fn an_answer_that_drips_ends_at_the_deadline() {
    let halves = TwoHalves::start().await;
    let (login, callback) = halves.returned().await;
    // Each byte by itself comes in time. Requests run on a thread whose time no test can pause.
    halves.provider.next(Endpoint::Token, Fault::new().drip(Duration::from_millis(500)));
    let began = Instant::now();
    let error = halves.auth.finish(login, &callback).await.unwrap_err();
    assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::TimedOut, true), "{error}");
    assert!(began.elapsed() >= Duration::from_secs(29), "it is not given up earlier");
    assert_eq!(halves.provider.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn an_answer_that_never_comes_or_breaks_off_is_the_networks_fault() {
    let halves = TwoHalves::start().await;
    for fault in [Fault::close(), Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), Fault::raw("\0\0\0")] {
        let error = halves.answered(fault).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Network, true), "{error}");
    }
}

/// B29, B30 — token: 0
#[tokio::test]
async fn metadata_with_an_endpoint_that_gives_secrets_away_is_refused() {
    for endpoint in [
        "http://auth.example.com/token",
        "http://127.0.0.1.example.com/token",
        "http://10.0.0.1/token",
        "http://localhost.evil.example/token",
        "ftp://127.0.0.1/token",
        "//auth.example.com/token",
        "http://user@127.0.0.1/token",
        "https://user:CANARY@auth.example.com/token",
        "https://auth.example.com/token#fragment",
    ] {
        for name in ["token_endpoint", "authorization_endpoint", "jwks_uri"] {
            let halves = TwoHalves::start().await;
            halves.provider.always(Endpoint::Discovery, Fault::new().set(name, endpoint));
            let error = halves.auth.begin().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Discovery, "{name} {endpoint}: {error}");
            assert!(error.to_string().contains(name), "{error}");
            assert!(!all_of(&error).contains("CANARY"), "{error:?}");
            assert_eq!(halves.provider.count(Endpoint::Token), 0);
        }
    }
    for loopback in ["127.0.0.1", "127.8.8.8", "[::1]", "localhost"] {
        let halves = TwoHalves::start().await;
        halves.provider.always(Endpoint::Discovery, Fault::new().set("token_endpoint", format!("http://{loopback}:1/token")));
        halves.auth.begin().await.unwrap_or_else(|error| panic!("{loopback}: {error}"));
    }
}
