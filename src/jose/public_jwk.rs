use std::fmt;

use serde::Serialize;

use crate::crypto::{PublicParts, SigningKey};
use crate::jose::base64url;

/// The public half of a key as a JSON Web Key (RFC 7517): what to register with the provider. `Display` is its JSON.
// In alphabetical order and without white space: as RFC 7638, section 3, has it hashed where nothing is set besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl PublicJwk {
    /// Nothing but the key itself; none for a shared secret.
    pub(crate) fn of(key: &SigningKey) -> Option<Self> {
        let bare = |kty| Self { alg: None, crv: None, e: None, kid: None, kty, n: None, usage: None, x: None, y: None };
        Some(match key.public_parts()? {
            PublicParts::Rsa { n, e } => Self { n: Some(base64url(&n)), e: Some(base64url(&e)), ..bare("RSA") },
            PublicParts::Ec { curve, x, y } => {
                Self { crv: Some(curve), x: Some(base64url(&x)), y: Some(base64url(&y)), ..bare("EC") }
            }
            PublicParts::Okp { x } => Self { crv: Some("Ed25519"), x: Some(base64url(&x)), ..bare("OKP") },
        })
    }

    /// As it is published, for one use and one algorithm.
    pub(crate) fn for_signatures(self, kid: Option<&str>, alg: Option<&'static str>) -> Self {
        Self { kid: kid.map(str::to_owned), alg, usage: Some("sig"), ..self }
    }
}

impl fmt::Display for PublicJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
