use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

use super::edit::to_value;
use super::keys::{Key, Keys};
use crate::crypto::{Algorithm, SigningKey};
use crate::jose::{base64url, compact};

/// An ID token, or another JWT of the provider's, before it is sent: what it says, what signs it, and what is sent in its place.
///
/// See [`TestProvider::next_id_token`](super::TestProvider::next_id_token).
pub struct TokenDraft {
    header: Part,
    payload: Part,
    signer: Signer,
    without_key_id: bool,
    access_token: String,
    on_signature: Option<Alteration<Vec<u8>>>,
    on_sent: Option<Alteration<String>>,
}

type Alteration<T> = Box<dyn FnOnce(T) -> T + Send>;

enum Part {
    Members(Map<String, Value>),
    Raw(Vec<u8>),
}

enum Signer {
    Published(Algorithm),
    Stranger,
    Secret(Vec<u8>),
    PublicKey(PublicKeyForm),
    Nobody,
}

/// The form in which a public key is abused as the secret of HS256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyForm {
    /// `-----BEGIN PUBLIC KEY-----`, with a line feed at its end.
    Pem,
    /// The bytes in that PEM.
    Der,
    /// The JSON of the JWK set.
    Jwk,
}

pub(super) type TokenEdit = Arc<dyn Fn(&mut TokenDraft) + Send + Sync>;

/// The edits of tests for the next tokens.
#[derive(Default)]
pub(super) struct TokenEdits(Mutex<(VecDeque<TokenEdit>, Option<TokenEdit>)>);

impl TokenDraft {
    pub(super) fn new(claims: Map<String, Value>, algorithm: Algorithm, secret: Option<&str>, access_token: &str) -> Self {
        let signer = match (algorithm, secret) {
            (Algorithm::Hs256, Some(secret)) => Signer::Secret(secret.as_bytes().to_vec()),
            (algorithm, _) => Signer::Published(algorithm),
        };
        let mut header = Map::new();
        header.insert("typ".to_owned(), "JWT".into());
        header.insert("alg".to_owned(), algorithm.name().into());
        Self {
            header: Part::Members(header),
            payload: Part::Members(claims),
            signer,
            without_key_id: false,
            access_token: access_token.to_owned(),
            on_signature: None,
            on_sent: None,
        }
    }

