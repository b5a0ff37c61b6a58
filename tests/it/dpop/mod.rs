//! Tokens that are bound to a key (RFC 9449): proofs, nonces, and that there is no way back to bearer tokens.

mod adapters;
mod api;
mod api_nonces;
mod binding;
mod cost;
mod kept;
mod nonces;
mod proofs;
mod refused;
mod target_uri;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hallpass::dpop::{DpopKey, ProofAlgorithm};
use hallpass::testing::{TestBrowser, TestClient, TestProvider};
use hallpass::{Credentials, Result, WebAuth};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// A provider whose client has only tokens that are bound to a key.
async fn strict_provider() -> TestProvider {
    TestProvider::builder().client(TestClient::public("native").requires_dpop()).start().await
}

/// The same, and proofs have to hold its nonce.
async fn provider_with_nonces() -> TestProvider {
    TestProvider::builder().client(TestClient::public("native").requires_dpop_nonce()).start().await
}

fn web_auth(provider: &TestProvider) -> WebAuth {
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).audience(AUDIENCE);
    auth.scope("openid profile offline_access").ephemeral_port().browser(TestBrowser::new())
}

async fn log_in(provider: &TestProvider, key: &DpopKey) -> Result<Credentials> {
    web_auth(provider).dpop(key.clone()).start().await
}

/// A key, without the second that making one for RSA takes in a debug build.
fn key(algorithm: ProofAlgorithm) -> DpopKey {
    if algorithm != ProofAlgorithm::Ps256 {
        return DpopKey::generate_with(algorithm).unwrap();
    }
    let der = BASE64_STANDARD.encode(include_bytes!("../../../src/testing/keys/third.der"));
    DpopKey::from_pem(format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----")).unwrap()
}

/// A proof's claims, once another library has found it signed by the key in its own header.
fn verified(proof: &str) -> Value {
    let header = decode_header(proof).unwrap();
    let jwk: Jwk = header.jwk.unwrap();
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    decode::<Value>(proof, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap().claims
}

/// A part of a JWT, read without a look at its signature.
fn part(jwt: &str, position: usize) -> Value {
    let part = jwt.split('.').nth(position).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

const AUDIENCE: &str = "https://api.acme.com";
