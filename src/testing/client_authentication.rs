use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Response, StatusCode};
use url::form_urlencoded;

use super::answer;
use super::client::{ClientMethod, TestClient};
use super::seen::SeenRequest;
use super::tenant::Tenant;
use crate::crypto;

impl Tenant {
    /// Which application asks, once it has shown its secret (by HTTP Basic or in the form, and not by both) or signed an
    /// assertion.
    pub(super) fn authenticate(&self, request: &SeenRequest) -> Result<&TestClient, Box<Response<Bytes>>> {
        let refused = || Box::new(answer::error(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized"));
        let form_id = request.field("client_id");
        if let Some(assertion) = request.field("client_assertion") {
            let standard = request.field("client_assertion_type").as_deref() == Some(JWT_BEARER);
            let client = self.asserted_client(&assertion).filter(|_| standard).ok_or_else(refused)?;
            return if form_id.is_none_or(|id| id == client.id) { Ok(client) } else { Err(refused()) };
        }
        let form_secret = request.field("client_secret");
        let (id, secret, method) = match request.header("authorization") {
            Some(_) if form_secret.is_some() => {
                let description = "A client must not use more than one way to authenticate";
                return Err(Box::new(answer::error(StatusCode::BAD_REQUEST, "invalid_request", description)));
            }
            Some(header) => {
                let (id, secret) = basic(header).ok_or_else(refused)?;
                if form_id.is_some_and(|form_id| form_id != id) {
                    return Err(refused());
                }
                (id, Some(secret), ClientMethod::SecretBasic)
            }
            None if form_secret.is_some() => (form_id.unwrap_or_default(), form_secret, ClientMethod::SecretPost),
            None => (form_id.unwrap_or_default(), None, ClientMethod::None),
        };
        let client = self.client(&id).ok_or_else(refused)?;
        let right = match (&client.secret, &secret) {
            (_, None) => client.may_use(ClientMethod::None) || client.may_use(ClientMethod::Tls),
            (Some(right), Some(secret)) => client.may_use(method) && crypto::equal(right.as_bytes(), secret.as_bytes()),
            _ => false,
        };
        if right { Ok(client) } else { Err(refused()) }
    }
}

/// RFC 6749, section 2.3.1: id and secret are form-encoded before they are joined by a colon.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

/// None where a character should have been encoded: a provider that decodes it would see another secret.
fn form_decoded(text: &str) -> Option<String> {
    let encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~*+%".contains(&byte);
    if !text.bytes().all(encoded) {
        return None;
    }
    let (decoded, _) = form_urlencoded::parse(text.as_bytes()).next()?;
    Some(decoded.into_owned())
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
