//! Servers that close, stall and answer garbage: what a call says, how often it was sent, and that the next one works.

use std::time::Duration;

use hallpass::{AuthorizedClient, Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::counted_source::CountedSource;

#[derive(Clone, Copy)]
enum End {
    Close,
    /// Says no more, and keeps the connection.
    Stall,
    /// Closes so that the client sees a reset.
    Reset,
}

/// Answers its first request so, on whatever connection, and all others well. Tells of each request.
async fn bad_once(first: &'static [u8], end: End) -> (String, UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut is_first = true;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            asked.send(()).unwrap();
            if !std::mem::take(&mut is_first) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").await.unwrap();
                continue;
            }
            stream.write_all(first).await.unwrap();
            stream.flush().await.unwrap();
            match end {
                End::Close => stream.shutdown().await.unwrap(),
                End::Stall => drop(tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await })),
                End::Reset => {
                    stream.set_zero_linger().unwrap();
                    drop(stream);
                }
            }
        }
    });
    (origin, requests)
}

/// The body's failure as an error of the call, which ended with its head.
async fn whole(client: &AuthorizedClient, timeout: Duration) -> Result<String, Failure> {
    let response = client.get("").timeout(timeout).send().await.map_err(Failure::OfCall)?;
    response.text().await.map_err(Failure::OfBody)
}

#[derive(Debug)]
enum Failure {
    OfCall(Error),
    OfBody(reqwest::Error),
}

const SOON: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_server_that_fails_is_asked_once_and_told_from_one_that_refuses() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell";
    let unended = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n";
    let flooded = [b"HTTP/1.1 200 OK\r\nX-Own: ", &*vec![b'x'; 1 << 20]].concat().leak();
    for (first, end, timeout, is_of_call, is_timeout) in [
        (&b""[..], End::Close, LONG, true, false),
        (b"", End::Reset, LONG, true, false),
        (b"HTTP/1.1 200 OK\r\nContent-", End::Close, LONG, true, false),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", End::Stall, LONG, true, false),
        (b"\x15\x03\x03\x00\x02\x02\x28", End::Close, LONG, true, false),
        (b"HTTP/1.1 999999 What\r\n\r\n", End::Stall, LONG, true, false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", End::Stall, LONG, true, false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", End::Stall, LONG, true, false),
        (flooded, End::Stall, LONG, true, false),
        (b"", End::Stall, SOON, true, true),
        (b"HTTP/1.1 200 OK\r\nX-Own: ", End::Stall, SOON, true, true),
        (cut, End::Close, LONG, false, false),
        (cut, End::Reset, LONG, false, false),
        (cut, End::Stall, SOON, false, true),
        (unended, End::Close, LONG, false, false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", End::Stall, LONG, false, false),
    ] {
        let (origin, mut requests) = bad_once(first, end).await;
        let source = CountedSource::default();
        let client = AuthorizedClient::new(source.clone()).unwrap().base_url(&origin).unwrap();
        let shown = String::from_utf8_lossy(&first[..first.len().min(40)]).into_owned();
        match whole(&client, timeout).await {
            Err(Failure::OfCall(error)) if is_of_call => {
                assert_eq!(error.is_timeout(), is_timeout, "{shown}: {error:?}");
                assert_eq!(error.kind(), if is_timeout { ErrorKind::TimedOut } else { ErrorKind::Network }, "{shown}: {error:?}");
                assert!(error.is_transient() && !error.is_login_required(), "{shown}: {error:?}");
                assert!(!format!("{error:?}").contains("token-0"), "{shown}: {error:?}");
            }
            Err(Failure::OfBody(error)) if !is_of_call => assert_eq!(error.is_timeout(), is_timeout, "{shown}: {error:?}"),
            other => panic!("{shown}: {other:?}"),
        }
        requests.recv().await.unwrap();
        assert!(requests.try_recv().is_err(), "{shown}: a request that may have been served is not sent again");
        assert_eq!(whole(&client, LONG).await.unwrap(), "hello", "{shown}: the next call works");
        assert_eq!((source.reads(), source.renewals()), (2, 0), "{shown}");
    }
}
