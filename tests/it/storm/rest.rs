use serde_json::{Value, json};

/// The state of the program when all of it is at rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// The number of sessions that needed a login.
    pub(super) lost: u64,
    /// The number of answers that were reported as lost.
    pub(super) ambiguous: u64,
    /// Calls that the API answered with 200.
    pub(super) answered: u64,
    /// Those that ended in an error.
    pub(super) failed: u64,
    pub(super) tasks: u64,
    /// The open files, sockets and ports.
    pub(super) files: u64,
    pub(super) live_bytes: isize,
}

impl Rest {
    pub(super) fn to_line(self) -> String {
        let Self { lost, ambiguous, answered, failed, tasks, files, live_bytes } = self;
        json!([lost, ambiguous, answered, failed, tasks, files, live_bytes]).to_string()
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        let numbers: Vec<Value> = serde_json::from_str(line).ok()?;
        let [lost, ambiguous, answered, failed, tasks, files, live_bytes] = &*numbers else { return None };
        Some(Self {
            lost: lost.as_u64()?,
            ambiguous: ambiguous.as_u64()?,
            answered: answered.as_u64()?,
            failed: failed.as_u64()?,
            tasks: tasks.as_u64()?,
            files: files.as_u64()?,
            live_bytes: isize::try_from(live_bytes.as_i64()?).ok()?,
        })
    }
}
