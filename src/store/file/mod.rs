use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::off_the_workers::off_the_workers;
use crate::store::{CredentialsStore, Lock, Record, RecordKey, SealingKeys};

mod folder;
use folder::Folder;
mod file_lock;
use file_lock::FileLock;

/// Keeps credentials in a folder of this user's own: one file for each session, which only this user may read, replaced
/// as a whole and flushed to the disk.
///
/// Processes of one machine may share the folder: saves and locks are exclusive among them, by empty files beside the record
/// that stay there. Network file systems often lock nothing; keep the folder on a disk.
///
/// Without [`sealed`](Self::sealed) the files hold tokens in plain text, and the file system is what protects them: mode 0600
/// in a folder of mode 0700, where there are such modes; on Windows whatever the folder inherits, which under `%LOCALAPPDATA%` is
/// access for this user and administrators. A link in the place of a file, a file that others may read and a folder that
/// others may write are refused.
///
/// ```
/// use hallpass::store::{File, SealingKey};
/// # let key_from_somewhere_safe = [7; 32];
/// let store = File::new("/var/lib/acme/credentials").sealed(SealingKey::from_bytes(key_from_somewhere_safe));
/// # assert_eq!(format!("{store:?}"), r#"File { folder: "/var/lib/acme/credentials", sealed: true, .. }"#);
/// ```
#[derive(Clone)]
pub struct File {
    folder: Folder,
    keys: Option<SealingKeys>,
}

impl File {
    /// The folder is made at the first save, if there is none.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Folder::new(folder.into()), keys: None }
    }

    /// Seals the records with a [`SealingKey`](crate::store::SealingKey), or with the first of several while all of them open.
    /// Records that are not sealed are refused then.
    #[must_use]
    pub fn sealed(mut self, keys: impl Into<SealingKeys>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// A lock on something else than a record.
    #[cfg(feature = "keychain")]
    pub(in crate::store) async fn lock_beside_records(&self, name: &str, wait: Duration) -> Result<Lock> {
        Ok(Lock::new(FileLock::acquire(&self.folder, format!("{name}.lock"), wait).await?))
    }

    fn read(&self, key: &RecordKey) -> Result<Option<Record>> {
        let Some(mut bytes) = self.folder.read(&key.id())? else { return Ok(None) };
        let record = match &self.keys {
            Some(keys) => keys.open(key, &bytes),
            None => Record::from_bytes(std::mem::take(&mut *bytes)),
        };
        record.map(Some).map_err(|error| {
            let file = self.folder.shown(&key.id());
            Error::new(error.kind(), format!("the credentials in {file} cannot be used; remove the file to log in anew"))
                .with_source(error)
        })
    }

    fn replace(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        if self.read(key)?.map(|current| current.generation()) != expected {
            return Ok(false);
        }
        match &self.keys {
            Some(keys) => self.folder.replace(&key.id(), &keys.seal(key, record)?)?,
            None => self.folder.replace(&key.id(), record.as_bytes())?,
        }
        Ok(true)
    }
}

/// # Cancel safety
/// A save or a removal that began goes on when its future is dropped.
impl CredentialsStore for File {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let (store, key) = (self.clone(), key.clone());
        off_the_workers(move || store.read(&key)).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let (store, key, record) = (self.clone(), key.clone(), record.clone());
        // Not the lock that callers hold while they renew: they hold it while they save.
        let saving = FileLock::acquire(&self.folder, saving(&key), SAVING).await?;
        off_the_workers(move || {
            let _saving = saving;
            store.replace(&key, expected, &record)
        })
        .await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        let (store, key) = (self.clone(), key.clone());
        let (folder, name) = (self.folder.clone(), key.id());
        if !off_the_workers(move || folder.holds(&name)).await? {
            return Ok(());
        }
        let saving = FileLock::acquire(&self.folder, saving(&key), SAVING).await?;
        off_the_workers(move || {
            let _saving = saving;
            store.folder.remove(&key.id())
        })
        .await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        Ok(Lock::new(FileLock::acquire(&self.folder, format!("{}.lock", key.id()), wait).await?))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("folder", &self.folder.path()).field("sealed", &self.keys.is_some()).finish_non_exhaustive()
    }
}

fn saving(key: &RecordKey) -> String {
    format!("{}.saving", key.id())
}

/// A save takes milliseconds, so whoever saves for longer hangs.
const SAVING: Duration = Duration::from_secs(10);
