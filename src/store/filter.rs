use crate::store::{Record, RecordKey};

/// Selects records for [`CredentialsStore::list`](crate::store::CredentialsStore::list).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordFilter {
    /// All sessions of the program.
    All,
    /// The sessions of one person, by the `sub` of their ID token.
    Subject(String),
    /// The sessions that belong to one session at the provider, by the `sid` of their ID token (OpenID Connect Back-Channel
    /// Logout 1.0, section 2.1).
    ProviderSession(String),
}

impl RecordFilter {
    /// Returns whether the record is selected.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        match self {
            Self::All => record.session().is_some(),
            Self::Subject(subject) => record.subject().is_some_and(|own| own == *subject),
            Self::ProviderSession(id) => record.provider_session().is_some_and(|own| own == *id),
        }
    }
}

impl RecordKey {
    /// The key of a record of the same program; none for a record of another program, or of one that names no session.
    #[must_use]
    pub fn of(&self, record: &Record) -> Option<Self> {
        let session = self.sibling(&record.session()?);
        let key = record.api().map_or_else(|| session.clone(), |api| session.at(&api));
        record.is_stored_under(&key).then_some(key)
    }
}
