//! Private keys, and the public half that is shown of them.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::crypto::{Algorithm, random, without_leading_zeros};
use crate::error::{Error, Result};

/// A private key, to sign client assertions, DPoP proofs and a test provider's tokens.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(Box<rsa::KeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Secret(Box<hmac::Key>),
}

/// The public half of a key, as the members of a JWK name it (RFC 7518, section 6; RFC 8037, section 2).
pub(crate) enum PublicParts {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: &'static str, x: Vec<u8>, y: Vec<u8> },
    Okp { x: Vec<u8> },
}

impl SigningKey {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| Error::configuration(format!("no {} key could be made", algorithm.name()));
        let pair = match algorithm {
            Algorithm::Es256 => {
                Pair::Ecdsa(Box::new(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?))
            }
            Algorithm::Es384 => {
                Pair::Ecdsa(Box::new(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?))
            }
            Algorithm::Es512 => {
                Pair::Ecdsa(Box::new(EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).map_err(failed)?))
            }
            Algorithm::EdDsa => Pair::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(failed)?)),
            Algorithm::Hs256 => {
                let mut secret = Zeroizing::new([0; 32]);
                random(&mut *secret)?;
                Pair::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &*secret)))
            }
            _ => Pair::Rsa(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?)),
        };
        Ok(Self { algorithm, pair })
    }

    /// A private key in PKCS#8, DER.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self> {
        let failed =
            |error| Error::configuration(format!("this is no {} private key in PKCS#8", algorithm.name())).with_source(error);
        let pair = match algorithm {
            Algorithm::Es256 => {
                Pair::Ecdsa(Box::new(EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(failed)?))
            }
            Algorithm::Es384 => {
                Pair::Ecdsa(Box::new(EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, der).map_err(failed)?))
            }
            Algorithm::Es512 => {
                Pair::Ecdsa(Box::new(EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, der).map_err(failed)?))
            }
            Algorithm::EdDsa => Pair::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8(der).map_err(failed)?)),
            Algorithm::Hs256 => return Err(Error::configuration("HS256 takes a shared secret, not a private key")),
            _ => Pair::Rsa(Box::new(rsa::KeyPair::from_pkcs8(der).map_err(failed)?)),
        };
        Ok(Self { algorithm, pair })
    }

    pub(crate) fn shared_secret(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::Hs256, pair: Pair::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))) }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::configuration("the private key could not sign");
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn signature::RsaEncoding = match self.algorithm {
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
            Pair::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// The public half; none for a shared secret.
    pub(crate) fn public_parts(&self) -> Option<PublicParts> {
        Some(match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = rsa_public_parts(pair.public_key().as_ref())?;
                PublicParts::Rsa { n, e }
            }
            Pair::Ecdsa(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match self.algorithm {
                    Algorithm::Es384 => "P-384",
                    Algorithm::Es512 => "P-521",
                    _ => "P-256",
                };
                PublicParts::Ec { curve, x: x.to_vec(), y: y.to_vec() }
            }
            Pair::Ed25519(pair) => PublicParts::Okp { x: pair.public_key().as_ref().to_vec() },
            Pair::Secret(_) => return None,
        })
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
