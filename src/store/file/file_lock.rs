use std::fs::{self, TryLockError};
use std::time::Duration;

use tokio::time::{self, Instant};

use crate::crypto;
use crate::error::{Error, ErrorKind, Result};
use crate::store::file::Folder;
use crate::store::off_the_workers::off_the_workers;

/// A lock of the operating system on an empty file, until it is dropped or the process ends, however it ends.
pub(super) struct FileLock(fs::File);

impl FileLock {
    /// Asks again and again rather than waiting in the system: dropping the future gives up.
    pub(super) async fn acquire(folder: &Folder, name: String, wait: Duration) -> Result<Self> {
        let deadline = Instant::now().checked_add(wait);
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = (folder.clone(), name.clone());
            if let Some(lock) = off_the_workers(move || Self::try_acquire(&attempt.0, &attempt.1)).await? {
                return Ok(lock);
            }
            let left = deadline.map_or(pause, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Error::new(
                    ErrorKind::Store,
                    format!(
                        "the stored credentials were in use for more than {} seconds; end the process that holds {}",
                        wait.as_secs_f32(),
                        folder.shown(&name)
                    ),
                ));
            }
            time::sleep(jittered(pause)?.min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn try_acquire(folder: &Folder, name: &str) -> Result<Option<Self>> {
        let file = folder.open_empty(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                let message = format!("{} could not be locked; keep the credentials on a disk of this machine", folder.shown(name));
                Err(Error::new(ErrorKind::Store, message).with_source(error))
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being started has the open file too, for a moment.
        _ = self.0.unlock();
    }
}

/// Between half of it and all of it, so that those who wait do not ask in step.
fn jittered(pause: Duration) -> Result<Duration> {
    let mut random = [0];
    crypto::random(&mut random)?;
    Ok(pause.mul_f32(0.5 + f32::from(random[0]) / 512.0))
}

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
