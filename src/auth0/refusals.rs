use std::error::Error as StdError;

use crate::error::{Error, ServerError};
use crate::stock_phrases::{DEAD_REFRESH_TOKEN, MALFORMED_MFA_TOKEN, WRONG_CREDENTIALS, WRONG_MFA_CODE};

/// Predicates for Auth0's errors. Each is also true for an error that was caused by such an error.
impl Error {
    /// The login goes on with a second factor: see [`Auth0::mfa`](crate::auth0::Auth0::mfa).
    #[must_use]
    pub fn is_multifactor_required(&self) -> bool {
        self.is_refused_for("mfa_required")
    }

    /// The person has no second factor of the kind that was asked for, and is to enrol one: see [`Mfa::enrol`](crate::auth0::Mfa::enrol).
    #[must_use]
    pub fn is_multifactor_enrolment_required(&self) -> bool {
        self.is_refused_for("unsupported_challenge_type") || self.is_refused_for("association_required")
    }

    /// The code of the second factor, or the recovery code, is wrong: try again. A person who refuses at another device is an error
    /// with the code `access_denied`, of kind `Cancelled` from [`Mfa::wait_for_approval`](crate::auth0::Mfa::wait_for_approval).
    #[must_use]
    pub fn is_multifactor_code_invalid(&self) -> bool {
        self.is_invalid_grant(&WRONG_MFA_CODE)
    }

    /// The time for the second factor is over: begin with the first one.
    #[must_use]
    pub fn is_multifactor_token_invalid(&self) -> bool {
        self.is_refused(|refusal| refusal.code() == "expired_token" && refusal.description().is_some_and(is_about_mfa_token))
            || self.is_invalid_grant(&[MALFORMED_MFA_TOKEN])
    }

    /// The password, or the code from a mail or a text message, is wrong, or no account has this name.
    #[must_use]
    pub fn is_invalid_credentials(&self) -> bool {
        self.is_refused_for("invalid_user_password") || self.is_invalid_grant(&WRONG_CREDENTIALS)
    }

    /// The refresh token is spent, expired or revoked, or its person is no more. [`is_login_required`](Self::is_login_required) holds too.
    #[must_use]
    pub fn is_refresh_token_dead(&self) -> bool {
        self.is_invalid_grant(&DEAD_REFRESH_TOKEN)
    }

    /// The new password is too weak: [`ServerError::password_rules`] says why.
    #[must_use]
    pub fn is_password_not_strong_enough(&self) -> bool {
        self.is_password_refused_as("PasswordStrengthError")
    }

    /// The new password is one that the person had before.
    #[must_use]
    pub fn is_password_already_used(&self) -> bool {
        self.is_password_refused_as("PasswordHistoryError")
    }

    /// The password is known to have leaked somewhere: the person is to choose another one.
    #[must_use]
    pub fn is_password_leaked(&self) -> bool {
        self.is_refused_for("password_leaked")
    }

    /// An account with this address or user name exists. Most tenants answer `invalid_signup` without the reason, so that an
    /// attacker does not learn who their users are.
    #[must_use]
    pub fn is_user_already_known(&self) -> bool {
        self.is_refused_for("user_exists") || self.is_refused_for("username_exists")
    }

    /// A rule of the tenant (an Action) keeps this person out.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.is_refused_for("unauthorized")
    }

    /// Access was denied, by the person or by the tenant.
    #[must_use]
    pub fn is_access_denied(&self) -> bool {
        self.is_refused_for("access_denied")
    }

    /// The account or the address is blocked for a while after too many failed attempts.
    #[must_use]
    pub fn is_too_many_attempts(&self) -> bool {
        self.is_refused_for("too_many_attempts")
    }

    /// The login looks suspicious, and is not possible here: send the person through the browser.
    #[must_use]
    pub fn is_verification_required(&self) -> bool {
        self.is_refused_for("requires_verification")
    }

    /// The person has not agreed yet, and could not be asked.
    #[must_use]
    pub fn is_consent_required(&self) -> bool {
        self.is_refused_for("consent_required")
    }

    /// The person would have to do something, and could not be asked to.
    #[must_use]
    pub fn is_interaction_required(&self) -> bool {
        self.is_refused_for("interaction_required")
    }

    /// A proof of possession lacks the server's nonce. The request is sent once more with a nonce, automatically.
    #[must_use]
    pub fn is_dpop_nonce_required(&self) -> bool {
        self.is_refused_for("use_dpop_nonce")
    }

    fn is_refused_for(&self, code: &str) -> bool {
        self.is_refused(|refusal| refusal.code() == code)
    }

    fn is_invalid_grant(&self, descriptions: &[&str]) -> bool {
        self.is_refused(|refusal| {
            refusal.code() == "invalid_grant" && refusal.description().is_some_and(|text| descriptions.contains(&text))
        })
    }

    fn is_password_refused_as(&self, name: &str) -> bool {
        self.is_refused(|refusal| refusal.code() == "invalid_password" && refusal.name() == Some(name))
    }

    /// Returns whether this error, or an error that caused it, is such a refusal by the provider.
    fn is_refused(&self, as_asked: impl Fn(&ServerError) -> bool) -> bool {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            let refusal = error.downcast_ref::<Self>().and_then(Self::server_error);
            if refusal.is_some_and(&as_asked) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

fn is_about_mfa_token(description: &str) -> bool {
    description.contains("mfa_token")
}
