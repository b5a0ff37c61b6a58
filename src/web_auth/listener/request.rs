use std::borrow::Cow;
use std::collections::HashSet;

use http::{Method, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::head::{HEAD_MAX, Head, HeadScanner};
use crate::web_auth::response_mode::ResponseMode;

/// The properties of a request to this listener.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The value of `Host`.
    pub(crate) authority: String,
    pub(crate) callback_path: String,
    /// The path that the browser is sent to when the callback was taken.
    pub(crate) end_path: &'static str,
    pub(crate) mode: ResponseMode,
}

/// A request that is well-formed, and for us.
#[derive(Debug)]
pub(crate) enum Request {
    /// The raw query, or the raw form.
    Callback(Zeroizing<String>),
    /// The page at the end.
    EndPage,
}

/// A request that gets an answer with an error status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) to_head: bool,
    /// It brings the provider's answer in its query, where a form was asked for.
    pub(crate) came_by_get: bool,
}

const FORM_MAX: usize = 64 * 1024;

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, to_head: false, came_by_get: false }
    }
}

impl Request {
    /// Reads one request, and nothing that follows it. `None`: the connection was silent.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), expected: &Expected) -> Result<Option<Self>, Refusal> {
        // One buffer that never grows, so that no copy of a code is left behind when it is wiped.
        let mut bytes = Zeroizing::new(vec![0; HEAD_MAX]);
        let mut filled = 0;
        let mut scanner = HeadScanner::default();
        let end = loop {
            if let Some(end) = scanner.end(&bytes[..filled])? {
                break end;
            }
            if filled == bytes.len() {
                return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into());
            }
            match stream.read(&mut bytes[filled..]).await {
                Ok(0) | Err(_) if filled == 0 => return Ok(None),
                Ok(0) | Err(_) => return Err(StatusCode::BAD_REQUEST.into()),
                Ok(read) => filled += read,
            }
        };
        let head = Head::parse(&bytes[..end])?;
        let routed = route(&head, expected).map_err(|status| Refusal {
            status,
            to_head: head.method == Method::HEAD,
            came_by_get: is_answer_by_get(&head, expected),
        })?;
        let text = match routed {
            Route::EndPage => return Ok(Some(Self::EndPage)),
            Route::Query => Zeroizing::new(head.query.to_owned()),
            Route::Form { length } => read_form(stream, &bytes[end..filled], length).await?,
        };
        no_name_twice(&text)?;
        Ok(Some(Self::Callback(text)))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Route {
    EndPage,
    Query,
    Form { length: usize },
}

fn route(head: &Head<'_>, expected: &Expected) -> Result<Route, StatusCode> {
    let form = expected.mode.is_posted();
    if !(head.method == Method::GET || form && head.method == Method::POST) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    // Any page in the world can have its own name resolve to 127.0.0.1; it cannot have the browser say our name.
    if head.header("host")? != Some(expected.authority.as_bytes()) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let length = body_length(head)?;
    if head.path == expected.end_path {
        from_a_person(head)?;
        return if head.method == Method::GET { Ok(Route::EndPage) } else { Err(StatusCode::METHOD_NOT_ALLOWED) };
    }
    if head.path != expected.callback_path {
        return Err(StatusCode::NOT_FOUND);
    }
    from_a_person(head)?;
    if !form {
        return Ok(Route::Query);
    }
    if head.method != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !head.header("content-type")?.is_some_and(is_form) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    match length {
        None => Err(StatusCode::LENGTH_REQUIRED),
        Some(length) if length > FORM_MAX => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Some(length) => Ok(Route::Form { length }),
    }
}

fn is_answer_by_get(head: &Head<'_>, expected: &Expected) -> bool {
    let is_answer = |(name, _): (Cow<'_, str>, _)| matches!(&*name, "code" | "error" | "response");
    expected.mode.is_posted()
        && head.method == Method::GET
        && head.path == expected.callback_path
        && form_urlencoded::parse(head.query.as_bytes()).any(is_answer)
}

/// Accepts a page that a person navigated to, and not an image, a frame or a script's request on another page (W3C Fetch Metadata).
/// Browsers that do not send these headers are believed.
fn from_a_person(head: &Head<'_>) -> Result<(), StatusCode> {
    let document = head.header("sec-fetch-dest")?.is_none_or(|destination| destination == b"document");
    let navigation = head.header("sec-fetch-mode")?.is_none_or(|mode| mode == b"navigate");
    if document && navigation { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
}

/// The length of a request's body, which only a POST has.
fn body_length(head: &Head<'_>) -> Result<Option<usize>, StatusCode> {
    if head.has("transfer-encoding") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let Some(value) = head.header("content-length")? else { return Ok(None) };
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(StatusCode::BAD_REQUEST);
    }
    // More digits than a number holds are too many bytes as well.
    let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX);
    if head.method == Method::GET && length > 0 { Err(StatusCode::BAD_REQUEST) } else { Ok(Some(length)) }
}

fn is_form(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// `read_already` may hold more than the form: what another request sent along is not looked at.
async fn read_form(
    stream: &mut (impl AsyncRead + Unpin),
    read_already: &[u8],
    length: usize,
) -> Result<Zeroizing<String>, StatusCode> {
    let mut form = Zeroizing::new(vec![0; length]);
    let (first, rest) = form.split_at_mut(read_already.len().min(length));
    first.copy_from_slice(&read_already[..first.len()]);
    stream.read_exact(rest).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    // A form is ASCII when it is encoded as its media type says.
    let text = std::str::from_utf8(&form).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    text.map(|text| Zeroizing::new(text.to_owned())).ok_or(StatusCode::BAD_REQUEST)
}

/// RFC 6749, section 3.1: "Request and response parameters MUST NOT be included more than once."
fn no_name_twice(text: &str) -> Result<(), StatusCode> {
    let mut names = HashSet::new();
    let unique = form_urlencoded::parse(text.as_bytes()).all(|(name, _)| names.insert(name));
    if unique { Ok(()) } else { Err(StatusCode::BAD_REQUEST) }
}
