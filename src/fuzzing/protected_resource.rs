use std::sync::LazyLock;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::errors;
use super::made_up::{json_reply, read_by_another};
use crate::origin;
use crate::protected_resource::ProtectedResource;
use crate::transport::Reply;

static API: LazyLock<Url> = LazyLock::new(|| Url::parse("https://api.example.com/v1").expect("it is a URL"));

/// An API's metadata is fetched from its own origin, and is about this API alone (RFC 9728).
///
/// Headers first, a line each, of a refusal; after an empty line, the document.
pub fn protected_resource(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, document) = end.map_or((&b""[..], bytes), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).take(64) {
        headers.append(WWW_AUTHENTICATE, line);
    }
    let refusal = Reply::made_up(StatusCode::UNAUTHORIZED, headers, b"");
    let (address, scope) = match ProtectedResource::address(Some(&refusal), &API) {
        Ok(address) => address,
        Err(error) => {
            errors::check(&error, &[]);
            (API.clone(), None)
        }
    };
    assert!(origin::same_origin(&address, &API) && !origin::has_user_info(&address), "{address}");
    match ProtectedResource::read(&json_reply(document), scope.clone(), &API) {
        Ok(resource) => {
            assert_eq!(resource.resource, API.as_str());
            assert!(resource.authorization_servers.len() <= 5);
            let grammar = |byte: u8| byte == b' ' || (byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
            assert!(resource.scope.as_deref().unwrap_or_default().bytes().all(grammar), "{:?}", resource.scope);
            assert!(scope.is_none() || resource.scope == scope, "what the refusal asks for comes first");
            if let Some(said) = read_by_another(document) {
                assert_eq!(said["resource"], API.as_str());
            }
        }
        Err(error) => errors::check(&error, &[]),
    }
}
