use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{Announced, CredentialsStore, Intent, Lock, Outcome, Record, RecordFilter, RecordKey};

/// A store whose panics are errors of that store: new tokens that it was about to keep must not go down with it.
pub(crate) struct Guarded<T>(pub(crate) T);

impl<T: CredentialsStore> CredentialsStore for Guarded<T> {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        without_panic(async { self.0.load(key).await }).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        without_panic(async { self.0.save(key, expected, record).await }).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        without_panic(async { self.0.remove(key).await }).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        without_panic(async { self.0.lock(key, wait).await }).await
    }

    async fn load_locked(&self, key: &RecordKey, lock: &Lock) -> Result<Option<Record>> {
        without_panic(async { self.0.load_locked(key, lock).await }).await
    }

    async fn announce(&self, key: &RecordKey, lock: &Lock, intent: &Intent) -> Result<Announced> {
        without_panic(async { self.0.announce(key, lock, intent).await }).await
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        without_panic(async { self.0.list(program, filter).await }).await
    }

    fn settle(&self, lock: &Lock, outcome: Outcome) -> bool {
        // Whoever is not told waits longer, and is not misled.
        catch_unwind(AssertUnwindSafe(|| self.0.settle(lock, outcome))).unwrap_or(false)
    }
}

async fn without_panic<T>(call: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let mut call = pin!(call);
    poll_fn(|context| {
        // After a panic the call is dropped and never polled again, so nobody sees what it left half-done.
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))).unwrap_or_else(|_| {
            Poll::Ready(Err(Error::new(ErrorKind::Store, "the credentials' store panicked; correct the store, and call again")))
        })
    })
    .await
}
