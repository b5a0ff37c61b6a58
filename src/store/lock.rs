use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use crate::error::{Error, ErrorKind, Result};
use crate::store::RecordKey;
use crate::worker;

/// Exclusive use of a record. It ends when the lock is released or dropped.
pub struct Lock {
    held: Box<dyn Held>,
}

type Released = Pin<Box<dyn Future<Output = ()> + Send>>;

trait Held: Send + Sync {
    /// The release, where it takes more than a drop.
    fn release(self: Box<Self>) -> Option<Released>;
}

struct UntilDropped<G>(G);

struct UntilReleased<G, R> {
    guard: G,
    release: R,
}

impl Lock {
    /// A lock that ends when `guard` is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { held: Box::new(UntilDropped(guard)) }
    }

    /// A lock that ends when the future of `release` does. When the lock is dropped instead, only `guard` is dropped: it has to
    /// end the lock too, at the latest some time later.
    pub fn with_release<G, F>(guard: G, release: impl FnOnce(G) -> F + Send + Sync + 'static) -> Self
    where
        G: Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self { held: Box::new(UntilReleased { guard, release }) }
    }

    /// Ends the lock and waits until others can have it, up to 5 seconds. A program that ends right afterwards leaves no lock
    /// behind.
    pub async fn release(self) {
        let Some(released) = self.held.release() else { return };
        // An error says that there is no thread to wait on. The guard is dropped then, which ends the lock as well.
        _ = worker::run(async move { Ok(tokio::time::timeout(RELEASED_WITHIN, released).await.is_ok()) }).await;
    }

    /// Among the tasks of this process.
    pub(crate) async fn within_this_process(key: RecordKey, wait: Duration) -> Result<Self> {
        let mutex = mutex_of(key);
        if let Ok(locked) = Arc::clone(&mutex).try_lock_owned() {
            return Ok(Self::new(locked));
        }
        let locked = async move {
            tokio::time::timeout(wait, mutex.lock_owned()).await.map(Self::new).map_err(|_| {
                let waited = wait.as_secs();
                Error::new(
                    ErrorKind::Store,
                    format!("the stored credentials were in use for more than {waited} seconds; try again"),
                )
            })
        };
        worker::run(locked).await
    }
}

impl<G: Send + Sync> Held for UntilDropped<G> {
    fn release(self: Box<Self>) -> Option<Released> {
        drop(self.0);
        None
    }
}

impl<G, R, F> Held for UntilReleased<G, R>
where
    G: Send + Sync,
    R: FnOnce(G) -> F + Send + Sync,
    F: Future<Output = ()> + Send + 'static,
{
    fn release(self: Box<Self>) -> Option<Released> {
        let Self { guard, release } = *self;
        Some(Box::pin(release(guard)))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// One mutex for each key that is held or waited for.
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

const RELEASED_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn many_locks_take_linear_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_linear(40_000, |length| {
            let mut held = Vec::new();
            for number in 0..length {
                let key = RecordKey::new("issuer", "client", &format!("of many {number}"));
                held.push(runtime.block_on(Lock::within_this_process(key, Duration::from_secs(1))).unwrap());
            }
        });
    }

    /// J18
    #[tokio::test]
    async fn a_release_is_waited_for() {
        let (holder, mut held) = oneshot::channel::<()>();
        let (began, begins) = oneshot::channel();
        let (go_on, goes_on) = oneshot::channel();
        let lock = Lock::with_release(holder, move |holder| async move {
            began.send(()).unwrap();
            goes_on.await.unwrap();
            holder.send(()).unwrap();
        });
        let released = tokio::spawn(lock.release());
        begins.await.unwrap();
        assert!(!released.is_finished() && held.try_recv().is_err());
        go_on.send(()).unwrap();
        released.await.unwrap();
        held.try_recv().expect("it was released before release() returned");
    }

    /// J18
    #[tokio::test]
    async fn a_lock_that_is_dropped_drops_its_guard() {
        let (holder, held) = oneshot::channel::<()>();
        drop(Lock::with_release(holder, |_holder| std::future::pending()));
        held.await.expect_err("the guard was dropped, and the release not begun");
        let (holder, held) = oneshot::channel::<()>();
        Lock::new(holder).release().await;
        held.await.expect_err("the guard was dropped");
    }
}
