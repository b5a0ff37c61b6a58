//! Tokens for other tokens.

use http::StatusCode;
use serde_json::{Value, json};

use super::client::TestClient;
use super::grants::{Grant, Issued, unguessable};
use super::seen::SeenRequest;
use super::tenant::Tenant;
use super::token_endpoint::Outcome;
use crate::token::TokenExchange;

/// The subject of a token.
enum Subject {
    Person(String),
    Service(String),
}

impl Tenant {
    /// RFC 8693, section 2.
    pub(super) fn exchange(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        let invalid = |description| Err((StatusCode::BAD_REQUEST, "invalid_request", description));
        let Some(subject) = self.token_of(request, "subject_token", "subject_token_type") else {
            return invalid("The subject_token is not valid");
        };
        let acts = request.field("actor_token").is_some() || request.field("actor_token_type").is_some();
        let actor = self.token_of(request, "actor_token", "actor_token_type");
        if acts && actor.is_none() {
            return invalid("The actor_token is not valid");
        }
        let asked = request.field("scope").unwrap_or_default();
        let grant = match subject {
            Subject::Person(email) => Grant { jkt, ..self.granted_to(client, email, request) },
            Subject::Service(id) => {
                let mut body = self.token_body(&self.service_token(id, request, jkt.clone()), jkt.as_deref());
                body["issued_token_type"] = TokenExchange::ACCESS_TOKEN.into();
                return Ok(body);
            }
        };
        let wanted = request.field("requested_token_type").unwrap_or_else(|| TokenExchange::ACCESS_TOKEN.to_owned());
        let refresh_token = || self.grants().begin_family(grant.clone()).1;
        match &*wanted {
            TokenExchange::ACCESS_TOKEN | TokenExchange::JWT => {
                let offline = grant.scope.split(' ').any(|word| word == "offline_access");
                let mut body = self.respond(&grant, &asked, offline.then(refresh_token).as_deref(), None);
                body["issued_token_type"] = TokenExchange::ACCESS_TOKEN.into();
                Ok(body)
            }
            TokenExchange::ID_TOKEN => Ok(not_applicable(&self.id_token(&grant, "", None), &wanted, 300)),
            TokenExchange::REFRESH_TOKEN => Ok(not_applicable(&refresh_token(), &wanted, 300)),
            _ => invalid("No such requested_token_type can be issued"),
        }
    }

    /// As Auth0's Token Vault: the token of another service.
    pub(super) fn exchange_for_connection(&self, client: &TestClient, request: &SeenRequest) -> Outcome {
        let refused = |code, description| Err((StatusCode::UNAUTHORIZED, code, description));
        if !client.is_confidential() {
            return refused("unauthorized_client", "The client may not exchange tokens for those of a connection");
        }
        let Some(Subject::Person(_)) = self.token_of(request, "subject_token", "subject_token_type") else {
            return refused("invalid_request", "The subject_token is not valid");
        };
        if request.field("connection").is_none_or(|connection| connection.is_empty()) {
            return refused("invalid_request", "Missing required parameter: connection");
        }
        Ok(json!({
            "access_token": unguessable(),
            "issued_token_type": TokenExchange::CONNECTION_ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "openid profile",
        }))
    }

    /// As Auth0's Native to Web SSO: by a refresh token, for an audience that is none.
    pub(super) fn session_transfer(&self, grant: &Grant, request: &SeenRequest, refresh_token: Option<&str>) -> Option<Value> {
        let audience = request.field("audience")?;
        if !(audience.starts_with("urn:") && audience.ends_with(":session_transfer")) {
            return None;
        }
        let mut body = not_applicable(&unguessable(), TokenExchange::SESSION_TRANSFER_TOKEN, 60);
        if grant.scope.split(' ').any(|word| word == "openid") {
            let token = body["access_token"].as_str().unwrap_or_default().to_owned();
            body["id_token"] = self.id_token(grant, &token, None).into();
        }
        if let Some(refresh_token) = refresh_token {
            body["refresh_token"] = refresh_token.into();
        }
        Some(body)
    }

    /// RFC 7523, section 2.1: an assertion of a registered key's owner, about a person.
    pub(super) fn redeem_assertion(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        let Some(email) = self.asserted_person(&request.field("assertion").unwrap_or_default()) else {
            return Err((StatusCode::BAD_REQUEST, "invalid_grant", "The assertion is not valid"));
        };
        let grant = Grant { jkt, ..self.granted_to(client, email, request) };
        Ok(self.respond(&grant, &request.field("scope").unwrap_or_default(), None, None))
    }

    fn token_of(&self, request: &SeenRequest, token: &str, token_type: &str) -> Option<Subject> {
        let (token, token_type) = (request.field(token)?, request.field(token_type)?);
        let (now, grants) = (self.now(), self.grants());
        match &*token_type {
            TokenExchange::ACCESS_TOKEN | TokenExchange::JWT => {
                let issued = grants.issued.get(&token).filter(|issued| now < issued.expires_at)?;
                Some(issued.email.clone().map_or_else(|| Subject::Service(issued.client_id.clone()), Subject::Person))
            }
            TokenExchange::REFRESH_TOKEN => {
                let family = &grants.families[*grants.refresh_tokens.get(&token)?];
                (!family.revoked && family.current == token).then(|| Subject::Person(family.grant.email.clone()))
            }
            TokenExchange::ID_TOKEN => {
                drop(grants);
                let claims = self.signed_claims(&token)?;
                let expiry = claims.get("exp").and_then(Value::as_i64)?;
                let email = self.email_of(claims.get("sub").and_then(Value::as_str)?)?;
                (now.unix_seconds() < expiry).then_some(Subject::Person(email))
            }
            own => {
                let known = self.settings.subject_tokens.iter().find(|known| known.0 == own && known.1 == token)?;
                Some(Subject::Person(known.2.clone()))
            }
        }
    }

    pub(super) fn granted_to(&self, client: &TestClient, email: String, request: &SeenRequest) -> Grant {
        let filled = |name: &str| request.field(name).filter(|value| !value.is_empty());
        Grant {
            client_id: client.id.clone(),
            email,
            scope: self.granted(&request.field("scope").unwrap_or_default()),
            audience: filled("audience").or_else(|| filled("resource")),
            auth_time: self.now(),
            tell_auth_time: false,
            organization: filled("organization"),
            authorization_details: None,
            acr: None,
            session: unguessable(),
            jkt: None,
        }
    }

    fn service_token(&self, client_id: String, request: &SeenRequest, jkt: Option<String>) -> String {
        self.issue_access_token(Issued {
            email: None,
            client_id,
            scope: self.granted(&request.field("scope").unwrap_or_default()),
            audience: request.field("audience").or_else(|| request.field("resource")),
            issued_at: self.now(),
            expires_at: self.now().plus(self.settings.access_token_life),
            jkt,
        })
    }
}

/// RFC 8693, section 2.2.1: a token of another type is in `access_token`, too.
fn not_applicable(token: &str, kind: &str, life: u64) -> Value {
    json!({ "access_token": token, "issued_token_type": kind, "token_type": "N_A", "expires_in": life })
}

pub(super) const FEDERATED: &str = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
