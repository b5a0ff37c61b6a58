use std::time::Duration;

use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use crate::client_auth::PrivateKey;
use crate::clock::Timestamp;
use crate::crypto;
use crate::error::Result;
use crate::jose::base64url;
use crate::provider::Metadata;
use crate::web_auth::request::{AuthorizationRequest, Value, Written};

/// The request as a JWT that only this application can have made (RFC 9101, section 4).
pub(crate) fn request_object(
    request: &AuthorizationRequest<'_>,
    key: &PrivateKey,
    metadata: &Metadata,
    now: Timestamp,
) -> Result<Zeroizing<String>> {
    let mut claims = Claims(Map::new());
    request.write(&mut claims);
    let mut unique = [0; 24];
    crypto::random(&mut unique)?;
    let mut set = |name: &str, value: Json| claims.0.insert(name.to_owned(), value);
    set("iss", request.client_id.into());
    // "The value of aud should be the value of the authorization server issuer identifier".
    set("aud", (*metadata.issuer).into());
    set("jti", base64url(&unique).into());
    set("iat", now.unix_seconds().into());
    set("nbf", now.unix_seconds().into());
    set("exp", now.plus(LIFE).unix_seconds().into());
    key.sign(TYPE, metadata.request_object_algorithms.as_deref(), &claims.0).map(Zeroizing::new)
}

/// A request as the claims of a JWT: numbers and JSON keep their type, and a repeated parameter becomes an array.
struct Claims(Map<String, Json>);

impl Written for Claims {
    fn put(&mut self, name: &str, value: Value<'_>) {
        let value = match value {
            Value::Text(text) => text.into(),
            Value::Number(number) => number.into(),
            Value::Json(json) => serde_json::from_str(json).expect("it was written by serde_json"),
        };
        match self.0.get_mut(name) {
            Some(Json::Array(several)) => several.push(value),
            Some(one) => *one = Json::Array(vec![one.take(), value]),
            None => drop(self.0.insert(name.to_owned(), value)),
        }
    }
}

/// RFC 9101, section 10.8: so that it cannot be taken for another JWT of the application, such as a client assertion.
const TYPE: &str = "oauth-authz-req+jwt";
/// For the way through the browser or to the provider.
pub(crate) const LIFE: Duration = Duration::from_secs(60);
