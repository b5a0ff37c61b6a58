//! Private keys as people keep them: PEM, and JSON Web Keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::crypto::{Algorithm, RsaNumbers, SigningKey};
use crate::jose::base64url_decode;
use crate::json::{self, Text};

/// Why a text is no private key that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrivateKeyRefused {
    #[error("it has no PEM block of a private key")]
    NoPem,
    #[error("it is encrypted; decrypt it first, as with `openssl pkey`")]
    Encrypted,
    #[error("it is neither an RSA key of 2048 bits or more, nor on P-256, P-384, P-521 or Ed25519")]
    Kind,
    #[error("it is no JSON object with the members of a private JWK")]
    NoJwk,
    #[error("its members do not make one key")]
    Inconsistent,
    #[error("its alg is none that such a key signs by")]
    Algorithm,
}

/// The first private key in a PEM text: `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY` (RFC 7468, RFC 5915, RFC 8017).
pub(crate) fn read_pem(text: &str) -> Result<SigningKey, PrivateKeyRefused> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after.split_once(DASHES).ok_or(PrivateKeyRefused::NoPem)?;
        // What else may stand there: parameters of a curve, certificates.
        if !label.ends_with("PRIVATE KEY") {
            rest = after;
            continue;
        }
        let (content, _) = after.split_once(END).ok_or(PrivateKeyRefused::NoPem)?;
        if label == "ENCRYPTED PRIVATE KEY" || content.contains("ENCRYPTED") {
            return Err(PrivateKeyRefused::Encrypted);
        }
        let mut encoded = Zeroizing::new(String::with_capacity(content.len()));
        encoded.extend(content.chars().filter(|character| !character.is_ascii_whitespace()));
        let mut der = Zeroizing::new(vec![0; encoded.len()]);
        let length = STANDARD.decode_slice(encoded.as_bytes(), &mut der).map_err(|_| PrivateKeyRefused::NoPem)?;
        return SigningKey::from_der(&der[..length]).ok_or(PrivateKeyRefused::Kind);
    }
    Err(PrivateKeyRefused::NoPem)
}

/// PKCS#8 in PEM; none for a shared secret.
pub(crate) fn write_pem(key: &SigningKey) -> Option<String> {
    let der = key.to_pkcs8()?;
    let encoded = Zeroizing::new(STANDARD.encode(&*der));
    let mut pem = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (position, character) in encoded.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Some(pem)
}

/// A private JWK, read (RFC 7518, section 6; RFC 8037, section 2).
pub(crate) struct PrivateJwk {
    pub(crate) key: SigningKey,
    /// The one algorithm that the key may be used for, if it is limited.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) kid: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    kty: Text<'a>,
    #[serde(borrow, default)]
    kid: Option<Text<'a>>,
    #[serde(borrow, default)]
    alg: Option<Text<'a>>,
    #[serde(borrow, default)]
    crv: Option<Text<'a>>,
    #[serde(borrow, default)]
    d: Option<Text<'a>>,
    #[serde(borrow, default)]
    x: Option<Text<'a>>,
    #[serde(borrow, default)]
    y: Option<Text<'a>>,
    #[serde(borrow, default)]
    n: Option<Text<'a>>,
    #[serde(borrow, default)]
    e: Option<Text<'a>>,
    #[serde(borrow, default)]
    p: Option<Text<'a>>,
    #[serde(borrow, default)]
    q: Option<Text<'a>>,
    #[serde(borrow, default)]
    dp: Option<Text<'a>>,
    #[serde(borrow, default)]
    dq: Option<Text<'a>>,
    #[serde(borrow, default)]
    qi: Option<Text<'a>>,
}

impl PrivateJwk {
    pub(crate) fn read(text: &str) -> Result<Self, PrivateKeyRefused> {
        let members: Members<'_> = json::object(text.as_bytes()).map_err(|_| PrivateKeyRefused::NoJwk)?;
        let key = members.signing_key()?;
        let algorithm = match members.alg.as_deref() {
            None => None,
            Some(name) => {
                let known = Algorithm::from_name(name).filter(|algorithm| key.algorithms().contains(algorithm));
                Some(known.ok_or(PrivateKeyRefused::Algorithm)?)
            }
        };
        Ok(Self { key, algorithm, kid: members.kid.map(|kid| kid.0.into()) })
    }
}

impl Members<'_> {
    fn signing_key(&self) -> Result<SigningKey, PrivateKeyRefused> {
        let curve = |algorithm| -> Result<_, PrivateKeyRefused> {
            Ok(SigningKey::elliptic(algorithm, &bytes(&self.d)?, &bytes(&self.x)?, &bytes(&self.y)?))
        };
        let key = match (&*self.kty, self.crv.as_deref().unwrap_or_default()) {
            ("EC", "P-256") => curve(Algorithm::Es256)?,
            ("EC", "P-384") => curve(Algorithm::Es384)?,
            ("EC", "P-521") => curve(Algorithm::Es512)?,
            ("OKP", "Ed25519") => SigningKey::ed25519(&bytes(&self.d)?, &bytes(&self.x)?),
            ("RSA", _) => SigningKey::rsa(&RsaNumbers {
                n: bytes(&self.n)?,
                e: bytes(&self.e)?,
                d: bytes(&self.d)?,
                p: bytes(&self.p)?,
                q: bytes(&self.q)?,
                dp: bytes(&self.dp)?,
                dq: bytes(&self.dq)?,
                qi: bytes(&self.qi)?,
            }),
            _ => return Err(PrivateKeyRefused::Kind),
        };
        key.ok_or(PrivateKeyRefused::Inconsistent)
    }
}

fn bytes(member: &Option<Text<'_>>) -> Result<Zeroizing<Vec<u8>>, PrivateKeyRefused> {
    let text = member.as_ref().ok_or(PrivateKeyRefused::NoJwk)?;
    base64url_decode(text.as_bytes()).map(Zeroizing::new).ok_or(PrivateKeyRefused::NoJwk)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
