//! The only module that knows the cryptographic library.

mod sealing;
mod signing;
pub(crate) use sealing::Cipher;
pub(crate) use signing::{PublicParts, RsaNumbers, SigningKey};

use std::sync::OnceLock;

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use aws_lc_rs::{constant_time, hmac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::error::{Error, Result};

/// The signature algorithms of JOSE that this crate knows (RFC 7518, section 3.1; RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

/// A public key that was checked on the way in and is ready to verify.
pub(crate) struct VerifyingKey(Material);

enum Material {
    Rsa { modulus: Box<[u8]>, exponent: Box<[u8]>, parsed: Box<[OnceLock<Option<ParsedPublicKey>>; 6]> },
    Elliptic { algorithm: Algorithm, key: ParsedPublicKey },
    Secret(Algorithm, Box<hmac::Key>),
}

impl Algorithm {
    pub(crate) const ALL: [Self; 13] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The exact, case-sensitive name in a JOSE header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// RFC 9864, section 2.2: "Ed25519" is what "EdDSA" means with a key of that curve.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { Self::EdDsa.name() } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns whether the same secret signs and verifies.
    pub(crate) fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// In bytes.
    pub(crate) fn digest_length(self) -> usize {
        self.digest(&[]).length
    }

    /// FAPI 2.0 Security Profile, section 5.4: "PS256, ES256, or EdDSA (using the Ed25519 variant)".
    pub(crate) fn suits_fapi2(self) -> bool {
        matches!(self, Self::Ps256 | Self::Es256 | Self::EdDsa)
    }

    /// The digest that `at_hash` and `c_hash` use beside this algorithm (OpenID Connect Core 1.0, section 3.1.3.6).
    pub(crate) fn digest(self, data: &[u8]) -> Hash {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 | Self::Hs256 => Hash::of::<Sha256>(data),
            Self::Rs384 | Self::Ps384 | Self::Es384 | Self::Hs384 => Hash::of::<Sha384>(data),
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa | Self::Hs512 => Hash::of::<Sha512>(data),
        }
    }
}

/// A digest of up to 64 bytes, without the heap.
pub(crate) struct Hash {
    bytes: [u8; 64],
    length: usize,
}

impl Hash {
    fn of<D: Digest>(data: &[u8]) -> Self {
        let digest = D::digest(data);
        let mut bytes = [0; 64];
        bytes[..digest.len()].copy_from_slice(&digest);
        Self { bytes, length: digest.len() }
    }

    /// "the left-most half of the hash"
    pub(crate) fn left_half(&self) -> &[u8] {
        &self.bytes[..self.length / 2]
    }
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Fills `bytes` from the operating system's source of randomness.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    SysRng.try_fill_bytes(bytes).map_err(|error| {
        Error::configuration("the operating system gave no random bytes; check what keeps this process from them")
            .with_source(error)
    })
}

/// From 0 to 1, to spread what would else happen in step. Without randomness there is no spread, which is no failure.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0; 4];
    let _ = random(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

pub(crate) fn equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyRefused {
    #[error("its RSA modulus is not of 2048 to 8192 bits")]
    ModulusSize,
    #[error("its RSA exponent is even or below 3")]
    Exponent,
    #[error("it is no point of its curve")]
    Point,
    #[error("it is an Ed25519 key of low order")]
    LowOrder,
    #[error("it cannot be read")]
    Unreadable,
}

impl VerifyingKey {
    // The library parses RSA keys of 1024 bits and e = 1, and Ed25519 keys of low order: these checks are ours.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyRefused> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(KeyRefused::ModulusSize);
        }
        match exponent {
            [] | [1] => return Err(KeyRefused::Exponent),
            [.., last] if last % 2 == 0 => return Err(KeyRefused::Exponent),
            long if long.len() > 4 => return Err(KeyRefused::Exponent),
            _ => {}
        }
        Ok(Self(Material::Rsa { modulus: modulus.into(), exponent: exponent.into(), parsed: Box::default() }))
    }

    pub(crate) fn elliptic(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Result<Self, KeyRefused> {
        let (scheme, length): (&'static EcdsaVerificationAlgorithm, _) = match algorithm {
            Algorithm::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, 32),
            Algorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, 48),
            Algorithm::Es512 => (&signature::ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(KeyRefused::Unreadable),
        };
        // RFC 7518, section 6.2.1.2: "The length of this octet string MUST be the full size of a coordinate".
        if x.len() != length || y.len() != length {
            return Err(KeyRefused::Point);
        }
        let mut point = Vec::with_capacity(1 + 2 * length);
        point.push(4);
        point.extend_from_slice(x);
        point.extend_from_slice(y);
        let key = ParsedPublicKey::new(scheme, point).map_err(|_| KeyRefused::Point)?;
        Ok(Self(Material::Elliptic { algorithm, key }))
    }

    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, KeyRefused> {
        let bytes: [u8; 32] = x.try_into().map_err(|_| KeyRefused::Point)?;
        let mut unsigned = bytes;
        unsigned[31] &= 0x7f;
        if LOW_ORDER.contains(&unsigned) {
            return Err(KeyRefused::LowOrder);
        }
        let key = ParsedPublicKey::new(&signature::ED25519, bytes).map_err(|_| KeyRefused::Point)?;
        Ok(Self(Material::Elliptic { algorithm: Algorithm::EdDsa, key }))
    }

    /// HS256 and its like with a client secret: only for a confidential application that asked for it.
    pub(crate) fn shared_secret(algorithm: Algorithm, secret: &[u8]) -> Self {
        let hash = match algorithm {
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        Self(Material::Secret(algorithm, Box::new(hmac::Key::new(hash, secret))))
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.0 {
            Material::Rsa { .. } => rsa_scheme(algorithm).is_some(),
            Material::Elliptic { algorithm: own, .. } => *own == algorithm,
            Material::Secret(own, _) => *own == algorithm,
        }
    }

    /// Returns whether `signature` is this key's signature of `message`. A key that does not fit `algorithm` verifies nothing.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Material::Rsa { modulus, exponent, parsed } => {
                let Some((slot, scheme)) = rsa_scheme(algorithm) else { return false };
                let key = parsed[slot]
                    .get_or_init(|| RsaPublicKeyComponents { n: modulus, e: exponent }.to_parsed_public_key(scheme).ok());
                key.as_ref().is_some_and(|key| key.verify_sig(message, signature).is_ok())
            }
            Material::Elliptic { algorithm: own, key } => *own == algorithm && key.verify_sig(message, signature).is_ok(),
            Material::Secret(own, key) => *own == algorithm && hmac::verify(key, message, signature).is_ok(),
        }
    }
}

fn rsa_scheme(algorithm: Algorithm) -> Option<(usize, &'static RsaParameters)> {
    Some(match algorithm {
        Algorithm::Rs256 => (0, &signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => (1, &signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => (2, &signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => (3, &signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => (4, &signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => (5, &signature::RSA_PSS_2048_8192_SHA512),
        _ => return None,
    })
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// The points of Ed25519 whose order divides 8, in every encoding, without the sign bit.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    with_ends(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05,
        0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa,
        0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0xed, 0xff, 0x7f),
    with_ends(0xee, 0xff, 0x7f),
];

const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}
