use std::collections::HashMap;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::client::TestClient;
use super::grants::{Grant, unguessable};
use super::seen::SeenRequest;
use super::tenant::Tenant;
use super::user::WRONG_PASSWORD;

/// The passwords of the accounts, by email address in lower case.
#[derive(Debug, Default)]
pub(super) struct Accounts(HashMap<String, String>);

/// A person who has shown the first factor, and what is wanted of it.
#[derive(Debug)]
pub(super) struct FirstFactor {
    pub(super) grant: Grant,
    pub(super) asked: String,
}

impl Tenant {
    /// A user without a configured password logs in with any but `wrong`.
    pub(super) fn is_password_of(&self, email: &str, password: &str) -> bool {
        let chosen = self.accounts().0.get(&email.to_lowercase()).cloned();
        let user = self.user(email);
        match chosen.as_deref().or_else(|| user.own_password()) {
            Some(own) => own == password,
            None => !email.is_empty() && password != WRONG_PASSWORD,
        }
    }

    pub(super) fn sign_up(&self, request: &SeenRequest) -> Response<Bytes> {
        let value = |name: &str| request.field(name).unwrap_or_default();
        if self.client(&value("client_id")).is_none() {
            return bad_request("invalid_client", "Client not found");
        }
        let password = value("password");
        // Flexible identifiers: one of the three is enough.
        let identifiers = ["email", "phone_number", "username"].map(|name| (name, value(name)));
        let Some((identifier, email)) = identifiers.iter().find(|(_, value)| !value.is_empty()).cloned() else {
            return bad_request("invalid_signup", "Invalid sign up");
        };
        if (identifier == "email" && !email.contains('@')) || value("connection").is_empty() {
            return bad_request("invalid_signup", "Invalid sign up");
        }
        if password.chars().count() < SHORTEST_PASSWORD {
            return answer::json(StatusCode::BAD_REQUEST, &too_weak());
        }
        let mut accounts = self.accounts();
        let is_known = self.settings.users.iter().any(|user| user.is(&email)) || accounts.0.contains_key(&email.to_lowercase());
        if is_known {
            return bad_request("invalid_signup", "Invalid sign up");
        }
        accounts.0.insert(email.to_lowercase(), password);
        let mut body = json!({ "_id": unguessable()[..24], "email_verified": false });
        for (name, value) in identifiers {
            if !value.is_empty() {
                body[name] = value.into();
            }
        }
        answer::json(StatusCode::OK, &body)
    }

    pub(super) fn change_password(&self, request: &SeenRequest) -> Response<Bytes> {
        if request.field("email").is_none_or(|email| email.is_empty()) {
            return answer::json(StatusCode::BAD_REQUEST, &json!({ "error": "email is required" }));
        }
        let mut response = Response::new(Bytes::from_static(b"We've just sent you an email to reset your password."));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response
    }

    /// `http://auth0.com/oauth/grant-type/password-realm`
    pub(super) fn password_grant(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Response<Bytes> {
        let value = |name: &str| request.field(name).unwrap_or_default();
        let email = value("username");
        if value("realm").is_empty() || !self.is_password_of(&email, &value("password")) {
            return answer::error(StatusCode::FORBIDDEN, "invalid_grant", "Wrong email or password.");
        }
        self.after_first_factor(self.first_factor(client, request, &email), jkt)
    }

    pub(super) fn first_factor(&self, client: &TestClient, request: &SeenRequest, email: &str) -> FirstFactor {
        let filled = |name: &str| request.field(name).filter(|value| !value.is_empty());
        let asked = filled("scope").unwrap_or_default();
        let grant = Grant {
            client_id: client.id.clone(),
            email: self.user(email).email().to_owned(),
            scope: self.granted(&asked),
            audience: filled("audience"),
            auth_time: self.now(),
            tell_auth_time: false,
            organization: filled("organization"),
            session: unguessable(),
            authorization_details: None,
            acr: None,
            jkt: None,
        };
        FirstFactor { grant, asked }
    }

    /// Issues tokens to a person who has shown all factors.
    pub(super) fn tokens_for(&self, FirstFactor { grant, asked }: FirstFactor, jkt: Option<String>) -> Value {
        let grant = Grant { jkt, ..grant };
        let offline = grant.scope.split(' ').any(|word| word == "offline_access");
        let refresh_token = offline.then(|| self.grants().begin_family(grant.clone()).1);
        self.respond(&grant, &asked, refresh_token.as_deref(), None)
    }
}

/// As Auth0's databases say it.
fn bad_request(code: &str, description: &str) -> Response<Bytes> {
    let body = json!({ "name": "BadRequestError", "code": code, "description": description, "statusCode": 400 });
    answer::json(StatusCode::BAD_REQUEST, &body)
}

fn too_weak() -> Value {
    json!({
        "name": "PasswordStrengthError",
        "message": "Password is too weak",
        "code": "invalid_password",
        "description": {
            "rules": [{
                "code": "lengthAtLeast",
                "message": "At least %d characters in length",
                "format": [SHORTEST_PASSWORD],
                "verified": false,
            }],
            "verified": false,
        },
        "policy": format!("* At least {SHORTEST_PASSWORD} characters in length"),
        "statusCode": 400,
    })
}

const SHORTEST_PASSWORD: usize = 8;
