use std::fmt;
use std::sync::{Arc, OnceLock};

use http::{HeaderName, Method};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Request, Response};

use crate::authorized_client::authorize::Authorizer;
use crate::authorized_client::caller::Caller;
use crate::authorized_client::clients::Clients;
use crate::authorized_client::origins::Origins;
use crate::authorized_client::presentation::Presentation;
use crate::authorized_client::renewal::Renewals;
use crate::authorized_client::request::RequestBuilder;
use crate::error::Result;
use crate::token_source::{DynTokenSource, TokenSource};

/// A [`reqwest::Client`] that puts an access token on every request.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # use hallpass::testing::{Api, TestProvider};
/// # let provider = TestProvider::start().await;
/// # let server = Api::start(&provider, "https://api.acme.com").await;
/// # let (text, url) = (provider.access_token("https://api.acme.com", "read:messages"), server.url());
/// use hallpass::{AccessToken, AuthorizedClient};
///
/// let token = AccessToken::bearer(text)?; // or whatever else is a TokenSource
/// let api = AuthorizedClient::from_builder(reqwest::Client::builder(), token)?.base_url(url)?;
/// let messages = api.get("messages").query(&[("limit", "10")]).send().await?.error_for_status()?.text().await?;
/// # assert!(server.seen()[0].header("authorization").unwrap().starts_with("Bearer "));
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
///
/// Each call takes a token from its [`TokenSource`]; there is no request without one. Responses are handed through as
/// they are, whatever their status, but for these:
///
/// - **401**, with `invalid_token` or without any code: the source is asked for another token, and the request is sent
///   once more, if its body is no stream. When there is no other token, or the refused one is itself a replacement of the
///   last 30 seconds, the 401 is the response. When the source cannot renew, its error is returned, since it says what to do
///   ([`is_login_required`](crate::Error::is_login_required), [`is_transient`](crate::Error::is_transient)); the bare 401 would not.
/// - **`insufficient_scope`** and **`insufficient_user_authentication`**: an error of kind `StepUp`, whose
///   [`step_up`](crate::Error::step_up) says what to log in again with: [`WebAuth::step_up`](crate::WebAuth::step_up) does it.
/// - **Redirects** are followed, up to 10, as reqwest does, but only where a token may go; any other is handed through
///   with its status and `Location`. A signed download URL at another origin, for instance, is then fetched without a token,
///   by another client.
///
/// An API that answers 401 to every token of Auth0's was probably given an opaque one: without an `audience` in the
/// login, Auth0's access tokens are good for its own userinfo endpoint only.
///
/// # Tokens that are bound to a key
/// A [DPoP token](crate::dpop) is shown with a proof, made afresh for each request. When an API refuses the proof for want of a nonce
/// (`use_dpop_nonce`, or Auth0's `invalid_dpop_nonce`), the request is sent once more, if its body is no stream. It is never shown as a bearer token.
///
/// # Where tokens go
/// Only over https, or over http to this machine (127.0.0.0/8, `[::1]`, `localhost`), and to no URL with a user name in it. Once
/// [`base_url`](Self::base_url) or [`allow_origin`](Self::allow_origin) has named an origin, only to those named; before,
/// to any URL that the program calls, and along redirects only within that URL's origin.
///
/// Http to this machine goes out directly, never through a proxy. Where the builder or the environment names a proxy, such
/// calls use a plain client of default settings, unless all origins that are named by the first call are http on
/// this machine: then it is the builder's client, without its proxies.
///
/// # Cloning
/// A clone shares connections, the token source, and the knowledge of what was refused.
#[derive(Clone)]
pub struct AuthorizedClient {
    pub(super) caller: Arc<Caller>,
}

impl AuthorizedClient {
    /// With reqwest's default settings.
    ///
    /// # Errors
    /// None today: settings that cannot work are an error of the first request, of kind `Configuration`.
    pub fn new(source: impl TokenSource) -> Result<Self> {
        Self::from_builder(reqwest::Client::builder(), source)
    }

    /// With your settings: timeouts, proxies, certificates, default headers. The redirect policy among them is replaced by this
    /// client's own.
    ///
    /// # Errors
    /// None today: settings that cannot work are an error of the first request, of kind `Configuration`.
    pub fn from_builder(builder: ClientBuilder, source: impl TokenSource) -> Result<Self> {
        Ok(Self::with_clients(Clients::from_builder(builder), source))
    }

    /// Wraps a client that exists already, and uses its proxies, also for http to this machine, and its resolver, also for `localhost`.
    ///
    /// The client has to be built with [`redirect_policy`](Self::redirect_policy): a client that follows redirects can carry a token
    /// away. Calls through any other client are errors of kind `Configuration`, and nothing is sent. A custom policy counts as one
    /// that follows, since reqwest does not tell what it does. [`from_builder`](Self::from_builder) needs no such care.
    #[must_use]
    pub fn wrap(client: reqwest::Client, source: impl TokenSource) -> Self {
        Self::with_clients(Clients::given(client), source)
    }

