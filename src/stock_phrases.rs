//! Known error texts of providers. Such a text repeats no secret of a request, even if a password is equal to one of its words.

/// Returns whether the text is a known error code, or a known explanation of one.
pub(crate) fn is_one(text: &str) -> bool {
    CODES.contains(&text)
        || [WRONG_CREDENTIALS.as_slice(), &DEAD_REFRESH_TOKEN, &WRONG_MFA_CODE, &OTHERS].iter().any(|list| list.contains(&text))
        || text == MALFORMED_MFA_TOKEN
}

pub(crate) const WRONG_CREDENTIALS: [&str; 3] =
    ["Wrong email or password.", "Wrong email or verification code.", "Wrong phone number or verification code."];
pub(crate) const DEAD_REFRESH_TOKEN: [&str; 2] =
    ["Unknown or invalid refresh token.", "The refresh_token was generated for a user who doesn't exist anymore."];
pub(crate) const WRONG_MFA_CODE: [&str; 3] = ["Invalid otp_code.", "Invalid binding_code.", "MFA Authorization rejected."];
pub(crate) const MALFORMED_MFA_TOKEN: &str = "Malformed mfa_token";

const OTHERS: [&str; 8] = [
    "mfa_token is expired",
    "Multifactor authentication required",
    "Password is too weak",
    "Password has previously been used",
    "Invalid sign up",
    "The user already exists.",
    "User is already enrolled.",
    "Unauthorized",
];

/// RFC 6749, sections 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6; RFC 8628, section 3.5; RFC 9449, section 8; and
/// Auth0's own.
const CODES: [&str; 43] = [
    "access_denied",
    "account_selection_required",
    "association_required",
    "authorization_pending",
    "bad.connection",
    "bad.email",
    "consent_required",
    "expired_token",
    "interaction_required",
    "invalid_client",
    "invalid_dpop_nonce",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_password",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "invalid_signup",
    "invalid_target",
    "invalid_token",
    "invalid_user_password",
    "login_required",
    "mfa_required",
    "password_leaked",
    "request_not_supported",
    "request_uri_not_supported",
    "requires_verification",
    "server_error",
    "slow_down",
    "sms_provider_error",
    "temporarily_unavailable",
    "too_many_attempts",
    "too_many_requests",
    "unauthorized",
    "unauthorized_client",
    "unsupported_challenge_type",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "use_dpop_nonce",
    "user_exists",
    "username_exists",
];
