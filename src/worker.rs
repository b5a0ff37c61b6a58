use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// The thread that drives requests to the provider, renewals and connections to a store. They end whatever happens to the caller's
/// runtime: it may be dropped, not be polled, have no timers, or have its time paused.
///
/// The thread starts with the first task and ends after [`IDLE`] without one.
struct Worker {
    runtime: Handle,
    load: Arc<Load>,
}

/// The number of tasks that have not ended.
#[derive(Default)]
struct Load {
    tasks: AtomicUsize,
    changed: Notify,
}

/// Counts as a task until it is dropped.
struct Counted(Arc<Load>);

static WORKER: Mutex<Option<Worker>> = Mutex::new(None);

/// Runs `work` on the worker to its end. Dropping the handle does not stop it.
///
/// # Errors
/// `Configuration` when the operating system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<JoinHandle<T>> {
    let (runtime, counted) = enter()?;
    Ok(runtime.spawn(with_current_subscriber(async move {
        let _counted = counted;
        work.await
    })))
}

/// Runs `work` on the worker and waits for it. Dropping the future stops the work.
///
/// # Errors
/// Those of `work`; `Configuration` when the operating system gives no thread.
///
/// # Panics
/// When `work` panics.
pub(crate) async fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    if IS_WORKER.get() {
        return work.await;
    }
    let mut task = AbortOnDrop(spawn(in_current_span(work))?);
    match (&mut task.0).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("nothing aborts the task but dropping this future"),
        },
    }
}

/// Runs a blocking call on a thread that no runtime waits for. A call that takes longer than `limit` keeps its thread, and the
/// caller gets the error of `late`.
///
/// # Errors
/// Those of `work`, of `late`, and of `panicked`; `Configuration` when the operating system gives no thread.
#[cfg(any(feature = "file", feature = "loopback"))]
pub(crate) async fn run_blocking<T: Send + 'static>(
    limit: Duration,
    late: impl FnOnce() -> Error + Send + 'static,
    panicked: impl FnOnce() -> Error + Send + 'static,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    run(async move {
        let call = tokio::task::spawn_blocking(work);
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(panicked()),
            Err(_) => Err(late()),
        }
    })
    .await
}

/// For work that has to run on the caller's runtime: without one, tokio panics.
pub(crate) fn require_runtime() -> Result<()> {
    Handle::try_current().map(drop).map_err(|error| {
        let message = "there is no tokio runtime here; call this in one, such as that of #[tokio::main], or use hallpass::blocking";
        Error::configuration(message).with_source(error)
    })
}

/// Runs `work` in the caller's span. A span stays open while `work` exists, so this is not for a task without an end.
#[cfg(feature = "tracing")]
pub(crate) fn in_current_span<F: Future>(work: F) -> impl Future<Output = F::Output> {
    tracing::Instrument::in_current_span(work)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_current_span<F: Future>(work: F) -> F {
    work
}

/// The caller may have set its subscriber for its own thread only.
#[cfg(feature = "tracing")]
fn with_current_subscriber<F: Future>(work: F) -> impl Future<Output = F::Output> {
    tracing::instrument::WithSubscriber::with_current_subscriber(work)
}

#[cfg(not(feature = "tracing"))]
fn with_current_subscriber<F: Future>(work: F) -> F {
    work
}

fn enter() -> Result<(Handle, Counted)> {
    let mut worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
    if worker.is_none() {
        *worker = Some(Worker::start()?);
    }
    let worker = worker.as_ref().expect("it was started above");
    // Under the lock, so that the thread cannot end in between.
    worker.load.tasks.fetch_add(1, Ordering::SeqCst);
    worker.load.changed.notify_one();
    Ok((worker.runtime.clone(), Counted(Arc::clone(&worker.load))))
}

impl Worker {
    fn start() -> Result<Self> {
        let failed = |error| Error::configuration("no thread could be started; let this process have one more").with_source(error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (handle, load) = (runtime.handle().clone(), Arc::<Load>::default());
        let served = Arc::clone(&load);
        thread::Builder::new().name("hallpass-worker".to_owned()).spawn(move || serve(runtime, &served)).map_err(failed)?;
        Ok(Self { runtime: handle, load })
    }
}

fn serve(runtime: Runtime, load: &Load) {
    IS_WORKER.set(true);
    runtime.block_on(async {
        loop {
            let quiet = tokio::time::timeout(IDLE, load.changed.notified()).await.is_err();
            if quiet {
                let mut worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
                if load.tasks.load(Ordering::SeqCst) == 0 {
                    *worker = None;
                    return;
                }
            }
        }
    });
    // A blocking call may never end.
    runtime.shutdown_background();
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

const IDLE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// J20
    #[test]
    fn work_needs_no_runtime_of_the_callers() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(run(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(7)
        }));
        assert_eq!(answer.unwrap(), 7, "the caller's runtime has no timers");
        drop(runtime);
        let task = spawn(async { 8 }).unwrap();
        assert_eq!(Builder::new_current_thread().build().unwrap().block_on(task).unwrap(), 8);
    }

    /// J21
    #[tokio::test(start_paused = true)]
    async fn paused_time_stops_no_work() {
        let work = run(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(9)
        });
        assert_eq!(work.await.unwrap(), 9);
    }

    #[tokio::test]
    async fn dropping_the_future_stops_the_work() {
        struct Sends(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Sends {
            fn drop(&mut self) {
                _ = self.0.take().unwrap().send(());
            }
        }
        let (sender, dropped) = tokio::sync::oneshot::channel();
        let sends = Sends(Some(sender));
        let work = run(async move {
            let _sends = sends;
            std::future::pending::<Result<()>>().await
        });
        assert!(tokio::time::timeout(Duration::from_millis(10), work).await.is_err());
        dropped.await.unwrap();
    }
}
