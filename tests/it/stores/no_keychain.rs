//! A machine whose keychain is not there, or does not answer. A real one is in `tests/peers`.
use std::fs;
use std::path::Path;
use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File, Keychain, RecordFilter};
use tokio::net::UnixListener;

use super::other_process::OtherProcess;
use super::record_bytes::{key, record};
use crate::scratch_folder::ScratchFolder;

/// G31
#[tokio::test]
async fn a_machine_without_a_keychain_is_told_what_to_take_instead_and_nothing_is_written() {
    if let Some(folder) = OtherProcess::folder() {
        let store = Keychain::in_folder("acme-cli", &folder).unwrap();
        let saved = store.save(&key(""), None, &record(1, b"tokens")).await;
        for refused in [store.load(&key("")).await.unwrap_err(), saved.unwrap_err()] {
            assert_eq!(refused.kind(), ErrorKind::Store);
            assert!(refused.is_no_keychain());
            assert_eq!(
                refused.to_string(),
                "this machine has no keychain; keep the credentials in a store::File that is sealed with a key of your own, \
                 or in store::Memory"
            );
            assert!(std::error::Error::source(&refused).is_some());
        }
        store.remove(&key("")).await.unwrap();
        return OtherProcess::says("refused");
    }
    let folder = ScratchFolder::new();
    let test = "stores::no_keychain::a_machine_without_a_keychain_is_told_what_to_take_instead_and_nothing_is_written";
    OtherProcess::start_with_bus(test, folder.path(), Path::new("/nothing/is/here")).waits_for("refused");
    for name in folder.names() {
        assert_eq!(fs::read(folder.file(&name)).unwrap(), b"", "{name}");
    }
}

/// G30
#[tokio::test]
async fn a_keychain_that_does_not_answer_holds_up_nothing_else() {
    if let Some(folder) = OtherProcess::folder() {
        // One thread: the connection is accepted only if the call that waits for an answer does not block it.
        let bus = UnixListener::bind(folder.join("bus")).unwrap();
        let store = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap();
        let loading = tokio::spawn(async move { store.load(&key("")).await });
        let (connection, _) = bus.accept().await.unwrap();
        assert!(!loading.is_finished());
        OtherProcess::says("still running");
        drop((connection, bus));
        let refused = loading.await.unwrap().unwrap_err();
        assert_eq!((refused.kind(), refused.is_no_keychain()), (ErrorKind::Store, false));
        assert_eq!(refused.to_string(), "this machine's keychain cannot be used; unlock it, and try again");
        return OtherProcess::says("refused");
    }
    let folder = ScratchFolder::made();
    let test = "stores::no_keychain::a_keychain_that_does_not_answer_holds_up_nothing_else";
    let mut other = OtherProcess::start_with_bus(test, folder.path(), &folder.file("bus"));
    other.waits_for("still running");
    other.waits_for("refused");
    other.ends_well();
}

/// A bus whose keychain takes every connection and never answers.
struct SilentBus {
    folder: ScratchFolder,
    _listener: std::os::unix::net::UnixListener,
}

impl SilentBus {
    fn start() -> Self {
        let folder = ScratchFolder::made();
        // The system accepts as many connections as wait here.
        let listener = std::os::unix::net::UnixListener::bind(folder.file("bus")).unwrap();
        Self { folder, _listener: listener }
    }

    /// The test in another process, beside this bus.
    fn meets(self, test: &str) -> (OtherProcess, Self) {
        (OtherProcess::start_with_bus(test, self.folder.path(), &self.folder.file("bus")), self)
    }
}

/// J13
#[test]
fn a_program_ends_while_its_keychain_never_answers() {
    if let Some(folder) = OtherProcess::folder() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap().timeout(Duration::from_millis(250));
        let refused = runtime.block_on(store.load(&key(""))).unwrap_err();
        assert_eq!((refused.kind(), refused.is_no_keychain(), refused.is_unreadable_record()), (ErrorKind::Store, false, false));
        let message = "the keychain did not answer in 0.25 seconds; unlock it or start it anew, and try again";
        assert_eq!(refused.to_string(), message);
        // It waits for the threads that it has lent out.
        drop(runtime);
        return OtherProcess::says("without it");
    }
    let mut other = SilentBus::start().meets("stores::no_keychain::a_program_ends_while_its_keychain_never_answers");
    other.0.waits_for("without it");
    other.0.ends_well_and_soon();
}

/// J13: the deadline needs no setting.
#[test]
fn a_keychain_has_ten_seconds_to_answer() {
    if let Some(folder) = OtherProcess::folder() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap();
        let refused = runtime.block_on(store.load(&key(""))).unwrap_err();
        return OtherProcess::says(&refused.to_string());
    }
    let mut other = SilentBus::start().meets("stores::no_keychain::a_keychain_has_ten_seconds_to_answer");
    other.0.waits_for("the keychain did not answer in 10 seconds; unlock it or start it anew, and try again");
    other.0.ends_well_and_soon();
}

