use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::page::{CallbackPage, Shown};
use super::request::{Expected, Refusal, Request};

/// The data that the connections of one listener share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) expected: Expected,
    page: CallbackPage,
    content_security_policy: String,
    /// The content of the page at the end; there is no such page before a callback was taken.
    end: Mutex<Option<Shown>>,
    /// An answer came by GET where a form was asked for.
    came_by_get: AtomicBool,
}

/// One connection being served. Dropping it closes it.
pub(super) type Connection = Pin<Box<dyn Future<Output = Served> + Send>>;

/// The outcome of a connection.
pub(super) enum Served {
    /// It has had its answer, and is closed.
    Answered,
    /// It has been shown the page at the end, and is closed.
    EndPage,
    /// It brings what may be the callback, and waits for an answer.
    Callback(Held),
}

/// A request that may be the callback, and the connection that waits for its answer.
pub(super) struct Held {
    pub(super) text: Zeroizing<String>,
    pub(super) stream: TcpStream,
}

/// From the first byte to the last of a request. Browsers open connections in advance; they open silent ones again after this time.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// The time, and the number of bytes, for which an answered connection is read: closing it with unread bytes resets it, and the
/// browser would lose the answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;

impl Site {
    pub(super) fn new(expected: Expected, page: CallbackPage) -> Self {
        let content_security_policy = page.content_security_policy();
        Self { expected, page, content_security_policy, end: Mutex::new(None), came_by_get: AtomicBool::new(false) }
    }

    /// From now on, the page at the end is there, and shows this.
    pub(super) fn end_with(&self, shown: Shown) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }

    pub(super) fn has_come_by_get(&self) -> bool {
        self.came_by_get.load(Ordering::Relaxed)
    }

    fn end(&self) -> Option<Shown> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn page(&self, status: StatusCode, shown: Shown) -> Answer {
        Answer::page(status, &self.content_security_policy, &self.page.html(shown))
    }

    fn refusal(&self, refusal: &Refusal) -> Answer {
        let mut answer = self.page(refusal.status, Shown::Stray);
        if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
            answer = answer.allowing(if self.expected.mode.is_posted() { "GET, POST" } else { "GET" });
        }
        if refusal.to_head { answer.without_body() } else { answer }
    }
}

/// Serves a connection that was just accepted.
pub(super) fn serve(site: Arc<Site>, mut stream: TcpStream) -> Connection {
    Box::pin(async move {
        let deadline = Instant::now() + REQUEST_DEADLINE;
        // No buffer is made before there is something to put into it, and whoever says nothing gets no answer.
        let Ok(Ok(())) = timeout_at(deadline, stream.readable()).await else { return Served::Answered };
        let request = timeout_at(deadline, Request::read(&mut stream, &site.expected)).await;
        let answer = match request.unwrap_or_else(|_| Err(StatusCode::REQUEST_TIMEOUT.into())) {
            Ok(None) => return Served::Answered,
            Ok(Some(Request::Callback(text))) => return Served::Callback(Held { text, stream }),
            Ok(Some(Request::EndPage)) => match site.end() {
                Some(shown) => {
                    send(stream, &site.page(StatusCode::OK, shown)).await;
                    return Served::EndPage;
                }
                None => site.refusal(&StatusCode::NOT_FOUND.into()),
            },
            Err(refusal) => {
                site.came_by_get.fetch_or(refusal.came_by_get, Ordering::Relaxed);
                site.refusal(&refusal)
            }
        };
        send(stream, &answer).await;
        Served::Answered
    })
}

/// Answers a callback that is not the one waited for.
pub(super) fn refuse(site: Arc<Site>, stream: TcpStream) -> Connection {
    Box::pin(async move {
        send(stream, &site.refusal(&StatusCode::BAD_REQUEST.into())).await;
        Served::Answered
    })
}

/// Sends the browser from the callback on to the page at the end.
pub(super) fn send_on(site: Arc<Site>, stream: TcpStream) -> Connection {
    Box::pin(async move {
        send(stream, &Answer::see_other(site.expected.end_path, &site.content_security_policy)).await;
        Served::Answered
    })
}

/// Nothing depends on its arrival.
async fn send(mut stream: TcpStream, answer: &Answer) {
    let written = timeout(ANSWER_DEADLINE, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    });
    if !matches!(written.await, Ok(Ok(()))) {
        return;
    }
    let _ = timeout(LINGER, async {
        let mut unread = [0; 4096];
        let mut total = 0;
        while let Ok(read @ 1..) = stream.read(&mut unread).await {
            total += read;
            if total > LINGER_BYTES {
                break;
            }
        }
    })
    .await;
}
