use serde_json::Value;

use super::errors;
use super::made_up::{APPLICATION, CANARY, json_reply, now, read_by_another};
use crate::endpoint;
use crate::json;
use crate::token::TokenResponse;

/// A token endpoint's answer yields the access token that it has, once. A refused answer shows nothing.
pub fn token_response(body: &[u8]) {
    let reply = json_reply(body);
    // The provider's own words are for `error_body`.
    if endpoint::refusal(&reply, "the token request", &APPLICATION, |_| false).is_some() {
        return;
    }
    let lenient = TokenResponse::read(&reply, &APPLICATION.clone().danger_accept_missing_token_type(), now());
    let strict = TokenResponse::read(&reply, &APPLICATION, now());
    let response = match lenient {
        Ok(response) => response,
        Err(error) => {
            errors::check(&error, &[CANARY]);
            assert!(strict.is_err(), "what is refused at any rate is refused");
            return;
        }
    };
    let Some(answer) = read_by_another(body) else { return };
    json::refuse_duplicates(body).expect("no member stands there twice");
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    assert_eq!(strict.is_ok(), answer.get("token_type").is_some_and(|name| !name.is_null()), "only token_type may be missing");
    assert!(text("token_type").is_none_or(|name| name.eq_ignore_ascii_case("bearer")));
    let token = response.access_token.expose();
    assert_eq!(text("access_token"), Some(token));
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(response.access_token.expiry().is_none_or(|end| end >= now()), "no token ends before it came");
    assert_eq!(response.access_token.expiry().is_some(), answer.get("expires_in").is_some_and(is_a_life), "any other is unknown");
    assert_eq!(text("refresh_token"), response.refresh_token.as_ref().map(|token| token.expose()));
    assert_eq!(text("id_token"), response.id_token().map(|token| token.expose()));
    assert_eq!(answer.get("scope").and_then(scope), response.scope.as_deref().map(str::to_owned));
    if !response.scope.as_deref().unwrap_or_default().contains(CANARY) {
        assert!(!format!("{response:?}").contains(CANARY), "Debug shows no token");
    }
}

/// A second or more, as a number or as text of one.
fn is_a_life(value: &Value) -> bool {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => text.parse().ok(),
        _ => None,
    };
    seconds.is_some_and(|seconds| seconds >= 1.0)
}

/// Text, separated by spaces or by commas, or a list of texts.
fn scope(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.contains(' ') => Some(text.replace(',', " ")),
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|list| list.join(" ")),
        _ => None,
    }
}
