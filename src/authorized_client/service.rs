use std::pin::Pin;
use std::task::{Context, Poll};

use reqwest::{Request, Response};
use tower_service::Service;

use crate::authorized_client::client::AuthorizedClient;
use crate::error::{Error, Result};

/// As [`execute`](AuthorizedClient::execute), for the middle of a stack of layers.
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
impl Service<Request> for AuthorizedClient {
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        (&*self).poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        (&*self).call(request)
    }
}

/// As [`execute`](AuthorizedClient::execute), for the middle of a stack of layers.
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
impl Service<Request> for &AuthorizedClient {
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

    /// Always: connections are made when they are needed.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(self.execute(request))
    }
}
