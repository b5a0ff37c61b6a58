use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::crypto::{Algorithm, SigningKey};
use crate::error::{Error, Result};
use crate::jose::PublicJwk;

/// The header of a JWS (RFC 7515, section 4.1) without `alg`, which the signing key sets.
#[derive(Default, Serialize)]
pub(crate) struct Header<'a> {
    pub(crate) typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<&'a str>,
    /// RFC 7515, section 4.1.8.
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_thumbprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwk: Option<&'a PublicJwk>,
}

#[derive(Serialize)]
struct Protected<'a> {
    alg: &'a str,
    #[serde(flatten)]
    header: &'a Header<'a>,
}

/// A compact JWS (RFC 7515, section 7.1) of these claims.
pub(crate) fn sign(key: &SigningKey, algorithm: Algorithm, header: &Header<'_>, claims: &impl Serialize) -> Result<String> {
    let unwritable = |error| {
        Error::configuration("the claims to sign are nothing that JSON can hold; use maps with text as keys").with_source(error)
    };
    let claims = serde_json::to_vec(claims).map_err(unwritable)?;
    compact(&protected(algorithm, header), &claims, |message| key.sign(algorithm, message))
}

/// The header in JSON. A caller that signs often keeps it.
pub(crate) fn protected(algorithm: Algorithm, header: &Header<'_>) -> Vec<u8> {
    serde_json::to_vec(&Protected { alg: algorithm.name(), header }).expect("text is always JSON")
}

/// The same of any bytes, whatever they mean, in one buffer.
pub(crate) fn compact(header: &[u8], payload: &[u8], sign: impl FnOnce(&[u8]) -> Result<Vec<u8>>) -> Result<String> {
    let mut jws = String::with_capacity(2 * (header.len() + payload.len()) + LONGEST_SIGNATURE);
    URL_SAFE_NO_PAD.encode_string(header, &mut jws);
    jws.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut jws);
    let signature = sign(jws.as_bytes())?;
    jws.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
    Ok(jws)
}

/// Encoded, of an RSA key of 8192 bits.
const LONGEST_SIGNATURE: usize = 1400;
