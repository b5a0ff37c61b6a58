use crate::crypto::Algorithm;
use crate::provider::Purpose;

/// The algorithms that an application is registered for at its provider, as far as the program says.
#[derive(Debug, Clone, Default)]
pub(crate) struct RegisteredAlgorithms {
    pub(crate) id_token: Option<RegisteredAlgorithm>,
    pub(crate) user_info: Option<RegisteredAlgorithm>,
    pub(crate) authorization_response: Option<RegisteredAlgorithm>,
    pub(crate) logout_token: Option<RegisteredAlgorithm>,
}

/// One algorithm, by the name that the program gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegisteredAlgorithm {
    Known(Algorithm),
    Unknown,
}

impl RegisteredAlgorithms {
    /// OpenID Connect Back-Channel Logout 1.0, section 2.6: the algorithm of a logout token is that of ID tokens.
    pub(crate) fn of(&self, purpose: Purpose) -> Option<RegisteredAlgorithm> {
        match purpose {
            Purpose::IdToken => self.id_token,
            Purpose::UserInfo => self.user_info,
            Purpose::AuthorizationResponse => self.authorization_response,
            Purpose::LogoutToken => self.logout_token.or(self.id_token),
        }
    }
}

impl RegisteredAlgorithm {
    pub(crate) fn named(name: &str) -> Self {
        Algorithm::from_name(name).map_or(Self::Unknown, Self::Known)
    }
}
