use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;
use tokio::sync::watch;

use super::fault::Fault;
use super::seen::SeenRequest;
use super::server::Reply;
use crate::clock::Clock;

/// Takes requests of one kind: notes them, holds them, and answers them, wrongly if a test wants it.
pub(super) struct Intake {
    state: Mutex<State>,
    arrived: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    seen: Vec<SeenRequest>,
    next: VecDeque<Fault>,
    always: Option<Fault>,
    gates: Vec<Barrier>,
}

/// Requests wait here until it is released, or dropped.
///
/// ```
/// use hallpass::testing::{Endpoint, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = TestProvider::start().await;
/// let gate = provider.hold(Endpoint::Discovery);
/// let asking = tokio::spawn(reqwest::get(provider.endpoint_url(Endpoint::Discovery)));
/// gate.reached(1).await; // the request is there, and unanswered
/// assert!(!asking.is_finished());
/// gate.release();
/// assert!(asking.await??.status().is_success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Gate {
    _closed: watch::Sender<()>,
    reached: watch::Receiver<usize>,
}

struct Barrier {
    stage: Stage,
    opened: watch::Receiver<()>,
    reached: Arc<watch::Sender<usize>>,
}

/// The moment at which a request is held: before the provider acts on it, or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Request,
    Answer,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), arrived: watch::Sender::new(0) }
    }

    /// A request's way: noted → held → a fault or the work → held → out.
    pub(super) async fn answer<W>(&self, request: &SeenRequest, clock: &Clock, work: W) -> Reply
    where
        W: FnOnce(&SeenRequest) -> Response<Bytes> + Send,
    {
        let fault = self.note(request.clone());
        self.pass(Stage::Request).await;
        let reply = match fault {
            None => Reply::Http(work(request)),
            Some(fault) => fault.apply(clock, || work(request)),
        };
        self.pass(Stage::Answer).await;
        reply
    }

    /// The fault is taken when the request arrives, so that faults meet requests in their order.
    fn note(&self, request: SeenRequest) -> Option<Fault> {
        let mut state = self.state();
        state.seen.push(request);
        self.arrived.send_replace(state.seen.len());
        let next = state.next.pop_front();
        next.or_else(|| state.always.clone())
    }

    async fn pass(&self, stage: Stage) {
        let barriers: Vec<_> = {
            let mut state = self.state();
            state.gates.retain(|barrier| barrier.opened.has_changed().is_ok());
            let here = state.gates.iter().filter(|barrier| barrier.stage == stage);
            here.map(|barrier| (barrier.opened.clone(), Arc::clone(&barrier.reached))).collect()
        };
        for (mut opened, reached) in barriers {
            reached.send_modify(|requests| *requests += 1);
            // It never changes: it ends when the gate is dropped.
            while opened.changed().await.is_ok() {}
        }
    }

    pub(super) fn hold(&self, stage: Stage) -> Gate {
        let (closed, opened) = watch::channel(());
        let (reaching, reached) = watch::channel(0);
        self.state().gates.push(Barrier { stage, opened, reached: Arc::new(reaching) });
        Gate { _closed: closed, reached }
    }

    pub(super) fn count(&self) -> usize {
        self.state().seen.len()
    }

    pub(super) fn seen(&self) -> Vec<SeenRequest> {
        self.state().seen.clone()
    }

    /// Until so many have arrived.
    pub(super) async fn asked(&self, requests: usize) {
        let mut arrived = self.arrived.subscribe();
        let waited = arrived.wait_for(|arrived| *arrived >= requests).await;
        waited.expect("the sender lives as long as what is borrowed");
    }

    pub(super) fn next(&self, fault: Fault) {
        self.state().next.push_back(fault);
    }

    pub(super) fn always(&self, fault: Fault) {
        self.state().always = Some(fault);
    }

    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.next.clear();
        state.always = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Gate {
    /// Lets through who waits, and who comes later.
    pub fn release(self) {
        drop(self);
    }

    /// Until so many requests wait, or have waited, at this gate.
    pub async fn reached(&self, requests: usize) {
        let mut reached = self.reached.clone();
        // The other end is gone with its provider: nobody will come.
        let _ = reached.wait_for(|reached| *reached >= requests).await;
    }
}
