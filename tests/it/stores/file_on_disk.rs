//! The files of `File` on the disk, and the files that it does not touch.
use std::error::Error as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File};

use super::record_bytes::{bytes, key, record};
use crate::scratch_folder::ScratchFolder;

const NO_WAIT: Duration = Duration::ZERO;

/// G26
#[tokio::test]
async fn files_are_for_their_user_alone() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.file("within").join("another"));
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    drop(store.lock(&key(""), NO_WAIT).await.unwrap());

    for folder in [folder.path(), &folder.file("within"), &folder.file("within/another")] {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o7777, 0o700, "{}", folder.display());
    }
    let id = key("").id();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.file("within/another")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, [id.clone(), format!("{id}.lock"), format!("{id}.saving")]);
}

/// G26
#[tokio::test]
async fn a_save_replaces_the_file_and_writes_nothing_into_the_old_one() {
    let folder = ScratchFolder::new();
    let (store, file) = (File::new(folder.path()), folder.file(&key("").id()));
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let old = folder.file("old");
    fs::hard_link(&file, &old).unwrap();
    // As a process that died while it wrote leaves it.
    fs::write(folder.file(&format!("{}.new", key("").id())), b"half").unwrap();

    assert!(store.save(&key(""), Some(1), &record(2, b"two")).await.unwrap());
    assert_eq!(fs::read(&file).unwrap(), bytes(2, b"two"));
    assert_eq!(fs::read(&old).unwrap(), bytes(1, b"one"));
    assert!(!folder.names().contains(&format!("{}.new", key("").id())));
}

/// G26
#[tokio::test]
async fn no_link_is_followed() {
    let outside = ScratchFolder::made();
    let target = outside.file("target");
    fs::write(&target, bytes(1, b"planted")).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();

    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    for suffix in ["", ".lock", ".saving"] {
        let link = folder.file(&format!("{}{suffix}", key("").id()));
        let kept = folder.file("kept");
        _ = fs::rename(&link, &kept);
        for target in [&target, &outside.file("not there")] {
            symlink(target, &link).unwrap();
            let refused = match suffix {
                "" => {
                    vec![store.load(&key("")).await.unwrap_err(), store.save(&key(""), Some(1), &record(2, b"")).await.unwrap_err()]
                }
                ".lock" => vec![store.lock(&key(""), NO_WAIT).await.unwrap_err()],
                _ => vec![store.save(&key(""), Some(1), &record(2, b"")).await.unwrap_err()],
            };
            for refused in refused {
                assert_eq!(refused.kind(), ErrorKind::Store);
                assert_eq!(
                    refused.to_string(),
                    format!("{} has to be a plain file; remove the link that is there", link.display())
                );
            }
            fs::remove_file(&link).unwrap();
        }
        _ = fs::rename(&kept, &link);
    }

    // The name that is written first: the link is removed, not followed.
    symlink(&target, folder.file(&format!("{}.new", key("").id()))).unwrap();
    assert!(store.save(&key(""), Some(1), &record(2, b"two")).await.unwrap());
    assert_eq!(fs::read(&target).unwrap(), bytes(1, b"planted"));
    assert_eq!(outside.names(), ["target"]);
}

/// G26
#[tokio::test]
async fn what_others_may_read_or_put_there_is_refused() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let file = folder.file(&key("").id());
    for mode in [0o640, 0o604, 0o620, 0o602] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let refused = store.load(&key("")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Store);
        let message = format!("{} is open to other users; take their rights away (mode 600)", file.display());
        assert_eq!(refused.to_string(), message);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for mode in [0o770, 0o702, 0o1777] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let refused = store.load(&key("")).await.unwrap_err();
        let next_step = match mode {
            0o1777 => "name a folder inside it, which is made for this user alone",
            _ => "run chmod go-w on it, or name another folder",
        };
        let path = folder.path().display();
        assert_eq!(refused.to_string(), format!("{path} can be written by other users; {next_step}"));
        assert_eq!(store.save(&key(""), Some(1), &record(2, b"")).await.unwrap_err().kind(), ErrorKind::Store);
        assert_eq!(store.lock(&key(""), NO_WAIT).await.unwrap_err().kind(), ErrorKind::Store);
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(store.load(&key("")).await.unwrap().unwrap().generation(), 1);
}

