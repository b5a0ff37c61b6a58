//! The Secret Service of a GNOME desktop, on another bus, with `secret-tool` to read it from outside.
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File, Keychain, Record, RecordFilter, RecordKey};
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

/// J11
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
    for refused in
        [restarted.load(&key("")).await.unwrap_err(), restarted.save(&key(""), None, &record(2, b"two")).await.unwrap_err()]
    {
        assert_eq!((refused.kind(), refused.is_unreadable_record()), (ErrorKind::Store, true));
    }
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

/// J12: three programs of one name that keep their records in three places log in for the first time.
#[tokio::test]
async fn three_processes_with_folders_of_their_own_make_one_key() {
    let test = "keychain::three_processes_with_folders_of_their_own_make_one_key";
    let Some(folder) = logged_in_at_a_desktop() else { return log_in_at_a_desktop(test) };
    if let Some(place) = std::env::var_os(PLACE) {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        for session in 0..SESSIONS {
            let store = Keychain::in_folder(PROGRAM, folder.join(&place)).unwrap();
            assert!(store.save(&key(&session.to_string()), None, &record(1, b"one")).await.unwrap());
        }
        return;
    }
    for round in 0..5 {
        let places = ["a", "b", "c"].map(|place| format!("{place}{round}"));
        let mut processes = places.each_ref().map(|place| {
            let mut process = Command::new(std::env::current_exe().unwrap());
            process.args([test, "--exact", "--nocapture"]).env(PLACE, place);
            process.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        });
        let inputs = processes.each_mut().map(|process| process.stdin.take().unwrap());
        // Each goes on when its input ends.
        drop(inputs);
        for process in &mut processes {
            assert!(process.wait().unwrap().success());
        }
        let mut lost = Vec::new();
        for place in &places {
            let store = Keychain::in_folder(PROGRAM, folder.join(place)).unwrap();
            for session in 0..SESSIONS {
                if store.load(&key(&session.to_string())).await.is_err() {
                    lost.push(format!("{place}/{session}"));
                }
            }
        }
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        assert!(secret_tool("clear").status.success());
    }
    let left: Vec<_> = fs::read_dir(folder.join(PROGRAM)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "the lock's file goes away: {left:?}");
}

/// J13: a real Secret Service that is stopped, as a debugger or a full disk stops it.
#[test]
fn a_program_ends_while_the_secret_service_is_stopped() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::a_program_ends_while_the_secret_service_is_stopped");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keychain = || Keychain::in_folder(PROGRAM, folder.join("records")).unwrap().timeout(Duration::from_secs(1));
    let store = keychain();
    assert!(runtime.block_on(store.save(&key(""), None, &record(1, b"one"))).unwrap());
    let secret_service = SecretService::stopped();
    let refused = runtime.block_on(keychain().load(&key(""))).unwrap_err();
    assert_eq!((refused.kind(), refused.is_no_keychain(), refused.is_unreadable_record()), (ErrorKind::Store, false, false));
    assert_eq!(refused.to_string(), "the keychain did not answer in 1 seconds; unlock it or start it anew, and try again");
    // The key in memory serves on.
    assert_eq!(runtime.block_on(store.load(&key(""))).unwrap().unwrap().generation(), 1);
    // It waits for the threads that it has lent out.
    drop(runtime);
    drop(secret_service);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let patient = Keychain::in_folder(PROGRAM, folder.join("records")).unwrap();
    assert_eq!(runtime.block_on(patient.load(&key(""))).unwrap().unwrap().generation(), 1, "it goes on with the keychain");
}

/// G31
#[tokio::test]
async fn a_keychain_that_is_there_is_used_and_not_the_other_store_even_when_it_fails() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::a_keychain_that_is_there_is_used_and_not_the_other_store_even_when_it_fails");
    };
    let keychain = || Keychain::in_folder(PROGRAM, folder.join("records")).unwrap().timeout(Duration::from_secs(1));
    let store = keychain().or(File::new(folder.join("file")));
    assert!(store.load(&key("")).await.unwrap().is_none());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    assert_eq!(keychain().load(&key("")).await.unwrap().unwrap().generation(), 1);
    let secret_service = SecretService::stopped();
    assert!(store.save(&key("another"), None, &record(1, b"one")).await.is_err());
    assert!(keychain().or(File::new(folder.join("file"))).load(&key("")).await.is_err());
    assert!(!folder.join("file").exists());
    drop(secret_service);
}

