use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::tenant::Tenant;
use crate::crypto::{Algorithm, VerifyingKey};

impl Tenant {
    /// The claims of a JWT that this provider signed; nothing is said of its expiry.
    pub(super) fn signed_claims(&self, token: &str) -> Option<Map<String, Value>> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header = object(header)?;
        let claims = object(payload)?;
        let text = |object: &Map<String, Value>, name: &str| object.get(name)?.as_str().map(ToOwned::to_owned);
        let algorithm = Algorithm::from_name(&text(&header, "alg")?)?;
        let key = if algorithm == Algorithm::Hs256 {
            let client = self.client(&text(&claims, "aud")?)?;
            VerifyingKey::shared_secret(client.secret.as_ref()?.as_bytes())
        } else {
            let (own, key) = self.keys.verifying(&text(&header, "kid")?)?;
            if own != algorithm {
                return None;
            }
            key
        };
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let good = key.verify(algorithm, message.as_bytes(), &signature) && text(&claims, "iss")? == self.issuer;
        good.then_some(claims)
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