#[tokio::test]
async fn a_pipe_or_a_folder_in_the_place_of_the_record_is_refused_without_waiting() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key("other"), None, &record(1, b"one")).await.unwrap());
    let file = folder.file(&key("").id());
    assert!(std::process::Command::new("mkfifo").arg("-m600").arg(&file).status().unwrap().success());
    let loaded = tokio::time::timeout(Duration::from_secs(30), store.load(&key(""))).await.unwrap();
    assert_eq!(loaded.unwrap_err().to_string(), format!("{} has to be a plain file; remove what is there", file.display()));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(store.load(&key("")).await.unwrap_err().kind(), ErrorKind::Store);
}

#[tokio::test]
async fn a_write_protected_folder_keeps_the_old_record() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    // Root may write everywhere, but not a file where a folder is.
    fs::create_dir_all(folder.file(&format!("{}.new", key("").id())).join("full")).unwrap();
    let refused = store.save(&key(""), Some(1), &record(2, b"two")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    let file = folder.file(&key("").id());
    let message = format!("{} could not be written; the disk may be full or write-protected", file.display());
    assert_eq!(refused.to_string(), message);
    assert!(refused.source().is_some());
    assert_eq!(store.load(&key("")).await.unwrap().unwrap().as_bytes(), bytes(1, b"one"));
}

#[tokio::test]
async fn reading_and_removing_nothing_makes_no_folder() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.load(&key("")).await.unwrap().is_none());
    store.remove(&key("")).await.unwrap();
    assert!(!folder.path().exists());
}

/// Clearing the sessions of made-up cookies leaves no files.
#[tokio::test]
async fn removing_what_was_never_there_makes_no_file() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key("a person's"), None, &record(1, b"one")).await.unwrap());
    let count = || fs::read_dir(folder.path()).unwrap().count();
    let before = count();
    store.remove(&key("made up")).await.unwrap();
    assert_eq!(count(), before);
}

#[tokio::test]
async fn what_cannot_be_removed_does_not_count_as_removed() {
    let id = key("").id();
    for name in [id.clone(), format!("{id}.new")] {
        let folder = ScratchFolder::new();
        let store = File::new(folder.path());
        assert!(store.save(&key("other"), None, &record(1, b"one")).await.unwrap());
        // Root may remove every file, but no folder in its place.
        fs::create_dir(folder.file(&name)).unwrap();
        let refused = store.remove(&key("")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Store, "{name}");
        assert_eq!(
            refused.to_string(),
            format!("{} could not be removed; check the rights of its folder", folder.file(&id).display())
        );
        assert!(refused.source().is_some() && folder.file(&name).exists());
    }
}

#[tokio::test]
async fn what_a_save_left_behind_is_removed_with_the_record() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let half = folder.file(&format!("{}.new", key("").id()));
    // As a process that died while it wrote leaves it.
    fs::write(&half, b"half").unwrap();
    store.remove(&key("")).await.unwrap();
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[tokio::test]
async fn what_is_too_long_for_credentials_is_neither_written_nor_read() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let long = vec![b'x'; 8 << 20];
    let refused = store.save(&key(""), Some(1), &record(2, &long)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    assert!(refused.to_string().contains("too long to be stored"), "{refused}");
    assert_eq!(store.load(&key("")).await.unwrap().unwrap().generation(), 1);

    let file = folder.file(&key("").id());
    fs::write(&file, bytes(2, &long)).unwrap();
    let refused = store.load(&key("")).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("{} is too long for credentials; log in again to replace it", file.display()));
}
