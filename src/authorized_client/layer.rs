use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Authority;
use http::{Extensions, HeaderMap, StatusCode, Uri};
use http_body::Body;
use http_body_util::{Empty, Full};
use reqwest::Request;
use tower_http::follow_redirect::RequestUri;
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use crate::authorized_client::authorize::{Answer, Carrier};
use crate::authorized_client::client::AuthorizedClient;
use crate::error::{Error, ErrorKind, Result};

/// An HTTP service, such as hyper's client, with a token on every request: what an [`AuthorizedClient`] is around it as
/// a [`tower_layer::Layer`].
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use hallpass::{AccessToken, AuthorizedClient};
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::{ServiceBuilder, ServiceExt};
/// # use hallpass::testing::{Api, TestProvider};
/// # let provider = TestProvider::start().await;
/// # let api = Api::start(&provider, "https://api.acme.com").await;
/// # let token = provider.access_token("https://api.acme.com", "");
///
/// let authorized = AuthorizedClient::new(AccessToken::bearer(token)?)?.base_url(api.url())?;
/// let service = ServiceBuilder::new().layer(authorized).service(Client::builder(TokioExecutor::new()).build_http());
///
/// let request = http::Request::get(format!("{}messages", api.url())).body(Full::<Bytes>::default())?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
///
/// Of the client around it, it has the token source, the origins, the scheme and the header; requests go through the service
/// inside, and verdicts, retries and redirects are as [`AuthorizedClient`] has them, with these differences:
///
/// - Origins must be [named](AuthorizedClient::base_url): a layer around this one may send a request to wherever a redirect
///   or a load balancer leads.
/// - A request without scheme and host, as gRPC clients make them, counts as one to `base_url`: the service inside has to know that
///   host itself.
/// - A body that is empty, or a [`Full`]`<Bytes>`, is sent again after a refusal; any other counts as a stream.
/// - The service inside must not follow redirects: it would take the token along, and a layer cannot see how the service is made.
///   tower-http's `FollowRedirect` says where it ended. When that is another origin, the call is an error of kind `Forbidden`, after
///   the token is gone. A chain that ends at the origin where it began goes unnoticed, and so does another layer that follows redirects.
/// - The request's own `Uri` has to name the scheme, host and port of an allowed origin, as it is sent. A URI that two parsers
///   read differently is an error of kind `Forbidden`.
#[derive(Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub struct AuthorizedService<S> {
    client: AuthorizedClient,
    inner: S,
}

/// Puts its tokens on the requests of another HTTP service.
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
impl<S> Layer<S> for AuthorizedClient {
    type Service = AuthorizedService<S>;

    fn layer(&self, inner: S) -> AuthorizedService<S> {
        AuthorizedService { client: self.clone(), inner }
    }
}

impl<S, B, R> Service<http::Request<B>> for AuthorizedService<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Future: Send,
    B: Body + Default + Send + 'static,
    R: Send + 'static,
{
    type Response = http::Response<R>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<R>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(context).map_err(failure)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // What was found ready is this very service, and no clone of it.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let client = self.client.clone();
        Box::pin(async move {
            let authorizer = &client.caller.authorizer;
            if authorizer.origins.is_open() {
                return Err(Error::configuration("a tower layer has to know where its token may go; set base_url or allow_origin"));
            }
            let (parts, body) = request.into_parts();
            if parts.uri.scheme().is_none() && parts.uri.authority().is_some() {
                // As a relative URL it would be a path of the base URL, and it leads to a host of its own.
                return Err(Error::forbidden("no token goes to a host that is named without a scheme; give the whole URL"));
            }
            let copy = copy_of(&body);
            let url = authorizer.origins.resolve(&parts.uri.to_string())?;
            check_sent(&parts.uri, &url)?;
            let mut head = Request::new(parts.method, url);
            *head.headers_mut() = parts.headers;
            *head.version_mut() = parts.version;
            // It stands for the body, which only the service inside can send.
            *head.body_mut() = Some(if copy.is_some() { "".into() } else { reqwest::Body::wrap(Empty::<Bytes>::new()) });
            let asked = (head.url().clone(), parts.uri);
            let mut carrier = Inner { service: inner, is_ready: true, body: Some(body), copy, asked, extensions: parts.extensions };
            Ok(authorizer.call(&mut carrier, head).await?.response)
        })
    }
}

