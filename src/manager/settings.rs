use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
#[cfg(feature = "tracing")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::manager::session::{Session, Sessions};
use crate::store::{DynStore, RecordKey};
#[cfg(feature = "tracing")]
use crate::token::holds_scope;
use crate::web_auth::builder::WebAuth;

/// The parts that all sessions of a manager share: the login, the store, and the settings.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) auth: WebAuth,
    pub(crate) store: DynStore,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) settings: Settings,
    #[cfg(feature = "tracing")]
    pub(crate) offline_access: Arc<OfflineAccessWarning>,
}

/// The settings of a manager.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) min_ttl: Duration,
    pub(crate) may_resend: bool,
    pub(crate) max_sessions: usize,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) recheck_after: Duration,
    pub(crate) on_renewed: Option<Hook<Credentials>>,
    pub(crate) on_login_required: Option<Hook<Error>>,
}

pub(crate) type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

impl Program {
    pub(crate) fn application(&self) -> &Application {
        self.auth.application()
    }

    pub(crate) fn session(&self, key: RecordKey) -> Arc<Session> {
        self.sessions.get(key, self.settings.max_sessions, self.application().time().now())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_ttl: Duration::from_secs(60),
            may_resend: true,
            max_sessions: 10_000,
            max_lifetime: None,
            recheck_after: Duration::from_secs(30),
            on_renewed: None,
            on_login_required: None,
        }
    }
}

impl Settings {
    pub(crate) fn call_on_renewed(&self, credentials: &Credentials) -> Result<()> {
        call(self.on_renewed.as_ref(), credentials).map_err(|Panicked| {
            Error::configuration("the on_renewed hook panicked, while the credentials are renewed and stored; correct the hook")
        })
    }

    /// The caller gets the error in any case.
    pub(crate) fn call_on_login_required(&self, error: &Error) {
        let _ = call(self.on_login_required.as_ref(), error);
    }
}

struct Panicked;

fn call<T>(hook: Option<&Hook<T>>, argument: &T) -> Result<(), Panicked> {
    let Some(hook) = hook else { return Ok(()) };
    // A hook that panics leaves only its own state half-done.
    catch_unwind(AssertUnwindSafe(|| hook(argument))).map_err(|_| Panicked)
}

/// Logs once that a login cannot be renewed: a program that forgets the scope works until the first token ends.
#[cfg(feature = "tracing")]
#[derive(Default)]
pub(crate) struct OfflineAccessWarning {
    is_logged: AtomicBool,
}

#[cfg(feature = "tracing")]
impl OfflineAccessWarning {
    pub(crate) fn check(&self, credentials: &Credentials) {
        if credentials.refresh_token().is_some() || self.is_logged.swap(true, Ordering::Relaxed) {
            return;
        }
        let scope = &credentials.parts().requested.scope;
        let remedy = if holds_scope(scope, "online_access") {
            "although online_access was asked for: allow it to this application at Auth0, where it gives a refresh token that ends with the person's session"
        } else if holds_scope(scope, "offline_access") {
            "although offline_access was asked for: allow offline access for this API at the provider, or set prompt(\"consent\")"
        } else {
            "add offline_access to the scope"
        };
        tracing::warn!(
            target: "hallpass",
            "the credentials have no refresh token, so a person has to log in again when they end; {remedy}"
        );
    }
}