/// J13: what never ends keeps one thread, however often it is asked.
#[test]
fn a_keychain_that_never_answers_is_asked_once() {
    if let Some(folder) = OtherProcess::folder() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ask = |times: usize| {
            let stores = (0..times).map(|_| {
                let store = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap();
                store.timeout(Duration::from_millis(100))
            });
            let calls: Vec<_> = stores.map(|store| runtime.spawn(async move { store.load(&key("")).await })).collect();
            for call in calls {
                assert!(runtime.block_on(call).unwrap().is_err());
            }
        };
        let threads = || fs::read_dir("/proc/self/task").unwrap().count();
        ask(1);
        let before = threads();
        ask(100);
        assert!(threads() <= before, "{} threads after {before}", threads());
        return OtherProcess::says("asked once");
    }
    let mut other = SilentBus::start().meets("stores::no_keychain::a_keychain_that_never_answers_is_asked_once");
    other.0.waits_for("asked once");
    other.0.ends_well_and_soon();
}

/// G31
#[tokio::test]
async fn without_a_keychain_the_store_that_the_program_named_is_used_from_then_on() {
    if let Some(folder) = OtherProcess::folder() {
        let file = || File::new(folder.join("file"));
        let store = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap().or(file());
        assert!(store.load(&key("")).await.unwrap().is_none());
        let lock = store.lock(&key(""), Duration::ZERO).await.unwrap();
        assert!(file().lock(&key(""), Duration::ZERO).await.is_err(), "it is the other store's lock");
        drop(lock);
        assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
        assert_eq!(file().load(&key("")).await.unwrap().unwrap().generation(), 1);
        assert!(!folder.join("credentials").exists());

        // A bus that starts later is not asked: the session would be looked for in another place.
        let bus = UnixListener::bind(folder.join("bus")).unwrap();
        let clone = store.clone();
        assert_eq!(clone.load(&key("")).await.unwrap().unwrap().generation(), 1);
        assert!(store.list(&key(""), &RecordFilter::All).await.unwrap().is_empty(), "the record names no session");
        store.remove(&key("")).await.unwrap();
        assert!(file().load(&key("")).await.unwrap().is_none());
        assert!(tokio::time::timeout(Duration::ZERO, bus.accept()).await.is_err());
        return OtherProcess::says("in the file");
    }
    let folder = ScratchFolder::made();
    let test = "stores::no_keychain::without_a_keychain_the_store_that_the_program_named_is_used_from_then_on";
    let mut other = OtherProcess::start_with_bus(test, folder.path(), &folder.file("bus"));
    other.waits_for("in the file");
    other.ends_well();
}

/// G31: a bus that ended leaves its socket.
#[tokio::test]
async fn a_bus_that_nobody_listens_at_is_none() {
    if let Some(folder) = OtherProcess::folder() {
        drop(UnixListener::bind(folder.join("bus")).unwrap());
        assert!(folder.join("bus").exists());
        let store = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap();
        assert!(store.load(&key("")).await.unwrap_err().is_no_keychain());
        return OtherProcess::says("refused");
    }
    let folder = ScratchFolder::made();
    let test = "stores::no_keychain::a_bus_that_nobody_listens_at_is_none";
    OtherProcess::start_with_bus(test, folder.path(), &folder.file("bus")).waits_for("refused");
}

/// G31: a keychain that does not answer is there.
#[tokio::test]
async fn a_keychain_that_fails_is_not_replaced_by_the_other_store() {
    if let Some(folder) = OtherProcess::folder() {
        let keychain = Keychain::in_folder("acme-cli", folder.join("credentials")).unwrap().timeout(Duration::from_millis(100));
        let store = keychain.or(File::new(folder.join("file")));
        assert!(store.load(&key("")).await.is_err());
        assert!(store.save(&key(""), None, &record(1, b"one")).await.is_err());
        assert!(!folder.join("file").exists());
        return OtherProcess::says("in no file");
    }
    let mut other = SilentBus::start().meets("stores::no_keychain::a_keychain_that_fails_is_not_replaced_by_the_other_store");
    other.0.waits_for("in no file");
    other.0.ends_well_and_soon();
}

#[test]
fn a_program_has_a_plain_name() {
    for name in ["", ".", "..", ".hidden", "dot.", "a/b", "a\\b", "a b", "é", "a\0", &"a".repeat(65)] {
        assert_eq!(Keychain::in_folder(name, "folder").unwrap_err().kind(), ErrorKind::Configuration, "{name:?}");
    }
    let store = Keychain::in_folder("Acme.CLI_2-beta", "folder").unwrap();
    assert_eq!(format!("{store:?}"), r#"Keychain { program: "Acme.CLI_2-beta", folder: "folder", .. }"#);
}
