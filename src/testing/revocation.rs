use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::answer;
use super::seen::SeenRequest;
use super::tenant::Tenant;

impl Tenant {
    /// RFC 7009. An unknown token is answered as a known one is.
    pub(super) fn revoke(&self, request: &SeenRequest) -> Response<Bytes> {
        let client = match self.authenticate(request) {
            Ok(client) => client,
            Err(refusal) => return *refusal,
        };
        let Some(token) = request.field("token") else {
            return answer::error(StatusCode::BAD_REQUEST, "invalid_request", "Missing required parameter: token");
        };
        let mut grants = self.grants();
        if let Some(&family) = grants.refresh_tokens.get(&token) {
            let family = &mut grants.families[family];
            if family.grant.client_id == client.id {
                family.revoked = true;
            }
        } else if grants.issued.get(&token).is_some_and(|issued| issued.client_id == client.id) {
            grants.issued.remove(&token);
        }
        answer::empty(StatusCode::OK)
    }

    /// RFC 7662, for confidential clients.
    pub(super) fn introspect(&self, request: &SeenRequest) -> Response<Bytes> {
        match self.authenticate(request) {
            Ok(client) if !client.is_confidential() => {
                return answer::error(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized");
            }
            Ok(_) => {}
            Err(refusal) => return *refusal,
        }
        let token = request.field("token").unwrap_or_default();
        let now = self.now();
        let grants = self.grants();
        let live = grants.refresh_tokens.get(&token).map(|&family| &grants.families[family]);
        let body = if let Some(issued) = grants.issued.get(&token).filter(|issued| now < issued.expires_at) {
            let subject = issued.email.as_deref().map(|email| self.user(email).subject().to_owned());
            let mut body = json!({
                "active": true,
                "iss": self.issuer,
                "sub": subject.unwrap_or_else(|| format!("{}@clients", issued.client_id)),
                "aud": issued.audience,
                "client_id": issued.client_id,
                "scope": issued.scope,
                "token_type": "Bearer",
                "iat": issued.issued_at.unix_seconds(),
                "exp": issued.expires_at.unix_seconds(),
            });
            if let Some(jkt) = &issued.jkt {
                // RFC 9449, section 6.2.
                body["token_type"] = "DPoP".into();
                body["cnf"] = json!({ "jkt": jkt });
            }
            body
        } else if let Some(family) = live.filter(|family| !family.revoked && family.current == token) {
            json!({
                "active": true,
                "iss": self.issuer,
                "sub": self.user(&family.grant.email).subject(),
                "client_id": family.grant.client_id,
                "scope": family.grant.scope,
            })
        } else {
            json!({ "active": false })
        };
        answer::json(StatusCode::OK, &body)
    }
}
