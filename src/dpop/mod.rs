#![doc = include_str!("../docs/dpop.md")]

mod key;
mod nonces;
mod proof;

pub use key::{DpopKey, ProofAlgorithm};
pub(crate) use nonces::Nonce;
pub(crate) use proof::{HEADER, Proofs, Prover, TokenHash};
