//! The records of a folder, by person and by session at the provider.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hallpass::store::{CredentialsStore, File, Memory, Record, RecordFilter, RecordKey, SealingKey, SealingKeys};

use super::record_bytes::{bytes, key};
use crate::scratch_folder::ScratchFolder;

/// A record that names its session, as a manager saves it.
fn labelled(key: &RecordKey, sub: &str, sid: &str) -> Record {
    let content = format!(r#"{{"key":"{}","session":"{}","sub":"{sub}","sid":"{sid}"}}"#, key.id(), key.session());
    Record::from_bytes(bytes(1, content.as_bytes())).unwrap()
}

async fn sessions(store: &impl CredentialsStore, filter: RecordFilter) -> Vec<String> {
    let listed = store.list(&key("any session of the program"), &filter).await.unwrap();
    let mut sessions: Vec<String> = listed.iter().map(|key| key.session().to_owned()).collect();
    sessions.sort();
    sessions
}

async fn lists_what_matches(store: &impl CredentialsStore) {
    assert!(sessions(store, RecordFilter::All).await.is_empty());
    for (session, sub, sid) in [("a", "alice", "s1"), ("b", "alice", "s2"), ("c", "bob", "s1"), ("", "carol", "s3")] {
        assert!(store.save(&key(session), None, &labelled(&key(session), sub, sid)).await.unwrap());
    }
    let foreign = RecordKey::new("https://acme.eu.auth0.com/", "another client", "d");
    assert!(store.save(&foreign, None, &labelled(&foreign, "alice", "s1")).await.unwrap());

    assert_eq!(sessions(store, RecordFilter::All).await, ["", "a", "b", "c"]);
    assert_eq!(sessions(store, RecordFilter::Subject("alice".to_owned())).await, ["a", "b"]);
    assert_eq!(sessions(store, RecordFilter::ProviderSession("s1".to_owned())).await, ["a", "c"]);
    assert!(sessions(store, RecordFilter::Subject("mallory".to_owned())).await.is_empty());
    assert_eq!(store.list(&foreign, &RecordFilter::All).await.unwrap(), std::slice::from_ref(&foreign));

    store.remove(&key("a")).await.unwrap();
    assert_eq!(sessions(store, RecordFilter::Subject("alice".to_owned())).await, ["b"]);
}

/// J25
#[tokio::test]
async fn sessions_are_listed_by_person_and_by_session_at_the_provider() {
    let (plain, sealed) = (ScratchFolder::new(), ScratchFolder::new());
    lists_what_matches(&Memory::new()).await;
    lists_what_matches(&File::new(plain.path())).await;
    assert!(!sealed.path().exists());
    lists_what_matches(&File::new(sealed.path()).sealed(SealingKey::from_bytes([7; 32]))).await;
}

/// J25
#[tokio::test]
async fn files_that_are_no_record_of_the_program_are_left_out() {
    let folder = ScratchFolder::new();
    let keys = || SealingKeys::from(SealingKey::from_bytes([7; 32]));
    let store = File::new(folder.path()).sealed(keys());
    assert!(store.save(&key("a"), None, &labelled(&key("a"), "alice", "s1")).await.unwrap());
    let _lock = store.lock(&key("b"), std::time::Duration::ZERO).await.unwrap();
    let record = fs::read(folder.file(&key("a").id())).unwrap();
    let other_key = SealingKeys::from(SealingKey::from_bytes([8; 32]));
    for (name, bytes) in [
        ("a copy in another place", record.clone()),
        ("cut off", record[..20].to_vec()),
        ("of another key", other_key.seal(&key("of another key"), &labelled(&key("of another key"), "alice", "s1")).unwrap()),
        ("without a session", keys().seal(&key("without a session"), &super::record_bytes::record(1, b"{}")).unwrap()),
        ("empty", Vec::new()),
    ] {
        let file = folder.file(&key(name).id());
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir(folder.file(&key("a folder").id())).unwrap();
    fs::write(folder.file("README"), b"of another program").unwrap();
    assert_eq!(sessions(&store, RecordFilter::All).await, ["a"]);

    // A file that is not this user's alone may be a session's: a list without it would not be all of them.
    fs::set_permissions(folder.file(&key("a").id()), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(store.list(&key(""), &RecordFilter::All).await.is_err());
}

/// J25: a plain record that was copied to another session's place is not listed.
#[tokio::test]
async fn a_record_is_listed_only_under_its_own_name() {
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key("a"), None, &labelled(&key("a"), "alice", "s1")).await.unwrap());
    fs::copy(folder.file(&key("a").id()), folder.file(&key("b").id())).unwrap();
    assert_eq!(sessions(&store, RecordFilter::All).await, ["a"]);
}

/// J25: more than are read at once.
#[tokio::test]
async fn many_sessions_are_all_listed() {
    let folder = ScratchFolder::made();
    for number in 0..600 {
        let key = key(&number.to_string());
        let file = folder.file(&key.id());
        fs::write(&file, labelled(&key, "alice", "s1").as_bytes()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(sessions(&File::new(folder.path()), RecordFilter::All).await.len(), 600);
}
