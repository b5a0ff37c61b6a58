use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::crypto;
use crate::error::{Error, ErrorKind, Result};
use crate::store::redis::connection::Connection;
use crate::store::redis::{Keys, Stored, scripts};
use crate::store::{Lock, Outcome};

/// Exclusive use of a record among all replicas: a key that nobody else can set until it is released or expires. While it is
/// held, a task extends it; when it is dropped, that task releases it.
pub(super) struct Lease {
    pub(super) holder: String,
    found: Mutex<Option<Stored>>,
    outcome: Arc<Mutex<Option<Outcome>>>,
    _held: oneshot::Sender<()>,
}

struct Keeper {
    connection: Arc<Connection>,
    keys: Keys,
    holder: String,
    life: Duration,
    outcome: Arc<Mutex<Option<Outcome>>>,
}

impl Lease {
    /// Asks again and again, at random moments. On a task of its own, which gives up when the future is dropped: what it
    /// gets just then is released.
    pub(super) async fn acquire(
        connection: &Arc<Connection>,
        keys: Keys,
        life: Duration,
        wait: Duration,
        within_this_process: Lock,
    ) -> Result<Self> {
        let keeper = Keeper { connection: Arc::clone(connection), keys, holder: new_holder()?, life, outcome: Arc::default() };
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let found = match keeper.acquires_within(wait, || sender.is_closed()).await {
                Ok(found) => Mutex::new(Some(found)),
                Err(error) => {
                    _ = sender.send(Err(error));
                    return;
                }
            };
            let (held, dropped) = oneshot::channel();
            let outcome = Arc::clone(&keeper.outcome);
            // Nobody there to take it: `held` is dropped, and the keeper releases at once.
            _ = sender.send(Ok(Self { holder: keeper.holder.clone(), found, outcome, _held: held }));
            keeper.keep(dropped, within_this_process).await;
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Store, "the wait for the stored credentials was broken off; try again")))
    }

    /// The record as it was when the lease was acquired, once: who asks again wants to know what it is now.
    pub(super) fn found(&self) -> Option<Stored> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn settle(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

impl Keeper {
    async fn acquires_within(&self, wait: Duration, given_up: impl Fn() -> bool) -> Result<Stored> {
        let deadline = Instant::now().checked_add(wait);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(found) = self.acquires().await? {
                return Ok(found);
            }
            let left = deadline.map_or(pause, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() || given_up() {
                return Err(in_use(wait));
            }
            sleep(jittered(pause).min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What the lease is for, when it is this holder's.
    async fn acquires(&self) -> Result<Option<Stored>> {
        let mut call = scripts::ACQUIRE.key(&self.keys.lease);
        call.key(&self.keys.record).arg(&self.holder).arg(milliseconds(self.life));
        let call = &call;
        let (acquired, generation, sealed): (bool, _, _) = self
            .connection
            .run("the stored credentials were not locked", |mut to| async move { call.invoke_async(&mut to).await })
            .await?;
        Ok(acquired.then_some(Stored { generation, sealed }))
    }

    /// Whether there may be something left to extend.
    async fn extends(&self) -> bool {
        let mut call = scripts::EXTEND.key(&self.keys.lease);
        call.arg(&self.holder).arg(milliseconds(self.life));
        let call = &call;
        self.connection
            .run("the lock was not extended", |mut to| async move { call.invoke_async(&mut to).await })
            .await
            .unwrap_or(true)
    }

    async fn releases(&self, outcome: Option<Outcome>) -> Result<()> {
        let outcome = match outcome {
            None => "open",
            Some(Outcome::NotTaken) => "not taken",
            Some(Outcome::Unknown) => "unknown",
        };
        let mut call = scripts::RELEASE.key(&self.keys.lease);
        call.key(&self.keys.record).arg(&self.holder).arg(outcome);
        let call = &call;
        self.connection.run("the lock was not released", |mut to| async move { call.invoke_async(&mut to).await }).await
    }

    async fn keep(self, mut dropped: oneshot::Receiver<()>, within_this_process: Lock) {
        // A holder that hangs does not keep the fleet out for ever.
        let end = Instant::now() + LONGEST_HELD;
        while timeout(self.life / 3, &mut dropped).await.is_err() {
            if Instant::now() > end || !self.extends().await {
                _ = dropped.await;
                break;
            }
        }
        let outcome = *self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let mut released = self.releases(outcome).await;
        drop(within_this_process);
        // The lease ends by itself; but what came of the refresh token, others can learn only from here.
        let mut pause = FIRST_PAUSE;
        let end = Instant::now() + TELLS_FOR;
        while released.is_err() && outcome.is_some() && Instant::now() < end {
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_RETRY_PAUSE);
            released = self.releases(outcome).await;
        }
    }
}

fn in_use(wait: Duration) -> Error {
    let waited = wait.as_secs_f32();
    let message = format!("another replica used the stored credentials for more than {waited} seconds; try again");
    Error::new(ErrorKind::Store, message).transient()
}

/// Nobody else has this name, nor had it before.
fn new_holder() -> Result<String> {
    let mut random = [0; 16];
    crypto::random(&mut random)?;
    let mut holder = String::with_capacity(32);
    for byte in random {
        write!(holder, "{byte:02x}").expect("a String takes everything");
    }
    Ok(holder)
}

/// Between half of it and all of it, so that those who wait do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without randomness there is no jitter, which is no failure.
    _ = crypto::random(&mut random);
    pause.mul_f32(0.5 + f32::from(random[0]) / 512.0)
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_HELD: Duration = Duration::from_secs(5 * 60);
const TELLS_FOR: Duration = Duration::from_secs(5 * 60);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(5);
