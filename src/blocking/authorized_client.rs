use std::time::Duration;

use http::{HeaderName, Method};
use reqwest::blocking::Response;
use reqwest::{ClientBuilder, Request};

use super::request::RequestBuilder;
use super::response::for_blocking;
use super::runtime::wait;
use crate::authorized_client::client::AuthorizedClient as AsyncAuthorizedClient;
use crate::error::Result;
use crate::token_source::TokenSource;

/// A [`reqwest::blocking::Client`] that puts an access token on every request: [`hallpass::AuthorizedClient`](crate::AuthorizedClient),
/// waited for.
///
/// Where tokens go, what becomes of a refusal and of redirects is told there. A client that is set up there becomes one
/// of these by `From`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use hallpass::testing::{Api, TestProvider};
/// # let runtime = tokio::runtime::Runtime::new()?; // the server's
/// # let provider = runtime.block_on(TestProvider::start());
/// # let server = runtime.block_on(Api::start(&provider, "https://api.acme.com"));
/// # let (text, url) = (provider.access_token("https://api.acme.com", "read:messages"), server.url());
/// use hallpass::{AccessToken, blocking::AuthorizedClient};
///
/// let token = AccessToken::bearer(text)?; // or whatever else is a TokenSource
/// let api = AuthorizedClient::new(token)?.base_url(url)?;
/// let messages = api.get("messages").query(&[("limit", "10")]).send()?.error_for_status()?.text()?;
/// # Ok(()) }
/// ```
///
/// # Defaults
/// 30 seconds for each request and its response's body, as `reqwest::blocking` has it.
#[derive(Debug, Clone)]
pub struct AuthorizedClient(AsyncAuthorizedClient);

impl AuthorizedClient {
    /// With the default settings of `reqwest::blocking`.
    ///
    /// # Errors
    /// None today: settings that cannot work are an error of the first request, of kind `Configuration`.
    pub fn new(source: impl TokenSource) -> Result<Self> {
        Self::from_builder(reqwest::Client::builder().timeout(TIMEOUT), source)
    }

    /// With your settings: timeouts, proxies, certificates, default headers. The redirect policy among them is replaced by this
    /// client's own.
    ///
    /// # Errors
    /// None today: settings that cannot work are an error of the first request, of kind `Configuration`.
    pub fn from_builder(builder: ClientBuilder, source: impl TokenSource) -> Result<Self> {
        AsyncAuthorizedClient::from_builder(builder, source).map(Self)
    }

    /// The base of relative URLs; see [`hallpass::AuthorizedClient::base_url`](crate::AuthorizedClient::base_url).
    ///
    /// # Errors
    /// `Configuration` when it is no absolute URL to which a token may go, or has a query or fragment.
    pub fn base_url(self, url: impl AsRef<str>) -> Result<Self> {
        self.0.base_url(url).map(Self)
    }

    /// Names an origin, such as `https://files.acme.com`, that tokens may go to.
    ///
    /// # Errors
    /// `Configuration` when it is no origin to which a token may go, or more than an origin.
    pub fn allow_origin(self, origin: impl AsRef<str>) -> Result<Self> {
        self.0.allow_origin(origin).map(Self)
    }

    /// The word before the token, where an API wants another one than `Bearer`. An empty one leaves the token alone.
    ///
    /// # Errors
    /// `Configuration` when it is not one word of visible ASCII.
    pub fn scheme(self, scheme: impl Into<String>) -> Result<Self> {
        self.0.scheme(scheme).map(Self)
    }

    /// The header for the token, where an API wants another one than `Authorization`.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self(self.0.header(name))
    }

    /// A GET request.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A POST request.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A PUT request.
    pub fn put(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// A PATCH request.
    pub fn patch(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// A DELETE request.
    pub fn delete(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// A HEAD request.
    pub fn head(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// A request to an absolute URL, or one relative to [`base_url`](Self::base_url).
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(self.0.request(method, url))
    }

    /// Sends a request with a token, and waits for the response's head.
    ///
    /// # Errors
    /// As [`hallpass::AuthorizedClient::execute`](crate::AuthorizedClient::execute); `Configuration` on a thread of an async runtime.
    pub fn execute(&self, request: Request) -> Result<Response> {
        for_blocking(wait(self.0.execute(request))?)
    }
}

impl From<AsyncAuthorizedClient> for AuthorizedClient {
    fn from(client: AsyncAuthorizedClient) -> Self {
        Self(client)
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);
