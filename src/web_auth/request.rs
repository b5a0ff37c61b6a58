use std::fmt::Write as _;

use url::{Url, form_urlencoded};

use crate::error::{Error, Result};
use crate::form::Form;
use crate::provider::Metadata;
use crate::token::holds_scope;
use crate::web_auth::parameters::{Kind, Parameters};
use crate::web_auth::pending::LoginSecrets;

/// The authorization request of one login (OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636, section 4.3).
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) secrets: &'a LoginSecrets,
}

/// What a request is written to, one parameter after the other: a URL's query, a form, or the claims of a request object.
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
        let Parameters { scope, demands, response_mode, .. } = self.parameters;
        to.put("response_type", Value::Text("code"));
        if let Some(mode) = response_mode.name() {
            to.put("response_mode", Value::Text(mode));
        }
        to.put("client_id", Value::Text(self.client_id));
        to.put("redirect_uri", Value::Text(self.redirect_uri));
        if !scope.is_empty() {
            to.put("scope", Value::Text(scope));
        }
        to.put("state", Value::Text(&self.secrets.state()));
        if holds_scope(scope, "openid") {
            to.put("nonce", Value::Text(&self.secrets.nonce()));
        }
        to.put("code_challenge", Value::Text(&self.secrets.code_challenge()));
        to.put("code_challenge_method", Value::Text("S256"));
        if let Some(key) = &self.secrets.dpop_key {
            // RFC 9449, section 10: the code is bound to the key, too.
            to.put("dpop_jkt", Value::Text(key.thumbprint()));
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
    }

    /// Of the query that it makes: enough for all but values that are mostly encoded.
    pub(crate) fn length(&self) -> usize {
        let others: usize = self.parameters.others().iter().map(|other| other.name.len() + other.value.len() + 8).sum();
        // What protects the login takes 300 bytes.
        self.client_id.len() + self.redirect_uri.len() + self.parameters.scope.len() + others + 512
    }
}

/// A URL of the authorization endpoint. What stands in the endpoint's own query stays there.
pub(crate) struct AuthorizeUrl(String);

impl AuthorizeUrl {
    /// `length` is that of what is about to be added.
    pub(crate) fn with_capacity(metadata: &Metadata, length: usize) -> Self {
        let endpoint = &metadata.authorization_endpoint;
        let mut url = String::with_capacity(endpoint.as_str().len() + length + 64);
        url.push_str(endpoint.as_str());
        url.push(if endpoint.query().is_none() { '?' } else { '&' });
        Self(url)
    }

    pub(crate) fn write(mut self, write: impl FnOnce(&mut Self)) -> Result<Url> {
        write(&mut self);
        Url::parse(&self.0).map_err(|error| {
            Error::configuration("the authorization URL could not be built; check what this program asks for").with_source(error)
        })
    }
}

impl Written for AuthorizeUrl {
    fn put(&mut self, name: &str, value: Value<'_>) {
        if !self.0.ends_with(['?', '&']) {
            self.0.push('&');
        }
        self.0.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.0.push('=');
        match value {
            Value::Text(text) | Value::Json(text) => self.0.extend(form_urlencoded::byte_serialize(text.as_bytes())),
            Value::Number(number) => write!(self.0, "{number}").expect("a String takes everything"),
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
