use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::error::Error;

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
    /// Auth0's `session_expiry` claim, in seconds since 1970: no renewal goes beyond it.
    pub(crate) fn session_is_over(&self, credentials: &Credentials, now: Timestamp) -> bool {
        let end = credentials.user().and_then(|user| user.get::<i64>("session_expiry"));
        end.is_some_and(|end| Timestamp::from_unix_seconds(end) <= now)
    }
}
