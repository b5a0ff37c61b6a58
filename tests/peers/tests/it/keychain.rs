//! The Secret Service of a GNOME desktop, on a bus of its own, with `secret-tool` to look at it from outside.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, Keychain, Record, RecordKey};
use hallpass::testing::store_contract;

const PROGRAM: &str = "hallpass-peers";

#[tokio::test(flavor = "multi_thread")]
async fn the_keychain_keeps_the_contract() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::the_keychain_keeps_the_contract");
    };
    let store = Keychain::in_folder(PROGRAM, &folder).unwrap();
    store_contract(|| store.clone()).await;
    store_contract(|| Keychain::in_folder(PROGRAM, &folder).unwrap()).await;
}

#[tokio::test]
async fn the_keychain_holds_the_key_and_the_file_nothing_that_can_be_read() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::the_keychain_holds_the_key_and_the_file_nothing_that_can_be_read");
    };
    assert_eq!(secret_tool("lookup").stdout, b"");
    let store = Keychain::new(PROGRAM).unwrap();
    assert!(store.load(&key("")).await.unwrap().is_none());
    assert_eq!(secret_tool("lookup").stdout, b"", "a key is made when there is something to seal");
    assert!(store.save(&key(""), None, &record(1, b"refresh token")).await.unwrap());
    assert_eq!(secret_tool("lookup").stdout.len(), 32);

    let file = folder.join(PROGRAM).join("credentials").join(key("").id());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!fs::read(&file).unwrap().windows(7).any(|bytes| bytes == b"refresh"));
    let after_a_restart = Keychain::new(PROGRAM).unwrap().load(&key("")).await.unwrap().unwrap();
    assert_eq!(after_a_restart.as_bytes(), record(1, b"refresh token").as_bytes());
}

#[tokio::test]
async fn a_key_that_was_deleted_leaves_the_file_until_it_is_removed() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::a_key_that_was_deleted_leaves_the_file_until_it_is_removed");
    };
    let store = Keychain::in_folder(PROGRAM, &folder).unwrap();
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    let sealed = fs::read(folder.join(key("").id())).unwrap();
    assert!(secret_tool("clear").status.success());

    // Who has the key in memory goes on, a login elsewhere makes a new one, and both go on with that.
    assert!(store.load(&key("")).await.unwrap().is_some());
    let restarted = Keychain::in_folder(PROGRAM, &folder).unwrap();
    assert_eq!(restarted.load(&key("")).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(restarted.save(&key(""), None, &record(2, b"two")).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(fs::read(folder.join(key("").id())).unwrap(), sealed);
    restarted.remove(&key("")).await.unwrap();
    assert!(restarted.save(&key(""), None, &record(1, b"anew")).await.unwrap());
    assert_eq!(store.load(&key("")).await.unwrap().unwrap().as_bytes(), record(1, b"anew").as_bytes());
    assert!(store.save(&key(""), Some(1), &record(2, b"two")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_save_first_at_once_make_one_key() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::those_who_save_first_at_once_make_one_key");
    };
    let mut saves = tokio::task::JoinSet::new();
    for session in 0..8 {
        let store = Keychain::in_folder(PROGRAM, &folder).unwrap();
        saves.spawn(async move { store.save(&key(&session.to_string()), None, &record(1, b"one")).await.unwrap() });
    }
    assert!(saves.join_all().await.into_iter().all(|saved| saved));
    let store = Keychain::in_folder(PROGRAM, &folder).unwrap();
    for session in 0..8 {
        assert_eq!(store.load(&key(&session.to_string())).await.unwrap().unwrap().generation(), 1);
    }
}

#[tokio::test]
async fn an_entry_that_is_no_key_is_left_as_it_is() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::an_entry_that_is_no_key_is_left_as_it_is");
    };
    assert!(secret_tool("store --label=password").status.success());
    let before = secret_tool("lookup").stdout;
    let store = Keychain::in_folder(PROGRAM, &folder).unwrap();
    let refused = store.save(&key(""), None, &record(1, b"one")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    assert_eq!(
        refused.to_string(),
        "the keychain's entry hallpass-peers (sealing key) holds no key of this library; remove it there to log in anew"
    );
    assert_eq!(secret_tool("lookup").stdout, before);
    assert!(!folder.join(key("").id()).exists());
}

/// The test again, in a process that has a session bus and an unlocked keyring.
fn log_in_at_a_desktop(test: &str) {
    // Short: the daemon's socket in it has a name of 107 bytes at most.
    static DESKTOPS: AtomicU32 = AtomicU32::new(0);
    let number = DESKTOPS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("desktop-{}-{number}", std::process::id()));
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let session = r#"printf password | gnome-keyring-daemon --unlock --components=secrets >&2 && exec "$@""#;
    let output = Command::new("dbus-run-session")
        .args(["--", "sh", "-c", session, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(DESKTOP, &folder)
        .env("HOME", &folder)
        .env("XDG_DATA_HOME", &folder)
        .env("XDG_RUNTIME_DIR", &folder)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("dbus-run-session did not start ({error}); run tests/peers/install first"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "at the desktop: {said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    _ = fs::remove_dir_all(&folder);
}

/// In that process: its folder.
fn logged_in_at_a_desktop() -> Option<PathBuf> {
    std::env::var_os(DESKTOP).map(PathBuf::from)
}

/// `command` of `secret-tool` on the entry of [`PROGRAM`].
fn secret_tool(command: &str) -> Output {
    let mut secret_tool = Command::new("secret-tool");
    secret_tool.args(command.split(' ')).args(["service", PROGRAM, "username", "sealing key"]);
    // What `store` stores is read from a file: this one will do.
    let input = fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/.clippy.toml")).unwrap();
    secret_tool.stdin(input).output().unwrap_or_else(|error| panic!("{error}; run tests/peers/install first"))
}

fn key(session: &str) -> RecordKey {
    RecordKey::new("https://acme.eu.auth0.com/", "client", session)
}

fn record(generation: u64, content: &[u8]) -> Record {
    let length = (content.len() as u64).to_be_bytes();
    Record::from_bytes([b"hlps\x01".as_slice(), &generation.to_be_bytes(), &length, content].concat()).unwrap()
}

const DESKTOP: &str = "FOLDER_OF_A_DESKTOP";
