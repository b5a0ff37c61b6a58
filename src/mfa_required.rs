use std::fmt;

use crate::error::Error;
use crate::secret::Secret;

/// Auth0's demand for a second factor: a token to continue with, and the factors that it accepts.
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

    /// The token for the second factor (`mfa_token`). It is valid for about ten minutes, also after a wrong code.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The kinds of factor that the person has and may use, such as `otp` or `phone`, if Auth0 names them.
    pub fn challenges(&self) -> impl Iterator<Item = &str> {
        self.challenges.iter().map(String::as_str)
    }

    /// The kinds of factor that the person, who has none yet, may enrol.
    pub fn enrolments(&self) -> impl Iterator<Item = &str> {
        self.enrolments.iter().map(String::as_str)
    }
}

impl Error {
    /// The second factor that a login needs: for the kind `MfaRequired`, at Auth0.
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
