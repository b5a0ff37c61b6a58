use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Result;
use crate::store::{CredentialsStore, DynStore, Keychain, Lock, Record, RecordFilter, RecordKey};

/// A [`Keychain`], or another store on a machine that has no keychain. [`Keychain::or`] makes one.
///
/// The first call asks the keychain. Only an error with [`is_no_keychain`](crate::Error::is_no_keychain) selects the other
/// store: a keychain that is locked, fails or does not answer is an error as without the other store. The selection holds for
/// this value and its clones, so that a session is never looked for in two places. The next start of the program selects
/// again. A session that is in one store is not moved to the other.
#[derive(Clone)]
pub struct KeychainOr {
    keychain: Keychain,
    in_keychain: DynStore,
    other: DynStore,
    selected: Arc<OnceLock<Selected>>,
}

#[derive(Debug, Clone, Copy)]
enum Selected {
    Keychain,
    Other,
}

impl KeychainOr {
    pub(super) fn new(keychain: Keychain, other: impl CredentialsStore) -> Self {
        let in_keychain = DynStore::new(keychain.clone());
        Self { keychain, in_keychain, other: DynStore::new(other), selected: Arc::default() }
    }

    async fn selected(&self) -> &DynStore {
        let selected = match self.selected.get() {
            Some(selected) => *selected,
            None => match self.keychain.read_key().await {
                Ok(_) => *self.selected.get_or_init(|| Selected::Keychain),
                Err(error) if error.is_no_keychain() => *self.selected.get_or_init(|| Selected::Other),
                // A keychain that fails now may answer the next call.
                Err(_) => Selected::Keychain,
            },
        };
        match selected {
            Selected::Keychain => &self.in_keychain,
            Selected::Other => &self.other,
        }
    }
}

impl CredentialsStore for KeychainOr {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.selected().await.load(key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        self.selected().await.save(key, expected, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.selected().await.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.selected().await.lock(key, wait).await
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        self.selected().await.list(program, filter).await
    }
}

impl fmt::Debug for KeychainOr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keychain, selected, .. } = self;
        f.debug_struct("KeychainOr").field("keychain", keychain).field("selected", &selected.get()).finish_non_exhaustive()
    }
}
