use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use reqwest::Request;
use reqwest::blocking::Response;
#[cfg(any(feature = "form", feature = "json", feature = "query"))]
use serde::Serialize;

use super::body::Body;
use super::response::for_blocking;
use super::runtime::wait;
use crate::authorized_client;
use crate::error::Result;

/// A request that will carry a token; made by [`AuthorizedClient::get`](super::AuthorizedClient::get) and its siblings.
///
/// It has what [`reqwest::blocking::RequestBuilder`] has, and does the same, but for `bearer_auth` and `basic_auth`: who is
/// calling is for the client to say.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder(authorized_client::RequestBuilder);

impl RequestBuilder {
    pub(super) fn new(request: authorized_client::RequestBuilder) -> Self {
        Self(request)
    }

    /// Adds a header, beside others of the same name.
    pub fn header<K, V>(self, key: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        Self(self.0.header(key, value))
    }

    /// Adds headers, in place of others of the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        Self(self.0.headers(headers))
    }

    /// Appends parameters to the URL's query.
    #[cfg(feature = "query")]
    #[cfg_attr(docsrs, doc(cfg(feature = "query")))]
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        Self(self.0.query(query))
    }

    /// A JSON body.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        Self(self.0.json(json))
    }

    /// A form body, `application/x-www-form-urlencoded`.
    #[cfg(feature = "form")]
    #[cfg_attr(docsrs, doc(cfg(feature = "form")))]
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        Self(self.0.form(form))
    }

    /// A `multipart/form-data` body. It is a stream: after a refused token it cannot be sent again, and the 401 is returned.
    #[cfg(feature = "multipart")]
    #[cfg_attr(docsrs, doc(cfg(feature = "multipart")))]
    pub fn multipart(self, form: reqwest::multipart::Form) -> Self {
        Self(self.0.multipart(form))
    }

    /// The body: bytes, text, a file, or what a reader yields.
    pub fn body(self, body: impl Into<Body>) -> Self {
        Self(self.0.body(body.into().into_inner()))
    }

    /// The limit for the whole call: waiting for a token, all requests for it, and the response's body.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// The HTTP version.
    pub fn version(self, version: Version) -> Self {
        Self(self.0.version(version))
    }

    /// A second request like this one; none when the body is read from somewhere, or when the request cannot be built.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        self.0.try_clone().map(Self)
    }

    /// The request, without a token: it gets one in [`AuthorizedClient::execute`](super::AuthorizedClient::execute).
    ///
    /// # Errors
    /// `Configuration` when the URL, a header or a body is not acceptable.
    pub fn build(self) -> Result<Request> {
        self.0.build()
    }

    /// Sends the request with a token, and waits for the response's head.
    ///
    /// # Errors
    /// As [`AuthorizedClient::execute`](super::AuthorizedClient::execute), and `Configuration` when the URL, a header or a body
    /// is not acceptable.
    pub fn send(self) -> Result<Response> {
        for_blocking(wait(self.0.send())?)
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
