//! The files of locks go away with their session, and a lock stays exclusive while they do.
use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::Path;
use std::time::Duration;

use hallpass::store::{CredentialsStore, File};

use super::other_process::OtherProcess;
use super::record_bytes::{key, record};
use crate::scratch_folder::ScratchFolder;

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_session_that_ended_leaves_no_file_behind() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    for number in 0..20 {
        let key = key(&number.to_string());
        let lock = store.lock(&key, NO_WAIT).await.unwrap();
        assert!(store.save(&key, None, &record(1, b"one")).await.unwrap());
        drop(lock);
        assert!(folder.names().contains(&format!("{}.lock", key.id())), "the file of a session's lock stays");
        store.remove(&key).await.unwrap();
        assert!(folder.names().is_empty(), "{:?}", folder.names());
    }
}

/// A logout removes the record under its lock, or while another process holds that.
#[tokio::test]
async fn a_lock_that_is_held_while_its_record_is_removed_goes_away_when_it_is_released() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let held = store.lock(&key(""), NO_WAIT).await.unwrap();
    store.remove(&key("")).await.unwrap();
    assert_eq!(folder.names(), [format!("{}.lock", key("").id())]);
    assert!(File::new(folder.path()).lock(&key(""), NO_WAIT).await.is_err(), "it is still held");
    drop(held);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[tokio::test]
async fn a_login_that_never_came_leaves_no_file_behind() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    drop(store.lock(&key(""), NO_WAIT).await.unwrap());
    assert!(!store.save(&key(""), Some(1), &record(2, b"two")).await.unwrap());
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

/// As a process that was killed leaves them.
#[tokio::test]
async fn files_of_locks_that_nobody_holds_are_removed_with_a_record_that_is_not_there() {
    let folder = ScratchFolder::made();
    let store = File::new(folder.path());
    for purpose in ["lock", "saving"] {
        fs::write(folder.file(&format!("{}.{purpose}", key("").id())), b"").unwrap();
    }
    use std::os::unix::fs::PermissionsExt as _;
    for name in folder.names() {
        fs::set_permissions(folder.file(&name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    store.remove(&key("")).await.unwrap();
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

/// Each holder makes a file that must not be there, so that two at once are found out.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_file_is_removed_again_and_again_stays_exclusive() {
    const HOLDERS: usize = 3;
    const TURNS: usize = 150;
    if let Some(folder) = OtherProcess::folder() {
        let tasks = [(); 4].map(|()| tokio::spawn(take_turns(folder.join("credentials"), folder.join("inside"), TURNS)));
        for task in tasks {
            task.await.unwrap();
        }
        return;
    }
    let folder = ScratchFolder::made();
    let test = "stores::lock_files::a_lock_whose_file_is_removed_again_and_again_stays_exclusive";
    let mut others = [(); HOLDERS].map(|()| OtherProcess::start(test, folder.path()));
    for other in &mut others {
        other.ends_well();
    }
    let left = fs::read_dir(folder.file("credentials")).unwrap().count();
    assert_eq!(left, 0, "files are left behind");
}

async fn take_turns(folder: impl AsRef<Path>, inside: impl AsRef<Path>, turns: usize) {
    let store = File::new(folder.as_ref());
    for turn in 0..turns {
        let lock = store.lock(&key(""), LONG).await.unwrap();
        match fs::File::create_new(&inside) {
            Ok(_) => {}
            Err(error) if error.kind() == IoKind::AlreadyExists => panic!("two hold the lock at once"),
            Err(error) => panic!("{error}"),
        }
        if turn % 3 == 0 {
            assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
            store.remove(&key("")).await.unwrap();
        }
        fs::remove_file(&inside).unwrap();
        drop(lock);
    }
}
