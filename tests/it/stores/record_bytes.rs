//! Records as they are on the disk, written out by hand: the format that releases have in common.
use hallpass::store::{Record, RecordKey};

pub(super) fn key(session: &str) -> RecordKey {
    RecordKey::new("https://acme.eu.auth0.com/", "client", session)
}

pub(super) fn bytes(generation: u64, content: &[u8]) -> Vec<u8> {
    [b"hlps\x01".as_slice(), &generation.to_be_bytes(), &(content.len() as u64).to_be_bytes(), content].concat()
}

pub(super) fn record(generation: u64, content: &[u8]) -> Record {
    Record::from_bytes(bytes(generation, content)).unwrap()
}
