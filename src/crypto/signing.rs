//! Private keys, and the public half that is shown of them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::crypto::{Algorithm, without_leading_zeros};
use crate::error::{Error, Result};

/// A key for client assertions, request objects, DPoP proofs and a test provider's tokens. The library wipes it.
pub(crate) enum SigningKey {
    Rsa(Box<rsa::KeyPair>),
    Elliptic(Algorithm, Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Secret(Box<hmac::Key>),
}

/// The public half of a key, as the members of a JWK name it (RFC 7518, section 6; RFC 8037, section 2).
pub(crate) enum PublicParts {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: &'static str, x: Vec<u8>, y: Vec<u8> },
    Okp { x: Vec<u8> },
}

/// The numbers of an RSA key under their names in a JWK (RFC 7518, section 6.3).
pub(crate) struct RsaNumbers<T> {
    pub(crate) n: T,
    pub(crate) e: T,
    pub(crate) d: T,
    pub(crate) p: T,
    pub(crate) q: T,
    pub(crate) dp: T,
    pub(crate) dq: T,
    pub(crate) qi: T,
}

impl SigningKey {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| {
            Error::configuration(format!(
                "no {} key could be made; check what this process may ask of the operating system",
                algorithm.name()
            ))
        };
        Ok(match algorithm {
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => {
                let scheme = elliptic_scheme(algorithm).expect("these have curves");
                Self::Elliptic(algorithm, Box::new(EcdsaKeyPair::generate(scheme).map_err(failed)?))
            }
            Algorithm::EdDsa => Self::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(failed)?)),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                return Err(Error::configuration("HS256 takes a shared secret, not a private key"));
            }
            _ => Self::Rsa(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?)),
        })
    }

    /// A private key of any kind: PKCS#8, or what each kind had before it (PKCS#1 for RSA, SEC 1 for elliptic curves).
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der)) {
            return Some(Self::Rsa(Box::new(pair)));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Some(Self::Ed25519(Box::new(pair)));
        }
        [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512].into_iter().find_map(|algorithm| {
            let pair = EcdsaKeyPair::from_private_key_der(elliptic_scheme(algorithm)?, der).ok()?;
            Some(Self::Elliptic(algorithm, Box::new(pair)))
        })
    }

    /// None unless the numbers make one key of 2048 to 8192 bits.
    pub(crate) fn rsa(numbers: &RsaNumbers<impl AsRef<[u8]>>) -> Option<Self> {
        let public = |number| without_leading_zeros(number);
        let components = rsa::KeyPairComponents {
            public_key: rsa::PublicKeyComponents { n: public(numbers.n.as_ref()), e: public(numbers.e.as_ref()) },
            d: numbers.d.as_ref(),
            p: numbers.p.as_ref(),
            q: numbers.q.as_ref(),
            dP: numbers.dp.as_ref(),
            dQ: numbers.dq.as_ref(),
            qInv: numbers.qi.as_ref(),
        };
        Some(Self::Rsa(Box::new(rsa::KeyPair::from_components(&components).ok()?)))
    }

    /// None unless `x` and `y` are the point that belongs to `d`.
    pub(crate) fn elliptic(algorithm: Algorithm, d: &[u8], x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[4], x, y].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(elliptic_scheme(algorithm)?, d, &point).ok()?;
        Some(Self::Elliptic(algorithm, Box::new(pair)))
    }

    /// None unless `x` belongs to `d`.
    pub(crate) fn ed25519(d: &[u8], x: &[u8]) -> Option<Self> {
        Some(Self::Ed25519(Box::new(Ed25519KeyPair::from_seed_and_public_key(d, x).ok()?)))
    }

    pub(crate) fn shared_secret(secret: &[u8]) -> Self {
        Self::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The key in PKCS#8, DER; none for a shared secret.
    pub(crate) fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        // The library wipes its own copies.
        Some(Zeroizing::new(match self {
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(&**pair).ok()?.as_ref().to_vec(),
            Self::Elliptic(_, pair) => pair.to_pkcs8v1().ok()?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.to_pkcs8v1().ok()?.as_ref().to_vec(),
            Self::Secret(_) => return None,
        }))
    }

    /// The algorithms that it can sign with; the first is the usual one for such a key.
    pub(crate) fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Rsa(_) => &RSA,
            Self::Elliptic(Algorithm::Es384, _) => &[Algorithm::Es384],
            Self::Elliptic(Algorithm::Es512, _) => &[Algorithm::Es512],
            Self::Elliptic(..) => &[Algorithm::Es256],
            Self::Ed25519(_) => &[Algorithm::EdDsa],
            Self::Secret(_) => &[Algorithm::Hs256],
        }
    }

    /// By an algorithm of [`algorithms`](Self::algorithms): with another it fails.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>> {
        if !self.algorithms().contains(&algorithm) {
            return Err(Error::configuration(format!(
                "a private key of another kind cannot sign by {}; choose an algorithm that fits the key",
                algorithm.name()
            )));
        }
        let failed = |_| Error::configuration("the private key could not sign; make a new one");
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static dyn signature::RsaEncoding = match algorithm {
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Self::Elliptic(_, pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// The public half; none for a shared secret.
    pub(crate) fn public_parts(&self) -> Option<PublicParts> {
        Some(match self {
            Self::Rsa(pair) => {
                let (n, e) = rsa_public_parts(pair.public_key().as_ref())?;
                PublicParts::Rsa { n, e }
            }
            Self::Elliptic(algorithm, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match algorithm {
                    Algorithm::Es384 => "P-384",
                    Algorithm::Es512 => "P-521",
                    _ => "P-256",
                };
                PublicParts::Ec { curve, x: x.to_vec(), y: y.to_vec() }
            }
            Self::Ed25519(pair) => PublicParts::Okp { x: pair.public_key().as_ref().to_vec() },
            Self::Secret(_) => return None,
        })
    }
}

fn elliptic_scheme(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::Es256 => Some(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Some(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::Es512 => Some(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => None,
    }
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017, appendix A.1.1), as the library writes it.
fn rsa_public_parts(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = der_element(0x30, der)?;
    let (modulus, rest) = der_element(0x02, sequence)?;
    let (exponent, _) = der_element(0x02, rest)?;
    Some((without_leading_zeros(modulus).to_vec(), without_leading_zeros(exponent).to_vec()))
}

fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(*rest.first()?) << 8 | usize::from(*rest.get(1)?), &rest[2..]),
        _ => return None,
    };
    (found == tag && length <= rest.len()).then(|| rest.split_at(length))
}

const RSA: [Algorithm; 6] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Rs384, Algorithm::Ps384, Algorithm::Rs512, Algorithm::Ps512];
