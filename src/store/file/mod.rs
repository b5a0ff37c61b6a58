use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::{CredentialsStore, Lock, Record, RecordFilter, RecordKey, SealingKeys};
use crate::worker;

mod folder;
use folder::Folder;
mod file_lock;
use file_lock::FileLock;
#[cfg(unix)]
pub(in crate::store) mod ownership;

/// Keeps credentials in a folder of this user's own: one file for each session, which only this user may read, replaced
/// as a whole and flushed to the disk.
///
/// Processes of one machine may share the folder: saves and locks are exclusive among them, by empty files beside the record.
/// Those go away with the record; on Windows they stay. Network file systems often lock nothing; keep the folder on a disk.
///
/// Without [`sealed`](Self::sealed) the files hold tokens in plain text, and the file system is what protects them: mode 0600
/// in a folder of mode 0700, where there are such modes; on Windows whatever the folder inherits, which under `%LOCALAPPDATA%` is
/// access for this user and administrators.
///
/// On Unix a link in the place of a file, a file or folder of another user, a file that others may read, and a folder that others
/// may write are refused, for root too. Each folder on the way belongs to this user or root, and others cannot write to it,
/// unless it is sticky as `/tmp` is.
///
/// A disk that does not answer in 10 seconds is an error.
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

    /// A lock on something else than a record, of that name. Its file goes away with the lock.
    #[cfg(feature = "keychain")]
    pub(in crate::store) async fn lock_named(&self, name: &str, wait: Duration) -> Result<Lock> {
        Ok(Lock::new(FileLock::acquire(&self.folder, name, LOCK, wait).await?))
    }

    fn read(&self, id: &str) -> Result<Option<Record>> {
        let Some(mut bytes) = self.folder.read(id)? else { return Ok(None) };
        let record = match &self.keys {
            Some(keys) => keys.open_by_id(id, &bytes),
            None => Record::from_bytes(std::mem::take(&mut *bytes)),
        };
        record.map(Some).map_err(|error| {
            let file = self.folder.shown(id);
            Error::new(error.kind(), format!("the credentials in {file} cannot be used; log in again to replace them"))
                .with_source(error)
        })
    }

    fn replace(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        if self.read(&key.id())?.map(|current| current.generation()) != expected {
            return Ok(false);
        }
        match &self.keys {
            Some(keys) => self.folder.replace(&key.id(), &keys.seal(key, record)?)?,
            None => self.folder.replace(&key.id(), record.as_bytes())?,
        }
        Ok(true)
    }

    /// The key of the record in the file `id`, if `filter` selects it and it is one of the program's.
    fn selected(&self, id: &str, program: &RecordKey, filter: &RecordFilter) -> Result<Option<RecordKey>> {
        let record = match self.read(id) {
            Ok(Some(record)) if filter.matches(&record) => record,
            Ok(_) => return Ok(None),
            Err(error) if error.is_unreadable_record() => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(program.of(&record).filter(|key| key.id() == id))
    }
}

/// # Cancel safety
/// A save or a removal that began goes on when its future is dropped.
impl CredentialsStore for File {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let (store, id) = (self.clone(), key.id());
        self.folder.blocking(move || store.read(&id)).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let (store, key, record) = (self.clone(), key.clone(), record.clone());
        worker::run(async move {
            // Another lock than callers hold while they renew: they hold that one while they save.
            let saving = FileLock::acquire(&store.folder, &key.id(), SAVING, SAVING_WAIT).await?;
            let folder = store.folder.clone();
            let replace = move || {
                let replaced = store.replace(&key, expected, &record);
                drop(saving);
                replaced
            };
            folder.blocking(replace).await
        })
        .await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        let (folder, id) = (self.folder.clone(), key.id());
        worker::run(async move {
            let (within, name) = (folder.clone(), id.clone());
            let is_there = move || {
                let files = [SAVING, LOCK].map(|purpose| format!("{name}.{purpose}"));
                Ok(within.exists()? && (within.holds(&name) || files.iter().any(|file| within.has(file))))
            };
            if !folder.blocking(is_there).await? {
                return Ok(());
            }
            let saving = FileLock::acquire(&folder, &id, SAVING, SAVING_WAIT).await?;
            let within = folder.clone();
            let remove = move || {
                let removed = within.remove(&id);
                drop(saving);
                removed?;
                FileLock::remove_unused(&within, &id, LOCK)
            };
            folder.blocking(remove).await
        })
        .await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        Ok(Lock::new(FileLock::acquire(&self.folder, &key.id(), LOCK, wait).await?))
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        let folder = self.folder.clone();
        let ids = self.folder.blocking(move || folder.names(is_id)).await?;
        let mut keys = Vec::new();
        // In parts, each of which has its own time to answer.
        for part in ids.chunks(PART) {
            let (store, program, filter, part) = (self.clone(), program.clone(), filter.clone(), part.to_vec());
            let select = move || part.iter().map(|id| store.selected(id, &program, &filter)).collect::<Result<Vec<_>>>();
            keys.extend(self.folder.blocking(select).await?.into_iter().flatten());
        }
        Ok(keys)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("folder", &self.folder.path()).field("sealed", &self.keys.is_some()).finish_non_exhaustive()
    }
}

/// Returns whether a file's name is a record's [`RecordKey::id`].
fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The ends of the names of a record's two lock files.
const SAVING: &str = "saving";
const LOCK: &str = "lock";
/// A save takes milliseconds. A process that saves for longer hangs.
const SAVING_WAIT: Duration = Duration::from_secs(10);
const PART: usize = 256;
