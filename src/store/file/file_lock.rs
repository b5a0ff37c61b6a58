use std::fs::{self, TryLockError};
use std::time::Duration;

use tokio::time::{self, Instant};

use crate::crypto;
use crate::error::{Error, ErrorKind, Result};
use crate::store::file::Folder;
use crate::worker;

/// A lock of the operating system on an empty file beside a record, until it is dropped or the process ends, however it ends.
/// The file goes away with the lock when there is no record; on Windows it stays.
pub(super) struct FileLock {
    file: fs::File,
    place: Place,
}

/// The file `{record}.{purpose}`.
#[derive(Clone)]
struct Place {
    folder: Folder,
    record: String,
    name: String,
}

impl FileLock {
    /// Asks again and again rather than waiting in the system: dropping the future gives up.
    pub(super) async fn acquire(folder: &Folder, record: &str, purpose: &str, wait: Duration) -> Result<Self> {
        let place = Place::new(folder, record, purpose);
        worker::run(async move {
            let deadline = Instant::now().checked_add(wait);
            let mut pause = FIRST_PAUSE;
            loop {
                let attempt = place.clone();
                if let Some(lock) = place.folder.blocking(move || attempt.try_lock()).await? {
                    return Ok(lock);
                }
                let left = deadline.map_or(pause, |deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return Err(place.was_in_use(wait));
                }
                time::sleep(jittered(pause)?.min(left)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        })
        .await
    }

    /// Removes the file of a lock that is not held. The holder of a held one removes it later. Blocks.
    pub(super) fn remove_unused(folder: &Folder, record: &str, purpose: &str) -> Result<()> {
        let place = Place::new(folder, record, purpose);
        if cfg!(unix) && folder.has(&place.name) {
            drop(place.try_lock()?);
        }
        Ok(())
    }
}

impl Place {
    fn new(folder: &Folder, record: &str, purpose: &str) -> Self {
        Self { folder: folder.clone(), record: record.to_owned(), name: format!("{record}.{purpose}") }
    }

    fn try_lock(self) -> Result<Option<FileLock>> {
        loop {
            let file = self.folder.open_empty(&self.name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    let shown = self.folder.shown(&self.name);
                    let message = format!("{shown} could not be locked; keep the credentials on a disk of this machine");
                    return Err(Error::new(ErrorKind::Store, message).with_source(error));
                }
            }
            // The holder before may have removed it after it was opened here. The next process then locks another file.
            if self.folder.is_at(&self.name, &file) {
                return Ok(Some(FileLock { file, place: self }));
            }
        }
    }

    fn was_in_use(&self, wait: Duration) -> Error {
        let (seconds, shown) = (wait.as_secs_f32(), self.folder.shown(&self.name));
        let message =
            format!("the stored credentials were in use for more than {seconds} seconds; end the process that holds {shown}");
        Error::new(ErrorKind::Store, message)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let Place { folder, record, name } = &self.place;
        // Under the lock: a process that opened the file before finds that it is no longer there. Windows has no such check.
        if cfg!(unix) && !folder.holds(record) && folder.is_at(name, &self.file) {
            folder.remove_empty(name);
        }
        // Closing is not enough: a process that is being started has the open file too, for a moment.
        _ = self.file.unlock();
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
