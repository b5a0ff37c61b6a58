use time::OffsetDateTime;

use crate::error::Error;

/// The state of a session, as far as is known without asking the provider: see
/// [`CredentialsManager::status`](crate::CredentialsManager::status).
#[derive(Debug, Clone)]
pub struct Status {
    pub(super) is_logged_in: bool,
    pub(super) can_renew: bool,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) ends_at: Option<OffsetDateTime>,
    pub(super) failure: Option<(OffsetDateTime, Error)>,
}

impl Status {
    /// Returns `true` if there are credentials that can be used or renewed. Else a person has to log in.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    /// Returns `true` if there is a refresh token that the provider has not refused.
    #[must_use]
    pub fn can_renew(&self) -> bool {
        self.can_renew
    }

    /// The end of the access token; none when there is no token, or the provider did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at
    }

    /// The end of the login, as far as is known: no renewal goes past it.
    #[must_use]
    pub fn ends_at(&self) -> Option<OffsetDateTime> {
        self.ends_at
    }

    /// The error of the last renewal by this process, and since when renewals fail; none after one that succeeded.
    #[must_use]
    pub fn failure(&self) -> Option<(OffsetDateTime, &Error)> {
        self.failure.as_ref().map(|(since, error)| (*since, error))
    }
}
