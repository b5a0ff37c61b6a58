use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde_json::{Map, Value};

use super::grants::unguessable;
use super::seen::SeenRequest;
use crate::clock::Timestamp;
use crate::crypto::{self, Algorithm};
use crate::jose::{Jwk, base64url, base64url_decode};
use crate::json;

/// One server's view of DPoP proofs: which it has seen, and which nonce they have to hold where it wants one.
pub(super) struct ProofDesk {
    state: Mutex<State>,
}

struct State {
    nonce: String,
    /// The `jti` of all proofs that were good.
    seen: HashSet<String>,
}

/// The expectations of a proof, in addition to its request.
pub(super) struct Expected<'a> {
    pub(super) now: Timestamp,
    /// The access token that was shown with it.
    pub(super) token: Option<&'a str>,
    pub(super) wants_nonce: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProofRefused {
    Invalid(&'static str),
    /// It is good but for the nonce.
    Nonce,
}

impl ProofDesk {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { nonce: unguessable(), seen: HashSet::new() }) }
    }

    /// Proofs with the nonce of before are refused from now on.
    pub(super) fn renew_nonce(&self) {
        self.state().nonce = unguessable();
    }

    /// On every answer, so that the next proof holds it.
    pub(super) fn announce_nonce(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let nonce = HeaderValue::try_from(&self.state().nonce).expect("base64url is ASCII");
        response.headers_mut().insert("dpop-nonce", nonce);
        response
    }

    /// The thumbprint of the key that the request's proof was made by, if it has one: RFC 9449, section 4.3, whose numbers
    /// stand beside what obeys them.
    pub(super) fn check(&self, request: &SeenRequest, expected: &Expected<'_>) -> Result<Option<String>, ProofRefused> {
        let mut proofs = request.headers().get_all("dpop").iter();
        // 1. "There is not more than one DPoP HTTP request header field."
        let proof = match (proofs.next(), proofs.next()) {
            (None, _) => return Ok(None),
            (Some(proof), None) => proof.to_str().map_err(|_| ProofRefused::Invalid("it is no text"))?,
            _ => return Err(ProofRefused::Invalid("there is more than one")),
        };
        let (thumbprint, claims) = signed_claims(proof)?;
        let claim = |name| text(&claims, name);
        // 8. "The htm claim matches the HTTP method of the current request."
        require(claim("htm") == Some(request.method().as_str()), "htm is not the method")?;
        // 9. "The htu claim matches the HTTP URI value […] ignoring any query and fragment parts." A client sends none.
        require(claim("htu") == url_of(request).as_deref(), "htu is not the URL without its query")?;
        // 11. "The creation time of the JWT […] is within an acceptable window"
        let issued = claims.get("iat").and_then(Value::as_i64).ok_or(ProofRefused::Invalid("iat is missing or no number"))?;
        let age = expected.now.unix_seconds().saturating_sub(issued);
        require((-WINDOW..=WINDOW).contains(&age), "iat is more than a minute away")?;
        // 12. "If presented to a protected resource […] ensure that the value of the ath claim equals the hash"
        let hash = expected.token.map(|token| base64url(&crypto::sha256(token.as_bytes())));
        require(claim("ath") == hash.as_deref(), "ath is not the hash of the access token")?;
        let jti = claim("jti").filter(|jti| !jti.is_empty()).ok_or(ProofRefused::Invalid("jti is missing"))?;
        let mut state = self.state();
        // 10. "If the server provided a nonce value to the client, the nonce claim matches"
        if expected.wants_nonce && claim("nonce") != Some(&state.nonce) {
            return Err(ProofRefused::Nonce);
        }
        require(state.seen.insert(jti.to_owned()), "jti was seen before")?;
        Ok(Some(thumbprint))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProofRefused {
    /// The code, and an explanation.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Invalid(why) => ("invalid_dpop_proof", why),
            Self::Nonce => ("use_dpop_nonce", "The proof has to hold the nonce of this answer"),
        }
    }
}

/// The thumbprint of the key in a proof's header, and the claims that are signed by it.
fn signed_claims(proof: &str) -> Result<(String, Map<String, Value>), ProofRefused> {
    // 2. "The DPoP HTTP request header field value is a single and well-formed JWT."
    let malformed = ProofRefused::Invalid("it is no well-formed JWT");
    let [header, payload, signature] = proof.split('.').collect::<Vec<_>>()[..] else { return Err(malformed) };
    let message = &proof[..header.len() + 1 + payload.len()];
    let object = |part: &str| -> Option<Map<String, Value>> {
        let part = base64url_decode(part.as_bytes())?;
        json::refuse_duplicates(&part).ok()?;
        serde_json::from_slice(&part).ok()
    };
    let (header, claims) = (object(header).ok_or(malformed)?, object(payload).ok_or(malformed)?);
    let signature = base64url_decode(signature.as_bytes()).ok_or(malformed)?;
    // 4. "The typ JOSE Header Parameter has the value dpop+jwt."
    require(text(&header, "typ") == Some("dpop+jwt"), "typ is not dpop+jwt")?;
    // 5. "a registered asymmetric digital signature algorithm […] is not none, is supported"
    let algorithm = text(&header, "alg").and_then(Algorithm::from_name);
    let algorithm = algorithm.filter(|algorithm| ALGORITHMS.contains(&algorithm.name()));
    let algorithm = algorithm.ok_or(ProofRefused::Invalid("alg is none that is supported"))?;
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(ProofRefused::Invalid("jwk is missing"))?;
    // 7. "The jwk JOSE Header Parameter does not contain a private key."
    require(!jwk.keys().any(|name| PRIVATE.contains(&name.as_str())), "jwk is a private key")?;
    let encoded = Value::Object(jwk.clone()).to_string();
    let parsed: Jwk<'_> = serde_json::from_str(&encoded).map_err(|_| ProofRefused::Invalid("jwk is no key"))?;
    let (key, _) = parsed.verifying_key().map_err(|_| ProofRefused::Invalid("jwk is no good key"))?;
    // 6. "The JWT signature verifies with the public key contained in the jwk JOSE Header Parameter."
    require(key.fits(algorithm) && key.verify(algorithm, message.as_bytes(), &signature), "the signature is wrong")?;
    Ok((thumbprint(jwk), claims))
}

/// RFC 7638, section 3: the required members, in alphabetical order.
fn thumbprint(jwk: &Map<String, Value>) -> String {
    let members: Vec<_> = ["crv", "e", "kty", "n", "x", "y"]
        .iter()
        .filter_map(|name| jwk.get(*name).map(|value| format!("\"{name}\":{value}")))
        .collect();
    base64url(&crypto::sha256(format!("{{{}}}", members.join(",")).as_bytes()))
}

/// As the client has it, without the query.
fn url_of(request: &SeenRequest) -> Option<String> {
    Some(format!("http://{}{}", request.header("host")?, request.path()))
}

fn require(holds: bool, else_why: &'static str) -> Result<(), ProofRefused> {
    if holds { Ok(()) } else { Err(ProofRefused::Invalid(else_why)) }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

pub(super) const ALGORITHMS: [&str; 3] = ["ES256", "PS256", "EdDSA"];
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/// In seconds.
const WINDOW: i64 = 60;
