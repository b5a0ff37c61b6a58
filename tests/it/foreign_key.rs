//! Keys and tokens that another library made: provider and client cannot share a mistake about them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub(crate) struct ForeignKey {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: &'static str,
}

impl ForeignKey {
    pub(crate) fn new(algorithm: Algorithm, kid: &'static str) -> Self {
        let elliptic = |scheme: &'static EcdsaSigningAlgorithm| {
            EncodingKey::from_ec_der(EcdsaKeyPair::generate_pkcs8(scheme, &SystemRandom::new()).unwrap().as_ref())
        };
        let key = match algorithm {
            Algorithm::ES256 => elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => EncodingKey::from_ed_der(Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap().as_ref()),
            // The PKCS#1 inside the PKCS#8: making a key takes a second in a debug build.
            _ => EncodingKey::from_rsa_der(&include_bytes!("../../src/testing/keys/third.der")[26..]),
        };
        Self { key, algorithm, kid }
    }

    /// The public half; without a `kid` where that is empty.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        if !self.kid.is_empty() {
            jwk["kid"] = self.kid.into();
        }
        jwk
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(|_| (), claims)
    }

    pub(crate) fn sign_with_header(&self, alter: impl Fn(&mut Header), claims: &Value) -> String {
        let mut header = Header { kid: (!self.kid.is_empty()).then(|| self.kid.to_owned()), ..Header::new(self.algorithm) };
        alter(&mut header);
        encode(&header, claims, &self.key).unwrap()
    }
}

/// The claims of every ID token for the public client of a provider.
pub(crate) fn claims(issuer: &str, nonce: Option<&str>) -> Value {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut claims = json!({ "iss": issuer, "sub": "auth0|jane@example.com", "aud": "native", "iat": now, "exp": now + 600 });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    claims
}
