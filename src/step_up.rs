use std::time::Duration;

use crate::error::{Error, ErrorKind, excerpt};

/// The demands of an API beyond the token it was shown: more scope (RFC 6750, section 3.1), or a stronger or fresher login (RFC
/// 9470). Log in again with these, and call again: [`WebAuth::step_up`](crate::WebAuth::step_up) is that login.
///
/// The API's words: at most 2,048 characters, and only what the grammar of each allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepUp {
    scope: Option<String>,
    acr_values: Option<String>,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Takes what is well-formed; the rest is as if the API had not said it.
    pub(crate) fn new(scope: Option<&str>, acr_values: Option<&str>, max_age: Option<&str>) -> Self {
        Self {
            scope: scope.filter(|text| is_word_list(text)).map(str::to_owned),
            acr_values: acr_values.filter(|text| is_word_list(text)).map(str::to_owned),
            max_age: max_age.and_then(seconds).map(Duration::from_secs),
        }
    }

    /// The scopes that the API asks for, divided by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The authentication contexts, one of which would do, divided by spaces, the preferred one first.
    #[must_use]
    pub fn acr_values(&self) -> Option<&str> {
        self.acr_values.as_deref()
    }

    /// The highest age of the login.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    pub(crate) fn into_error(self) -> Error {
        let mut message = String::from("the API wants more than this token grants; log in again");
        let mut link = " with ";
        for (name, value) in [("scope", &self.scope), ("acr_values", &self.acr_values)] {
            if let Some(value) = value {
                message.push_str(link);
                message.push_str(name);
                message.push_str(" \"");
                message.push_str(&excerpt(value));
                message.push('"');
                link = " and ";
            }
        }
        if let Some(max_age) = self.max_age {
            message.push_str(link);
            message.push_str(&format!("max_age {} s", max_age.as_secs()));
        }
        Error::new(ErrorKind::StepUp, message).with_attachment(self)
    }
}

impl Error {
    /// The demands of the API, if its refusal named them.
    #[must_use]
    pub fn step_up(&self) -> Option<&StepUp> {
        self.attachment()
    }
}

/// `scope` and `acr_values` are words of visible ASCII without quote and backslash (RFC 6749, section 3.3).
fn is_word_list(text: &str) -> bool {
    !text.trim().is_empty()
        && text.len() <= MAX_LENGTH
        && text.bytes().all(|byte| byte == b' ' || (byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'))
}

/// Digits and nothing else: `parse` alone would take a plus sign.
fn seconds(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

const MAX_LENGTH: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_counts_as_not_said() {
        let step_up = StepUp::new(Some("read:messages\u{1b}[2J"), Some(&"a".repeat(2049)), Some("+5"));
        assert_eq!(step_up, StepUp { scope: None, acr_values: None, max_age: None });
        assert_eq!(step_up.into_error().to_string(), "the API wants more than this token grants; log in again");
        assert_eq!(StepUp::new(None, None, Some("99999999999999999999")).max_age(), None);
    }

    #[test]
    fn the_message_says_what_to_log_in_with() {
        let error = StepUp::new(Some("read:messages"), Some("urn:mfa"), Some("300")).into_error();
        assert_eq!(
            error.to_string(),
            "the API wants more than this token grants; log in again with scope \"read:messages\" and acr_values \"urn:mfa\" and max_age 300 s"
        );
        assert_eq!(error.kind(), ErrorKind::StepUp);
        assert_eq!(error.step_up().and_then(StepUp::max_age), Some(Duration::from_secs(300)));
    }
}
