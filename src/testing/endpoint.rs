use super::passwordless::LINK_PATH;

/// The endpoints of the provider. Each is counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`, also as RFC 8414 places it.
    Discovery,
    /// `/.well-known/jwks.json`
    Jwks,
    /// `/authorize`: where a login begins.
    Authorize,
    /// The pages where the person logs in and consents.
    Login,
    /// No address of the provider: the redirect that sends the browser back to the application, with a code or an error. Its
    /// count is that of answers given; where they are posted, the page with their form. A fault's `set`, `remove`, `duplicate` and `query` are about the parameters.
    Callback,
    /// `/oauth/token`
    Token,
    /// `/userinfo`
    UserInfo,
    /// `/oauth/revoke`
    Revoke,
    /// `/oauth/introspect` (RFC 7662; Auth0 has none)
    Introspect,
    /// `/oauth/par`
    Par,
    /// `/oauth/device/code`
    DeviceCode,
    /// `/activate`: where the person types a device's code.
    Activate,
    /// `/bc-authorize`: asks a person on another device (CIBA).
    Ciba,
    /// `/v2/logout` and `/oidc/logout`
    Logout,
    /// `/oidc/register` (RFC 7591)
    Register,
    /// `/dbconnections/signup`
    SignUp,
    /// `/dbconnections/change_password`
    ChangePassword,
    /// `/passwordless/start`: sends a code or a link.
    PasswordlessStart,
    /// `/mfa/authenticators`, and the paths under it: a person's second factors.
    MfaAuthenticators,
    /// `/mfa/associate`: adds a second factor.
    MfaAssociate,
    /// `/mfa/challenge`: sends a code, or a question to a telephone.
    MfaChallenge,
    /// Any other path; the answer is 404.
    Other,
}

impl Endpoint {
    pub(super) const ALL: [Self; 22] = [
        Self::Discovery,
        Self::Jwks,
        Self::Authorize,
        Self::Login,
        Self::Callback,
        Self::Token,
        Self::UserInfo,
        Self::Revoke,
        Self::Introspect,
        Self::Par,
        Self::DeviceCode,
        Self::Activate,
        Self::Ciba,
        Self::Logout,
        Self::Register,
        Self::SignUp,
        Self::ChangePassword,
        Self::PasswordlessStart,
        Self::MfaAuthenticators,
        Self::MfaAssociate,
        Self::MfaChallenge,
        Self::Other,
    ];

    /// Relative to the issuer, without a leading slash.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Discovery => ".well-known/openid-configuration",
            Self::Jwks => ".well-known/jwks.json",
            Self::Authorize => "authorize",
            Self::Login => "u/login",
            Self::Callback => "callback",
            Self::Token => "oauth/token",
            Self::UserInfo => "userinfo",
            Self::Revoke => "oauth/revoke",
            Self::Introspect => "oauth/introspect",
            Self::Par => "oauth/par",
            Self::DeviceCode => "oauth/device/code",
            Self::Activate => "activate",
            Self::Ciba => "bc-authorize",
            Self::Logout => "oidc/logout",
            Self::Register => "oidc/register",
            Self::SignUp => "dbconnections/signup",
            Self::ChangePassword => "dbconnections/change_password",
            Self::PasswordlessStart => "passwordless/start",
            Self::MfaAuthenticators => "mfa/authenticators",
            Self::MfaAssociate => "mfa/associate",
            Self::MfaChallenge => "mfa/challenge",
            Self::Other => "other",
        }
    }

    /// Which one this path, relative to the issuer, belongs to.
    pub(super) fn of_path(path: &str) -> Self {
        match path {
            "v2/logout" => Self::Logout,
            "u/consent" | LINK_PATH => Self::Login,
            path if path.starts_with("mfa/authenticators/") => Self::MfaAuthenticators,
            "callback" | "other" => Self::Other,
            path => Self::ALL.into_iter().find(|endpoint| endpoint.path() == path).unwrap_or(Self::Other),
        }
    }
}
