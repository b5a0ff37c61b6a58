use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use url::{Url, form_urlencoded};

use crate::error::{Error, Result};
use crate::provider::{Metadata, Organization};
use crate::token::holds_scope;
use crate::web_auth::pending::LoginSecrets;

/// What a login asks the provider for, beside what protects it.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) scope: Arc<str>,
    /// The API that the access token is to be for: `audience` or `resource`, which stands among the others, too.
    pub(crate) audience: Option<Arc<str>>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) organization: Option<Arc<Organization>>,
    /// In the order in which they were set; a name stands there once.
    others: Vec<(String, String)>,
    /// The first thing that is wrong with them, said when the login starts.
    refusal: Option<Error>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            scope: Arc::from("openid profile email"),
            audience: None,
            max_age: None,
            organization: None,
            others: Vec::new(),
            refusal: None,
        }
    }
}

impl Parameters {
    pub(crate) fn set(&mut self, name: &str, value: String) {
        if matches!(name, "audience" | "resource") {
            self.audience = Some(value.as_str().into());
        }
        if OURS.contains(&name) {
            self.refuse(format!("the parameter {name} is this crate's own and cannot be set"));
        } else if let Some(known) = self.others.iter_mut().find(|known| known.0 == name) {
            known.1 = value;
        } else {
            self.others.push((name.to_owned(), value));
        }
    }

    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        self.refusal.get_or_insert_with(|| Error::configuration(why.into()));
    }

    /// The URL that the person's browser is sent to (OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636, section 4.3).
    pub(crate) fn authorize_url(
        &self,
        metadata: &Metadata,
        client_id: &str,
        redirect_uri: &str,
        secrets: &LoginSecrets,
    ) -> Result<Url> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let endpoint = metadata.authorization_endpoint.as_str();
        let others: usize = self.others.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        // One allocation for all but values that are mostly encoded; what protects the login takes 300 bytes.
        let length = endpoint.len() + client_id.len() + redirect_uri.len() + self.scope.len() + others + 512;
        let mut query = Query(String::with_capacity(length));
        query.0.push_str(endpoint);
        query.0.push(if metadata.authorization_endpoint.query().is_none() { '?' } else { '&' });
        query.push("response_type", "code");
        query.push("client_id", client_id);
        query.push("redirect_uri", redirect_uri);
        if !self.scope.is_empty() {
            query.push("scope", &self.scope);
        }
        query.push("state", &secrets.state());
        if holds_scope(&self.scope, "openid") {
            query.push("nonce", &secrets.nonce());
        }
        query.push("code_challenge", &secrets.code_challenge());
        query.push("code_challenge_method", "S256");
        if let Some(max_age) = self.max_age {
            query.push_number("max_age", max_age.as_secs());
        }
        if let Some(organization) = &self.organization {
            query.push("organization", organization.as_str());
        }
        for (name, value) in &self.others {
            query.push(name, value);
        }
        Url::parse(&query.0).map_err(|error| Error::configuration("the authorization URL could not be built").with_source(error))
    }
}

struct Query(String);

impl Query {
    fn push(&mut self, name: &str, value: &str) {
        self.push_name(name);
        self.0.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }

    fn push_number(&mut self, name: &str, value: u64) {
        self.push_name(name);
        write!(self.0, "{value}").expect("a String takes everything");
    }

    fn push_name(&mut self, name: &str) {
        if !self.0.ends_with(['?', '&']) {
            self.0.push('&');
        }
        self.0.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.0.push('=');
    }
}

/// What protects the login, and what has a setter of its own.
const OURS: [&str; 13] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "organization",
    // A request object overrides all parameters beside it (OpenID Connect Core 1.0, section 6.1).
    "request",
    "request_uri",
];
