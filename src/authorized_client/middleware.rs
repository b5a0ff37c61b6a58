use std::pin::Pin;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::authorized_client::authorize::Carrier;
use crate::authorized_client::client::AuthorizedClient;
use crate::error::{Error, ErrorKind, Result};

/// One call through the middleware and the client further inside.
struct Chain<'a> {
    next: Next<'a>,
    extensions: &'a mut Extensions,
    /// Theirs, which is handed through as it is.
    failure: Option<reqwest_middleware::Error>,
}

/// Puts its tokens on the requests of a `reqwest_middleware` client. That client sends them, in the place of the inner one.
///
/// Verdicts, retries and redirects are as [`AuthorizedClient`] has them. Its errors come as
/// [`reqwest_middleware::Error::Middleware`], to be downcast to [`hallpass::Error`](crate::Error); those of what is further
/// inside come as they are.
///
/// The client inside is used as it is: build it with [`redirect_policy`](AuthorizedClient::redirect_policy). reqwest_middleware does not
/// show that client to a middleware, so that a policy which follows redirects cannot be refused before the token is sent. A response
/// from another origin is replaced by an error of kind `Forbidden`, after the token is gone. A chain of redirects that ends at the
/// origin where it began goes unnoticed. A call that ends at another URL than it was for is sent again only if it changes
/// nothing, as a GET.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use hallpass::{AccessToken, AuthorizedClient};
/// # use hallpass::testing::{Api, TestProvider};
/// # let provider = TestProvider::start().await;
/// # let api = Api::start(&provider, "https://api.acme.com").await;
/// # let token = provider.access_token("https://api.acme.com", "");
///
/// let authorized = AuthorizedClient::new(AccessToken::bearer(token)?)?.allow_origin(api.url().origin().ascii_serialization())?;
/// let client = reqwest::Client::builder().redirect(AuthorizedClient::redirect_policy()).build()?;
/// let client = reqwest_middleware::ClientBuilder::new(client).with(authorized).build();
///
/// assert_eq!(client.get(api.url().join("messages")?).send().await?.status(), 200);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "middleware")))]
impl Middleware for AuthorizedClient {
    fn handle<'client, 'extensions, 'next, 'call>(
        &'client self,
        request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'next>,
    ) -> Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'call>>
    where
        'client: 'call,
        'extensions: 'call,
        'next: 'call,
        Self: 'call,
    {
        Box::pin(async move {
            let mut chain = Chain { next, extensions, failure: None };
            let called = self.caller.authorizer.call(&mut chain, request).await;
            called.map_err(|error| chain.failure.unwrap_or_else(|| reqwest_middleware::Error::middleware(error)))
        })
    }
}

impl Carrier for Chain<'_> {
    type Answer = Response;

    fn may_follow_redirects(&self) -> bool {
        true
    }

    async fn carry(&mut self, request: Request) -> Result<Response> {
        let sent = self.next.clone().run(request, self.extensions).await;
        sent.map_err(|failure| {
            self.failure = Some(failure);
            Error::new(ErrorKind::Network, "the call to the API failed further inside; the source of its error says why")
        })
    }
}
