use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::error::{Error, Result};

/// What a program wants to be told.
pub(crate) type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// How a manager keeps its sessions.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) min_ttl: Duration,
    pub(crate) reuse_interval: Option<Duration>,
    pub(crate) most_sessions: usize,
    pub(crate) on_renewed: Option<Hook<Credentials>>,
    pub(crate) on_lost: Option<Hook<Error>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { min_ttl: Duration::from_secs(60), reuse_interval: None, most_sessions: 10_000, on_renewed: None, on_lost: None }
    }
}

impl Settings {
    pub(crate) fn tell_renewed(&self, credentials: &Credentials) -> Result<()> {
        tell(self.on_renewed.as_ref(), credentials).map_err(|Panicked| {
            Error::configuration("the on_renewed hook panicked, while the credentials are renewed and stored; correct the hook")
        })
    }

    /// Its caller gets an error in any case.
    pub(crate) fn tell_lost(&self, error: &Error) {
        let _ = tell(self.on_lost.as_ref(), error);
    }
}

struct Panicked;

fn tell<T>(hook: Option<&Hook<T>>, news: &T) -> Result<(), Panicked> {
    let Some(hook) = hook else { return Ok(()) };
    // Whatever the hook left half-done is its own.
    catch_unwind(AssertUnwindSafe(|| hook(news))).map_err(|_| Panicked)
}
