//! An ID token's times, against the program's clock.

use std::time::Duration;

use hallpass::testing::{Endpoint, TestProvider};
use serde_json::json;

use crate::altered_login::{Alteration, accepts, altered_login, application, refuses, told, web_auth, with_payload};

const DAY: i64 = 24 * 60 * 60;

fn now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// K11
#[tokio::test]
async fn a_leeway_is_bounded_unless_the_program_insists() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider).leeway(Duration::MAX));
    refuses(&provider, &auth, "it expired at", &[("in 2001", |token| token.set("iat", 1_000_000_000).set("exp", 1_000_000_600))])
        .await;
    refuses(&provider, &auth, "600 seconds of leeway", &[("11 minutes ago", |token| token.set("exp", now() - 660))]).await;
    accepts(&provider, &auth, &[("9 minutes ago", |token| token.set("exp", now() - 540))]).await;
    let insisting = web_auth(&application(&provider).danger_leeway(Duration::from_secs(3600)));
    accepts(&provider, &insisting, &[("11 minutes ago", |token| token.set("exp", now() - 660))]).await;
}

/// C22, C25, C27 — token: 1, keys: 0
#[tokio::test]
async fn an_id_token_is_of_this_time() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider).leeway(Duration::from_secs(60)));
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object",
        &[
            ("no exp", |token| token.remove("exp")),
            ("no iat", |token| token.remove("iat")),
            ("exp null", |token| token.set("exp", json!(null))),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it expired at",
        &[
            ("long ago", |token| token.set("exp", now() - DAY)),
            ("a second more than the leeway", |token| token.set("exp", now() - 61)),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it was issued in the future",
        &[
            ("next year", |token| token.set("iat", now() + 365 * DAY).set("exp", now() + 366 * DAY)),
            ("seconds more than the leeway", |token| token.set("iat", now() + 75)),
        ],
    )
    .await;
    refuses(&provider, &auth, "it is not valid before", &[("nbf", |token| token.set("nbf", now() + 75))]).await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(
        &provider,
        &auth,
        &[
            ("expired within the leeway", |token| token.set("exp", now() - 30)),
            ("issued within the leeway", |token| token.set("iat", now() + 50)),
            ("valid within the leeway", |token| token.set("nbf", now() + 50)),
        ],
    )
    .await;
}

/// C26
#[tokio::test]
async fn an_id_token_may_have_been_issued_a_week_ago() {
    let provider = TestProvider::start().await;
    accepts(&provider, &web_auth(&application(&provider)), &[("a week", |token| token.set("iat", now() - 7 * DAY))]).await;
}

/// C23, C24
#[tokio::test]
async fn times_are_numbers_whole_or_not_of_any_size() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object",
        &[
            ("exp as text", |token| token.set("exp", (now() + 600).to_string())),
            ("nbf as text", |token| token.set("nbf", now().to_string())),
            ("iat as text", |token| token.set("iat", now().to_string())),
            ("exp as a boolean", |token| token.set("exp", true)),
            ("exp beyond every number", |token| with_payload(token, |payload| payload.replace(r#""exp":"#, r#""exp":1e999,"x":"#))),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it expired at",
        &[
            ("negative", |token| token.set("exp", -1)),
            ("very negative", |token| token.set("exp", -1e300)),
            ("the least integer", |token| token.set("exp", i64::MIN)),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it was issued in the future",
        &[("1e300", |token| token.set("iat", 1e300)), ("the greatest integer", |token| token.set("iat", u64::MAX))],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact")]
    accepts(
        &provider,
        &auth,
        &[
            ("half a second", |token| token.set("exp", now() as f64 + 600.5).set("iat", now() as f64 - 0.5)),
            ("1e300", |token| token.set("exp", 1e300)),
            ("the greatest integer", |token| token.set("exp", u64::MAX)),
            ("issued before 1970", |token| token.set("iat", -1e300).set("nbf", i64::MIN)),
        ],
    )
    .await;
}

/// C41
#[tokio::test]
async fn a_refusal_for_its_time_prints_both_times_and_the_leeway() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider).leeway(Duration::from_secs(7))).max_age(Duration::from_secs(1));
    let rows: [Alteration; 4] = [
        |token| token.set("exp", 1_700_000_000),
        |token| token.set("iat", 4_000_000_000_i64),
        |token| token.set("nbf", 4_000_000_000_i64),
        |token| token.set("auth_time", 1_700_000_000),
    ];
    for alter in rows {
        let text = told(&altered_login(&provider, &auth, alter).await.unwrap_err());
        let token_time = text.contains("2023-11-14 22:13:20") || text.contains("2096-10-02 7:06:40");
        let this_year =
            time::OffsetDateTime::from(std::time::SystemTime::UNIX_EPOCH + std::time::UNIX_EPOCH.elapsed().unwrap()).year();
        assert!(token_time && text.contains(&format!("this machine's clock says {this_year}-")), "{text}");
        assert!(text.contains("7 seconds of leeway"), "{text}");
    }
}

/// C32
#[tokio::test]
async fn a_login_as_fresh_as_was_asked_for_is_proved() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider).leeway(Duration::from_secs(60))).max_age(Duration::from_secs(600));
    refuses(&provider, &auth, "auth_time is missing", &[("missing", |token| token.remove("auth_time"))]).await;
    refuses(
        &provider,
        &auth,
        "auth_time is missing or no number",
        &[("text", |token| token.set("auth_time", token.claim("auth_time").unwrap()))],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "longer ago than the max_age",
        &[
            ("seconds more than max_age and leeway", |token| token.set("auth_time", now() - 661)),
            ("1970", |token| token.set("auth_time", 0)),
            ("long before", |token| token.set("auth_time", -1e300)),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(&provider, &auth, &[("within max_age and leeway", |token| token.set("auth_time", now() - 640))]).await;
    let at_any_time = web_auth(&application(&provider));
    accepts(&provider, &at_any_time, &[("1970, where nobody asked", |token| token.set("auth_time", 0))]).await;
    // K16
    accepts(&provider, &at_any_time, &[("text, where nobody asked", |token| token.set("auth_time", "1700000000"))]).await;
}

/// C42
#[tokio::test]
async fn a_login_may_be_a_day_ahead_but_no_more() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider)).max_age(Duration::from_secs(600));
    accepts(
        &provider,
        &auth,
        &[
            ("a minute ahead", |token| token.set("auth_time", now() + 60)),
            ("a day ahead", |token| token.set("auth_time", now() + DAY)),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "the person is said to log in only at",
        &[
            ("two days ahead", |token| token.set("auth_time", now() + 2 * DAY)),
            ("at the end of time", |token| token.set("auth_time", 1e300)),
        ],
    )
    .await;
}
