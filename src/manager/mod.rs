//! Staying logged in: credentials that are kept, and renewed once however many ask.

mod announcement;
mod content;
pub(crate) mod keeper;
mod kept;
#[cfg(feature = "tracing")]
mod offline_access;
mod program;
mod renewal;
mod session;
mod sessions;
mod settings;
mod spent;
#[cfg(feature = "loopback")]
pub(crate) mod stay_logged_in;
mod stored;
mod term;

#[cfg(any(fuzzing, test))]
pub(crate) use content::Content;
