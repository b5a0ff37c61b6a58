use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use reqwest::{Body, Request, Response};
#[cfg(any(feature = "form", feature = "json", feature = "query"))]
use serde::Serialize;

use super::caller::Caller;
use crate::error::{Error, Result};

/// A request that will carry a token; made by [`AuthorizedClient::get`](crate::AuthorizedClient::get) and its siblings.
///
/// It has what [`reqwest::RequestBuilder`] has, and does the same, but for `bearer_auth` and `basic_auth`: who is calling
/// is for the client to say.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    caller: Arc<Caller>,
    request: Result<Request>,
}

impl RequestBuilder {
    pub(super) fn new(caller: &Arc<Caller>, method: Method, url: &str) -> Self {
        let request = caller.authorizer.origins.resolve(url).map(|url| Request::new(method, url));
        Self { caller: Arc::clone(caller), request }
    }

    /// Adds a header, beside others of the same name.
    pub fn header<K, V>(self, key: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.edit(|request| request.header(key, value))
    }

    /// Adds headers, in place of others of the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.edit(|request| request.headers(headers))
    }

    /// Appends parameters to the URL's query.
    #[cfg(feature = "query")]
    #[cfg_attr(docsrs, doc(cfg(feature = "query")))]
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.edit(|request| request.query(query))
    }

    /// A JSON body.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        self.edit(|request| request.json(json))
    }

    /// A form body, `application/x-www-form-urlencoded`.
    #[cfg(feature = "form")]
    #[cfg_attr(docsrs, doc(cfg(feature = "form")))]
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        self.edit(|request| request.form(form))
    }

    /// A `multipart/form-data` body. It is a stream: after a refused token it cannot be sent again, and the 401 is returned.
    #[cfg(feature = "multipart")]
    #[cfg_attr(docsrs, doc(cfg(feature = "multipart")))]
    pub fn multipart(self, form: reqwest::multipart::Form) -> Self {
        self.edit(|request| request.multipart(form))
    }

    /// The body. Text and bytes are sent again, byte by byte the same, when a token was refused and another one is there;
    /// a stream cannot be, and the 401 is returned.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.edit(|request| request.body(body))
    }

    /// The limit for the whole call: waiting for a token, all requests for it, and the response's body.
    ///
    /// The timeout of the HTTP client, in contrast, holds for each request alone and for no wait for a token.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.edit(|request| request.timeout(timeout))
    }

    /// The HTTP version.
    pub fn version(self, version: Version) -> Self {
        self.edit(|request| request.version(version))
    }

    /// A second request like this one; none when the body is a stream, or when the request cannot be built.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        let request = self.request.as_ref().ok()?.try_clone()?;
        Some(Self { caller: Arc::clone(&self.caller), request: Ok(request) })
    }

    /// The request, without a token: it gets one in [`AuthorizedClient::execute`](crate::AuthorizedClient::execute).
    ///
    /// # Errors
    /// `Configuration` when the URL, a header or a body is not acceptable.
    pub fn build(self) -> Result<Request> {
        self.request
    }

    /// Sends the request with a token.
    ///
    /// # Errors
    /// As [`AuthorizedClient::execute`](crate::AuthorizedClient::execute), and `Configuration` when the URL, a header or a body
    /// is not acceptable.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, as with reqwest. What becomes of a renewal is the token source's affair.
    pub async fn send(self) -> Result<Response> {
        self.caller.call(self.request?).await
    }

    /// By reqwest's own builder, so that nothing differs from it.
    fn edit(self, edit: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        let Self { caller, request } = self;
        let request = request.and_then(|request| {
            let builder = reqwest::RequestBuilder::from_parts(caller.client()?.clone(), request);
            edit(builder).build().map_err(|error| Error::network("the call to the API", error))
        });
        Self { caller, request }
    }
}

/// Method, origin and path; neither query nor headers nor body.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RequestBuilder");
        match &self.request {
            Ok(request) => {
                let origin = request.url().origin().ascii_serialization();
                debug.field("method", request.method()).field("origin", &origin).field("path", &request.url().path())
            }
            Err(error) => debug.field("error", error),
        };
        debug.finish_non_exhaustive()
    }
}
