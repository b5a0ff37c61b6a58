//! Staying logged in: credentials that are kept, and renewed once however many ask.

mod announcement;
mod content;
pub(crate) mod keeper;
mod renewal;
mod session;
mod sessions;
mod settings;
