use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::answer;
use super::edit::{Edit, to_value};
use super::gzip;
use super::server::{Reply, Wire};
use crate::clock::Clock;

/// An answer that is not what it should be.
///
/// It begins with [`new()`](Self::new), which edits the normal answer, or with another answer. Another answer is sent *instead*:
/// the provider does nothing of the request, unless [`committed()`](Self::committed) is set.
///
/// ```
/// use hallpass::testing::{Endpoint, Fault, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = TestProvider::start().await;
/// provider.next(Endpoint::Discovery, Fault::status(503).header("retry-after", "7"));
/// provider.next(Endpoint::Discovery, Fault::new().set("issuer", "https://evil.example/"));
///
/// let first = reqwest::get(provider.endpoint_url(Endpoint::Discovery)).await?;
/// assert_eq!(first.status(), 503);
/// let second = reqwest::get(provider.endpoint_url(Endpoint::Discovery)).await?;
/// assert!(second.text().await?.contains("evil.example"));
/// assert_eq!(provider.count(Endpoint::Discovery), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    base: Base,
    committed: bool,
    edits: Vec<Edit>,
    pace: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Base {
    Normal,
    Instead(Response<Bytes>),
    RateLimited(Duration),
    Huge { bytes: u64, length: bool },
    Raw(Bytes),
    Close,
    Stall,
}

impl Fault {
    /// The normal answer, to be altered.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default fault would be none")]
    pub fn new() -> Self {
        Self::from_base(Base::Normal)
    }

