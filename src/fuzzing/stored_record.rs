use std::sync::LazyLock;

use super::errors;
use super::made_up::{APPLICATION, CANARY, CLIENT_ID, ISSUER};
use crate::manager::Snapshot;
use crate::store::{Record, RecordKey, SealingKey, SealingKeys};

static KEY: LazyLock<RecordKey> = LazyLock::new(|| RecordKey::new(ISSUER, CLIENT_ID, ""));
static SEALING_KEYS: LazyLock<SealingKeys> = LazyLock::new(|| SealingKey::from_bytes([7; 32]).into());

/// A store returns the record that was stored, or an error. A sealed record opens unchanged or not at all.
///
/// The bytes are taken for a record, for a sealed one, and for what a record holds.
pub fn stored_record(bytes: &[u8]) {
    match Record::from_bytes(bytes.to_vec()) {
        Ok(record) => {
            assert_eq!(record.as_bytes(), bytes);
            check_content(&record);
            check_sealing(&record);
        }
        Err(error) => errors::check(&error, &[CANARY]),
    }
    check_content(&Record::new(7, bytes));
    if let Err(error) = SEALING_KEYS.open(&KEY, bytes) {
        errors::check(&error, &[CANARY]);
    }
}

fn check_content(record: &Record) {
    assert!(!format!("{record:?}").contains(CANARY), "Debug shows nothing");
    let content = match Snapshot::from_record(record, &KEY, &APPLICATION) {
        Ok(content) => content,
        Err(error) => return errors::check(&error, &[CANARY]),
    };
    let written = content.to_record(&KEY);
    assert_eq!(written.generation(), record.generation());
    let again = Snapshot::from_record(&written, &KEY, &APPLICATION).expect("what was written by this release is read by it");
    assert_eq!(again.to_record(&KEY).as_bytes(), written.as_bytes());
    assert_eq!(again.refresh_token(), content.refresh_token());
    let credentials = &content.login.credentials;
    let subject = credentials.user().map(|user| user.subject().to_owned()).unwrap_or_default();
    if !subject.contains(CANARY) && !credentials.scope().contains(CANARY) {
        assert!(!format!("{credentials:?}").contains(CANARY), "Debug shows no token");
    }
}

fn check_sealing(record: &Record) {
    let mut sealed = SEALING_KEYS.seal(&KEY, record).expect("there is a key");
    let opened = SEALING_KEYS.open(&KEY, &sealed).expect("it was sealed with that key");
    assert_eq!(opened.as_bytes(), record.as_bytes());
    let other = RecordKey::new(ISSUER, CLIENT_ID, "another");
    assert!(SEALING_KEYS.open(&other, &sealed).is_err(), "another session's record");
    // A bit anywhere, chosen by what is in the record.
    let sum: usize = record.as_bytes().iter().map(|byte| usize::from(*byte)).sum();
    let position = sum % sealed.len();
    sealed[position] ^= 1 << (sum % 8);
    assert!(SEALING_KEYS.open(&KEY, &sealed).is_err(), "a bit of it was changed");
}
