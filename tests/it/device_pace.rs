//! The pace of a device login's polls, and their end.

use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::device::DeviceLogin;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc2822;

use crate::virtual_time::VirtualTime;

async fn started() -> (VirtualTime, DeviceLogin) {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let login = time.application().device().start().await.unwrap();
    (time, login)
}

/// One poll with each fault, after which the login still waits.
async fn poll_through(time: &VirtualTime, login: &mut DeviceLogin, faults: impl IntoIterator<Item = Fault>) {
    for fault in faults {
        time.provider.next(Endpoint::Token, fault);
        assert!(time.poll(login).await.unwrap().is_none());
    }
}

fn pending() -> Fault {
    Fault::error(403, "authorization_pending", "User has yet to authorize device code.")
}

fn slow_down(status: u16) -> Fault {
    Fault::error(status, "slow_down", "You are polling faster than allowed.")
}

/// Never sooner than in so many seconds; later only by what a busy machine takes for a request.
fn assert_pauses(time: &VirtualTime, seconds: &[u64]) {
    let pauses = time.pauses();
    assert_eq!(pauses.len(), seconds.len(), "{pauses:?}");
    for (pause, seconds) in pauses.iter().zip(seconds) {
        let expected = Duration::from_secs(*seconds);
        assert!((expected..expected + Duration::from_secs(4)).contains(pause), "{seconds} s in {pauses:?}");
    }
}

/// H1 — token: 6
#[tokio::test]
async fn each_slow_down_makes_the_interval_longer_for_good() {
    let (time, mut login) = started().await;
    poll_through(&time, &mut login, [pending(), slow_down(400), slow_down(400), slow_down(400), pending()]).await;
    assert_eq!(login.interval(), Duration::from_secs(20));
    TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    assert!(time.poll(&mut login).await.unwrap().is_some());
    assert_pauses(&time, &[5, 5, 10, 15, 20, 20]);
    assert_eq!(time.provider.count(Endpoint::Token), 6);
}

/// B32 — token: 4
#[tokio::test]
async fn a_slow_down_with_429_is_no_rate_limit_and_a_rate_limit_no_slow_down() {
    let (time, mut login) = started().await;
    let with_limit = slow_down(429).header("x-ratelimit-limit", "10").header("x-ratelimit-reset", "4102444800");
    let limited = Fault::rate_limited(Duration::from_secs(121));
    poll_through(&time, &mut login, [with_limit, pending(), limited, pending()]).await;
    assert_eq!(login.interval(), Duration::from_secs(10));
    assert_pauses(&time, &[5, 10, 10, 120]);
    assert_eq!(time.provider.count(Endpoint::Token), 4);
}

/// H2 — device code: 1 each
#[tokio::test]
async fn an_interval_that_makes_no_sense_counts_as_none() {
    for (interval, seconds) in [
        (json!(0), 5.0),
        (json!(-3), 5.0),
        (json!(0.001), 5.0),
        (json!("soon"), 5.0),
        (json!("NaN"), 5.0),
        (json!(""), 5.0),
        (Value::Null, 5.0),
        (json!([7]), 5.0),
        (json!({"seconds": 7}), 5.0),
        (json!(u64::MAX), 5.0),
        (json!(1e300), 5.0),
        (json!(1), 1.0),
        (json!(7), 7.0),
        (json!(7.5), 7.5),
        (json!("7"), 7.0),
        (json!(300), 300.0),
        (json!(600), 600.0),
        (json!(3600), 3600.0),
        (json!(3601), 5.0),
    ] {
        let time = VirtualTime::start(TestProvider::start().await).await;
        time.provider.next(Endpoint::DeviceCode, Fault::new().set("interval", &interval).set("expires_in", 3600));
        let login = time.application().device().start().await.unwrap();
        assert_eq!(login.interval(), Duration::from_secs_f64(seconds), "{interval}");
    }
    let time = VirtualTime::start(TestProvider::start().await).await;
    time.provider.next(Endpoint::DeviceCode, Fault::new().replace(r#""interval":5"#, r#""interval":1e999"#));
    assert_eq!(time.application().device().start().await.unwrap().interval(), Duration::from_secs(5));
}

/// H2 — token: 2
#[tokio::test]
async fn without_an_interval_five_seconds_pass_between_two_polls() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    time.provider.next(Endpoint::DeviceCode, Fault::new().remove("interval"));
    let mut login = time.application().device().start().await.unwrap();
    poll_through(&time, &mut login, [pending(), pending()]).await;
    assert_pauses(&time, &[5, 5]);
}

/// H3 — token: 8
#[tokio::test]
async fn a_retry_after_is_waited_for_whatever_it_comes_with() {
    let (time, mut login) = started().await;
    let in_two_minutes = login.expires_at() - login.expires_in() + Duration::from_secs(121);
    let date = in_two_minutes.format(&Rfc2822).unwrap().replace("+0000", "GMT");
    let faults = [
        pending().header("retry-after", "40"),
        slow_down(400).header("retry-after", "30"),
        slow_down(429).header("retry-after", &date),
        Fault::status(503).header("retry-after", "77"),
        pending().header("retry-after", "0"),
        pending().header("retry-after", "soon"),
        pending().header("retry-after", "-1").header("x-ratelimit-reset", "4102444800"),
        pending(),
    ];
    poll_through(&time, &mut login, faults).await;
    assert_pauses(&time, &[5, 40, 30, 118, 77, 15, 15, 15]);
    assert_eq!(time.provider.count(Endpoint::Token), 8);
}

/// H4 — token: 1
#[tokio::test]
async fn an_expired_code_is_polled_no_further() {
    let (time, mut login) = started().await;
    time.provider.next(Endpoint::Token, Fault::error(403, "expired_token", "The device code is expired."));
    for _ in 0..3 {
        let error = time.poll(&mut login).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::TimedOut, false));
        assert!(error.to_string().contains("start the device login anew"), "{error}");
    }
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

