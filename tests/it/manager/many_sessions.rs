//! A web back end's users: how much memory each of them takes, and how many are held.
#![expect(clippy::print_stdout, reason = "a measurement shows its figures")]

use std::time::Duration;

use hallpass::store::{CredentialsStore, Lock, Memory, Record, RecordKey};
use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{CredentialsManager, Result, WebAuth};

use crate::counting_allocator::live_bytes;

/// A store in which everybody has logged in, and which takes no room: one person's record, with everybody's key.
struct Everybody {
    record: Vec<u8>,
    id: String,
}

impl Everybody {
    fn record_of(&self, key: &RecordKey) -> Record {
        let mut bytes = self.record.clone();
        let at = bytes.windows(self.id.len()).position(|bytes| bytes == self.id.as_bytes()).unwrap();
        bytes[at..at + self.id.len()].copy_from_slice(key.id().as_bytes());
        Record::from_bytes(bytes).unwrap()
    }
}

impl CredentialsStore for Everybody {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        Ok(Some(self.record_of(key)))
    }

    async fn save(&self, _: &RecordKey, _: Option<u64>, _: &Record) -> Result<bool> {
        unreachable!("nobody's token ends")
    }

    async fn remove(&self, _: &RecordKey) -> Result<()> {
        unreachable!("nobody logs out")
    }

    async fn lock(&self, _: &RecordKey, _: Duration) -> Result<Lock> {
        unreachable!("nobody's token ends")
    }
}

/// An opaque token, and a JWT, as for a program's own API. In another process: the memory of all threads counts.
#[test]
fn a_session_in_memory_takes_little_more_than_its_tokens_and_a_bounded_number_is_held() {
    const NAME: &str = "manager::many_sessions::a_session_in_memory_takes_little_more_than_its_tokens_and_a_bounded_number_is_held";
    if std::env::var_os("ALONE").is_none() {
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env("ALONE", "1")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && shown.contains("1 passed"), "{shown}{}", String::from_utf8_lossy(&alone.stderr));
        return;
    }
    for audience in [None, Some("https://api.acme.com")] {
        sessions_take_little_memory(audience);
    }
}

/// The additional bytes of the process after `work`, once its tasks have ended.
fn held_by(work: impl FnOnce()) -> isize {
    let before = live_bytes();
    work();
    std::thread::sleep(Duration::from_millis(100));
    live_bytes() - before
}

fn sessions_take_little_memory(audience: Option<&str>) {
    // Each takes the same, and fills the table that finds them as a hundred thousand do.
    const SESSIONS: usize = 6_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(TestProvider::builder().access_token_life(Duration::from_secs(86_400)).start());
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid profile email offline_access").ephemeral_port();
    let auth = audience.into_iter().fold(auth, WebAuth::audience).browser(TestBrowser::new());
    let store = Memory::new();
    let login = runtime.block_on(CredentialsManager::new(auth.clone(), store.clone()).login_if_needed()).unwrap();
    let tokens = [login.access_token().expose(), login.refresh_token().unwrap().expose(), login.id_token().unwrap().raw().expose()];
    let bytes_of_tokens: usize = tokens.iter().map(|token| token.len()).sum();
    let key = RecordKey::new(provider.issuer(), provider.client_id(), "");
    let record = runtime.block_on(store.load(&key)).unwrap().unwrap();
    let everybody = Everybody { record: record.as_bytes().to_vec(), id: key.id() };

    let manager = CredentialsManager::new(auth, everybody).max_sessions(SESSIONS);
    let visit = |from: usize, to: usize| {
        for visitor in from..to {
            let session = manager.session(format!("a session id of a usual length: {visitor:08}"));
            runtime.block_on(session.credentials()).unwrap();
        }
    };
    visit(0, 1);
    let bytes = held_by(|| visit(1, SESSIONS));
    let each = usize::try_from(bytes).unwrap() / (SESSIONS - 1);
    let figures = format!("{each} bytes for each session, of which its tokens are {bytes_of_tokens}");
    println!("{figures}");
    assert!(each <= bytes_of_tokens * 13 / 10 + 200, "{figures}");

    // As many again: whoever came first makes room. The table that finds them may double, once.
    let bytes = held_by(|| visit(SESSIONS, 2 * SESSIONS));
    assert!(usize::try_from(bytes).unwrap_or(0) <= 20 * SESSIONS, "{bytes} bytes more");
}
