//! `expires_in` in all the forms that providers send.

use std::time::Duration;

use hallpass::Application;
use hallpass::testing::{Fault, TestClock, TestProvider};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::two_halves::TwoHalves;

/// The life of the token in seconds by the ID token's `iat`, which comes from the same second.
async fn life(halves: &TwoHalves, expires_in: &Value) -> i64 {
    let credentials = halves.answered(Fault::new().set("expires_in", expires_in)).await.unwrap();
    (credentials.expires_at().unwrap() - credentials.id_token().unwrap().issued_at()).whole_seconds()
}

/// B19
#[tokio::test]
async fn a_lifetime_may_be_text_or_have_a_fraction() {
    let halves = TwoHalves::start().await;
    for (expires_in, seconds) in [
        (json!(3600), 3600),
        (json!("3600"), 3600),
        (json!(3600.0), 3600),
        (json!(3600.7), 3600),
        (json!("3600.7"), 3600),
        (json!("0060"), 60),
    ] {
        let life = life(&halves, &expires_in).await;
        assert!((seconds..seconds + 30).contains(&life), "{expires_in} is {life} s");
    }
}

/// B20, B21
#[tokio::test]
async fn a_lifetime_that_is_none_is_unknown() {
    let halves = TwoHalves::start().await;
    let texts = ["3600abc", "", " ", "-1", "+1", " 3600", "1e3", "inf", "NaN", ".", "0x10", "３６００"].map(|text| json!(text));
    for expires_in in texts.into_iter().chain([json!(true), json!([3600]), json!({}), json!(-1), json!(i64::MIN), json!(-0.5)]) {
        let login = halves.answered(Fault::new().set("expires_in", &expires_in)).await.unwrap();
        assert_eq!(login.expires_at(), None, "{expires_in}");
    }
}

/// B21
#[tokio::test]
async fn no_lifetime_and_zero_are_unknown() {
    let halves = TwoHalves::start().await;
    for absent in
        [Fault::new().remove("expires_in"), Fault::new().set("expires_in", Value::Null), Fault::new().set("expires_in", 0)]
    {
        assert_eq!(halves.answered(absent).await.unwrap().expires_at(), None);
    }
}

/// B22
#[tokio::test]
async fn a_lifetime_without_end_saturates() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let application = Application::new(provider.issuer(), provider.client_id()).clock(&clock);
    let halves = TwoHalves::of(provider, &application);
    let endless = [json!(1e300), json!(u64::MAX), json!(i64::MAX), json!("99999999999999999999999999"), json!(1e18)];
    for _century in 0..2 {
        for expires_in in &endless {
            let credentials = halves.answered(Fault::new().set("expires_in", expires_in)).await.unwrap();
            assert_eq!(credentials.expires_at().map(OffsetDateTime::year), Some(9999), "{expires_in}");
        }
        clock.advance(Duration::from_secs(100 * 365 * 24 * 60 * 60));
    }
}
