use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::ResponseBuilderExt as _;
use tokio::runtime::Handle;

use super::runtime::runtime;
use crate::error::{Error, Result};

/// reqwest's response for programs without async. The caller reads its body.
pub(super) fn for_blocking(response: reqwest::Response) -> Result<reqwest::blocking::Response> {
    // The URL lies beside a response, unless it is one of the `http` crate.
    let url = http::Response::builder().url(response.url().clone()).body(());
    let url = url.map_err(|error| {
        Error::invalid_response("the response could not be handed over, since its URL is none; use the async API for it")
            .with_source(error)
    })?;
    let (mut parts, body) = http::Response::from(response).into_parts();
    parts.extensions.extend(url.into_parts().0.extensions);
    let body = reqwest::Body::wrap(Entered { body, runtime: runtime()?.clone() });
    Ok(http::Response::from_parts(parts, body).into())
}

/// A body that is polled outside of the runtime it needs, by its timeouts for one.
struct Entered {
    body: reqwest::Body,
    runtime: Handle,
}

impl Body for Entered {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let Self { body, runtime } = self.get_mut();
        let _inside = runtime.enter();
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
