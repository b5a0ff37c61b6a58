#![doc = include_str!("../docs/many_processes.md")]

mod dyn_store;
#[cfg(feature = "file")]
mod file;
mod filter;
mod generation;
mod key;
#[cfg(feature = "keychain")]
mod keychain;
mod lock;
mod memory;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod seal;

pub use dyn_store::DynStore;
#[cfg(feature = "file")]
pub use file::File;
pub use filter::RecordFilter;
pub(crate) use generation::next_generation;
pub use key::RecordKey;
#[cfg(feature = "keychain")]
pub use keychain::{Keychain, KeychainOr};
pub use lock::Lock;
pub use memory::Memory;
pub use record::Record;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use seal::{SealingKey, SealingKeys};

use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// A store of credentials: one record for each session. Any database with compare-and-swap can be a store.
///
/// Calls for different keys may run at once, and so may calls for one key. `testing::store_contract` is the suite that a
/// store has to pass.
pub trait CredentialsStore: Send + Sync + 'static {
    /// The record, as it was last saved.
    ///
    /// # Errors
    /// `Store`. A record that cannot be read is left as it is.
    fn load(&self, key: &RecordKey) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// Replaces the record of the generation `expected` by `record`; `None` expects no record. It is one atomic step: a crash
    /// leaves the old record or the new one. Returns `false` if another record was found, and changes nothing then.
    ///
    /// # Errors
    /// `Store`.
    fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> impl Future<Output = Result<bool>> + Send;

    /// Removes the record, if there is one.
    ///
    /// # Errors
    /// `Store`.
    fn remove(&self, key: &RecordKey) -> impl Future<Output = Result<()>> + Send;

    /// Locks the record against all other users of the store, until the lock is dropped. Waits for `wait` at most. The default
    /// excludes only users in this process, of any store: enough for a store that no other process uses.
    ///
    /// # Errors
    /// `Store` when the time is over.
    ///
    /// # Cancel safety
    /// Dropping the future gives up waiting; nothing stays locked.
    fn lock(&self, key: &RecordKey, wait: Duration) -> impl Future<Output = Result<Lock>> + Send {
        Lock::within_this_process(key.clone(), wait)
    }

    /// The keys of the program's records that `filter` selects, in any order. `program` is any key of the program. Records
    /// whose session is not known (release 0.1.0) and those of services may be left out.
    ///
    /// # Errors
    /// `Store`; `Configuration` where the store cannot list its records, which is the default.
    fn list(&self, program: &RecordKey, filter: &RecordFilter) -> impl Future<Output = Result<Vec<RecordKey>>> + Send {
        let _ = (program, filter);
        std::future::ready(Err(Error::configuration(
            "this store cannot list its records; use store::Memory, store::File, store::Keychain or store::Redis, or implement list",
        )))
    }
}

impl Error {
    /// An error of a custom store, with its cause as [`source`](std::error::Error::source). Keep tokens out of the cause.
    ///
    /// ```
    /// use hallpass::{Error, ErrorKind};
    /// let error = std::fs::read("/nowhere/at/all").map_err(Error::store).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Store);
    /// ```
    #[must_use]
    pub fn store(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Store, "the credentials' store failed; its source says why").with_source(cause)
    }

    /// A record is there and cannot be opened: it is cut off, sealed with another key, of a newer release, or no record. A login
    /// replaces it, and a logout removes it.
    #[must_use]
    pub fn is_unreadable_record(&self) -> bool {
        self.is_or_is_caused_by::<UnreadableRecord>()
    }

    /// This machine has no keychain. `Keychain::or` names another store for that case. A keychain that is locked or fails is
    /// another error.
    #[must_use]
    pub fn is_no_keychain(&self) -> bool {
        self.is_or_is_caused_by::<NoKeychain>()
    }

    #[must_use]
    pub(crate) fn unreadable_record(self) -> Self {
        self.with_attachment(UnreadableRecord)
    }

    #[cfg(feature = "keychain")]
    #[must_use]
    pub(crate) fn no_keychain(self) -> Self {
        self.with_attachment(NoKeychain)
    }
}

struct UnreadableRecord;

struct NoKeychain;
