#![doc = include_str!("../docs/many_processes.md")]

#[cfg(feature = "file")]
mod file;
mod filter;
mod generation;
mod guarded;
mod intent;
mod key;
#[cfg(feature = "keychain")]
mod keychain;
mod lock;
mod memory;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod seal;

#[cfg(feature = "file")]
pub use file::File;
pub use filter::RecordFilter;
pub(crate) use generation::next_generation;
pub(crate) use guarded::Guarded;
pub use intent::{Announced, Intent, Outcome};
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

/// Where credentials are kept: one record for each session. Any place that can replace a value only if it is still the
/// one that was read makes a store.
///
/// Calls for different keys may run at once, and so may calls for one key. `testing::store_contract` is the suite that a
/// store has to pass.
pub trait CredentialsStore: Send + Sync + 'static {
    /// The record, as it was last saved.
    ///
    /// # Errors
    /// `Store`. A record that cannot be read is left as it is.
    fn load(&self, key: &RecordKey) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// Puts `record` in the place of the one whose generation is `expected`, or where there is none if that is `None`, in
    /// one step: a crash leaves the old one or the new one. `false`: somebody else was first, and nothing was changed.
    ///
    /// # Errors
    /// `Store`.
    fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> impl Future<Output = Result<bool>> + Send;

    /// Removes the record, if there is one.
    ///
    /// # Errors
    /// `Store`.
    fn remove(&self, key: &RecordKey) -> impl Future<Output = Result<()>> + Send;

    /// Exclusive use of the record among all who share the store, until the lock is dropped. Waits no longer than `wait`.
    /// By default that is among the users of this process, whatever their store: right where no other process has it.
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

    /// The record, for who holds its lock. By default that is [`load`](Self::load); a store that learns what there is while it
    /// locks need not be asked again.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_locked(&self, key: &RecordKey, lock: &Lock) -> impl Future<Output = Result<Option<Record>>> + Send {
        let _ = lock;
        self.load(key)
    }

    /// Called by the holder of the lock right before it sends a refresh token. A store whose locks can lapse while their
    /// holders live, such as a lease, has to keep the intent until a save or a removal, or [`settle`](Self::settle),
    /// resolves it, and to answer others with it. By default nobody else can be there.
    ///
    /// # Errors
    /// `Store`. Nothing is sent then.
    fn announce(&self, key: &RecordKey, lock: &Lock, intent: &Intent) -> impl Future<Output = Result<Announced>> + Send {
        let _ = (key, lock, intent);
        std::future::ready(Ok(Announced::Alone))
    }

    /// Resolves the intent that was announced under `lock`, at the latest when that is released. Without I/O of its own. `true`
    /// says that others will hear of it when they announce the same; by default they hear nothing, and what they have to know is
    /// put into the record.
    fn settle(&self, lock: &Lock, outcome: Outcome) -> bool {
        let _ = (lock, outcome);
        false
    }
}

impl Error {
    /// A failure of a store of one's own, whose cause is its [`source`](std::error::Error::source). Keep tokens out of that.
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

/// The trait as an object.
pub(crate) mod dynamic {
    use std::pin::Pin;

    use super::{Announced, CredentialsStore, Duration, Future, Intent, Lock, Outcome, Record, RecordFilter, RecordKey, Result};

    type Promised<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

    pub(crate) trait DynCredentialsStore: Send + Sync {
        fn load<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, Option<Record>>;
        fn save<'a>(&'a self, key: &'a RecordKey, expected: Option<u64>, record: &'a Record) -> Promised<'a, bool>;
        fn remove<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, ()>;
        fn lock<'a>(&'a self, key: &'a RecordKey, wait: Duration) -> Promised<'a, Lock>;
        fn load_locked<'a>(&'a self, key: &'a RecordKey, lock: &'a Lock) -> Promised<'a, Option<Record>>;
        fn announce<'a>(&'a self, key: &'a RecordKey, lock: &'a Lock, intent: &'a Intent) -> Promised<'a, Announced>;
        fn settle(&self, lock: &Lock, outcome: Outcome) -> bool;
        fn list<'a>(&'a self, program: &'a RecordKey, filter: &'a RecordFilter) -> Promised<'a, Vec<RecordKey>>;
    }

    impl<T: CredentialsStore> DynCredentialsStore for T {
        fn load<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, Option<Record>> {
            Box::pin(CredentialsStore::load(self, key))
        }

        fn save<'a>(&'a self, key: &'a RecordKey, expected: Option<u64>, record: &'a Record) -> Promised<'a, bool> {
            Box::pin(CredentialsStore::save(self, key, expected, record))
        }

        fn remove<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, ()> {
            Box::pin(CredentialsStore::remove(self, key))
        }

        fn lock<'a>(&'a self, key: &'a RecordKey, wait: Duration) -> Promised<'a, Lock> {
            Box::pin(CredentialsStore::lock(self, key, wait))
        }

        fn load_locked<'a>(&'a self, key: &'a RecordKey, lock: &'a Lock) -> Promised<'a, Option<Record>> {
            Box::pin(CredentialsStore::load_locked(self, key, lock))
        }

        fn announce<'a>(&'a self, key: &'a RecordKey, lock: &'a Lock, intent: &'a Intent) -> Promised<'a, Announced> {
            Box::pin(CredentialsStore::announce(self, key, lock, intent))
        }

        fn settle(&self, lock: &Lock, outcome: Outcome) -> bool {
            CredentialsStore::settle(self, lock, outcome)
        }

        fn list<'a>(&'a self, program: &'a RecordKey, filter: &'a RecordFilter) -> Promised<'a, Vec<RecordKey>> {
            Box::pin(CredentialsStore::list(self, program, filter))
        }
    }
}
