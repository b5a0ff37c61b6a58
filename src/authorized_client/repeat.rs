use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use http_body::Body as _;
use reqwest::{Body, Request};
use url::Url;

/// The parts needed to send a request again: all but its URL and its token.
///
/// Of a request without headers this is no allocation, with headers it is two or three; `Request::try_clone` takes eight.
pub(super) struct Repeat {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    version: Version,
    body: RepeatedBody,
}

enum RepeatedBody {
    None,
    Bytes(Bytes),
    /// A stream is gone once it was sent.
    Spent,
}

impl Repeat {
    /// Shares the request's body, which stays the same.
    pub(super) fn of(request: &mut Request) -> Self {
        let body = match request.body_mut().take() {
            None => RepeatedBody::None,
            Some(body) if body.as_bytes().is_some() => {
                let bytes = shared_bytes(body);
                *request.body_mut() = Some(Body::from(bytes.clone()));
                RepeatedBody::Bytes(bytes)
            }
            Some(stream) => {
                *request.body_mut() = Some(stream);
                RepeatedBody::Spent
            }
        };
        Self { method: request.method().clone(), headers: request.headers().clone(), version: request.version(), body }
    }

    /// None when the body was a stream.
    pub(super) fn request(&self, url: Url) -> Option<Request> {
        let mut request = Request::new(self.method.clone(), url);
        *request.headers_mut() = self.headers.clone();
        *request.version_mut() = self.version;
        *request.body_mut() = match &self.body {
            RepeatedBody::None => None,
            RepeatedBody::Bytes(bytes) => Some(Body::from(bytes.clone())),
            RepeatedBody::Spent => return None,
        };
        Some(request)
    }

    pub(super) fn drop_body(&mut self) {
        self.body = RepeatedBody::None;
    }
}

/// reqwest shows a body's bytes, but hands them over uncopied only as their one frame.
fn shared_bytes(mut body: Body) -> Bytes {
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("a body of bytes has no trailers"),
        _ => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_bytes_is_shared_and_not_copied() {
        let bytes = Bytes::from(vec![7; 1 << 20]);
        let mut request = Request::new(Method::POST, Url::parse("https://api.acme.com/").unwrap());
        *request.body_mut() = Some(Body::from(bytes.clone()));
        let repeat = Repeat::of(&mut request);
        let again = repeat.request(request.url().clone()).unwrap();
        for request in [&request, &again] {
            assert_eq!(request.body().and_then(Body::as_bytes).map(<[u8]>::as_ptr), Some(bytes.as_ptr()));
        }
    }

    #[test]
    fn an_empty_body_stays_an_empty_body() {
        let mut request = Request::new(Method::POST, Url::parse("https://api.acme.com/").unwrap());
        *request.body_mut() = Some(Body::from(""));
        let again = Repeat::of(&mut request).request(request.url().clone()).unwrap();
        assert_eq!(again.body().and_then(Body::as_bytes), Some(&b""[..]));
    }
}
