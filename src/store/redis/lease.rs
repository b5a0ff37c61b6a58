use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::crypto;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Lock;
use crate::store::redis::command::Command;
use crate::store::redis::scripts;
use crate::store::redis::servers::Servers;
use crate::worker;

/// Exclusive use of a record among all replicas: a key that no other holder can set until it is released or expires. While it is
/// held, a task on the worker extends it. The task releases it when it is told to, and when this is dropped.
pub(super) struct Lease {
    release: oneshot::Sender<oneshot::Sender<()>>,
}

struct Keeper {
    servers: Arc<Servers>,
    key: String,
    holder: String,
    life: Duration,
}

impl Lease {
    /// Asks again and again, at random moments, until `wait` is over. When the future is dropped, the task gives up, and releases a
    /// lease that it gets just then.
    pub(super) async fn acquire(
        servers: &Arc<Servers>,
        key: String,
        life: Duration,
        wait: Duration,
        within_this_process: Lock,
    ) -> Result<Self> {
        let keeper = Keeper { servers: Arc::clone(servers), key, holder: new_holder()?, life };
        let (sender, receiver) = oneshot::channel();
        worker::spawn(async move {
            if let Err(error) = keeper.acquires_within(wait, || sender.is_closed()).await {
                _ = sender.send(Err(error));
                return;
            }
            let (release, released) = oneshot::channel();
            // When the receiver is gone, `release` is dropped, and the keeper releases at once.
            _ = sender.send(Ok(Self { release }));
            keeper.keep(released, within_this_process).await;
        })?;
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Store, "the wait for the stored credentials was broken off; try again")))
    }

    /// Waits until other holders can have it. If Redis cannot be reached, the lease expires.
    pub(super) async fn release(self) {
        let (done, released) = oneshot::channel();
        if self.release.send(done).is_ok() {
            _ = released.await;
        }
    }
}

impl Keeper {
    async fn acquires_within(&self, wait: Duration, given_up: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now().checked_add(wait);
        let mut pause = FIRST_PAUSE;
        loop {
            if self.acquires().await? {
                return Ok(());
            }
            let left = deadline.map_or(pause, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() || given_up() {
                return Err(in_use(wait));
            }
            sleep(jittered(pause).min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn acquires(&self) -> Result<bool> {
        let acquire = Command::script(&scripts::ACQUIRE, &self.key).arg(&self.holder).arg(milliseconds(self.life));
        self.servers.run("the stored credentials were not locked", acquire).await
    }

    /// Extends the lease. Returns whether it may still exist.
    async fn extends(&self) -> bool {
        let extend = Command::script(&scripts::EXTEND, &self.key).arg(&self.holder).arg(milliseconds(self.life));
        self.servers.run("the lock was not extended", extend).await.unwrap_or(true)
    }

    async fn releases(&self) -> Result<()> {
        let release = Command::script(&scripts::RELEASE, &self.key).arg(&self.holder);
        self.servers.run("the lock was not released", release).await
    }

    async fn keep(self, mut released: oneshot::Receiver<oneshot::Sender<()>>, within_this_process: Lock) {
        // A holder that hangs does not keep the fleet out for ever.
        let end = Instant::now().checked_add(self.life.saturating_mul(LIVES));
        let told = loop {
            match timeout(self.life / 3, &mut released).await {
                Ok(told) => break told,
                Err(_) if end.is_none_or(|end| Instant::now() < end) && self.extends().await => {}
                Err(_) => break released.await,
            }
        };
        // When Redis cannot be told, the lease ends by itself.
        _ = self.releases().await;
        drop(within_this_process);
        if let Ok(done) = told {
            _ = done.send(());
        }
    }
}

fn in_use(wait: Duration) -> Error {
    let waited = wait.as_secs_f32();
    let message = format!("another replica used the stored credentials for more than {waited} seconds; try again");
    Error::new(ErrorKind::Store, message).transient()
}

/// A name that no other holder has.
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
/// A lease is extended for so many of its lives: 5 minutes by default.
const LIVES: u32 = 8;
