use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::worker;

/// Something fetched from elsewhere, kept until it is too old, fetched once however many need it.
pub(crate) struct Cached<T> {
    kept: Arc<Mutex<Option<Dated<T>>>>,
    backoff: Arc<Backoff>,
    flight: SingleFlight<T>,
}

#[derive(Debug, Clone)]
struct Dated<T> {
    value: T,
    fetched: Timestamp,
}

impl<T: Clone + Send + Sync + 'static> Cached<T> {
    pub(crate) fn new() -> Self {
        Self { kept: Arc::default(), backoff: Arc::new(Backoff::new()), flight: SingleFlight::new() }
    }

    /// Returns a value that is younger than `fresh_for`, or fetches another. When the fetch fails for a transient reason, the
    /// value serves until it is `stale_for` old. After a failure no fetch is sent until the backoff is over.
    pub(crate) async fn current<F>(
        &self,
        clock: impl Fn() -> Timestamp + Send + 'static,
        fresh_for: Duration,
        stale_for: Duration,
        fetch: impl FnOnce() -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let now = clock();
        let younger_than = |limit: Duration| move |kept: &Dated<T>| kept.fetched <= now && now.since(kept.fetched) < limit;
        let (is_fresh, is_stale) = (younger_than(fresh_for), younger_than(stale_for));
        if let Some(kept) = self.kept_if(is_fresh) {
            return Ok(kept);
        }
        let fetched = match self.backoff.check(now) {
            Some(error) => Err(error),
            None => self.flight.run(|| self.kept_if(is_fresh), || self.keeping(clock, fetch())).await,
        };
        match fetched {
            Err(error) if error.is_transient() => self.kept_if(is_stale).ok_or(error),
            fetched => fetched,
        }
    }

    /// Starts a fetch that will be needed soon, if no fresh value is kept. Waits for nothing.
    pub(crate) fn prepare<F>(&self, clock: impl Fn() -> Timestamp + Send + 'static, fresh_for: Duration, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let now = clock();
        let is_fresh = |kept: &Dated<T>| kept.fetched <= now && now.since(kept.fetched) < fresh_for;
        if self.kept_if(is_fresh).is_none() && self.backoff.check(now).is_none() {
            self.flight.start(|| self.kept_if(is_fresh), || self.keeping(clock, fetch()));
        }
    }

    /// Fetches again, unless another call did so since. `settled` decides by the kept value.
    pub(crate) async fn refetch<F>(
        &self,
        clock: impl Fn() -> Timestamp + Send + 'static,
        settled: impl FnOnce(&T) -> bool + Send,
        fetch: impl FnOnce() -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        if let Some(error) = self.backoff.check(clock()) {
            return Err(error);
        }
        self.flight.run(|| self.kept_if(|kept| settled(&kept.value)), || self.keeping(clock, fetch())).await
    }

    fn kept_if(&self, good_enough: impl FnOnce(&Dated<T>) -> bool) -> Option<T> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| good_enough(kept)).map(|kept| kept.value.clone())
    }

    fn keeping<F>(
        &self,
        clock: impl Fn() -> Timestamp + Send + 'static,
        fetch: F,
    ) -> impl Future<Output = Result<T>> + Send + 'static
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (kept, backoff) = (Arc::clone(&self.kept), Arc::clone(&self.backoff));
        let begun = clock();
        async move {
            // A fetch may take long, and the pause begins at its end.
            let value = fetch.await.inspect_err(|error| backoff.failed(error, clock()))?;
            backoff.succeeded();
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Dated { value: value.clone(), fetched: begun });
            Ok(value)
        }
    }
}

/// One run of a piece of work, however many ask for it.
///
/// The work runs as another task and goes on when its callers are dropped. Its result, good or bad, answers all callers that wait;
/// a failure is not kept.
pub(crate) struct SingleFlight<T> {
    running: Mutex<Option<watch::Receiver<Option<Result<T>>>>>,
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(crate) fn new() -> Self {
        Self { running: Mutex::new(None) }
    }

    /// The result of the run that this call joins or starts: see [`join`](Self::join).
    pub(crate) async fn run<F>(&self, second_look: impl FnOnce() -> Option<T> + Send, work: impl FnOnce() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.join(second_look, work).result().await
    }

    /// Starts the work if it is needed and does not run. Waits for nothing.
    pub(crate) fn start<F>(&self, second_look: impl FnOnce() -> Option<T>, work: impl FnOnce() -> F)
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let _ = self.join(second_look, work);
    }

    /// Joins a run that has begun. Otherwise `second_look` decides whether the work is needed, because a run may have ended after
    /// the caller looked. The work makes its result visible to `second_look` before it returns.
    pub(crate) fn join<F>(&self, second_look: impl FnOnce() -> Option<T>, work: impl FnOnce() -> F) -> Joined<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = running.as_ref().filter(|result| result.borrow().is_none() && result.has_changed().is_ok()) {
            return Joined::Run(result.clone());
        }
        if let Some(value) = second_look() {
            return Joined::Needless(value);
        }
        let (sender, receiver) = watch::channel(None);
        let work = worker::in_current_span(work());
        let run = async move {
            // The caller's span is released before the caller gets the result.
            let result = work.await;
            sender.send_replace(Some(result));
        };
        match worker::spawn(run) {
            Ok(_) => *running = Some(receiver.clone()),
            Err(error) => return Joined::Failed(error),
        }
        Joined::Run(receiver)
    }
}

