use std::time::Duration;

use crate::client_credentials::service_token::ServiceToken;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{CredentialsStore, DynStore, Lock, RecordKey, next_generation};

/// The processes that share a store. Each looks for a token there first, and one of them asks the provider.
#[derive(Clone)]
pub(super) struct Fleet {
    store: DynStore,
}

/// The result of a look at the store.
enum Turn {
    /// Another process has stored a token.
    Served(ServiceToken),
    /// This process holds the lock: it asks the provider, and replaces the record of that generation.
    Ours { lock: Lock, generation: Option<u64> },
}

impl Fleet {
    pub(super) fn new(store: impl CredentialsStore) -> Self {
        Self { store: DynStore::new(store) }
    }

    /// Returns the fleet's token if it `will_do`; otherwise the result of `fetch`, which is stored for all. A store that fails
    /// stops no process: each can ask the provider itself, once for the life of a token. `failed` gets the store's error.
    pub(super) async fn obtain<F>(
        &self,
        key: &RecordKey,
        clock: &Clock,
        will_do: impl Fn(&ServiceToken) -> bool + Send + Sync,
        fetch: impl FnOnce() -> F + Send,
        failed: impl Fn(&Error) + Send + Sync,
    ) -> Result<ServiceToken>
    where
        F: Future<Output = Result<ServiceToken>> + Send,
    {
        match self.turn(key, clock, will_do).await {
            Ok(Turn::Served(token)) => Ok(token),
            Ok(Turn::Ours { lock, generation }) => {
                let fetched = fetch().await;
                if let Ok(token) = &fetched {
                    let record = token.to_record(key, next_generation(clock.now(), generation));
                    // A token that another process saved first is as good for the others as this one.
                    if let Err(error) = self.store.save(key, generation, &record).await {
                        failed(&error);
                    }
                }
                lock.release().await;
                fetched
            }
            // It would never work.
            Err(error) if error.kind() == ErrorKind::Configuration => Err(error),
            Err(error) => {
                failed(&error);
                fetch().await
            }
        }
    }

    async fn turn(&self, key: &RecordKey, clock: &Clock, will_do: impl Fn(&ServiceToken) -> bool + Send + Sync) -> Result<Turn> {
        if let Some(record) = self.store.load(key).await? {
            let token = ServiceToken::from_record(&record, key, clock)?;
            if will_do(&token) {
                return Ok(Turn::Served(token));
            }
        }
        let lock = self.store.lock(key, LOCK_WAIT).await?;
        // Somebody else may have fetched one while this waited.
        let Some(record) = self.store.load(key).await? else {
            return Ok(Turn::Ours { lock, generation: None });
        };
        let token = ServiceToken::from_record(&record, key, clock)?;
        if will_do(&token) {
            return Ok(Turn::Served(token));
        }
        Ok(Turn::Ours { lock, generation: Some(record.generation()) })
    }
}

/// Longer than the holder of the lock waits for the provider.
const LOCK_WAIT: Duration = Duration::from_secs(35);
