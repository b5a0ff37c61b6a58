use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::crypto::{self, Algorithm, SigningKey};
use crate::error::{Error, Result};
use crate::jose::{self, Header, PrivateJwk, PublicJwk};
use crate::secret::Secret;

/// A private key that signs for the application: RSA of 2048 bits or more (RS256, PS256 …), P-256, P-384 or P-521 (ES256 …),
/// or Ed25519 (EdDSA).
///
/// Clones share one key, which is wiped with the last of them; `Debug` shows nothing of it.
///
/// ```
/// use hallpass::client_auth::PrivateKey;
///
/// # fn example() -> hallpass::Result<()> {
/// let key = PrivateKey::generate("ES256")?.kid("2025-06");
/// println!("register this at the provider: {}", key.public_jwk());
/// let pem = key.to_pem(); // to be kept where only this program reads it
/// let again = PrivateKey::from_pem(pem.expose())?.kid("2025-06");
/// assert_eq!(again.public_jwk(), key.public_jwk());
/// # Ok(()) }
/// # example().unwrap();
/// ```
#[derive(Clone)]
pub struct PrivateKey {
    key: Arc<SigningKey>,
    /// The one to sign by, where it was said.
    algorithm: Option<Algorithm>,
    kid: Option<Arc<str>>,
    certificate_thumbprint: Option<Arc<str>>,
}

impl PrivateKey {
    /// From PEM: `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC 1), not encrypted. The first of a
    /// text that holds several.
    ///
    /// # Errors
    /// `Configuration` when there is none that can sign.
    pub fn from_pem(pem: impl AsRef<str>) -> Result<Self> {
        let key = jose::read_pem(pem.as_ref()).map_err(|why| {
            Error::configuration("this is no private key in PEM; give one that begins with -----BEGIN PRIVATE KEY-----")
                .with_source(why)
        })?;
        Ok(Self { key: Arc::new(key), algorithm: None, kid: None, certificate_thumbprint: None })
    }

    /// From the JSON of a private JWK (RFC 7517), with its `kid` and `alg` if it has them.
    ///
    /// # Errors
    /// `Configuration` when it is none that can sign, or its members are not of one key.
    pub fn from_jwk(json: impl AsRef<str>) -> Result<Self> {
        let jwk = PrivateJwk::read(json.as_ref()).map_err(|why| {
            Error::configuration("this is no private JWK; give a JSON object with kty and the private members").with_source(why)
        })?;
        Ok(Self { key: Arc::new(jwk.key), algorithm: jwk.algorithm, kid: jwk.kid.map(Arc::from), certificate_thumbprint: None })
    }

    /// A new one, for `ES256`, `EdDSA`, `RS256`, `PS256` or another of these families.
    ///
    /// # Errors
    /// `Configuration` when there is no such algorithm, or the system gives no randomness.
    pub fn generate(algorithm: &str) -> Result<Self> {
        let algorithm = Algorithm::from_name(algorithm).ok_or_else(|| unknown(algorithm))?;
        Ok(Self {
            key: Arc::new(SigningKey::generate(algorithm)?),
            algorithm: Some(algorithm),
            kid: None,
            certificate_thumbprint: None,
        })
    }

    /// The provider's name of the key: the `kid` of signed objects. Some providers need it to choose among several keys.
    #[must_use]
    pub fn kid(mut self, kid: impl AsRef<str>) -> Self {
        self.kid = Some(kid.as_ref().into());
        self
    }

    /// The certificate of the key, in DER: what is signed has its SHA-256 thumbprint as `x5t#S256` (RFC 7515, section 4.1.8). Entra ID
    /// finds the key by it.
    #[must_use]
    pub fn certificate(mut self, der: impl AsRef<[u8]>) -> Self {
        self.certificate_thumbprint = Some(jose::base64url(&crypto::sha256(der.as_ref())).into());
        self
    }

    /// The algorithm to sign by, such as `PS256` for an RSA key. Unless set, it is one that the provider names, and RS256 for an RSA
    /// key where it names none.
    ///
    /// # Errors
    /// `Configuration` when the key cannot sign by it.
    pub fn algorithm(mut self, name: &str) -> Result<Self> {
        let known = Algorithm::from_name(name).filter(|algorithm| self.key.algorithms().contains(algorithm));
        self.algorithm = Some(known.ok_or_else(|| unknown(name))?);
        Ok(self)
    }

    /// The public half, to be registered at the provider or published as part of a JWK set.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "there is no way to make one of a shared secret")]
    pub fn public_jwk(&self) -> PublicJwk {
        let jwk = PublicJwk::of(&self.key).expect("a private key has a public half");
        let only = if let [only] = self.key.algorithms() { Some(*only) } else { None };
        jwk.for_signatures(self.kid.as_deref(), self.algorithm.or(only).map(Algorithm::name))
    }

    /// The private key itself, as `-----BEGIN PRIVATE KEY-----` (PKCS#8).
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "there is no way to make one of a shared secret")]
    pub fn to_pem(&self) -> Secret {
        Secret::new(jose::write_pem(&self.key).expect("a private key can be written"))
    }

    /// A JWT of these claims, such as an assertion for [`Application::jwt_bearer`](crate::Application::jwt_bearer).
    ///
    /// # Errors
    /// `Configuration` when the claims are nothing that JSON can hold.
    pub fn sign_jwt(&self, claims: &impl Serialize) -> Result<Secret> {
        self.sign("JWT", None, claims).map(Secret::new)
    }

    /// A compact JWS. `accepted` is what the provider says it verifies; when it knows nothing that this key can do, it may still
    /// know better than it says.
    pub(crate) fn sign(&self, typ: &str, accepted: Option<&[String]>, claims: &impl Serialize) -> Result<String> {
        let certificate_thumbprint = self.certificate_thumbprint.as_deref();
        let header = Header { typ, kid: self.kid.as_deref(), certificate_thumbprint, jwk: None };
        jose::sign(&self.key, self.algorithm_among(accepted), &header, claims)
    }

    pub(crate) fn algorithm_among(&self, accepted: Option<&[String]>) -> Algorithm {
        let known = self.key.algorithms();
        let is_accepted =
            |own: &&Algorithm| accepted.is_some_and(|names| names.iter().any(|name| Algorithm::from_name(name) == Some(**own)));
        self.algorithm.or_else(|| known.iter().find(is_accepted).copied()).unwrap_or(known[0])
    }
}

fn unknown(algorithm: &str) -> Error {
    Error::configuration(format!(
        "no such key signs by {}; RSA keys sign by RS256 or PS256, P-256 keys by ES256, Ed25519 keys by EdDSA",
        crate::error::excerpt(algorithm)
    ))
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm_among(None).name())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
