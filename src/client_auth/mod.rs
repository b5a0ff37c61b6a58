//! The authentication of an application at the provider: by a secret, a private key or a certificate.

mod assertion;
pub(crate) mod method;
mod private_key;

pub use crate::jose::PublicJwk;
pub use private_key::PrivateKey;
