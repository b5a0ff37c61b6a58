//! The rules for every error.

use std::error::Error as _;

use crate::error::{Error, is_unprintable};

/// All that an error shows: to a person, in a log, and of its causes.
pub(super) fn shown(error: &Error) -> String {
    let mut shown = format!("{error}\n{error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push_str(&format!("\n{error}\n{error:?}"));
        cause = error.source();
    }
    shown
}

/// One sentence of bounded length that no terminal stumbles over, in which none of the secrets stands.
pub(super) fn check(error: &Error, secrets: &[&str]) {
    let sentence = error.to_string();
    assert!(!sentence.chars().any(is_unprintable), "{sentence:?}");
    assert!(sentence.len() < 8192, "{} bytes", sentence.len());
    let shown = shown(error);
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} stands in {shown}");
    }
}
