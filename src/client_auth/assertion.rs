use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::client_auth::private_key::PrivateKey;
use crate::clock::Timestamp;
use crate::crypto::{self, Algorithm, SigningKey};
use crate::error::{Error, Result};
use crate::jose::{self, Header, base64url};
use crate::secret::Secret;

/// The type in the header of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum AssertionType {
    #[default]
    ClientAuthentication,
    Jwt,
}

impl AssertionType {
    fn name(self) -> &'static str {
        match self {
            Self::ClientAuthentication => "client-authentication+jwt",
            Self::Jwt => "JWT",
        }
    }
}

/// The claims of a client assertion (RFC 7523, section 3; OpenID Connect Core 1.0, section 9).
#[derive(Serialize)]
pub(super) struct Assertion<'a> {
    #[serde(skip)]
    typ: AssertionType,
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: i64,
    exp: i64,
}

impl<'a> Assertion<'a> {
    /// Good for one request: an assertion is not to be seen twice.
    // The audience is the issuer unless the program says otherwise: an assertion for one provider's token endpoint must be of no use at
    // another's, which may name that endpoint as its own.
    pub(super) fn new(client_id: &'a str, audience: &'a str, now: Timestamp, typ: AssertionType) -> Result<Self> {
        let mut unique = [0; 24];
        crypto::random(&mut unique)?;
        Ok(Self {
            typ,
            iss: client_id,
            sub: client_id,
            aud: audience,
            jti: base64url(&unique),
            iat: now.unix_seconds(),
            exp: now.plus(LIFE).unix_seconds(),
        })
    }

    /// `private_key_jwt`
    pub(super) fn signed_by(&self, key: &PrivateKey, accepted: Option<&[String]>) -> Result<Zeroizing<String>> {
        key.sign(self.typ.name(), accepted, self).map(Zeroizing::new)
    }

    /// `client_secret_jwt`
    pub(super) fn signed_with(&self, secret: &Secret) -> Result<Zeroizing<String>> {
        // RFC 7518, section 3.2: "A key of the same size as the hash output […] or larger MUST be used with this algorithm."
        // Whoever sees an assertion can try shorter ones out.
        if secret.expose().len() < 32 {
            return Err(Error::configuration(
                "client_secret_jwt needs a client secret of at least 32 bytes; shorter ones are sent by client_secret_basic or client_secret_post",
            ));
        }
        let key = SigningKey::shared_secret(secret.expose().as_bytes());
        jose::sign(&key, Algorithm::Hs256, &Header { typ: self.typ.name(), ..Header::default() }, self).map(Zeroizing::new)
    }
}

/// The `client_assertion_type` of both.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LIFE: Duration = Duration::from_secs(60);
