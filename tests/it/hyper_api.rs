//! An API on a real server, hyper's: HTTP/1.1 with connections that are kept, or HTTP/2 and HTTP/1.1 over TLS by a private CA. It
//! runs on another thread, so that the client's allocations can be told from the server's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The host that its certificate is for, beside 127.0.0.1.
pub(crate) const HOST: &str = "api.acme.example";

pub(crate) struct HyperApi {
    address: SocketAddr,
    certificate: Option<reqwest::Certificate>,
    shared: Arc<Shared>,
}

struct Shared {
    connections: AtomicUsize,
    seen: Mutex<Vec<Noted>>,
    count: watch::Sender<usize>,
}

/// The kept parts of a request: not its body, which may be of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) version: Version,
    pub(crate) authorization: Option<String>,
    pub(crate) body_length: u64,
}

/// A body of any size: a piece, so many times.
pub(crate) struct Repeated {
    piece: &'static [u8],
    times: u64,
}

impl Repeated {
    pub(crate) fn new(piece: &'static [u8], times: u64) -> Self {
        Self { piece, times }
    }

    pub(crate) fn empty() -> Self {
        Self::new(&[], 0)
    }

    pub(crate) fn once(piece: &'static str) -> Self {
        Self::new(piece.as_bytes(), 1)
    }
}

impl Body for Repeated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.times == 0 {
            return Poll::Ready(None);
        }
        self.times -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.times == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.piece.len() as u64 * self.times)
    }
}

/// Answers when the whole body has arrived.
type Answer = dyn Fn(&Parts) -> Response<Repeated> + Send + Sync;

impl HyperApi {
    /// HTTP/1.1 without TLS.
    pub(crate) fn plain(answer: impl Fn(&Parts) -> Response<Repeated> + Send + Sync + 'static) -> Self {
        Self::start(None, 0, Arc::new(answer))
    }

    pub(crate) fn over_tls(answer: impl Fn(&Parts) -> Response<Repeated> + Send + Sync + 'static) -> Self {
        Self::with_streams(200, answer)
    }

    /// Over TLS, with so many requests at once on a connection of HTTP/2.
    pub(crate) fn with_streams(streams: u32, answer: impl Fn(&Parts) -> Response<Repeated> + Send + Sync + 'static) -> Self {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.distinguished_name.push(DnType::CommonName, "a private authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new([HOST.to_owned(), "127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let certificate = reqwest::Certificate::from_der(authority.der()).unwrap();
        Self::start(Some((config, certificate)), streams, Arc::new(answer))
    }

    fn start(tls: Option<(ServerConfig, reqwest::Certificate)>, streams: u32, answer: Arc<Answer>) -> Self {
        let (config, certificate) = tls.unzip();
        let acceptor = config.map(|config| TlsAcceptor::from(Arc::new(config)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { connections: AtomicUsize::new(0), seen: Mutex::default(), count: watch::Sender::new(0) });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    // An accept that failed concerns one connection, which is gone.
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    serving.connections.fetch_add(1, Ordering::SeqCst);
                    stream.set_nodelay(true).unwrap();
                    let mut server = Builder::new(TokioExecutor::new());
                    server.http2().max_concurrent_streams(streams);
                    tokio::spawn(serve(stream, acceptor.clone(), server, Arc::clone(&serving), Arc::clone(&answer)));
                }
            });
        });
        Self { address, certificate, shared }
    }

    /// By its address, without a path.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// By its name, which [`client`](Self::client) resolves.
    pub(crate) fn named_origin(&self) -> String {
        self.origin().replace("127.0.0.1", HOST)
    }

    /// Trusts only its authority.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder().no_proxy().resolve(HOST, self.address);
        builder.tls_backend_rustls().tls_certs_only(self.certificate.clone())
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Noted> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Until it has seen so many requests.
    pub(crate) async fn asked(&self, requests: usize) {
        let mut count = self.shared.count.subscribe();
        timeout(Duration::from_secs(60), count.wait_for(|count| *count >= requests)).await.unwrap().unwrap();
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    server: Builder<TokioExecutor>,
    shared: Arc<Shared>,
    answer: Arc<Answer>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, answer) = (Arc::clone(&shared), Arc::clone(&answer));
        async move {
            let (head, mut body) = request.into_parts();
            let mut body_length = 0;
            while let Some(frame) = body.frame().await {
                body_length += frame?.data_ref().map_or(0, |data| data.len() as u64);
            }
            let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            shared.seen.lock().unwrap().push(Noted { version: head.version, authorization, body_length });
            shared.count.send_modify(|count| *count += 1);
            Ok::<_, hyper::Error>(answer(&head))
        }
    });
    // How a connection ends is for the client to tell.
    let _ = match acceptor {
        None => server.serve_connection(TokioIo::new(stream), service).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await,
            Err(_) => Ok(()),
        },
    };
}
