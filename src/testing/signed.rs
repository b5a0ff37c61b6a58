use serde_json::{Map, Value};

use super::client::{ClientMethod, TestClient};
use super::tenant::Tenant;
use crate::crypto::{Algorithm, VerifyingKey};
use crate::jose::{CompactJws, Jwk};
use crate::json;

pub(super) type Claims = Map<String, Value>;

impl Tenant {
    /// The claims of a JWT that this provider signed; nothing is said of its expiry.
    pub(super) fn signed_claims(&self, token: &str) -> Option<Claims> {
        let (jws, claims) = read(token)?;
        let key = if jws.algorithm == Algorithm::Hs256 {
            let client = self.client(text(&claims, "aud")?)?;
            VerifyingKey::shared_secret(Algorithm::Hs256, client.secret.as_ref()?.as_bytes())
        } else {
            let (own, key) = self.keys.verifying(jws.kid.as_deref()?)?;
            if own != jws.algorithm {
                return None;
            }
            key
        };
        let good = is_signed_by(&jws, &key) && text(&claims, "iss")? == self.issuer;
        good.then_some(claims)
    }

    /// The client that signed this assertion (RFC 7523, section 3). Each assertion is accepted once.
    pub(super) fn asserted_client(&self, assertion: &str) -> Option<&TestClient> {
        let (jws, claims) = read(assertion)?;
        let id = text(&claims, "sub")?;
        let client = self.client(id)?;
        let by_secret = jws.algorithm == Algorithm::Hs256;
        if !client.may_use(if by_secret { ClientMethod::SecretJwt } else { ClientMethod::PrivateKeyJwt }) {
            return None;
        }
        let key = match &client.key {
            _ if by_secret => VerifyingKey::shared_secret(Algorithm::Hs256, client.secret.as_ref()?.as_bytes()),
            jwk => verifying_key(jwk.as_ref()?, jws.algorithm)?,
        };
        let good = is_signed_by(&jws, &key) && text(&claims, "iss")? == id && self.takes_once(&claims);
        good.then_some(client)
    }

    /// The person whom the owner of a registered key asserts (RFC 7523, section 3).
    pub(super) fn asserted_person(&self, assertion: &str) -> Option<String> {
        let (jws, claims) = read(assertion)?;
        let key = verifying_key(self.client(text(&claims, "iss")?)?.key.as_ref()?, jws.algorithm)?;
        let good = is_signed_by(&jws, &key) && self.takes_once(&claims);
        good.then(|| text(&claims, "sub").map(str::to_owned))?
    }

    /// Returns whether an assertion is addressed to this provider alone, short-lived and new.
    pub(super) fn takes_once(&self, claims: &Claims) -> bool {
        let time = |name: &str| claims.get(name).map(|value| value.as_i64().unwrap_or(i64::MAX));
        let (Some(expiry), Some(id)) = (time("exp"), text(claims, "jti")) else { return false };
        let now = self.now().unix_seconds();
        // Its audience is the issuer, since any other may be somebody else's (RFC 7523bis, section 3).
        claims.get("aud") == Some(&Value::from(self.issuer.as_str()))
            && (now + 1..=now + LONGEST_LIFE).contains(&expiry)
            && time("iat").is_none_or(|issued| issued <= now)
            && !id.is_empty()
            && self.grants().assertions.insert(id.to_owned())
    }
}

/// A JWT that is not checked yet.
fn read(token: &str) -> Option<(CompactJws<'_>, Claims)> {
    // Whether its type is that of an access token or of any other JWT is of no matter here.
    let jws = CompactJws::parse(token, &["JWT", "at+jwt", "client-authentication+jwt"]).ok()?;
    let claims = serde_json::from_slice(&jws.payload).ok()?;
    Some((jws, claims))
}

pub(super) fn is_signed_by(jws: &CompactJws<'_>, key: &VerifyingKey) -> bool {
    key.verify(jws.algorithm, jws.signing_input, &jws.signature)
}

pub(super) fn verifying_key(jwk: &Value, algorithm: Algorithm) -> Option<VerifyingKey> {
    let text = jwk.to_string();
    let (key, limited_to) = json::object::<Jwk<'_>>(text.as_bytes()).ok()?.verifying_key().ok()?;
    (key.fits(algorithm) && limited_to.is_none_or(|own| own == algorithm)).then_some(key)
}

pub(super) fn text<'a>(object: &'a Claims, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// In seconds.
const LONGEST_LIFE: i64 = 300;
