//! JSON Web Signatures and Keys, as far as this crate needs them.

mod jwk;
mod jws;
mod private_key;
mod public_jwk;
mod signing;

pub(crate) use jwk::{Jwk, JwkRefused};
pub(crate) use jws::CompactJws;
pub(crate) use private_key::{PrivateJwk, read_pem, write_pem};
pub use public_jwk::PublicJwk;
pub(crate) use signing::{Header, compact, protected, sign};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// RFC 7515, section 2: base64url without padding, white space or stray bits.
pub(crate) fn base64url_decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same, off the heap: how many of `buffer`'s bytes it takes.
pub(crate) fn base64url_onto(buffer: &mut [u8], bytes: &[u8]) -> usize {
    URL_SAFE_NO_PAD.encode_slice(bytes, buffer).expect("the caller's buffer is large enough")
}

#[cfg(test)]
mod vectors;