    /// Wraps a client that may follow redirects.
    ///
    /// Danger: such a client can carry a token away. reqwest drops `Authorization` on the way to another origin, but sends it again at
    /// the next hop there, and never drops another [`header`](Self::header) or the proof of a DPoP token. A response from another origin
    /// than the one asked is replaced by an error of kind `Forbidden`, after the token is gone; a chain of redirects that ends at the
    /// origin where it began goes unnoticed. A refused POST is not sent again where the client was redirected, since it may have been done.
    #[must_use]
    pub fn danger_wrap(client: reqwest::Client, source: impl TokenSource) -> Self {
        Self::with_clients(Clients::given_with_redirects(client), source)
    }

    /// The policy for a client that [`wrap`](Self::wrap) is given: it leaves redirects to the authorized client.
    ///
    /// ```
    /// use hallpass::{AccessToken, AuthorizedClient};
    ///
    /// let shared = reqwest::Client::builder().redirect(AuthorizedClient::redirect_policy()).build()?;
    /// let api = AuthorizedClient::wrap(shared.clone(), AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn redirect_policy() -> Policy {
        Policy::none()
    }

    fn with_clients(clients: Clients, source: impl TokenSource) -> Self {
        let authorizer = Authorizer {
            source: DynTokenSource::new(source),
            origins: Origins::default(),
            presentation: Presentation::default(),
            renewals: Arc::new(Renewals::default()),
        };
        Self { caller: Arc::new(Caller::new(authorizer, clients)) }
    }

    /// The base of relative URLs, read as a directory: `messages` on `https://api.acme.com/v1` is
    /// `https://api.acme.com/v1/messages`, and `/messages` is `https://api.acme.com/messages`. Tokens go to its origin, and to
    /// others only if [`allow_origin`](Self::allow_origin) names them.
    ///
    /// # Errors
    /// `Configuration` when it is no absolute URL to which a token may go, or has a query or fragment.
    pub fn base_url(mut self, url: impl AsRef<str>) -> Result<Self> {
        self.unshared().authorizer.origins.set_base(url.as_ref())?;
        Ok(self)
    }

    /// Names an origin, such as `https://files.acme.com`, that tokens may go to. A subdomain or another port is another origin.
    ///
    /// # Errors
    /// `Configuration` when it is no origin to which a token may go, or more than an origin.
    pub fn allow_origin(mut self, origin: impl AsRef<str>) -> Result<Self> {
        self.unshared().authorizer.origins.name(origin.as_ref())?;
        Ok(self)
    }

    /// The word before the token, where an API wants another one than `Bearer`: `Authorization: Token …`. An empty one
    /// leaves the token alone.
    ///
    /// # Errors
    /// `Configuration` when it is not one word of visible ASCII.
    pub fn scheme(mut self, scheme: impl Into<String>) -> Result<Self> {
        self.unshared().authorizer.presentation.set_scheme(scheme.into())?;
        Ok(self)
    }

    /// The header for the token, where an API wants another one than `Authorization`: `X-Api-Token: …`. Without
    /// [`scheme`](Self::scheme) it holds the token alone.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        let caller = self.unshared();
        caller.authorizer.presentation.set_header(name);
        caller.header_is_free = OnceLock::new();
        self
    }

    fn unshared(&mut self) -> &mut Caller {
        Arc::make_mut(&mut self.caller)
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

    /// A request to an absolute URL, or one relative to [`base_url`](Self::base_url). What is wrong with the URL
    /// surfaces when the request is built or sent.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(&self.caller, method, url.as_ref())
    }

    /// Sends a request with a token.
    ///
    /// # Errors
    /// - `Forbidden` when a token may not go to its URL, or its `Host` header is not the URL's; no token is read then
    /// - `Configuration` when the request or the client's default headers hold the token's header already, or a
    ///   [wrapped](Self::wrap) client may follow redirects
    /// - what the token source errs with; no request is sent without a token
    /// - `StepUp` when the API wants more than the token grants
    /// - `Network`, `TimedOut` as reqwest's errors
    /// - `InvalidResponse` after more than 10 redirects
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, as with reqwest. What becomes of a renewal is the token source's affair.
    pub fn execute(&self, request: Request) -> impl Future<Output = Result<Response>> + Send + use<> {
        let caller = Arc::clone(&self.caller);
        async move { caller.call(request).await }
    }

    /// The reqwest client behind, for requests without a token. It follows no redirects, unless it was given to [`wrap`](Self::wrap) or [`danger_wrap`](Self::danger_wrap).
    ///
    /// # Panics
    /// Panics when the builder given to [`from_builder`](Self::from_builder) holds a setting that cannot work. A request returns an
    /// error instead.
    #[must_use]
    pub fn inner(&self) -> &reqwest::Client {
        self.caller.client().expect("the HTTP client's settings can work")
    }
}

/// Shows the origins and the presentation; no token, and no client with its default headers.
impl fmt::Debug for AuthorizedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedClient")
            .field("origins", &self.caller.authorizer.origins)
            .field("presentation", &self.caller.authorizer.presentation)
            .finish_non_exhaustive()
    }
}
