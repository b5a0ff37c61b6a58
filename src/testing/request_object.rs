use http::StatusCode;
use serde_json::Value;

use super::authorize::Refusal;
use super::signed::{Claims, is_signed_by, text, verifying_key};
use super::tenant::Tenant;
use crate::jose::CompactJws;

type Parameters = Vec<(String, String)>;

impl Tenant {
    /// The parameters of a request object, in place of those beside the object (RFC 9101, section 6.3); the sent ones without an
    /// object.
    pub(super) fn unpacked(&self, sent: Parameters) -> Result<Parameters, Refusal> {
        let value = |name: &str| sent.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let client = self.client(value("client_id").unwrap_or_default());
        let demanded = client.is_some_and(|client| client.request_key.is_some());
        match (value("request"), client) {
            (None, _) if demanded => Err(refused("A signed request is required")),
            (None, _) => Ok(sent),
            (Some(_), None) => Err(refused("The request is nobody's")),
            (Some(jwt), Some(client)) => {
                let key = client.request_key.as_ref().or(client.key.as_ref());
                key.and_then(|key| self.read_request(jwt, &client.id, key)).ok_or_else(|| refused("The request object is not good"))
            }
        }
    }

    fn read_request(&self, jwt: &str, client_id: &str, key: &Value) -> Option<Parameters> {
        let jws = CompactJws::parse(jwt, &["oauth-authz-req+jwt"]).ok()?;
        let claims: Claims = serde_json::from_slice(&jws.payload).ok()?;
        let own = |name: &str| text(&claims, name) == Some(client_id);
        let good = is_signed_by(&jws, &verifying_key(key, jws.algorithm)?)
            && own("iss")
            && own("client_id")
            && !claims.contains_key("request")
            && !claims.contains_key("request_uri")
            && self.takes_once(&claims);
        good.then(|| claims.into_iter().filter(|(name, _)| !ENVELOPE.contains(&name.as_str())).flat_map(as_parameters).collect())
    }
}

fn as_parameters((name, value): (String, Value)) -> Parameters {
    match value {
        Value::String(text) => vec![(name, text)],
        Value::Array(several) if several.iter().all(Value::is_string) => {
            several.into_iter().flat_map(|value| as_parameters((name.clone(), value))).collect()
        }
        other => vec![(name, other.to_string())],
    }
}

fn refused(text: &str) -> Refusal {
    Refusal::Page(StatusCode::BAD_REQUEST, "Invalid request object", text.to_owned())
}

/// The claims of a request object about itself.
const ENVELOPE: [&str; 6] = ["iss", "aud", "exp", "iat", "nbf", "jti"];
