use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::answer;
use super::authorize::Refusal;
use super::grants::unguessable;
use super::seen::SeenRequest;
use super::tenant::Tenant;

impl Tenant {
    /// RFC 9126: what `/authorize` is to be asked, told beforehand.
    pub(super) fn push(&self, request: &SeenRequest) -> Response<Bytes> {
        if let Err(refusal) = self.authenticate(request) {
            return *refusal;
        }
        let mut sent = request.fields();
        // Section 2.1: "The request_uri authorization request parameter is one exception, and it MUST NOT be provided."
        if request.field("request_uri").is_some() {
            return answer::error(StatusCode::BAD_REQUEST, "invalid_request", "A request_uri cannot be pushed");
        }
        sent.retain(|(name, _)| !AUTHENTICATION.contains(&name.as_str()));
        if request.field("client_id").is_none() {
            return answer::error(StatusCode::BAD_REQUEST, "invalid_request", "Missing required parameter: client_id");
        }
        let unpacked = self.unpacked(sent);
        let parameters = match unpacked.and_then(|parameters| self.check(&parameters).map(|_| parameters)) {
            Ok(parameters) => parameters,
            Err(Refusal::Page(_, title, _)) => return answer::error(StatusCode::BAD_REQUEST, "invalid_request", title),
            Err(Refusal::Redirect(_, code, description)) => return answer::error(StatusCode::BAD_REQUEST, code, description),
        };
        let uri = format!("urn:ietf:params:oauth:request_uri:{}", unguessable());
        self.grants().pushed.insert(uri.clone(), (parameters, self.now().plus(LIFE)));
        answer::json(StatusCode::CREATED, &json!({ "request_uri": uri, "expires_in": LIFE.as_secs() }))
    }
}

/// The fields of a form that are not part of the request.
const AUTHENTICATION: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];
const LIFE: Duration = Duration::from_secs(30);
