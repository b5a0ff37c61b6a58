use std::sync::Arc;

use arc_swap::ArcSwapOption;
use url::Url;

use crate::error::Result;
use crate::provider::Metadata;
use crate::web_auth::parameters::Parameters;
use crate::web_auth::request::{AuthorizationRequest, Value, Written};

/// A URL of the authorization endpoint. What stands in the endpoint's own query stays there.
pub(crate) struct AuthorizeUrl(Url);

impl AuthorizeUrl {
    pub(crate) fn new(metadata: &Metadata) -> Result<Self> {
        Ok(Self(metadata.login_endpoint()?.clone()))
    }

    pub(crate) fn with(mut self, write: impl FnOnce(&mut Self)) -> Url {
        write(&mut self);
        self.0
    }
}

impl Written for AuthorizeUrl {
    fn put(&mut self, name: &str, value: Value<'_>) {
        let mut query = self.0.query_pairs_mut();
        match value {
            Value::Text(text) | Value::Json(text) => query.append_pair(name, text),
            Value::Number(number) => query.append_pair(name, &number.to_string()),
        };
    }
}

/// The URLs of a program's logins, which begin alike: that is written once.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuthorizeUrls(Arc<ArcSwapOption<Beginning>>);

#[derive(Debug)]
struct Beginning {
    endpoint: Url,
    client_id: Box<str>,
    redirect_uri: Box<str>,
    /// Held, so that a change makes new ones.
    parameters: Arc<Parameters>,
    url: Url,
}

impl AuthorizeUrls {
    pub(crate) fn url(&self, metadata: &Metadata, request: &AuthorizationRequest<'_>) -> Result<Url> {
        let endpoint = metadata.login_endpoint()?;
        let known = self.0.load();
        let url = match &*known {
            Some(beginning) if beginning.is_of(endpoint, request) => beginning.url.clone(),
            _ => self.begin(endpoint, request),
        };
        Ok(AuthorizeUrl(url).with(|url| request.write_protection(url)))
    }

    fn begin(&self, endpoint: &Url, request: &AuthorizationRequest<'_>) -> Url {
        let url = AuthorizeUrl(endpoint.clone()).with(|url| request.write_wishes(url));
        self.0.store(Some(Arc::new(Beginning {
            endpoint: endpoint.clone(),
            client_id: request.client_id.into(),
            redirect_uri: request.redirect_uri.into(),
            parameters: Arc::clone(request.parameters),
            url: url.clone(),
        })));
        url
    }
}

impl Beginning {
    fn is_of(&self, endpoint: &Url, request: &AuthorizationRequest<'_>) -> bool {
        Arc::ptr_eq(&self.parameters, request.parameters)
            && *self.redirect_uri == *request.redirect_uri
            && *self.client_id == *request.client_id
            && self.endpoint == *endpoint
    }
}
