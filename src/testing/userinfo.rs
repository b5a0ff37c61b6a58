use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::answer;
use super::seen::SeenRequest;
use super::tenant::Tenant;

impl Tenant {
    /// OpenID Connect Core 1.0, section 5.3.
    pub(super) fn user_info(&self, request: &SeenRequest) -> Response<Bytes> {
        let now = self.now();
        let issued = request.bearer().and_then(|token| self.grants().issued.get(token).cloned());
        let Some(issued) = issued.filter(|issued| now < issued.expires_at) else {
            return challenge(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is unknown or has expired");
        };
        let allowed = issued.scope.split(' ').any(|word| word == "openid");
        let Some(email) = issued.email.filter(|_| allowed) else {
            return challenge(StatusCode::FORBIDDEN, "insufficient_scope", "The access token lacks the scope openid");
        };
        answer::json(StatusCode::OK, &Value::Object(self.user(&email).claims_for(&issued.scope)))
    }
}

/// RFC 6750, section 3.
fn challenge(status: StatusCode, code: &str, description: &str) -> Response<Bytes> {
    let mut response = answer::error(status, code, description);
    let challenge = format!(r#"Bearer error="{code}", error_description="{description}""#);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::try_from(challenge).expect("the words above are ASCII"));
    response
}
