//! A server on loopback with a thread and a runtime: it answers also while the test's runtime is blocked or its time is paused.
//! When it is dropped, the thread has ended and the port is free.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::seen::SeenRequest;

#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Answers requests.
pub(super) trait Answer: Send + Sync + 'static {
    fn answer(self: Arc<Self>, request: SeenRequest) -> impl Future<Output = Reply> + Send;
}

/// The answer on a connection.
#[derive(Debug)]
pub(super) enum Reply {
    Http(Response<Bytes>),
    /// Bytes as they are, whatever they mean; then the connection ends.
    Wire(Wire),
    /// The connection ends without an answer.
    Close,
    /// Nothing comes, ever; the connection stays open until the other side ends it.
    Stall,
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) head: Bytes,
    /// So many spaces after the head: JSON's white space, of any size, without holding it.
    pub(super) spaces: u64,
    /// The pause before each single byte.
    pub(super) pace: Option<Duration>,
}

/// The socket first, so that its port can be part of what is answered.
pub(super) struct Bound {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Port 0: any free one.
    pub(super) fn to(port: u16) -> Self {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a test's loopback port can be bound");
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { socket, address }
    }

    /// Its root.
    pub(super) fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().expect("an address on loopback makes a URL")
    }

    pub(super) fn serve(self, answers: Arc<impl Answer>) -> Server {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("testing {}", self.address))
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
                // When this ends, the runtime is dropped and every connection with it.
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = accept(self.socket, answers) => {}
                    }
                });
            })
            .expect("a thread can be started");
        Server { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(server) = self.thread.take() else { return };
        // Dropped by its own thread, it cannot wait for itself.
        if server.thread().id() != thread::current().id() {
            let _ = server.join();
        }
    }
}

async fn accept(socket: std::net::TcpListener, answers: Arc<impl Answer>) {
    let listener = TcpListener::from_std(socket).expect("a bound socket becomes a listener");
    loop {
        // An accept that failed concerns one connection, which is gone.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve_connection(stream, Arc::clone(&answers)));
    }
}

async fn serve_connection(stream: TcpStream, answers: Arc<impl Answer>) {
    let (take_over, mut taken_over) = mpsc::channel(1);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, take_over) = (Arc::clone(&answers), take_over.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = SeenRequest::new(Request::from_parts(head, body));
            // On a task of its own: a provider finishes what it was asked also when nobody waits for the answer any more.
            let reply = match tokio::spawn(answers.answer(request)).await {
                Ok(reply) => reply,
                Err(_) => Reply::Http(failed()),
            };
            match reply {
                Reply::Http(response) => Ok::<_, hyper::Error>(response.map(Full::new)),
                other => {
                    let _ = take_over.send(other).await;
                    pending().await
                }
            }
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let reply = tokio::select! {
        _ = &mut connection => return,
        reply = taken_over.recv() => reply,
    };
    let stream = connection.into_parts().io.into_inner();
    if let Some(reply) = reply {
        let _ = take_over_connection(stream, reply).await;
    }
}

async fn take_over_connection(mut stream: TcpStream, reply: Reply) -> std::io::Result<Option<Infallible>> {
    match reply {
        Reply::Http(_) | Reply::Close => {}
        Reply::Stall => while stream.read(&mut [0; 1024]).await? > 0 {},
        Reply::Wire(wire) => {
            let Wire { head, mut spaces, pace } = wire;
            match pace {
                None => stream.write_all(&head).await?,
                Some(pace) => {
                    for byte in head {
                        tokio::time::sleep(pace).await;
                        stream.write_all(&[byte]).await?;
                    }
                }
            }
            while spaces > 0 {
                let chunk = usize::try_from(spaces).map_or(SPACES.len(), |left| left.min(SPACES.len()));
                stream.write_all(&SPACES[..chunk]).await?;
                spaces -= chunk as u64;
            }
            stream.shutdown().await?;
            // Read to the end, or what was written may be lost to a reset.
            while stream.read(&mut [0; 1024]).await? > 0 {}
        }
    }
    Ok(None)
}

fn failed() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"the test's own closure panicked"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

static SPACES: [u8; 64 * 1024] = [b' '; 64 * 1024];
