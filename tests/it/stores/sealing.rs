//! Sealed records open where they belong, as they were written, with a key that is known.
use std::fs;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File, SealingKey, SealingKeys};
use sha2::Digest as _;

use super::record_bytes::{key, record};
use crate::scratch_folder::ScratchFolder;

/// Of the key of 32 sevens.
const KEY_ID: [u8; 8] = [0x98, 0x11, 0x1c, 0x9b, 0xd0, 0x1a, 0x69, 0x3b];

fn keys() -> SealingKeys {
    SealingKey::from_bytes([7; 32]).into()
}

/// G25
#[test]
fn a_sealed_record_opens_for_no_other_session() {
    let sealed = keys().seal(&key("one"), &record(1, b"refresh token")).unwrap();
    assert_eq!(keys().open(&key("one"), &sealed).unwrap().as_bytes(), record(1, b"refresh token").as_bytes());
    let refused = keys().open(&key("other"), &sealed).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    assert_eq!(
        refused.to_string(),
        "the stored credentials cannot be opened: they were changed, cut off, or put in the place of another session's; \
         log in again to replace them"
    );
}

/// G25: its generation is bytes 13 to 20.
/// G27
#[test]
fn a_sealed_record_opens_with_no_bit_altered_and_no_byte_missing() {
    let sealed = keys().seal(&key("one"), &record(1, b"refresh token")).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(keys().open(&key("one"), &altered).unwrap_err().kind(), ErrorKind::Store, "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(keys().open(&key("one"), &sealed[..length]).unwrap_err().kind(), ErrorKind::Store, "{length} bytes");
    }
    let longer = [&sealed[..], b"x"].concat();
    assert_eq!(keys().open(&key("one"), &longer).unwrap_err().kind(), ErrorKind::Store);
}

/// G25, G33: what stands before the ciphertext is the same in every release.
#[test]
fn a_sealed_record_begins_with_its_format_its_keys_id_and_its_generation() {
    let sealed = keys().seal(&key("one"), &record(0x0102_0304_0506_0708, b"refresh token")).unwrap();
    let id = sha2::Sha256::digest([b"hallpass sealing key ".as_slice(), &[7; 32]].concat());
    assert_eq!(sealed[..13], [b"hlse\x01".as_slice(), &id[..8]].concat());
    assert_eq!(sealed[5..13], KEY_ID);
    assert_eq!(sealed[13..21], [1, 2, 3, 4, 5, 6, 7, 8]);
    let other = SealingKeys::from(SealingKey::from_bytes([8; 32])).seal(&key("one"), &record(1, b"")).unwrap();
    assert_ne!(other[5..13], KEY_ID);
}

/// G27: a record that a newer release has sealed is told from a broken one.
#[test]
fn what_another_release_sealed_says_so() {
    let sealed = keys().seal(&key("one"), &record(1, b"refresh token")).unwrap();
    for (at, says) in [(4, "a newer release of this library sealed them"), (0, "were not sealed by this library")] {
        let mut other = sealed.clone();
        other[at] += 1;
        let refused = keys().open(&key("one"), &other).unwrap_err();
        assert!(refused.kind() == ErrorKind::Store && refused.to_string().contains(says), "{refused}");
    }
}

#[test]
fn what_is_sealed_twice_looks_different_and_never_like_the_tokens() {
    let sealed = [(); 2].map(|()| keys().seal(&key("one"), &record(1, b"refresh token")).unwrap());
    assert_ne!(sealed[0], sealed[1]);
    assert!(!sealed.concat().windows(7).any(|bytes| bytes == b"refresh"));
}

#[test]
fn keys_are_not_shown() {
    let sealing_key = SealingKey::from_bytes(*b"canary-canary-canary-canary-cana");
    assert_eq!(format!("{sealing_key:?}"), "SealingKey(…)");
    assert_eq!(format!("{:?}", SealingKeys::from(vec![sealing_key])), "SealingKeys(1)");
    assert_ne!(SealingKey::generate().unwrap().expose(), SealingKey::generate().unwrap().expose());
}

/// G33
#[tokio::test]
async fn after_a_change_of_keys_old_records_open_and_new_ones_are_sealed_anew() {
    let folder = ScratchFolder::new();
    let (old, new) = (SealingKey::generate().unwrap(), SealingKey::generate().unwrap());
    let with_old = File::new(folder.path()).sealed(old.clone());
    assert!(with_old.save(&key(""), None, &record(1, b"one")).await.unwrap());

    let with_both = File::new(folder.path()).sealed([new.clone(), old]);
    assert_eq!(with_both.load(&key("")).await.unwrap().unwrap().as_bytes(), record(1, b"one").as_bytes());
    assert!(with_both.save(&key(""), Some(1), &record(2, b"two")).await.unwrap());

    let with_new = File::new(folder.path()).sealed(new);
    assert_eq!(with_new.load(&key("")).await.unwrap().unwrap().as_bytes(), record(2, b"two").as_bytes());
    assert_eq!(with_old.load(&key("")).await.unwrap_err().kind(), ErrorKind::Store);
}

#[tokio::test]
async fn with_another_key_a_record_is_refused_and_kept() {
    let folder = ScratchFolder::new();
    let right = File::new(folder.path()).sealed(SealingKey::generate().unwrap());
    assert!(right.save(&key(""), None, &record(1, b"one")).await.unwrap());

    let wrong = File::new(folder.path()).sealed(SealingKey::generate().unwrap());
    let refused = wrong.load(&key("")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    let file = folder.file(&key("").id());
    assert_eq!(refused.to_string(), format!("the credentials in {} cannot be used; log in again to replace them", file.display()));
    assert_eq!(
        std::error::Error::source(&refused).unwrap().to_string(),
        "the stored credentials cannot be opened: they were sealed with another key; give that one too, or log in again to replace them"
    );
    for expected in [None, Some(1)] {
        assert_eq!(wrong.save(&key(""), expected, &record(2, b"two")).await.unwrap_err().kind(), ErrorKind::Store);
    }
    assert_eq!(right.load(&key("")).await.unwrap().unwrap().as_bytes(), record(1, b"one").as_bytes());
}

#[tokio::test]
async fn plain_text_is_not_taken_for_sealed_nor_sealed_for_plain_text() {
    let (plain_folder, sealed_folder) = (ScratchFolder::new(), ScratchFolder::new());
    let plain = File::new(plain_folder.path());
    assert!(plain.save(&key(""), None, &record(1, b"made up")).await.unwrap());
    assert_eq!(plain.clone().sealed(keys()).load(&key("")).await.unwrap_err().kind(), ErrorKind::Store);

    let sealed = File::new(sealed_folder.path()).sealed(keys());
    assert!(sealed.save(&key(""), None, &record(1, b"one")).await.unwrap());
    assert_eq!(File::new(sealed_folder.path()).load(&key("")).await.unwrap_err().kind(), ErrorKind::Store);
    assert!(!fs::read(sealed_folder.file(&key("").id())).unwrap().ends_with(b"one"));
}

#[tokio::test]
async fn nothing_is_written_unsealed_for_want_of_a_key() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path()).sealed(Vec::new());
    let refused = store.save(&key(""), None, &record(1, b"one")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
    assert!(!folder.names().contains(&key("").id()));
}
