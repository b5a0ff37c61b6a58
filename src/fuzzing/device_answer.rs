use std::time::Duration;

use super::errors;
use super::made_up::{CANARY, json_reply};
use crate::device::Answer;
use crate::error::is_unprintable;
use crate::origin;

/// The code and the pages of a device login are safe to show: printable characters, and http or https URLs.
pub fn device_answer(body: &[u8]) {
    match Answer::read(&json_reply(body)) {
        Ok(answer) => {
            assert!(!answer.device_code.expose().is_empty());
            let code = &answer.user_code;
            assert!(!code.is_empty() && code.len() <= 100 && !code.chars().any(is_unprintable), "{code:?}");
            for page in [Some(&answer.verification_uri), answer.verification_uri_complete.as_ref()].into_iter().flatten() {
                assert!(matches!(page.scheme(), "http" | "https") && !origin::has_user_info(page), "{page}");
                assert!(page.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{page}");
            }
            assert!(
                (Duration::from_secs(1)..=answer.life.max(Duration::from_secs(5))).contains(&answer.interval),
                "{:?}",
                answer.interval
            );
        }
        Err(error) => errors::check(&error, &[CANARY]),
    }
}