/// A caller's place in a run. It is small: thousands may wait.
#[must_use]
pub(crate) enum Joined<T> {
    Needless(T),
    Failed(Error),
    Run(watch::Receiver<Option<Result<T>>>),
}

impl<T: Clone + Send + Sync> Joined<T> {
    pub(crate) async fn result(self) -> Result<T> {
        let mut run = match self {
            Self::Needless(value) => return Ok(value),
            Self::Failed(error) => return Err(error),
            Self::Run(run) => run,
        };
        // An error means that the sender is gone without a word: the work panicked, or its runtime ended.
        let finished = run.wait_for(Option::is_some).await;
        finished.ok().and_then(|result| result.clone()).unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Ambiguous,
                "the shared request stopped half-way, as its task panicked or its runtime ended; try again",
            ))
        })
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;

    const FRESH_FOR: Duration = Duration::from_secs(600);
    const STALE_FOR: Duration = Duration::from_secs(86_400);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000 + seconds)
    }

    /// D18, G14
    #[tokio::test]
    async fn what_is_kept_serves_while_its_host_is_down_and_no_longer_than_it_may() {
        let (cached, fetches) = (Cached::new(), Arc::new(AtomicUsize::new(0)));
        let fetch = |result: Result<u8>| {
            let fetches = Arc::clone(&fetches);
            move || async move {
                fetches.fetch_add(1, Ordering::Relaxed);
                result
            }
        };
        let down = || Err(Error::new(ErrorKind::Network, "it is down").transient());
        let current = |moment: i64, result: Result<u8>| cached.current(move || at(moment), FRESH_FOR, STALE_FOR, fetch(result));
        assert_eq!(current(0, Ok(1)).await.unwrap(), 1);
        assert_eq!(current(599, down()).await.unwrap(), 1);
        for (moment, asked) in [(600, 2), (600, 2), (602, 3), (603, 3), (601, 4), (86_399, 5)] {
            assert_eq!(current(moment, down()).await.unwrap(), 1, "{moment}");
            assert_eq!(fetches.load(Ordering::Relaxed), asked, "{moment}");
        }
        assert!(current(86_500, down()).await.unwrap_err().is_transient(), "too old, though its host was down just now");
        assert!(current(-100, down()).await.unwrap_err().is_transient(), "nobody knows how old it is when the clock was set back");
        let lasting = Error::new(ErrorKind::Discovery, "it is gone");
        assert_eq!(current(-200, Err(lasting)).await.unwrap_err().kind(), ErrorKind::Discovery);
        assert_eq!(fetches.load(Ordering::Relaxed), 8);
        assert_eq!(current(-191, Ok(2)).await.unwrap_err().kind(), ErrorKind::Discovery, "a permanent refusal is remembered");
        assert_eq!(current(-190, Ok(2)).await.unwrap(), 2);
    }

    /// D18: a host that takes the call and never answers.
    #[tokio::test]
    async fn a_host_that_hangs_is_left_in_peace_after_its_time_is_over() {
        let (cached, seconds, fetches) = (Cached::new(), Arc::new(AtomicI64::new(0)), Arc::new(AtomicUsize::new(0)));
        let current = |takes: i64, result: Result<u8>| {
            let (clock, seconds, fetches) = (Arc::clone(&seconds), Arc::clone(&seconds), Arc::clone(&fetches));
            cached.current(
                move || at(clock.load(Ordering::Relaxed)),
                FRESH_FOR,
                STALE_FOR,
                move || async move {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    seconds.fetch_add(takes, Ordering::Relaxed);
                    result
                },
            )
        };
        let hangs = || Err(Error::new(ErrorKind::TimedOut, "it hangs").transient());
        current(0, Ok(1)).await.unwrap();
        seconds.store(700, Ordering::Relaxed);
        for _ in 0..3 {
            assert_eq!(current(30, hangs()).await.unwrap(), 1);
        }
        assert_eq!(fetches.load(Ordering::Relaxed), 2, "nobody else waited for it");
    }

    /// G5
    #[tokio::test]
    async fn after_a_run_that_panicked_the_next_call_runs() {
        let flight = SingleFlight::new();
        let panicked = flight.run(|| None, || async { panic!("the work panics, as the test wants") }).await;
        assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Ambiguous);
        assert_eq!(flight.run(|| None, || async { Ok(7) }).await.unwrap(), 7);
    }

    /// D23
    #[tokio::test]
    async fn whoever_comes_after_a_run_has_a_second_look() {
        let flight = SingleFlight::new();
        let failed = flight.run(|| None, || async { Err::<u8, _>(Error::new(ErrorKind::Network, "it is down")) }).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Network);
        assert_eq!(flight.run(|| Some(8), || async { Ok(7) }).await.unwrap(), 8);
        assert_eq!(flight.run(|| None, || async { Ok(7) }).await.unwrap(), 7, "a failure is not kept");
    }
}
