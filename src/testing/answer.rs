//! The shapes that answers have.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::clock::Timestamp;

pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = with_content(status, "application/json", body.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn jwt(token: String) -> Response<Bytes> {
    with_content(StatusCode::OK, "application/jwt", token)
}

/// RFC 6749, section 5.2.
pub(super) fn error(status: StatusCode, code: &str, description: &str) -> Response<Bytes> {
    json(status, &json!({ "error": code, "error_description": description }))
}

pub(super) fn rate_limited(until: Timestamp) -> Response<Bytes> {
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Global limit has been reached");
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from_static("10"));
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
    headers.insert("x-ratelimit-reset", HeaderValue::from(until.unix_seconds()));
    response
}

pub(super) fn redirect(location: &str) -> Response<Bytes> {
    let mut response = with_content(StatusCode::FOUND, "text/plain; charset=utf-8", String::new());
    let location = HeaderValue::from_str(location).expect("a parsed URL and an encoded query are visible ASCII");
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn html(status: StatusCode, page: String) -> Response<Bytes> {
    let mut response = with_content(status, "text/html; charset=utf-8", page);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    // No form-action: a browser applies it also to the redirect that follows, and that leads to the application.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert("content-security-policy", HeaderValue::from_static(policy));
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn with_content(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
