use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass::Result;
use hallpass::store::{CredentialsStore, Lock, Record, RecordFilter, RecordKey};

/// Another store, and something that happens once, at a moment of its use.
pub struct Interrupted<S> {
    store: S,
    moment: Moment,
    interruption: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// A renewal saves twice: first that it is about to send the refresh token, then the answer.
    saves: AtomicUsize,
}

/// The moment of the interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeLoading,
    BeforeLocking,
    /// The lock is held, and the record does not say that the refresh token is about to be sent.
    BeforeAnnouncing,
    /// The record says it.
    BeforeSending,
    /// The provider has answered.
    BeforeSaving,
    /// The provider's answer is stored, and the lock is still held.
    BeforeReleasing,
}

const MOMENTS: [(&str, Moment); 6] = [
    ("before loading", Moment::BeforeLoading),
    ("before locking", Moment::BeforeLocking),
    ("before announcing", Moment::BeforeAnnouncing),
    ("before sending", Moment::BeforeSending),
    ("before saving", Moment::BeforeSaving),
    ("before releasing", Moment::BeforeReleasing),
];

impl<S> Interrupted<S> {
    pub fn new(store: S, moment: Moment, interruption: impl FnOnce() + Send + 'static) -> Self {
        Self { store, moment, interruption: Mutex::new(Some(Box::new(interruption))), saves: AtomicUsize::new(0) }
    }

    fn is_at(&self, moment: Moment) {
        if self.moment == moment
            && let Some(interruption) = self.interruption.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            interruption();
        }
    }
}

impl<S: CredentialsStore> CredentialsStore for Interrupted<S> {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.is_at(Moment::BeforeLoading);
        self.store.load(key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let is_announcement = self.saves.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        self.is_at(if is_announcement { Moment::BeforeAnnouncing } else { Moment::BeforeSaving });
        let saved = self.store.save(key, expected, record).await;
        self.is_at(if is_announcement { Moment::BeforeSending } else { Moment::BeforeReleasing });
        saved
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.is_at(Moment::BeforeLocking);
        self.store.lock(key, wait).await
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        self.store.list(program, filter).await
    }
}

impl Moment {
    /// The words it is passed to another process with.
    pub fn words(self) -> &'static str {
        MOMENTS.iter().find(|(_, moment)| *moment == self).expect("each moment has words").0
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(words: &str) -> std::result::Result<Self, String> {
        MOMENTS.iter().find(|(known, _)| *known == words).map(|(_, moment)| *moment).ok_or_else(|| words.to_owned())
    }
}
