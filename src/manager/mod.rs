//! Keeps logins: stores credentials, and renews them once for all tasks, processes and machines.

pub(crate) mod credentials_manager;
pub(crate) mod protocol;
mod record_content;
mod renewal;
mod session;
mod settings;
mod snapshot;
pub(crate) mod status;
mod stored_session;
#[cfg(test)]
mod tests;

#[cfg(any(fuzzing, test))]
pub(crate) use snapshot::Snapshot;
