use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::store::{CredentialsStore, File, Lock, Record, RecordFilter, RecordKey, SealingKey};
use crate::worker;

mod entry;
mod folders;
use folders::{data_folder, lock_folder};
mod keychain_or;
pub use keychain_or::KeychainOr;

/// Keeps credentials behind the keychain of the person's machine: the macOS Keychain, the Windows Credential Manager, or the
/// Secret Service of a Linux desktop (GNOME Keyring, KWallet).
///
/// The keychain holds a key, made at the first save, and a [`File`] holds the records, sealed with it: a keychain has little
/// room. The key stays when a record is removed. It is read once and kept in memory, so that a keychain that is locked later
/// stops nothing.
///
/// A machine without a keychain (a container, a server, a login through SSH) makes each call an error whose
/// [`is_no_keychain`](crate::Error::is_no_keychain) is true. Nothing is kept in plain text instead. [`or`](Self::or) names a store
/// for such machines: a [`File`] sealed with a key of the program's own, [`Memory`](crate::store::Memory), or a plain [`File`].
///
/// A record whose key the keychain has lost cannot be opened
/// ([`is_unreadable_record`](crate::Error::is_unreadable_record)). A login replaces it.
///
/// # Defaults
/// A keychain that does not answer in 10 seconds is an error; see [`timeout`](Self::timeout).
#[derive(Clone)]
pub struct Keychain {
    program: Arc<str>,
    folder: Arc<PathBuf>,
    key: Arc<Mutex<Option<SealingKey>>>,
    timeout: Duration,
}

impl Keychain {
    /// `program` names the entry in the keychain, and the folder in the user's data folder, as in
    /// `~/.local/share/acme-cli/credentials`, `~/Library/Application Support/acme-cli/credentials` and
    /// `%LOCALAPPDATA%\acme-cli\credentials`. It takes up to 64 letters, digits, `-`, `_` and `.`, and is the same at each start.
    ///
    /// # Errors
    /// `Configuration` when the name is no such name, or the environment tells of no data folder: see
    /// [`in_folder`](Self::in_folder). The keychain is first asked when credentials are.
    pub fn new(program: impl Into<String>) -> Result<Self> {
        let program = program.into();
        let Some(data) = data_folder() else {
            return Err(Error::configuration(
                "the environment tells of no folder for this user's data; name one with Keychain::in_folder",
            ));
        };
        let folder = data.join(&program).join("credentials");
        Self::in_folder(program, folder)
    }

    /// With the records in a folder of your own choice.
    ///
    /// # Errors
    /// `Configuration` when the name is not as [`new`](Self::new) wants it.
    pub fn in_folder(program: impl Into<String>, folder: impl Into<PathBuf>) -> Result<Self> {
        let program = program.into();
        let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        let dotted = program.starts_with('.') || program.ends_with('.');
        if program.is_empty() || program.len() > LONGEST_NAME || dotted || !program.chars().all(plain) {
            return Err(Error::configuration(format!(
                "\"{}\" cannot name a program in a keychain; take up to {LONGEST_NAME} letters, digits, '-', '_' and '.'",
                excerpt(&program)
            )));
        }
        Ok(Self { program: program.into(), folder: Arc::new(folder.into()), key: Arc::default(), timeout: TIMEOUT })
    }

    /// The time for one answer of the keychain, 10 seconds by default. A person who has to unlock the keychain needs longer,
    /// such as two minutes. After the time the question to the person stays open: a call after the answer succeeds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Uses `other` on a machine that has no keychain.
    ///
    /// ```
    /// # fn example() -> hallpass::Result<()> {
    /// use hallpass::store::{File, Keychain, SealingKey};
    /// # let key_from_somewhere_safe = [7; 32];
    /// let file = File::new("/var/lib/acme/credentials").sealed(SealingKey::from_bytes(key_from_somewhere_safe));
    /// let store = Keychain::new("acme-cli")?.or(file);
    /// # drop(store); Ok(()) }
    /// ```
    #[must_use]
    pub fn or(self, other: impl CredentialsStore) -> KeychainOr {
        KeychainOr::new(self, other)
    }

    fn files(&self) -> File {
        File::new(&*self.folder)
    }

    /// The files, opened with this key. Without a key, no existing record can be opened.
    fn opened_with(&self, key: Option<&SealingKey>) -> File {
        self.files().sealed(key.cloned().into_iter().collect::<Vec<_>>())
    }

