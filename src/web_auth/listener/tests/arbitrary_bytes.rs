use proptest::collection::vec;
use proptest::prelude::*;

use super::super::ResponseMode;
use super::super::head::{Head, HeadScanner};
use super::super::request::{Expected, Request};

/// Bytes of which some are close to what a request is made of.
fn nearly_a_request() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET ".to_vec()),
        Just(b"POST ".to_vec()),
        Just(b"/callback?state=right".to_vec()),
        Just(b" HTTP/1.1\r\n".to_vec()),
        Just(b"Host: 127.0.0.1:1\r\n".to_vec()),
        Just(b"Content-Type: application/x-www-form-urlencoded\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Content-Length: 18446744073709551616\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"&%".to_vec()),
        vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn scan(bytes: &[u8], steps: &[usize]) -> Result<Option<usize>, http::StatusCode> {
    let mut scanner = HeadScanner::default();
    let mut there = 0;
    for step in steps {
        there = (there + step).min(bytes.len());
        if let Some(end) = scanner.end(&bytes[..there])? {
            return Ok(Some(end));
        }
    }
    scanner.end(bytes)
}

proptest! {
    /// I4, E17
    #[test]
    fn a_head_is_the_same_however_its_bytes_arrive(bytes in nearly_a_request(), steps in vec(1..40_usize, 0..32)) {
        let whole = scan(&bytes, &[]);
        prop_assert_eq!(scan(&bytes, &steps), whole);
        if let Ok(Some(end)) = whole {
            prop_assert!(bytes[..end].ends_with(b"\r\n\r\n"));
            if let Ok(head) = Head::parse(&bytes[..end]) {
                prop_assert!(head.path.bytes().chain(head.query.bytes()).all(|byte| byte.is_ascii_graphic()));
            }
        }
    }

    /// I4, E17
    #[test]
    fn no_bytes_make_a_callback_but_a_request_for_it(bytes in nearly_a_request(), form in any::<bool>()) {
        let mode = if form { ResponseMode::FormPost } else { ResponseMode::Query };
        let expected = Expected { authority: "127.0.0.1:1".to_owned(), callback_path: "/callback".to_owned(), end_path: "/finished", mode };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(Request::read(&mut bytes.as_slice(), &expected));
        if let Ok(Some(Request::Callback(text))) = read {
            let start: &[u8] = if form { b"POST /callback" } else { b"GET /callback" };
            prop_assert!(bytes.starts_with(start));
            prop_assert!(bytes.windows(text.len().max(1)).any(|window| text.is_empty() || window == text.as_bytes()));
        }
    }
}
