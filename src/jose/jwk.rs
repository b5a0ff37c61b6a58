use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::crypto::{Algorithm, KeyRefused, VerifyingKey};
use crate::jose::base64url_decode;
use crate::json::Text;

/// One key of a JWK set, as published (RFC 7517, section 4).
#[derive(Deserialize)]
pub(crate) struct Jwk<'a> {
    #[serde(borrow, default)]
    kty: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) kid: Option<Text<'a>>,
    #[serde(borrow, default)]
    alg: Option<Text<'a>>,
    #[serde(borrow, default, rename = "use")]
    usage: Option<Text<'a>>,
    #[serde(borrow, default)]
    key_ops: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    crv: Option<Text<'a>>,
    #[serde(borrow, default)]
    n: Option<Text<'a>>,
    #[serde(borrow, default)]
    e: Option<Text<'a>>,
    #[serde(borrow, default)]
    x: Option<Text<'a>>,
    #[serde(borrow, default)]
    y: Option<Text<'a>>,
    #[serde(default)]
    d: Option<IgnoredAny>,
    #[serde(default)]
    x5c: Option<IgnoredAny>,
}

/// Why a key of a set is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwkRefused {
    #[error("it is a private or a symmetric key")]
    Secret,
    #[error("it is not for verifying signatures")]
    Purpose,
    #[error("its type, curve or algorithm is none that is known, or they do not fit each other")]
    Kind,
    #[error("a member of it is not strict base64url")]
    Encoding,
    #[error("a member of it is base64 with padding, where base64url without padding is the rule")]
    Padding,
    #[error("a member of it is missing")]
    Missing,
    #[error("it holds a certificate (x5c) only, and not the key's own members")]
    CertificateOnly,
    #[error(transparent)]
    Key(#[from] KeyRefused),
}

impl Jwk<'_> {
    /// The verifying key, and the one algorithm that the JWK names, if any.
    pub(crate) fn verifying_key(&self) -> Result<(VerifyingKey, Option<Algorithm>), JwkRefused> {
        if self.d.is_some() || self.kty.as_deref() == Some("oct") {
            return Err(JwkRefused::Secret);
        }
        if self.usage.as_ref().is_some_and(|usage| &**usage != "sig")
            || self.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|operation| &**operation == "verify"))
        {
            return Err(JwkRefused::Purpose);
        }
        if self.x5c.is_some() && self.n.is_none() && self.x.is_none() {
            return Err(JwkRefused::CertificateOnly);
        }
        let key = match (self.kty.as_deref().unwrap_or_default(), self.crv.as_deref().unwrap_or_default()) {
            ("RSA", _) => VerifyingKey::rsa(&bytes(&self.n)?, &bytes(&self.e)?)?,
            ("EC", "P-256") => VerifyingKey::elliptic(Algorithm::Es256, &bytes(&self.x)?, &bytes(&self.y)?)?,
            ("EC", "P-384") => VerifyingKey::elliptic(Algorithm::Es384, &bytes(&self.x)?, &bytes(&self.y)?)?,
            ("EC", "P-521") => VerifyingKey::elliptic(Algorithm::Es512, &bytes(&self.x)?, &bytes(&self.y)?)?,
            ("OKP", "Ed25519") => VerifyingKey::ed25519(&bytes(&self.x)?)?,
            _ => return Err(JwkRefused::Kind),
        };
        let Some(name) = &self.alg else { return Ok((key, None)) };
        match Algorithm::from_name(name) {
            Some(algorithm) if key.fits(algorithm) => Ok((key, Some(algorithm))),
            _ => Err(JwkRefused::Kind),
        }
    }
}

fn bytes(text: &Option<Text<'_>>) -> Result<Vec<u8>, JwkRefused> {
    let text = text.as_ref().ok_or(JwkRefused::Missing)?;
    base64url_decode(text.as_bytes()).ok_or_else(|| if text.ends_with('=') { JwkRefused::Padding } else { JwkRefused::Encoding })
}
