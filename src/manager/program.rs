use std::sync::Arc;

use crate::application::Application;
use crate::manager::session::Session;
use crate::manager::sessions::Sessions;
use crate::manager::settings::Settings;
use crate::store::RecordKey;
use crate::store::dynamic::DynCredentialsStore;
use crate::web_auth::builder::WebAuth;

/// What all sessions of a manager have in common: how people log in, where credentials are stored, and how they are kept.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) auth: WebAuth,
    pub(crate) store: Arc<dyn DynCredentialsStore>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) settings: Settings,
}

impl Program {
    pub(crate) fn application(&self) -> &Application {
        self.auth.application()
    }

    pub(crate) fn session(&self, key: RecordKey) -> Arc<Session> {
        self.sessions.get(key, self.settings.most_sessions, self.application().time().now())
    }
}