    fn known_key(&self) -> Option<SealingKey> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key as the keychain has it now.
    async fn read_key(&self) -> Result<Option<SealingKey>> {
        let (program, cached) = (self.program.clone(), Arc::clone(&self.key));
        let read = move || {
            let key = entry::read(&program)?;
            // An answer that came too late serves the next call.
            cached.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&key);
            Ok(key)
        };
        self.ask(read).await
    }

    /// A key that another process has made since `known` was read.
    async fn key_other_than(&self, known: &SealingKey) -> Result<Option<SealingKey>> {
        Ok(self.read_key().await?.filter(|key| !key.is(known)))
    }

    /// The key as the keychain has it now, and a new one if it has none.
    async fn read_or_make_key(&self) -> Result<SealingKey> {
        if let Some(key) = self.read_key().await? {
            return Ok(key);
        }
        // Two processes that make a key at once would each lock the other out, whatever their folders for records.
        // The holder asks the keychain three times.
        let wait = self.timeout.saturating_mul(4);
        let _making = File::new(lock_folder(&self.program)).lock_named("sealing-key", wait).await?;
        if let Some(key) = self.read_key().await? {
            return Ok(key);
        }
        let (program, key) = (self.program.clone(), SealingKey::generate()?);
        self.ask(move || entry::write(&program, &key)).await?;
        // As the keychain has it: one that loses what it is given must not be sealed with.
        self.read_key().await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Store,
                "the keychain did not keep what it was given; unlock it, or keep the credentials in a store::File",
            )
        })
    }

    /// Asks the keychain on a thread that no runtime waits for, and waits for the answer as long as `timeout` says.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let timeout = self.timeout;
        worker::run(async move {
            let deadline = Instant::now().checked_add(timeout);
            let turn = within(deadline, QUESTION.lock()).await.ok_or_else(|| unanswered(timeout))?;
            // Beyond the deadline too: the person is asked once, and the answer ends the turn.
            let answer = worker::spawn(async move {
                let answer = spawn_blocking(question).await;
                drop(turn);
                answer
            })?;
            match within(deadline, answer).await {
                Some(Ok(Ok(answer))) => answer,
                Some(_) => Err(Error::new(ErrorKind::Store, "the keychain's library panicked; unlock the keychain, and try again")),
                None => Err(unanswered(timeout)),
            }
        })
        .await
    }
}

async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

fn unanswered(timeout: Duration) -> Error {
    let seconds = timeout.as_secs_f32();
    let message = format!("the keychain did not answer in {seconds} seconds; unlock it or start it anew, and try again");
    Error::new(ErrorKind::Store, message)
}

impl CredentialsStore for Keychain {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let Some(known) = self.known_key() else {
            let read = self.read_key().await?;
            return self.opened_with(read.as_ref()).load(key).await;
        };
        match self.opened_with(Some(&known)).load(key).await {
            Err(error) if error.is_unreadable_record() => match self.key_other_than(&known).await? {
                Some(other) => self.opened_with(Some(&other)).load(key).await,
                None => Err(error),
            },
            loaded => loaded,
        }
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        // What a later start will read must be sealed with the key that it will find: the first save of a session looks.
        let known = if expected.is_some() { self.known_key() } else { None };
        let Some(known) = known else {
            let read = self.read_or_make_key().await?;
            return self.opened_with(Some(&read)).save(key, expected, record).await;
        };
        match self.opened_with(Some(&known)).save(key, expected, record).await {
            Err(error) if error.is_unreadable_record() => match self.key_other_than(&known).await? {
                Some(other) => self.opened_with(Some(&other)).save(key, expected, record).await,
                None => Err(error),
            },
            saved => saved,
        }
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.files().remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.files().lock(key, wait).await
    }

    /// Records that the keychain's key does not open are left out.
    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        // Another process may have made another key.
        let known = self.known_key();
        let key = match self.read_key().await {
            Err(_) if known.is_some() => known,
            read => read?,
        };
        self.opened_with(key.as_ref()).list(program, filter).await
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keychain").field("program", &self.program).field("folder", &self.folder).finish_non_exhaustive()
    }
}

const LONGEST_NAME: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);
/// One question at a time in this process: one that is never answered keeps one thread, and a person is asked once.
static QUESTION: AsyncMutex<()> = AsyncMutex::const_new(());
