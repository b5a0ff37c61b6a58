use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::made_up::at_once;
use crate::web_auth::listener_request::{Expected, Refusal, Request};
use crate::web_auth::response_mode::ResponseMode;

/// A browser's request is understood in one way only, however its bytes arrive, and no other request brings a callback.
pub fn listener(bytes: &[u8]) {
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let at_once = read(bytes, mode, bytes.len().max(1));
        let bit_by_bit = read(bytes, mode, bytes.len() % 7 + 1);
        assert_eq!(at_once, bit_by_bit);
        match at_once {
            Ok(Read::Callback(text)) => check(bytes, mode, &text),
            Err(refusal) => {
                assert!((400..=505).contains(&refusal.status.as_u16()), "{refusal:?}");
                assert!(!refusal.to_head || bytes.starts_with(b"HEAD "), "{refusal:?}");
            }
            Ok(Read::EndPage) => assert!(bytes.starts_with(b"GET /finished")),
            Ok(Read::Nothing) => assert!(bytes.is_empty()),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Read {
    Callback(String),
    EndPage,
    Nothing,
}

fn read(bytes: &[u8], mode: ResponseMode, step: usize) -> Result<Read, Refusal> {
    let expected = Expected { authority: AUTHORITY.to_owned(), callback_path: "/callback".to_owned(), end_path: "/finished", mode };
    Ok(match at_once(Request::read(&mut Arriving { rest: bytes, step }, &expected))? {
        Some(Request::Callback(text)) => Read::Callback(text.to_string()),
        Some(Request::EndPage) => Read::EndPage,
        None => Read::Nothing,
    })
}

/// A simple reader that looks at lines only.
fn check(bytes: &[u8], mode: ResponseMode, text: &str) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a request has a head");
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let request_line = lines.next().expect("there is a first line");
    let headers: Vec<(String, &str)> = lines
        .map(|line| line.split_once(':').expect("a header has a colon"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        .collect();
    let values = |name: &str| headers.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect::<Vec<_>>();

    assert_eq!(values("host"), [AUTHORITY]);
    assert!(values("transfer-encoding").is_empty());
    assert!(values("sec-fetch-dest").iter().all(|destination| *destination == "document"));
    match mode {
        ResponseMode::Query | ResponseMode::SignedQuery => {
            let target = request_line.strip_prefix("GET /callback").and_then(|line| line.strip_suffix(" HTTP/1.1"));
            let target = target.expect("only such a request line brings a callback");
            assert_eq!(target.strip_prefix('?').unwrap_or_default(), text);
        }
        ResponseMode::FormPost | ResponseMode::SignedFormPost => {
            assert!(request_line.starts_with("POST /callback") && request_line.ends_with(" HTTP/1.1"), "{request_line}");
            let length = values("content-length").first().and_then(|length| length.parse::<usize>().ok());
            assert_eq!(length, Some(text.len()));
            assert!(bytes[end + 4..].starts_with(text.as_bytes()), "the form is what follows the head");
        }
    }
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    let mut names: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{text:?}");
}

/// Bytes that come `step` at a time, and then the end.
struct Arriving<'a> {
    rest: &'a [u8],
    step: usize,
}

impl AsyncRead for Arriving<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.step.min(self.rest.len()).min(buffer.remaining());
        let (arrived, rest) = self.rest.split_at(length);
        buffer.put_slice(arrived);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

const AUTHORITY: &str = "127.0.0.1:1";
