use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::crypto::{Algorithm, PublicParts, SigningKey, VerifyingKey};
use crate::error::Result;
use crate::jose::PublicJwk;

/// The provider's keys: those it signs with, those it only publishes any more, and what a test publishes beside them.
pub(super) struct Keys(Mutex<State>);

struct State {
    signing: Vec<Key>,
    old: Vec<Key>,
    planted: Vec<Value>,
    /// The number of keys so far, which names the next one.
    made: usize,
    rsa: Vec<&'static [u8]>,
}

#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: Arc<SigningKey>,
}

impl Keys {
    /// `other` begins with the second RSA key.
    pub(super) fn new(algorithm: Algorithm, other: bool) -> Self {
        let mut rsa = vec![THIRD, SECOND, FIRST];
        if other {
            rsa.swap(1, 2);
        }
        let keys = Self(Mutex::new(State { signing: Vec::new(), old: Vec::new(), planted: Vec::new(), made: 0, rsa }));
        keys.signing(Algorithm::Rs256);
        if !algorithm.is_symmetric() {
            keys.signing(algorithm);
        }
        keys
    }

    /// The key for this algorithm; it is made, and from then on published, when there is none.
    pub(super) fn signing(&self, algorithm: Algorithm) -> Key {
        let mut state = self.state();
        if let Some(key) = state.signing.iter().find(|key| key.algorithm == algorithm) {
            return key.clone();
        }
        let key = state.make(algorithm);
        state.signing.push(key.clone());
        key
    }

    /// New keys sign from now on; the old ones stay published.
    pub(super) fn rotate(&self) {
        let mut state = self.state();
        let retired = std::mem::take(&mut state.signing);
        for key in &retired {
            let key = state.make(key.algorithm);
            state.signing.push(key);
        }
        state.old.extend(retired);
    }

    pub(super) fn forget_old(&self) {
        self.state().old.clear();
    }

    pub(super) fn plant(&self, jwk: Value) {
        self.state().planted.push(jwk);
    }

    /// The JWK set. What was planted comes first: a reader that stumbles over it never sees the good keys.
    pub(super) fn document(&self) -> Value {
        let state = self.state();
        let own = state.signing.iter().chain(&state.old).map(Key::jwk);
        json!({ "keys": state.planted.iter().cloned().chain(own).collect::<Vec<_>>() })
    }

    /// A published key that a token names.
    pub(super) fn verifying(&self, id: &str) -> Option<(Algorithm, VerifyingKey)> {
        let state = self.state();
        let key = state.signing.iter().chain(&state.old).find(|key| key.id == id)?;
        let verifying = match key.key.public_parts()? {
            PublicParts::Rsa { n, e } => VerifyingKey::rsa(&n, &e),
            PublicParts::Ec { x, y, .. } => VerifyingKey::elliptic(key.algorithm, &x, &y),
            PublicParts::Okp { x } => VerifyingKey::ed25519(&x),
        };
        Some((key.algorithm, verifying.expect("the provider's own keys are good")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make(&mut self, algorithm: Algorithm) -> Key {
        self.made += 1;
        let ready = if is_rsa(algorithm) { self.rsa.pop() } else { None };
        // Making one takes a second in a debug build.
        Key { id: format!("key-{}", self.made), algorithm, key: Arc::new(ready.map_or_else(|| generated(algorithm), known)) }
    }
}

impl Key {
    /// A key that no provider publishes, under the id of one that it does.
    pub(super) fn stranger(id: &str, algorithm: Algorithm) -> Self {
        let key = if is_rsa(algorithm) { known(STRANGER) } else { generated(algorithm) };
        Self { id: id.to_owned(), algorithm, key: Arc::new(key) }
    }

    /// The public half (RFC 7517, section 4).
    pub(super) fn jwk(&self) -> Value {
        let jwk = PublicJwk::of(&self.key).expect("only key pairs are published");
        json!(jwk.for_signatures(Some(&self.id), Some(self.algorithm.name())))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.key.sign(self.algorithm, message)
    }

    /// `SubjectPublicKeyInfo` of an RSA key (RFC 8017, appendix A.1).
    pub(super) fn public_der(&self) -> Vec<u8> {
        let Some(PublicParts::Rsa { n, e }) = self.key.public_parts() else { unreachable!("only RSA keys are asked") };
        let key = der(0x30, &[der_integer(&n), der_integer(&e)].concat());
        let bits = der(0x03, &[&[0], key.as_slice()].concat());
        der(0x30, &[RSA_ENCRYPTION, &bits].concat())
    }

    pub(super) fn public_pem(&self) -> String {
        let encoded = BASE64_STANDARD.encode(self.public_der());
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }
}

fn known(der: &[u8]) -> SigningKey {
    SigningKey::from_der(der).expect("the keys of this folder are good")
}

fn generated(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("a key of a known algorithm can be made")
}

fn is_rsa(algorithm: Algorithm) -> bool {
    use Algorithm::{Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut element = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => element.push(short),
        Ok(byte) => element.extend_from_slice(&[0x81, byte]),
        Err(_) => {
            let two = u16::try_from(length).expect("an RSA public key is under 64 KiB");
            element.push(0x82);
            element.extend_from_slice(&two.to_be_bytes());
        }
    }
    element.extend_from_slice(content);
    element
}

fn der_integer(magnitude: &[u8]) -> Vec<u8> {
    // A leading bit would make it negative.
    let zero: &[u8] = if magnitude.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    der(0x02, &[zero, magnitude].concat())
}

/// `AlgorithmIdentifier { rsaEncryption, NULL }`
const RSA_ENCRYPTION: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

// Private keys that everybody knows: made for these tests, and good for nothing else.
static FIRST: &[u8] = include_bytes!("keys/first.der");
static SECOND: &[u8] = include_bytes!("keys/second.der");
static THIRD: &[u8] = include_bytes!("keys/third.der");
static STRANGER: &[u8] = include_bytes!("keys/stranger.der");
