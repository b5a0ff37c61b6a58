use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use super::errors;
use crate::challenge::Challenge;
use crate::step_up::StepUp;

/// Challenges are read as they are written: printed by the grammar, they are the same challenges. What an API asks for by them fits into
/// an error.
///
/// Each line is another header.
pub fn www_authenticate(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).take(64) {
        headers.append(WWW_AUTHENTICATE, line);
    }
    let challenges = Challenge::all(&headers);
    let mut printed = HeaderMap::new();
    for challenge in &challenges {
        let value = HeaderValue::from_bytes(print(challenge).as_bytes()).expect("what came in a header fits into one");
        printed.append(WWW_AUTHENTICATE, value);
        let said = |name: &str| challenge.parameter(name);
        let step_up = StepUp::new(said("scope"), said("acr_values"), said("max_age"));
        assert!([step_up.scope(), step_up.acr_values()].iter().flatten().all(|words| words.len() <= 2048));
        let error = step_up.into_error();
        assert!(error.to_string().is_ascii() || error.to_string().contains('…'), "{error}");
        errors::check(&error, &[]);
    }
    assert_eq!(Challenge::all(&printed), challenges);
}

fn print(challenge: &Challenge<'_>) -> String {
    let mut text = challenge.scheme.to_owned();
    for (position, (name, value)) in challenge.parameters.iter().enumerate() {
        text.push_str(if position == 0 { " " } else { ", " });
        text.push_str(name);
        text.push_str("=\"");
        text.push_str(&value.replace('\\', "\\\\").replace('"', "\\\""));
        text.push('"');
    }
    text
}
