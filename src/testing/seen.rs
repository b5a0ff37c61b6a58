use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use serde_json::{Map, Value};
use url::form_urlencoded;

/// A request as it arrived, with nothing left out: secrets, too, are what a test looks for.
#[derive(Debug, Clone)]
pub struct SeenRequest(Arc<Request<Bytes>>);

impl SeenRequest {
    pub(super) fn new(request: Request<Bytes>) -> Self {
        Self(Arc::new(request))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.0.method()
    }

    /// The path, as it was sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.uri().path()
    }

    /// The text after the `?`, as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.uri().query()
    }

    /// A parameter of the query, decoded; the first one of that name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All parameters of the query, decoded, in their order.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        pairs(self.query().unwrap_or_default().as_bytes())
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// A header's value; none when it is absent, or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.body()
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.0.body())
    }

    /// A field of a form in the body, decoded, or a text of a JSON object there; the first one of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All fields of a form in the body, decoded, in their order; or the texts of a JSON object there.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        if self.header(CONTENT_TYPE.as_str()) != Some("application/json") {
            return pairs(self.0.body());
        }
        let object: Map<String, Value> = serde_json::from_slice(self.0.body()).unwrap_or_default();
        object.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
    }

    /// The same, as if it bore no token.
    pub(super) fn without_authorization(&self) -> Self {
        let mut request = (*self.0).clone();
        request.headers_mut().remove(AUTHORIZATION);
        Self::new(request)
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.0.body().clone()
    }

    /// The value of `name` in a `Cookie` header.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.header("cookie")?;
        cookies.split("; ").filter_map(|cookie| cookie.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        self.access_token().filter(|(_, shown)| *shown == Shown::AsBearer).map(|(token, _)| token)
    }

    /// The access token, and whether it was shown as one that is bound to a key.
    pub(super) fn access_token(&self) -> Option<(&str, Shown)> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        let shown = [("bearer", Shown::AsBearer), ("dpop", Shown::WithProof)];
        shown.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)).map(|(_, shown)| (token, shown))
    }
}

/// The way in which an access token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    AsBearer,
    WithProof,
}

impl Shown {
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::AsBearer => "Bearer",
            Self::WithProof => "DPoP",
        }
    }
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}
