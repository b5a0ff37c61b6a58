use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::client::REGISTERED;
use super::seen::SeenRequest;
use super::tenant::Tenant;

impl Tenant {
    /// RFC 7591, section 3. Every registration gets the same public client, which may use `/callback` on loopback.
    pub(super) fn register(&self, request: &SeenRequest) -> Response<Bytes> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let uris: Option<Vec<&str>> = body["redirect_uris"].as_array().and_then(|uris| uris.iter().map(Value::as_str).collect());
        let client = self.client(REGISTERED).expect("every provider begins with it");
        let is_allowed = |uris: &Vec<&str>| !uris.is_empty() && uris.iter().all(|uri| client.allows_callback(uri));
        let Some(uris) = uris.filter(is_allowed) else {
            return answer::error(StatusCode::BAD_REQUEST, "invalid_redirect_uri", "The redirect URIs are not on loopback");
        };
        let mut registered = json!({ "client_id": REGISTERED, "redirect_uris": uris });
        for name in ["client_name", "token_endpoint_auth_method", "grant_types", "response_types"] {
            registered[name] = body[name].clone();
        }
        answer::json(StatusCode::CREATED, &registered)
    }
}