    /// This status, with an empty body.
    ///
    /// # Panics
    /// When it is no status: 100 to 999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status_code(status);
        Self::from_base(Base::Instead(response))
    }

    /// A whole answer: status, content type, body.
    ///
    /// # Panics
    /// When it is no status, or no content type that a header can hold.
    #[must_use]
    pub fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut response = Response::new(Bytes::from(body.into()));
        *response.status_mut() = status_code(status);
        response.headers_mut().insert(CONTENT_TYPE, header_value(content_type));
        Self::from_base(Base::Instead(response))
    }

    /// A whole answer in JSON.
    ///
    /// # Panics
    /// When it is no status, or the value is nothing that JSON can hold.
    #[must_use]
    pub fn json(status: u16, body: impl Serialize) -> Self {
        Self::answer(status, "application/json", to_value(body).to_string())
    }

    /// An error as RFC 6749, section 5.2, writes it.
    ///
    /// # Panics
    /// When it is no status.
    #[must_use]
    pub fn error(status: u16, code: &str, description: &str) -> Self {
        let status = status_code(status);
        Self::from_base(Base::Instead(answer::error(status, code, description)))
    }

    /// 429 as Auth0 sends it, with `x-ratelimit-limit`, `-remaining` and `-reset`; the rate limit ends in `wait`, by the provider's clock.
    #[must_use]
    pub fn rate_limited(wait: Duration) -> Self {
        Self::from_base(Base::RateLimited(wait))
    }

    /// A redirect: 302, or another status by [`with_status`](Self::with_status).
    ///
    /// # Panics
    /// When the location is nothing that a header can hold.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header(LOCATION.as_str(), location)
    }

    /// A body of so many spaces, which JSON ignores, with or without a `Content-Length`.
    #[must_use]
    pub fn huge(bytes: u64, content_length: bool) -> Self {
        Self::from_base(Base::Huge { bytes, length: content_length })
    }

    /// A small gzip body that unpacks to so many spaces.
    #[must_use]
    pub fn gzip_bomb(unpacked_bytes: u32) -> Self {
        Self::answer(200, "application/json", gzip::of_spaces(unpacked_bytes)).header("content-encoding", "gzip")
    }

    /// These bytes in place of an HTTP response; then the connection ends.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::from_base(Base::Raw(bytes.into().into()))
    }

    /// The connection ends without an answer.
    #[must_use]
    pub fn close() -> Self {
        Self::from_base(Base::Close)
    }

    /// No answer, ever; the connection stays open.
    #[must_use]
    pub fn stall() -> Self {
        Self::from_base(Base::Stall)
    }

    /// Has the provider do what the request asks. Only its answer is lost: a code is spent, a refresh token rotated.
    #[must_use]
    pub fn committed(mut self) -> Self {
        self.committed = true;
        self
    }

    /// The answer one byte at a time, with this pause before each.
    #[must_use]
    pub fn drip(mut self, pause: Duration) -> Self {
        self.pace = Some(pause);
        self
    }

    /// Another status on the answer.
    ///
    /// # Panics
    /// When it is no status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        self.edit(Edit::Status(status_code(status)))
    }

    /// One header more; `content-type` and `location` are replaced.
    ///
    /// # Panics
    /// When it is no header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the test gives a header name");
        self.edit(Edit::Header(name, header_value(value)))
    }

    /// A member of the answer's JSON object; on a redirect, a parameter of its query.
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    #[must_use]
    pub fn set(self, name: &str, value: impl Serialize) -> Self {
        self.edit(Edit::Set(name.to_owned(), to_value(value)))
    }

    /// Without this member of the answer's JSON object; on a redirect, without this parameter.
    #[must_use]
    pub fn remove(self, name: &str) -> Self {
        self.edit(Edit::Remove(name.to_owned()))
    }

    /// A member (on a redirect: a parameter) of that name beside the one that is there. In JSON the new one comes first, in a query last.
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    #[must_use]
    pub fn duplicate(self, name: &str, value: impl Serialize) -> Self {
        self.edit(Edit::Duplicate(name.to_owned(), to_value(value)))
    }

    /// Another body, under the answer's own status and content type.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.edit(Edit::Body(body.into().into()))
    }

    /// Text of the body, or of a redirect's location, replaced wherever it stands.
    #[must_use]
    pub fn replace(self, text: &str, by: &str) -> Self {
        self.edit(Edit::Replace(text.to_owned(), by.to_owned()))
    }

    /// On a redirect: this query as it is, in place of the normal one.
    #[must_use]
    pub fn query(self, raw: &str) -> Self {
        self.edit(Edit::Query(raw.to_owned()))
    }

    fn from_base(base: Base) -> Self {
        Self { base, committed: false, edits: Vec::new(), pace: None }
    }

    fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    pub(super) fn apply(self, clock: &Clock, work: impl FnOnce() -> Response<Bytes>) -> Reply {
        let mut response = match self.base {
            Base::Normal => work(),
            instead => {
                if self.committed {
                    let _lost = work();
                }
                match instead {
                    Base::Instead(response) => response,
                    Base::RateLimited(wait) => answer::rate_limited(clock.now().plus(wait)),
                    Base::Huge { bytes, length } => return Reply::Wire(huge(bytes, length)),
                    Base::Raw(head) => return Reply::Wire(Wire { head, spaces: 0, pace: self.pace }),
                    Base::Close => return Reply::Close,
                    Base::Normal | Base::Stall => return Reply::Stall,
                }
            }
        };
        let (textual, structural): (Vec<_>, Vec<_>) = self.edits.into_iter().partition(Edit::is_textual);
        for edit in structural.into_iter().chain(textual) {
            edit.apply(&mut response);
        }
        match self.pace {
            None => Reply::Http(response),
            Some(_) => Reply::Wire(Wire { head: serialised(&response), spaces: 0, pace: self.pace }),
        }
    }
}

fn huge(bytes: u64, length: bool) -> Wire {
    let length = if length { format!("content-length: {bytes}\r\n") } else { String::new() };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}connection: close\r\n\r\n");
    Wire { head: head.into(), spaces: bytes, pace: None }
}

fn serialised(response: &Response<Bytes>) -> Bytes {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body().len()).as_bytes());
    bytes.extend_from_slice(response.body());
    bytes.into()
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("the test gives an HTTP status")
}

fn header_value(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("the test gives what a header can hold")
}
