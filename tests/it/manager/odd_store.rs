//! A store in memory that fails in a chosen way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::store::{CredentialsStore, Lock, Memory, Record, RecordKey};
use hallpass::{Error, Result};
use tokio::sync::Semaphore;

/// Clones are the same store.
#[derive(Clone, Default)]
pub(super) struct OddStore {
    inner: Memory,
    odd: Arc<Mutex<Odd>>,
}

#[derive(Default)]
struct Odd {
    saves: VecDeque<Oddity>,
    loads: VecDeque<Oddity>,
    locks: VecDeque<Oddity>,
    removals: VecDeque<Oddity>,
    /// The number of calls of `lock`.
    asked_to_lock: usize,
    /// Whatever the key, there is one record.
    one_slot: Option<RecordKey>,
}

#[derive(Clone)]
pub(super) enum Oddity {
    /// Nothing odd: what comes after it is for a later call.
    None,
    /// An error, and nothing is done.
    Fails,
    /// An error, though what was asked is done.
    FailsAfterwards,
    Panics,
    /// Done, but the answer waits.
    IsHeld(Held),
    /// An error that waits, and nothing is done.
    IsHeldAndFails(Held),
}

/// A call of the store that has done its work and does not return.
#[derive(Clone)]
pub(super) struct Held {
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Held {
    fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }

    pub(super) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub(super) fn release(&self) {
        self.released.add_permits(1);
    }
}

impl OddStore {
    pub(super) fn next_save(&self, oddity: Oddity) {
        self.odd.lock().unwrap().saves.push_back(oddity);
    }

    pub(super) fn next_load(&self, oddity: Oddity) {
        self.odd.lock().unwrap().loads.push_back(oddity);
    }

    pub(super) fn next_lock(&self, oddity: Oddity) {
        self.odd.lock().unwrap().locks.push_back(oddity);
    }

    /// The save of the next answer to a renewal: the one before it announces the request.
    pub(super) fn next_answer(&self, oddity: Oddity) {
        self.next_save(Oddity::None);
        self.next_save(oddity);
    }

    /// The save of the next answer to a renewal is done, and does not return.
    pub(super) fn hold_answer(&self) -> Held {
        let held = Held::new();
        self.next_answer(Oddity::IsHeld(held.clone()));
        held
    }

    /// The same, but the save fails.
    pub(super) fn hold_failing_answer(&self) -> Held {
        let held = Held::new();
        self.next_answer(Oddity::IsHeldAndFails(held.clone()));
        held
    }

    /// The answer to the next load waits, and tells what stood there before.
    pub(super) fn hold_load(&self) -> Held {
        let held = Held::new();
        self.next_load(Oddity::IsHeld(held.clone()));
        held
    }

    /// The answer to the next removal waits, though it is done.
    pub(super) fn hold_removal(&self) -> Held {
        let held = Held::new();
        self.odd.lock().unwrap().removals.push_back(Oddity::IsHeld(held.clone()));
        held
    }

    pub(super) fn locks_so_far(&self) -> usize {
        self.odd.lock().unwrap().asked_to_lock
    }

    /// Returns when a lock was asked for so often.
    pub(super) async fn asked_to_lock(&self, times: usize) {
        while self.odd.lock().unwrap().asked_to_lock < times {
            tokio::task::yield_now().await;
        }
    }

    /// Keeps one record from now on, whatever the key.
    pub(super) fn mix_up_keys(&self, key: RecordKey) {
        self.odd.lock().unwrap().one_slot = Some(key);
    }

    /// The record, as another process reads it.
    pub(super) async fn record(&self, key: &RecordKey) -> Option<Record> {
        self.inner.load(key).await.unwrap()
    }

    pub(super) async fn put(&self, key: &RecordKey, record: &Record) {
        self.inner.remove(key).await.unwrap();
        assert!(self.inner.save(key, None, record).await.unwrap());
    }

    fn key(&self, key: &RecordKey) -> RecordKey {
        self.odd.lock().unwrap().one_slot.clone().unwrap_or_else(|| key.clone())
    }
}

impl CredentialsStore for OddStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let oddity = self.odd.lock().unwrap().loads.pop_front();
        let key = self.key(key);
        oddly(oddity, self.inner.load(&key)).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let oddity = self.odd.lock().unwrap().saves.pop_front();
        let key = self.key(key);
        oddly(oddity, self.inner.save(&key, expected, record)).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        let oddity = self.odd.lock().unwrap().removals.pop_front();
        let key = self.key(key);
        oddly(oddity, self.inner.remove(&key)).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        let oddity = {
            let mut odd = self.odd.lock().unwrap();
            odd.asked_to_lock += 1;
            odd.locks.pop_front()
        };
        oddly(oddity, self.inner.lock(key, wait)).await
    }
}

async fn oddly<T>(oddity: Option<Oddity>, call: impl Future<Output = Result<T>>) -> Result<T> {
    match oddity {
        None | Some(Oddity::None) => call.await,
        Some(Oddity::Fails) => Err(Error::store("the disk is full")),
        Some(Oddity::Panics) => panic!("the store panics, as the test wants"),
        Some(Oddity::FailsAfterwards) => {
            call.await?;
            Err(Error::store("the disk is slow"))
        }
        Some(Oddity::IsHeldAndFails(held)) => {
            held.reached.add_permits(1);
            held.released.acquire().await.unwrap().forget();
            Err(Error::store("the disk is full"))
        }
        Some(Oddity::IsHeld(held)) => {
            let done = call.await;
            held.reached.add_permits(1);
            held.released.acquire().await.unwrap().forget();
            done
        }
    }
}
