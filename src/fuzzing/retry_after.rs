use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error_body::split_line;
use super::made_up::now;
use crate::clock::Timestamp;
use crate::transport::Reply;

/// A pause is never longer than a day: seconds as sent, or until a date.
///
/// The first line is `Retry-After`, the second `x-ratelimit-reset`.
pub fn retry_after(bytes: &[u8]) {
    let (first, second) = split_line(bytes);
    let mut headers = HeaderMap::new();
    for (name, value) in [(RETRY_AFTER.as_str(), first), ("x-ratelimit-reset", second)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let reply = Reply::made_up(StatusCode::SERVICE_UNAVAILABLE, headers.clone(), b"");
    let wait = reply.retry_after(now());
    let or_reset = reply.retry_after_rate_limit(now());
    for wait in [wait, or_reset].into_iter().flatten() {
        assert!(wait <= DAY, "{wait:?}");
    }
    assert!(wait.is_none() || wait == or_reset, "what the RFC knows comes first");

    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        assert_eq!(wait, Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)).min(DAY)), "{text}");
    } else if let Some(wait) = wait {
        // A date is the same point in time for whoever reads it an hour later.
        let later = Timestamp::from_unix_seconds(now().unix_seconds() + 3600);
        let then = reply.retry_after(later).expect("it is still a date");
        assert!(wait == DAY || then == wait.saturating_sub(Duration::from_secs(3600)), "{text}");
        assert!(!text.starts_with(['+', '-']), "a signed number is no date");
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
