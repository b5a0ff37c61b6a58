use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::errors;
use super::made_up::APPLICATION;
use crate::client_auth::method::ClientAuth;
use crate::endpoint;
use crate::error::ErrorKind;
use crate::form::{Form, leaks_into, repeats};
use crate::transport::Reply;

/// The secrets that an error must not repeat, as they are and as they are sent.
const SECRETS: [&str; 6] =
    ["canary+code/1&=", "canary%2Bcode%2F1%26%3D", "canary refresh", "canary+refresh", "canary-client-secret", "canary_nonce"];

static FORM: LazyLock<Bytes> = LazyLock::new(|| {
    let form = Form::new("authorization_code").with("code", SECRETS[0]).with("refresh_token", SECRETS[2]);
    form.with("client_secret", SECRETS[4]).into_bytes()
});

/// A refusal, in whatever form a provider puts it, is an error that a person can read and that repeats no secret of the request.
///
/// The first line is a status and a content type, as in `400 application/json`; the body follows.
pub fn error_body(bytes: &[u8]) {
    let (first, body) = split_line(bytes);
    let first = String::from_utf8_lossy(first);
    let (status, content_type) = first.split_once(' ').unwrap_or((&first, ""));
    let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    let reply = Reply::made_up(status, headers, body);

    let client_auth = ClientAuth::client_secret_basic(SECRETS[4]);
    let leaks = |text: &str| leaks_into(&FORM, text) || client_auth.leaks_into("client", text) || repeats(text, SECRETS[5]);
    let Some(error) = endpoint::refusal(&reply, "the token request", &APPLICATION, leaks) else {
        assert!(status.is_success(), "an answer of another status is a refusal");
        let answer = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
        assert!(answer.is_none_or(|answer| answer.get("error").is_none_or(Value::is_null)), "an error in spite of {status}");
        return;
    };
    errors::check(&error, &SECRETS);
    assert!(matches!(error.kind(), ErrorKind::Server | ErrorKind::MfaRequired | ErrorKind::InvalidResponse), "{error:?}");
    assert!(error.retry_after().is_none_or(|delay| delay <= Duration::from_secs(24 * 60 * 60)));
    let Some(server) = error.server_error() else { return };
    assert!(!server.code().is_empty());
    assert_eq!(server.status(), Some(status));
    // An escape takes ten characters at most.
    assert!(server.description().is_none_or(|text| text.chars().count() <= 3001));
}

pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