/// H4 — token: 1
#[tokio::test]
async fn a_code_that_expired_by_the_clock_is_not_asked_about() {
    let clock = TestClock::new();
    let time = VirtualTime::start(TestProvider::builder().clock(clock.clone()).start().await).await;
    let mut login = time.application().clock(&clock).device().start().await.unwrap();
    assert!((899..=900).contains(&login.expires_in().as_secs()), "{:?}", login.expires_in());
    poll_through(&time, &mut login, [pending()]).await;
    // As when a laptop sleeps.
    clock.advance(Duration::from_secs(900));
    assert_eq!(login.expires_in(), Duration::ZERO);
    assert_eq!(time.poll(&mut login).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

/// H4 — token: 1
#[tokio::test]
async fn a_pause_beyond_the_end_is_the_end() {
    let (time, mut login) = started().await;
    poll_through(&time, &mut login, [Fault::status(503).header("retry-after", "3600")]).await;
    let error = time.poll(&mut login).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("503"), "it says what kept it from asking: {source}");
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

/// H4 — token: 4
#[tokio::test]
async fn without_a_connection_it_asks_ever_more_seldom_and_goes_on() {
    let (time, mut login) = started().await;
    time.make_unreachable(true);
    for _ in 0..5 {
        assert!(time.poll(&mut login).await.unwrap().is_none());
    }
    assert_eq!(time.provider.count(Endpoint::Token), 0);
    time.make_unreachable(false);
    poll_through(&time, &mut login, [pending(), Fault::close(), Fault::status(502)]).await;
    TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    assert!(time.poll(&mut login).await.unwrap().is_some());
    assert_pauses(&time, &[5, 10, 20, 40, 60, 60, 5, 10, 20]);
    assert_eq!(time.provider.count(Endpoint::Token), 4);
}

/// H1, H4 — token: 3
#[tokio::test]
async fn a_long_interval_is_kept_to_whatever_goes_wrong() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    time.provider.next(Endpoint::DeviceCode, Fault::new().set("interval", 200));
    let mut login = time.application().device().start().await.unwrap();
    poll_through(&time, &mut login, [pending(), Fault::status(502), pending()]).await;
    assert_pauses(&time, &[200, 200, 200]);
    assert_eq!(time.provider.count(Endpoint::Token), 3);
}

/// H4 — token: 50
#[tokio::test]
async fn failures_without_end_are_followed_by_the_longest_pause() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    time.provider.next(Endpoint::DeviceCode, Fault::new().set("expires_in", 86_400));
    let mut login = time.application().device().start().await.unwrap();
    poll_through(&time, &mut login, vec![Fault::status(502); 50]).await;
    assert_pauses(&time, &[&[5, 10, 20, 40][..], &[60; 46]].concat());
    assert_eq!(time.provider.count(Endpoint::Token), 50);
}

/// H4 — token: 0
#[tokio::test]
async fn a_code_that_ends_while_its_turn_is_waited_for_is_not_asked_about() {
    let clock = TestClock::new();
    let time = VirtualTime::start(TestProvider::builder().clock(clock.clone()).start().await).await;
    let mut login = time.application().clock(&clock).device().start().await.unwrap();
    let sleeps = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        clock.advance(Duration::from_secs(900));
    };
    let polls = async { tokio::join!(login.poll(), sleeps).0 };
    assert_eq!(time.without_waiting(polls).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(time.provider.count(Endpoint::Token), 0);
}
