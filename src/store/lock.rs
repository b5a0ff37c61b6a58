use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use crate::error::{Error, ErrorKind, Result};
use crate::store::RecordKey;

/// Exclusive use of a record, until it is dropped.
pub struct Lock {
    guard: Box<dyn Any + Send + Sync>,
}

impl Lock {
    /// Held as long as `guard` is not dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self { guard: Box::new(guard) }
    }

    /// What holds it, if that is a `T`.
    #[must_use]
    pub fn guard<T: Any>(&self) -> Option<&T> {
        self.guard.downcast_ref()
    }

    /// Among the tasks of this process.
    pub(crate) async fn within_this_process(key: RecordKey, wait: Duration) -> Result<Self> {
        let mutex = mutex_of(key);
        let locked = tokio::time::timeout(wait, mutex.lock_owned()).await;
        locked.map(Self::new).map_err(|_| {
            Error::new(
                ErrorKind::Store,
                format!("the stored credentials were in use for more than {} seconds; try again", wait.as_secs()),
            )
        })
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// One mutex for each key that somebody holds or waits for.
fn mutex_of(key: RecordKey) -> Arc<AsyncMutex<()>> {
    static MUTEXES: OnceLock<Mutex<HashMap<RecordKey, Weak<AsyncMutex<()>>>>> = OnceLock::new();
    let mut mutexes = MUTEXES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mutex) = mutexes.get(&key).and_then(Weak::upgrade) {
        return mutex;
    }
    // Now and then: to look at all of them for each would take the square of their number.
    if mutexes.len() == mutexes.capacity() {
        mutexes.retain(|_, mutex| mutex.strong_count() > 0);
    }
    let mutex = Arc::new(AsyncMutex::new(()));
    mutexes.insert(key, Arc::downgrade(&mutex));
    mutex
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn many_locks_are_held_in_no_time() {
        let began = Instant::now();
        let mut held = Vec::new();
        for number in 0..40_000 {
            let key = RecordKey::new("issuer", "client", &format!("of many {number}"));
            held.push(Lock::within_this_process(key, Duration::from_secs(1)).await.unwrap());
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
