use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::answer;
use super::endpoint::Endpoint;
use super::proof::ALGORITHMS;
use super::tenant::Tenant;

impl Tenant {
    /// OpenID Connect Discovery 1.0, section 3.
    pub(super) fn discovery(&self) -> Response<Bytes> {
        let mut metadata = json!({
            "issuer": self.issuer,
            "authorization_endpoint": self.url(Endpoint::Authorize),
            "token_endpoint": self.url(Endpoint::Token),
            "device_authorization_endpoint": self.url(Endpoint::DeviceCode),
            "backchannel_authentication_endpoint": self.url(Endpoint::Ciba),
            "backchannel_token_delivery_modes_supported": ["poll"],
            "userinfo_endpoint": self.url(Endpoint::UserInfo),
            "jwks_uri": self.url(Endpoint::Jwks),
            "revocation_endpoint": self.url(Endpoint::Revoke),
            "introspection_endpoint": self.url(Endpoint::Introspect),
            "pushed_authorization_request_endpoint": self.url(Endpoint::Par),
            "end_session_endpoint": self.url(Endpoint::Logout),
            "registration_endpoint": self.url(Endpoint::Register),
            "mfa_challenge_endpoint": self.url(Endpoint::MfaChallenge),
            "scopes_supported": ["openid", "profile", "offline_access", "name", "email", "nickname", "picture"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:openid:params:grant-type:ciba",
                "http://auth0.com/oauth/grant-type/password-realm",
                "http://auth0.com/oauth/grant-type/passwordless/otp",
                "http://auth0.com/oauth/grant-type/mfa-otp",
                "http://auth0.com/oauth/grant-type/mfa-oob",
                "http://auth0.com/oauth/grant-type/mfa-recovery-code",
                "urn:ietf:params:oauth:grant-type:token-exchange",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.settings.id_token_algorithm.name()],
            "userinfo_signing_alg_values_supported": [self.settings.id_token_algorithm.name()],
            "authorization_signing_alg_values_supported": [self.settings.id_token_algorithm.name()],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "client_secret_jwt",
                "private_key_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "HS256"],
            "dpop_signing_alg_values_supported": ALGORITHMS,
            "claims_supported": ["aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "name", "nickname", "picture", "sub"],
            "request_parameter_supported": true,
            "request_uri_parameter_supported": true,
            "request_object_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
        });
        if self.settings.requires_pushed_requests {
            metadata["require_pushed_authorization_requests"] = true.into();
        }
        if self.settings.sends_issuer {
            metadata["authorization_response_iss_parameter_supported"] = true.into();
        }
        answer::json(StatusCode::OK, &metadata)
    }
}