/// G31
#[tokio::test]
async fn a_bus_without_a_secret_service_is_no_keychain() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at("keychain::a_bus_without_a_secret_service_is_no_keychain", r#"exec "$@""#);
    };
    let keychain = || Keychain::in_folder(PROGRAM, folder.join("records")).unwrap();
    let refused = keychain().load(&key("")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_no_keychain()), (ErrorKind::Store, true), "{:?}", Error::source(&refused));
    let store = keychain().or(File::new(folder.join("file")));
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    assert_eq!(File::new(folder.join("file")).load(&key("")).await.unwrap().unwrap().generation(), 1);
}

/// G31: a locked keyring, on a machine without a person to unlock it.
#[tokio::test]
async fn a_locked_keychain_is_there() {
    let Some(folder) = logged_in_at_a_desktop() else {
        let locked = "gnome-keyring-daemon --start --components=secrets";
        return log_in_at_the_keyring("keychain::a_locked_keychain_is_there", locked);
    };
    let keychain = Keychain::in_folder(PROGRAM, folder.join("records")).unwrap().timeout(Duration::from_secs(2));
    let refused = keychain.save(&key(""), None, &record(1, b"one")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_no_keychain()), (ErrorKind::Store, false), "{:?}", Error::source(&refused));
    let store = keychain.or(File::new(folder.join("file")));
    assert!(store.save(&key(""), None, &record(1, b"one")).await.is_err());
    assert!(!folder.join("file").exists());
}

/// J25
#[tokio::test]
async fn sessions_behind_the_keychain_are_listed() {
    let Some(folder) = logged_in_at_a_desktop() else {
        return log_in_at_a_desktop("keychain::sessions_behind_the_keychain_are_listed");
    };
    let store = Keychain::in_folder(PROGRAM, &folder).unwrap();
    assert!(store.list(&key(""), &RecordFilter::All).await.unwrap().is_empty());
    for (session, sub) in [("a", "alice"), ("b", "bob")] {
        let content = format!(r#"{{"key":"{}","session":"{session}","sub":"{sub}"}}"#, key(session).id());
        assert!(store.save(&key(session), None, &record(1, content.as_bytes())).await.unwrap());
    }
    let restarted = Keychain::in_folder(PROGRAM, &folder).unwrap();
    assert_eq!(restarted.list(&key(""), &RecordFilter::All).await.unwrap().len(), 2);
    assert_eq!(restarted.list(&key(""), &RecordFilter::Subject("bob".to_owned())).await.unwrap(), [key("b")]);
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
    log_in_at_the_keyring(test, "printf password | gnome-keyring-daemon --unlock --components=secrets");
}

/// `keyring` starts the daemon and does not wait until it is on the bus.
fn log_in_at_the_keyring(test: &str, keyring: &str) {
    let owner = "dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner";
    let is_there = format!("{owner} string:org.freedesktop.secrets >/dev/null 2>&1");
    log_in_at(test, &format!(r#"{keyring} >&2 && until {is_there}; do sleep 0.01; done && exec "$@""#));
}

/// Runs the test again, in a process with a session bus that starts no services, and with the services that `session` starts.
fn log_in_at(test: &str, session: &str) {
    // Short: the daemon's socket in it has a name of 107 bytes at most.
    static DESKTOPS: AtomicU32 = AtomicU32::new(0);
    let number = DESKTOPS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("desktop-{}-{number}", std::process::id()));
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let bus = folder.join("bus.conf");
    fs::write(&bus, BUS).unwrap();
    let output = Command::new("dbus-run-session")
        .arg(format!("--config-file={}", bus.display()))
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

/// The process of the Secret Service on this bus, which goes on when this is dropped.
struct SecretService {
    process: String,
}

impl SecretService {
    fn stopped() -> Self {
        let bus = ["--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"];
        let method = ["org.freedesktop.DBus.GetConnectionUnixProcessID", "string:org.freedesktop.secrets"];
        let output = Command::new("dbus-send").args(bus).args(method).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let process = said.trim().strip_prefix("uint32 ").unwrap_or_else(|| panic!("no process: {said}")).to_owned();
        let this = Self { process };
        this.signal("STOP");
        this
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process);
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for SecretService {
    fn drop(&mut self) {
        self.signal("CONT");
    }
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
const PLACE: &str = "PLACE_OF_ONE_OF_THREE";
const SESSIONS: u32 = 6;
/// Without folders of services, so that the bus starts none.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;
