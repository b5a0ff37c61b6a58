use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap,
    HeaderName, LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};
use reqwest::Request;
use url::Url;

use super::origins::Origins;
use super::repeat::Repeat;
use crate::dpop;
use crate::origin::same_origin;

/// The request that a redirect asks for, as reqwest would send it; none when this is no redirect, or one that may not be
/// followed: to an origin that is not allowed, or with a body that was a stream.
pub(super) fn next(status: StatusCode, headers: &HeaderMap, from: &Url, repeat: &mut Repeat, origins: &Origins) -> Option<Request> {
    let method = next_method(status, &repeat.method)?;
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    let to = from.join(location).ok()?;
    let body_is_dropped = status == StatusCode::SEE_OTHER || method != repeat.method;
    if !origins.may_redirect(from, &to) {
        return None;
    }
    if body_is_dropped {
        repeat.drop_body();
        // RFC 9110, section 15.4: the client removes the "content-specific header fields".
        let of_the_body = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, TRANSFER_ENCODING];
        remove(&mut repeat.headers, &of_the_body);
    }
    if !same_origin(from, &to) {
        // Gone for good, also when a later hop leads back. `Authorization` is the caller's own where the token has another header.
        remove(&mut repeat.headers, &[AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION, dpop::HEADER]);
    }
    repeat.method = method;
    repeat.request(to)
}

/// RFC 9110, sections 15.4.2 to 15.4.9: a POST becomes a GET with 301 and 302, as it does in browsers, and everything but
/// HEAD does with 303.
fn next_method(status: StatusCode, method: &Method) -> Option<Method> {
    match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if method == Method::POST => Some(Method::GET),
        StatusCode::SEE_OTHER if method != Method::HEAD => Some(Method::GET),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => Some(method.clone()),
        _ => None,
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
