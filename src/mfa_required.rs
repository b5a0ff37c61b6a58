use std::fmt;

use crate::error::Error;
use crate::secret::Secret;

/// What Auth0 says when a login needs a second factor: what to go on with, and which factors would do.
///
/// With the feature `auth0`, `Auth0::mfa` goes on from it.
#[derive(Clone, PartialEq, Eq)]
pub struct MfaRequired {
    token: Secret,
    challenges: Vec<String>,
    enrolments: Vec<String>,
}

impl MfaRequired {
    pub(crate) fn new(token: Secret, challenges: Vec<String>, enrolments: Vec<String>) -> Self {
        Self { token, challenges, enrolments }
    }

    /// What the first factor is worth (`mfa_token`): with the second one it becomes a login. It is good for ten minutes or so,
    /// also after a code that was wrong.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The kinds of factor that the person has and may use, such as `otp` or `phone`, as far as Auth0 says so.
    pub fn challenges(&self) -> impl Iterator<Item = &str> {
        self.challenges.iter().map(String::as_str)
    }

    /// The kinds of factor that the person, who has none yet, may enrol.
    pub fn enrolments(&self) -> impl Iterator<Item = &str> {
        self.enrolments.iter().map(String::as_str)
    }
}

impl Error {
    /// What a login goes on with that needs a second factor: of the kind `MfaRequired`, at Auth0.
    #[must_use]
    pub fn mfa(&self) -> Option<&MfaRequired> {
        self.attachment()
    }
}

impl fmt::Debug for MfaRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MfaRequired")
            .field("challenges", &self.challenges)
            .field("enrolments", &self.enrolments)
            .finish_non_exhaustive()
    }
}
