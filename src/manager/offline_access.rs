use std::sync::atomic::{AtomicBool, Ordering};

use crate::credentials::Credentials;
use crate::token::holds_scope;

/// Says once that a login cannot be renewed, and what helps: a program that forgets the scope works until the first token ends.
#[derive(Default)]
pub(crate) struct OfflineAccess {
    is_said: AtomicBool,
}

impl OfflineAccess {
    pub(crate) fn look_at(&self, credentials: &Credentials) {
        if credentials.refresh_token().is_some() || self.is_said.swap(true, Ordering::Relaxed) {
            return;
        }
        let remedy = if holds_scope(&credentials.parts().requested.scope, "offline_access") {
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
