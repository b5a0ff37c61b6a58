use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::client::TestClient;
use super::tenant::Tenant;
use crate::crypto::{Algorithm, VerifyingKey};

/// A JWT that was read and not yet checked.
struct Jws<'a> {
    message: &'a str,
    algorithm: Algorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    fn read(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let (header, claims) = (object(header)?, object(payload)?);
        let algorithm = Algorithm::from_name(text(&header, "alg")?)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { message, algorithm, header, claims, signature })
    }

    fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        key.verify(self.algorithm, self.message.as_bytes(), &self.signature)
    }
}

impl Tenant {
    /// The claims of a JWT that this provider signed; nothing is said of its expiry.
    pub(super) fn signed_claims(&self, token: &str) -> Option<Map<String, Value>> {
        let jws = Jws::read(token)?;
        let key = if jws.algorithm == Algorithm::Hs256 {
            let client = self.client(text(&jws.claims, "aud")?)?;
            VerifyingKey::shared_secret(client.secret.as_ref()?.as_bytes())
        } else {
            let (own, key) = self.keys.verifying(text(&jws.header, "kid")?)?;
            if own != jws.algorithm {
                return None;
            }
            key
        };
        let good = jws.is_signed_by(&key) && text(&jws.claims, "iss")? == self.issuer;
        good.then_some(jws.claims)
    }

    /// Who signed this assertion (RFC 7523, section 3); each is good once.
    pub(super) fn asserted_client(&self, assertion: &str) -> Option<&TestClient> {
        let jws = Jws::read(assertion)?;
        let id = text(&jws.claims, "sub")?;
        let client = self.client(id)?;
        let key = verifying_key(client.key.as_ref()?, jws.algorithm)?;
        let now = self.now().unix_seconds();
        let expiry = jws.claims.get("exp")?.as_i64()?;
        // Its audience is the issuer, since any other may be somebody else's (RFC 7523bis, section 3).
        let good = jws.is_signed_by(&key)
            && text(&jws.claims, "iss")? == id
            && jws.claims.get("aud")? == &Value::from(self.issuer.as_str())
            && (now..=now + LONGEST_LIFE).contains(&expiry)
            && self.grants().assertions.insert(text(&jws.claims, "jti")?.to_owned());
        good.then_some(client)
    }
}

fn verifying_key(jwk: &Value, algorithm: Algorithm) -> Option<VerifyingKey> {
    let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
    let key = match jwk.get("kty")?.as_str()? {
        "RSA" => VerifyingKey::rsa(&bytes("n")?, &bytes("e")?),
        "EC" => VerifyingKey::elliptic(algorithm, &bytes("x")?, &bytes("y")?),
        "OKP" => VerifyingKey::ed25519(&bytes("x")?),
        _ => return None,
    };
    key.ok().filter(|key| key.fits(algorithm))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// In seconds.
const LONGEST_LIFE: i64 = 300;
