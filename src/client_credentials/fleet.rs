use std::time::Duration;

use crate::client_credentials::service_token::ServiceToken;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{CredentialsStore, DynStore, Lock, RecordKey, next_generation};

/// Everybody who has the store: whoever needs a token looks there first, and one of all asks the provider.
#[derive(Clone)]
pub(super) struct Fleet {
    store: DynStore,
}

/// What the store says to who needs a token.
enum Turn {
    /// Somebody else has put one there.
    Served(ServiceToken),
    /// Whoever holds the lock asks the provider, and puts what it gives in the place of the record of that generation.
    Ours { lock: Lock, generation: Option<u64> },
}

impl Fleet {
    pub(super) fn new(store: impl CredentialsStore) -> Self {
        Self { store: DynStore::new(store) }
    }

    /// The fleet's token if it `will_do`, else what `fetch` brings, for all. A store that fails stops nobody: a service's token
    /// can be asked for again, by each process once for its whole life. `failed` is told.
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

/// Longer than whoever holds the lock waits for the provider.
const LOCK_WAIT: Duration = Duration::from_secs(35);
