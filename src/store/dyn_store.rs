use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{CredentialsStore, Lock, Record, RecordFilter, RecordKey};

/// A store of any type, for a program that chooses its store while it runs. Clones are the same store.
///
/// A panic of the store is a `Store` error.
///
/// ```
/// use hallpass::store::{DynStore, Memory};
/// # let keeps_logins = false;
/// let store = if keeps_logins { unimplemented!("a store::File, say") } else { DynStore::new(Memory::new()) };
/// # assert_eq!(format!("{store:?}"), "DynStore { .. }");
/// ```
#[derive(Clone)]
pub struct DynStore(Arc<dyn Erased>);

impl DynStore {
    /// Erases the type of `store`.
    pub fn new(store: impl CredentialsStore) -> Self {
        Self(Arc::new(store))
    }
}

impl CredentialsStore for DynStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.0.load(key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        self.0.save(key, expected, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.0.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.0.lock(key, wait).await
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        self.0.list(program, filter).await
    }
}

impl<S: CredentialsStore> CredentialsStore for Arc<S> {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        S::load(self, key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        S::save(self, key, expected, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        S::remove(self, key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        S::lock(self, key, wait).await
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        S::list(self, program, filter).await
    }
}

impl fmt::Debug for DynStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynStore").finish_non_exhaustive()
    }
}

type Promised<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

trait Erased: Send + Sync {
    fn load<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, Option<Record>>;
    fn save<'a>(&'a self, key: &'a RecordKey, expected: Option<u64>, record: &'a Record) -> Promised<'a, bool>;
    fn remove<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, ()>;
    fn lock<'a>(&'a self, key: &'a RecordKey, wait: Duration) -> Promised<'a, Lock>;
    fn list<'a>(&'a self, program: &'a RecordKey, filter: &'a RecordFilter) -> Promised<'a, Vec<RecordKey>>;
}

impl<S: CredentialsStore> Erased for S {
    fn load<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, Option<Record>> {
        Box::pin(without_panic(async { CredentialsStore::load(self, key).await }))
    }

    fn save<'a>(&'a self, key: &'a RecordKey, expected: Option<u64>, record: &'a Record) -> Promised<'a, bool> {
        Box::pin(without_panic(async move { CredentialsStore::save(self, key, expected, record).await }))
    }

    fn remove<'a>(&'a self, key: &'a RecordKey) -> Promised<'a, ()> {
        Box::pin(without_panic(async { CredentialsStore::remove(self, key).await }))
    }

    fn lock<'a>(&'a self, key: &'a RecordKey, wait: Duration) -> Promised<'a, Lock> {
        Box::pin(without_panic(async move { CredentialsStore::lock(self, key, wait).await }))
    }

    fn list<'a>(&'a self, program: &'a RecordKey, filter: &'a RecordFilter) -> Promised<'a, Vec<RecordKey>> {
        Box::pin(without_panic(async { CredentialsStore::list(self, program, filter).await }))
    }
}

/// Tokens that the store was about to keep must not be lost by its panic.
async fn without_panic<T>(call: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let mut call = pin!(call);
    poll_fn(|context| {
        // After a panic the call is dropped and never polled again, so what it left half-done is not seen.
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))).unwrap_or_else(|_| {
            Poll::Ready(Err(Error::new(ErrorKind::Store, "the credentials' store panicked; correct the store, and call again")))
        })
    })
    .await
}
