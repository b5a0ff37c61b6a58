use crate::store::key::hash;
use crate::store::{Record, RecordFilter, RecordKey};

/// The indexes of a program's sessions: one of all of them, one for each person, one for each session at the provider. Their keys
/// share a hash tag. They hold hashes of names and ids, and no name.
pub(super) struct Index {
    tag: String,
    program: String,
}

impl Index {
    /// `program` is any key of the program.
    pub(super) fn new(prefix: &str, program: &RecordKey) -> Self {
        let program = program.sibling("").id();
        Self { tag: format!("{{{prefix}:{program}}}:"), program }
    }

    /// The beginning of each key.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    /// The name of the index with the sessions that the filter selects.
    pub(super) fn name(&self, filter: &RecordFilter) -> String {
        match filter {
            RecordFilter::All => "sessions".to_owned(),
            RecordFilter::Subject(subject) => format!("subject:{}", hash(&[&self.program, "sub", subject])),
            RecordFilter::ProviderSession(id) => format!("sid:{}", hash(&[&self.program, "sid", id])),
        }
    }

    /// The names of the indexes that the record belongs in; none for a record that names no session.
    pub(super) fn names_of(&self, key: &RecordKey, record: &Record) -> Vec<String> {
        if key.of(record).as_ref() != Some(key) {
            return Vec::new();
        }
        let subject = record.subject().map(RecordFilter::Subject);
        let provider_session = record.provider_session().map(RecordFilter::ProviderSession);
        let filters = [Some(RecordFilter::All), subject, provider_session];
        filters.iter().flatten().map(|filter| self.name(filter)).collect()
    }
}