impl<S> fmt::Debug for AuthorizedService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedService").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The service inside, and what one call through it is made of besides its head.
struct Inner<S, B> {
    service: S,
    is_ready: bool,
    body: Option<B>,
    copy: Option<B>,
    /// The URL as it is checked, and the URI as the caller wrote it.
    asked: (Url, Uri),
    extensions: Extensions,
}

struct Answered<R> {
    response: http::Response<R>,
    url: Url,
}

impl<S, B, R> Carrier for Inner<S, B>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Send,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Future: Send,
    B: Body + Default + Send + 'static,
    R: Send,
{
    type Answer = Answered<R>;

    fn may_follow_redirects(&self) -> bool {
        true
    }

    async fn carry(&mut self, mut head: Request) -> Result<Answered<R>> {
        if !mem::take(&mut self.is_ready) {
            poll_fn(|context| self.service.poll_ready(context)).await.map_err(failure)?;
        }
        let mut url = head.url().clone();
        url.set_fragment(None);
        let body = head.body().and_then(|_| self.body.take().or_else(|| self.copy.as_ref().and_then(copy_of)));
        let mut request = http::Request::new(body.unwrap_or_default());
        *request.method_mut() = head.method().clone();
        *request.uri_mut() = self.uri(&url)?;
        *request.version_mut() = head.version();
        *request.headers_mut() = mem::take(head.headers_mut());
        *request.extensions_mut() = self.extensions.clone();
        let response = self.service.call(request).await.map_err(failure)?;
        if let Some(led_to) = self.led_to(&response) {
            url = led_to;
        }
        Ok(Answered { response, url })
    }
}

impl<S, B> Inner<S, B> {
    fn uri(&self, url: &Url) -> Result<Uri> {
        if *url == self.asked.0 {
            return Ok(self.asked.1.clone());
        }
        let uri = Uri::try_from(url.as_str()).map_err(|error| {
            Error::invalid_response(
                "the API redirected the call to a URL that no request can have; call the address that it should end at",
            )
            .with_source(error)
        })?;
        check_sent(&uri, url)?;
        Ok(uri)
    }

    /// The URL to which the inner service followed redirects, if the response has it.
    fn led_to<R>(&self, response: &http::Response<R>) -> Option<Url> {
        let RequestUri(uri) = response.extensions().get()?;
        if *uri == self.asked.1 { Some(self.asked.0.clone()) } else { Url::parse(&uri.to_string()).ok() }
    }
}

impl<R: Send> Answer for Answered<R> {
    fn status(&self) -> StatusCode {
        self.response.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    fn url(&self) -> &Url {
        &self.url
    }
}

/// The service inside connects to what `uri` says, while `url` is what the origins were compared with: two parsers may read one text
/// differently. A URI without scheme and host leaves both to the service inside.
fn check_sent(uri: &Uri, url: &Url) -> Result<()> {
    let (scheme, authority) = match (uri.scheme_str(), uri.authority()) {
        (None, None) => return Ok(()),
        (scheme, authority) => (scheme.unwrap_or_default(), authority),
    };
    let default_port = match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    let is_same = |authority: &Authority| {
        let host = url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(authority.host()));
        let port = authority.port_u16().or(default_port) == url.port_or_known_default();
        host && port && !authority.as_str().contains('@')
    };
    if scheme == url.scheme() && authority.is_some_and(is_same) {
        return Ok(());
    }
    Err(Error::forbidden(
        "no token goes to a URI whose scheme, host or port can be read in two ways; write it as https://api.acme.com/path",
    ))
}

/// None when it is a stream, or may be one.
fn copy_of<B: Body + Default + 'static>(body: &B) -> Option<B> {
    if body.is_end_stream() {
        return Some(B::default());
    }
    let full = (body as &dyn Any).downcast_ref::<Full<Bytes>>()?;
    let mut copy = None::<B>;
    *(&mut copy as &mut dyn Any).downcast_mut()? = Some(full.clone());
    copy
}

fn failure(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    match error.into().downcast::<reqwest::Error>() {
        Ok(error) => Error::network("the call to the API", *error),
        Err(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => {
                Error::new(ErrorKind::Network, "the call to the API failed on the way; try again").transient().with_source(error)
            }
        },
    }
}
