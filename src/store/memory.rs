use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::store::{CredentialsStore, Record, RecordFilter, RecordKey};

/// Keeps credentials as long as the program runs. Clones keep them together.
#[derive(Clone, Default)]
pub struct Memory {
    records: Arc<Mutex<HashMap<RecordKey, Record>>>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl CredentialsStore for Memory {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.get(key).map(Record::generation) != expected {
            return Ok(false);
        }
        records.insert(key.clone(), record.clone());
        Ok(true)
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.values().filter(|record| filter.matches(record)).filter_map(|record| program.of(record)).collect())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
