//! A machine whose keychain is not there, or does not answer. A real one is in `tests/peers`.
use std::fs;
use std::path::Path;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, Keychain};
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
            assert_eq!(
                refused.to_string(),
                "this machine's keychain cannot be used; unlock it or start it, or keep the credentials in a store::File that is \
                 sealed with a key of your own, or in store::Memory"
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
        assert_eq!(loading.await.unwrap().unwrap_err().kind(), ErrorKind::Store);
        return OtherProcess::says("refused");
    }
    let folder = ScratchFolder::new();
    fs::create_dir(folder.path()).unwrap();
    let test = "stores::no_keychain::a_keychain_that_does_not_answer_holds_up_nothing_else";
    let mut other = OtherProcess::start_with_bus(test, folder.path(), &folder.file("bus"));
    other.waits_for("still running");
    other.waits_for("refused");
    other.ends_well();
}

#[test]
fn a_program_has_a_plain_name() {
    for name in ["", ".", "..", ".hidden", "dot.", "a/b", "a\\b", "a b", "é", "a\0", &"a".repeat(65)] {
        assert_eq!(Keychain::in_folder(name, "folder").unwrap_err().kind(), ErrorKind::Configuration, "{name:?}");
    }
    let store = Keychain::in_folder("Acme.CLI_2-beta", "folder").unwrap();
    assert_eq!(format!("{store:?}"), r#"Keychain { program: "Acme.CLI_2-beta", folder: "folder", .. }"#);
}
