use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::{self, Algorithm, SigningKey};
use crate::dpop::nonces::Nonces;
use crate::error::{Error, Result};
use crate::jose::{self, Header, PublicJwk};
use crate::secret::Secret;

/// A private key that access tokens are bound to. A token without the key is of no use.
///
/// Clones are the same key, and share what servers have asked of its proofs. `Debug` shows its thumbprint and nothing
/// secret; equality is of thumbprints.
///
/// ```
/// use hallpass::dpop::DpopKey;
///
/// let key = DpopKey::generate()?;
/// let pem = key.to_pem(); // to be kept where only this program reads it
/// assert_eq!(DpopKey::from_pem(pem.expose())?, key);
/// # Ok::<(), hallpass::Error>(())
/// ```
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    key: SigningKey,
    algorithm: ProofAlgorithm,
    /// The header of all its proofs, in JSON.
    header: Vec<u8>,
    thumbprint: String,
    nonces: Nonces,
}

/// The algorithm of proofs, which also decides the kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ProofAlgorithm {
    /// ECDSA on P-256: fast, small, and taken by every server that takes proofs at all.
    #[default]
    Es256,
    /// RSA of 2048 bits with PSS padding, where a server wants RSA: slow to make and to sign with, and too large for a login that is
    /// kept in a cookie ([`PendingLogin::to_secret_string`](crate::PendingLogin::to_secret_string)).
    Ps256,
    /// Ed25519: the fastest.
    EdDsa,
}

impl DpopKey {
    /// A new key, for ES256.
    ///
    /// # Errors
    /// `Configuration` when the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        Self::generate_with(ProofAlgorithm::default())
    }

    /// A new key for an algorithm. One for `Ps256` takes up to a second.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn generate_with(algorithm: ProofAlgorithm) -> Result<Self> {
        Self::of(SigningKey::generate(algorithm.jose())?)
    }

    /// A private key in PEM, as [`to_pem`](Self::to_pem) and `openssl genpkey` write it: PKCS#8 of a key on P-256 or Ed25519, or an
    /// RSA key of 2048 bits or more.
    ///
    /// # Errors
    /// `Configuration` when the text holds no such key, or an encrypted one.
    pub fn from_pem(pem: impl AsRef<str>) -> Result<Self> {
        let key = jose::read_pem(pem.as_ref());
        Self::of(
            key.map_err(|why| Error::configuration("this is no DPoP key in PEM; give one that to_pem() made").with_source(why))?,
        )
    }

    /// The private key in PKCS#8, as PEM.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "every kind of key it can be has such a form")]
    pub fn to_pem(&self) -> Secret {
        Secret::new(jose::write_pem(&self.0.key).expect("a pair of keys can be written"))
    }

    /// The algorithm of its proofs.
    #[must_use]
    pub fn algorithm(&self) -> ProofAlgorithm {
        self.0.algorithm
    }

    /// The public key's SHA-256 thumbprint in base64url (RFC 7638), by which tokens name the key that they are bound to, in
    /// `cnf.jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    fn of(key: SigningKey) -> Result<Self> {
        let algorithm = ProofAlgorithm::ALL.into_iter().find(|algorithm| key.algorithms().contains(&algorithm.jose()));
        let algorithm = algorithm.ok_or_else(|| {
            Error::configuration("no proofs are signed with such a key; give one on P-256 or Ed25519, or an RSA key")
        })?;
        let jwk = PublicJwk::of(&key).expect("a pair of keys has a public half");
        // RFC 7638, section 3: the required members in alphabetical order, without white space, as it is displayed.
        let thumbprint = jose::base64url(&crypto::sha256(jwk.to_string().as_bytes()));
        // RFC 9449, section 4.2.
        let header = jose::protected(algorithm.jose(), &Header { typ: "dpop+jwt", jwk: Some(&jwk), ..Header::default() });
        Ok(Self(Arc::new(Inner { key, algorithm, header, thumbprint, nonces: Nonces::default() })))
    }

    /// On one line, for a record: the same as in PEM, without its frame.
    pub(crate) fn to_stored(&self) -> Zeroizing<String> {
        let der = self.0.key.to_pkcs8().expect("a pair of keys can be written");
        Zeroizing::new(STANDARD.encode(&*der))
    }

    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        let mut der = Zeroizing::new(vec![0; text.len()]);
        let length = STANDARD.decode_slice(text, &mut der).ok()?;
        Self::of(SigningKey::from_der(&der[..length])?).ok()
    }

    /// A proof of these claims, in JSON.
    pub(super) fn sign(&self, claims: &[u8]) -> Result<String> {
        let Inner { key, algorithm, header, .. } = &*self.0;
        jose::compact(header, claims, |message| key.sign(algorithm.jose(), message))
    }

    pub(crate) fn nonces(&self) -> &Nonces {
        &self.0.nonces
    }
}

impl PartialEq for DpopKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint == other.0.thumbprint
    }
}

impl Eq for DpopKey {}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey")
            .field("algorithm", &self.0.algorithm)
            .field("thumbprint", &self.0.thumbprint)
            .finish_non_exhaustive()
    }
}

impl ProofAlgorithm {
    const ALL: [Self; 3] = [Self::Es256, Self::Ps256, Self::EdDsa];

    /// Its name in a JOSE header and in a provider's metadata.
    pub(crate) fn name(self) -> &'static str {
        self.jose().name()
    }

    fn jose(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::Ps256 => Algorithm::Ps256,
            Self::EdDsa => Algorithm::EdDsa,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H8: the key of RFC 9449, figure 2, whose thumbprint stands in figure 9; RFC 8037, appendix A.3; RFC 7638, section 3.1.
    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        let jwk = |text: &str| jose::base64url(&crypto::sha256(text.as_bytes()));
        let thumbprint = jwk(
            r#"{"crv":"P-256","kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#,
        );
        assert_eq!(thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }
}
