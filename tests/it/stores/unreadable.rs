//! Records that cannot be opened are told from disks that fail, and a login can replace them.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File, SealingKey, SealingKeys};

use super::record_bytes::{bytes, key, record};
use crate::scratch_folder::ScratchFolder;

/// G27
/// J11
#[tokio::test]
async fn a_record_that_cannot_be_opened_says_so_is_kept_and_can_be_replaced() {
    let whole = bytes(1, b"content");
    let mut bad: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
    bad.push([&whole[..], b"x"].concat());
    bad.push([b"hlps\x02".as_slice(), &whole[5..]].concat());
    bad.push(b"{\"refresh_token\": \"of another program\"}".to_vec());
    bad.push(vec![0; 9 << 20]);
    bad.push(SealingKeys::from(SealingKey::from_bytes([7; 32])).seal(&key(""), &record(1, b"content")).unwrap());
    for bytes in bad {
        is_kept_and_replaced(|folder| File::new(folder.path()), &bytes).await;
    }
}

/// G27
/// J11
#[tokio::test]
async fn a_sealed_record_that_cannot_be_opened_says_so_is_kept_and_can_be_replaced() {
    let keys = || SealingKeys::from(SealingKey::from_bytes([7; 32]));
    let whole = keys().seal(&key(""), &record(1, b"content")).unwrap();
    let mut bad: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(|length| whole[..length].to_vec()).collect();
    bad.push([&whole[..], b"x"].concat());
    bad.push([b"hlse\x02".as_slice(), &whole[5..]].concat());
    bad.push(bytes(1, b"not sealed"));
    bad.push(SealingKeys::from(SealingKey::from_bytes([8; 32])).seal(&key(""), &record(1, b"content")).unwrap());
    bad.push(keys().seal(&key("another session"), &record(1, b"content")).unwrap());
    for bytes in bad {
        is_kept_and_replaced(|folder| File::new(folder.path()).sealed(keys()), &bytes).await;
    }
}

async fn is_kept_and_replaced(store: impl Fn(&ScratchFolder) -> File, bytes: &[u8]) {
    let folder = ScratchFolder::new();
    let store = store(&folder);
    assert!(store.save(&key(""), None, &record(1, b"content")).await.unwrap());
    let file = folder.file(&key("").id());
    fs::write(&file, bytes).unwrap();
    let mut refused = vec![store.load(&key("")).await.unwrap_err()];
    for expected in [None, Some(1)] {
        refused.push(store.save(&key(""), expected, &record(2, b"")).await.unwrap_err());
    }
    for refused in refused {
        assert_eq!((refused.kind(), refused.is_unreadable_record()), (ErrorKind::Store, true), "{} bytes", bytes.len());
        assert!(refused.to_string().contains("log in again to replace"), "{refused}");
    }
    assert!(fs::read(&file).unwrap() == bytes, "the file is kept");

    store.remove(&key("")).await.unwrap();
    assert!(store.load(&key("")).await.unwrap().is_none());
    assert!(store.save(&key(""), None, &record(1, b"anew")).await.unwrap());
    assert_eq!(store.load(&key("")).await.unwrap().unwrap().as_bytes(), record(1, b"anew").as_bytes());
}

/// J11: nothing is replaced because it could not be read this time.
#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_count_as_one_that_cannot_be_opened() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let file = folder.file(&key("").id());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!store.load(&key("")).await.unwrap_err().is_unreadable_record());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!store.load(&key("")).await.unwrap_err().is_unreadable_record());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(!store.load(&key("")).await.unwrap_err().is_unreadable_record());
}