    /// A claim as it is now: a text as it is, anything else in JSON.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<String> {
        let Part::Members(claims) = &self.payload else { return None };
        claims.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
    }

    /// A claim, new or replaced.
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    pub fn set(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        self.payload.members().insert(name.to_owned(), to_value(value));
        self
    }

    /// Without this claim.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.payload.members().remove(name);
        self
    }

    /// Sets the right `at_hash` for the access token of the answer, by the algorithm in the header.
    pub fn set_at_hash(&mut self) -> &mut Self {
        let algorithm = match &self.header {
            Part::Members(header) => header.get("alg").and_then(Value::as_str).and_then(Algorithm::from_name),
            Part::Raw(_) => None,
        };
        let hash = algorithm.unwrap_or(Algorithm::Rs256).digest(self.access_token.as_bytes());
        self.set("at_hash", base64url(hash.left_half()))
    }

    /// A parameter of the header (`alg`, `typ`, `kid`, `jku` …), whatever signs.
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    pub fn set_header(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        self.header.members().insert(name.to_owned(), to_value(value));
        self
    }

    /// Without this parameter of the header. A `kid` that is not set is the signing key's own: this leaves it out.
    pub fn remove_header(&mut self, name: &str) -> &mut Self {
        self.header.members().remove(name);
        self.without_key_id |= name == "kid";
        self
    }

    /// These bytes as the payload, in place of the claims; they are signed.
    pub fn payload(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.payload = Part::Raw(bytes.into());
        self
    }

    /// These bytes as the header; they are signed.
    pub fn header(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.header = Part::Raw(bytes.into());
        self
    }

    /// Signed by this algorithm (`RS256` … `EdDSA`) with a published key, which is made when there is none.
    ///
    /// # Panics
    /// When there is no such algorithm.
    pub fn sign_as(&mut self, algorithm: &str) -> &mut Self {
        let known = Algorithm::from_name(algorithm).filter(|algorithm| !algorithm.is_symmetric());
        self.signer = Signer::Published(known.expect("the test names RS256, ES256 and so on"));
        self.set_header("alg", algorithm)
    }

    /// Signs with an unpublished key of the same kind, under the id of the published one.
    pub fn sign_with_stranger(&mut self) -> &mut Self {
        self.signer = Signer::Stranger;
        self
    }

    /// Signed by HS256 with this secret.
    pub fn sign_with_secret(&mut self, secret: impl Into<Vec<u8>>) -> &mut Self {
        self.signer = Signer::Secret(secret.into());
        self.set_header("alg", "HS256")
    }

    /// Signed by HS256 with the provider's public RSA key as the secret.
    pub fn sign_with_public_key(&mut self, form: PublicKeyForm) -> &mut Self {
        self.signer = Signer::PublicKey(form);
        self.set_header("alg", "HS256")
    }

    /// Not signed: `alg` is `none`, the third part empty.
    pub fn unsigned(&mut self) -> &mut Self {
        self.signer = Signer::Nobody;
        self.set_header("alg", "none")
    }

    /// Another signature than the right one, whose bytes are given.
    pub fn signature(&mut self, alter: impl FnOnce(Vec<u8>) -> Vec<u8> + Send + 'static) -> &mut Self {
        self.on_signature = Some(Box::new(alter));
        self
    }

    /// Another text than the finished token, which is given: what is sent is not what was signed.
    pub fn sent(&mut self, alter: impl FnOnce(String) -> String + Send + 'static) -> &mut Self {
        self.on_sent = Some(Box::new(alter));
        self
    }

    pub(super) fn finish(mut self, keys: &Keys) -> String {
        let key = self.signer.key(keys);
        if let (Some(key), Part::Members(header)) = (&key, &mut self.header)
            && !self.without_key_id
            && !key.id.is_empty()
            && !header.contains_key("kid")
        {
            header.insert("kid".to_owned(), key.id.clone().into());
        }
        let on_signature = self.on_signature;
        let token = compact(&self.header.bytes(), &self.payload.bytes(), |message| {
            let signature = key.map_or_else(|| Ok(Vec::new()), |key| key.sign(message))?;
            Ok(on_signature.map_or_else(|| signature.clone(), |alter| alter(signature.clone())))
        });
        let token = token.expect("the provider's own keys sign");
        match self.on_sent {
            Some(alter) => alter(token),
            None => token,
        }
    }
}

impl fmt::Debug for TokenDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |part: &Part| String::from_utf8_lossy(&part.bytes()).into_owned();
        f.debug_struct("TokenDraft")
            .field("header", &text(&self.header))
            .field("payload", &text(&self.payload))
            .finish_non_exhaustive()
    }
}

impl Part {
    fn members(&mut self) -> &mut Map<String, Value> {
        if let Self::Raw(bytes) = self {
            *self = Self::Members(serde_json::from_slice(bytes).unwrap_or_default());
        }
        match self {
            Self::Members(members) => members,
            Self::Raw(_) => unreachable!("it was just replaced"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Members(members) => Value::Object(members.clone()).to_string().into_bytes(),
        }
    }
}

impl Signer {
    fn key(self, keys: &Keys) -> Option<Key> {
        let shared =
            |secret: &[u8], id: String| Key { id, algorithm: Algorithm::Hs256, key: Arc::new(SigningKey::shared_secret(secret)) };
        let published = keys.signing(Algorithm::Rs256);
        Some(match self {
            Self::Published(algorithm) => keys.signing(algorithm),
            Self::Stranger => Key::stranger(&published.id, published.algorithm),
            Self::Secret(secret) => shared(&secret, String::new()),
            Self::PublicKey(form) => {
                let secret = match form {
                    PublicKeyForm::Der => published.public_der(),
                    PublicKeyForm::Pem => published.public_pem().into_bytes(),
                    PublicKeyForm::Jwk => published.jwk().to_string().into_bytes(),
                };
                shared(&secret, published.id)
            }
            Self::Nobody => return None,
        })
    }
}

impl TokenEdits {
    pub(super) fn next(&self, edit: TokenEdit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.push_back(edit);
    }

    pub(super) fn always(&self, edit: TokenEdit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(edit);
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }

    pub(super) fn take(&self) -> Option<TokenEdit> {
        let mut edits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        edits.0.pop_front().or_else(|| edits.1.clone())
    }
}
