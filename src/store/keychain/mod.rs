use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::store::off_the_workers::off_the_workers;
use crate::store::{CredentialsStore, File, Lock, Record, RecordKey, SealingKey};

mod data_folder;
use data_folder::data_folder;
mod entry;

/// Keeps credentials behind the keychain of the person's machine: the macOS Keychain, the Windows Credential Manager, or the
/// Secret Service of a Linux desktop (GNOME Keyring, KWallet).
///
/// The keychain holds a key, made at the first save, and a [`File`] holds the records, sealed with it: a keychain has little
/// room. The key stays when a record is removed. It is read once and kept in memory, so that a keychain that is locked later
/// stops nothing.
///
/// A machine without a keychain (a container, a server, a login through SSH) makes each call an error, also the one that
/// looks for credentials before a login; nothing is ever kept in plain text instead. [`File`] sealed with a key of one's own, and
/// [`Memory`](crate::store::Memory), are for those.
#[derive(Clone)]
pub struct Keychain {
    program: Arc<str>,
    folder: Arc<PathBuf>,
    key: Arc<Mutex<Option<SealingKey>>>,
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
        Ok(Self { program: program.into(), folder: Arc::new(folder.into()), key: Arc::default() })
    }

    fn files(&self) -> File {
        File::new(&*self.folder)
    }

    /// The files, as whoever has the key sees them. Without any key, what is there cannot be opened.
    fn opened_with(&self, key: Option<&SealingKey>) -> File {
        self.files().sealed(key.cloned().into_iter().collect::<Vec<_>>())
    }

    fn known_key(&self) -> Option<SealingKey> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key as the keychain has it now.
    async fn read_key(&self) -> Result<Option<SealingKey>> {
        let program = self.program.clone();
        let key = off_the_workers(move || entry::read(&program)).await?;
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&key);
        Ok(key)
    }

    /// The key that another process may have made since this one was read.
    async fn key_other_than(&self, known: &SealingKey) -> Option<SealingKey> {
        self.read_key().await.ok().flatten().filter(|key| !key.is(known))
    }

    /// The key as the keychain has it now, and a new one if it has none.
    async fn read_or_make_key(&self) -> Result<SealingKey> {
        if let Some(key) = self.read_key().await? {
            return Ok(key);
        }
        // Two that make a key at once would each lock the other out.
        let _making = self.files().lock_beside_records("sealing-key", MAKING).await?;
        if let Some(key) = self.read_key().await? {
            return Ok(key);
        }
        let (program, key) = (self.program.clone(), SealingKey::generate()?);
        off_the_workers(move || entry::write(&program, &key)).await?;
        // As the keychain has it: one that loses what it is given must not be sealed with.
        self.read_key().await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Store,
                "the keychain did not keep what it was given; unlock it, or keep the credentials in a store::File",
            )
        })
    }
}

impl CredentialsStore for Keychain {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let Some(known) = self.known_key() else {
            let read = self.read_key().await?;
            return self.opened_with(read.as_ref()).load(key).await;
        };
        match self.opened_with(Some(&known)).load(key).await {
            Err(error) => match self.key_other_than(&known).await {
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
            Err(error) => match self.key_other_than(&known).await {
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
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keychain").field("program", &self.program).field("folder", &self.folder).finish_non_exhaustive()
    }
}

const LONGEST_NAME: usize = 64;
/// Making a key may wait for a person who is asked to unlock the keychain.
const MAKING: Duration = Duration::from_secs(300);
