use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass::Result;
use hallpass::store::{Announced, CredentialsStore, Intent, Lock, Outcome, Record, RecordKey};

/// Another store, and something that happens once, at a moment of its use.
pub struct Interrupted<S> {
    store: S,
    moment: Moment,
    interruption: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// When it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeLoading,
    BeforeLocking,
    /// The lock is held, and nobody knows of the refresh token.
    BeforeAnnouncing,
    /// All know that the refresh token is about to be sent.
    BeforeSending,
    /// The provider has answered.
    BeforeSaving,
    /// What the provider gave is stored, and the lock is still held.
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
        Self { store, moment, interruption: Mutex::new(Some(Box::new(interruption))) }
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
        self.is_at(Moment::BeforeSaving);
        let saved = self.store.save(key, expected, record).await;
        self.is_at(Moment::BeforeReleasing);
        saved
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.is_at(Moment::BeforeLocking);
        self.store.lock(key, wait).await
    }

    async fn load_locked(&self, key: &RecordKey, lock: &Lock) -> Result<Option<Record>> {
        self.store.load_locked(key, lock).await
    }

    async fn announce(&self, key: &RecordKey, lock: &Lock, intent: &Intent) -> Result<Announced> {
        self.is_at(Moment::BeforeAnnouncing);
        let announced = self.store.announce(key, lock, intent).await;
        self.is_at(Moment::BeforeSending);
        announced
    }

    fn settle(&self, lock: &Lock, outcome: Outcome) -> bool {
        self.store.settle(lock, outcome)
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
