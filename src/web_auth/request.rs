use std::sync::Arc;

use crate::form::Form;
use crate::token::holds_scope;
use crate::web_auth::parameters::{Kind, Parameters};
use crate::web_auth::pending::LoginSecrets;

/// The authorization request of one login (OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636, section 4.3).
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) parameters: &'a Arc<Parameters>,
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) secrets: &'a LoginSecrets,
}

/// The target of a request's parameters: a URL's query, a form, or the claims of a request object.
pub(crate) trait Written {
    fn put(&mut self, name: &str, value: Value<'_>);
}

/// A parameter's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Json(&'a str),
}

impl AuthorizationRequest<'_> {
    /// All of it, wherever it is written to.
    pub(crate) fn write(&self, to: &mut impl Written) {
        self.write_wishes(to);
        self.write_protection(to);
    }

    /// Writes the parameters that are the same for each login.
    pub(crate) fn write_wishes(&self, to: &mut impl Written) {
        let Parameters { scope, demands, response_mode, .. } = &**self.parameters;
        to.put("response_type", Value::Text("code"));
        if let Some(mode) = response_mode.name() {
            to.put("response_mode", Value::Text(mode));
        }
        to.put("client_id", Value::Text(self.client_id));
        to.put("redirect_uri", Value::Text(self.redirect_uri));
        if !scope.is_empty() {
            to.put("scope", Value::Text(scope));
        }
        if let Some(max_age) = demands.max_age {
            to.put("max_age", Value::Number(max_age.as_secs()));
        }
        if let Some(organization) = &demands.organization {
            to.put("organization", Value::Text(organization.as_str()));
        }
        for other in self.parameters.others() {
            let value = match other.kind {
                Kind::Text => Value::Text(&other.value),
                Kind::Json => Value::Json(&other.value),
            };
            to.put(&other.name, value);
        }
        to.put("code_challenge_method", Value::Text("S256"));
    }

    /// Writes the parameters of this login alone.
    pub(crate) fn write_protection(&self, to: &mut impl Written) {
        to.put("state", Value::Text(&self.secrets.state()));
        if holds_scope(&self.parameters.scope, "openid") {
            to.put("nonce", Value::Text(&self.secrets.nonce()));
        }
        to.put("code_challenge", Value::Text(&self.secrets.code_challenge()));
        if let Some(key) = &self.secrets.dpop_key {
            // RFC 9449, section 10: the code is bound to the key, too.
            to.put("dpop_jkt", Value::Text(key.thumbprint()));
        }
    }
}

impl Written for Form {
    fn put(&mut self, name: &str, value: Value<'_>) {
        match value {
            Value::Text(text) | Value::Json(text) => self.push(name, text),
            Value::Number(number) => self.push(name, &number.to_string()),
        }
    }
}
