use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A connection to a server that breaks on demand, after the server has done the request and before its answer arrives. On demand,
/// later connections lead to another server.
pub struct Severed {
    url: String,
    state: Arc<State>,
}

struct State {
    server: Mutex<(String, u16)>,
    loses: AtomicBool,
    lost: AtomicUsize,
    connections: AtomicUsize,
    delay_millis: AtomicU64,
    /// Connections up to this number carry nothing any more.
    silent: AtomicUsize,
}

impl Severed {
    /// # Panics
    /// When there is no port, or the URL has none.
    pub async fn before(url: &str) -> Self {
        let server = Mutex::new(address(url));
        let mut url = Url::parse(url).expect("a URL");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        url.set_port(Some(listener.local_addr().expect("it is bound").port())).expect("such URLs have ports");
        let state = Arc::new(State {
            server,
            loses: AtomicBool::default(),
            lost: AtomicUsize::default(),
            connections: AtomicUsize::default(),
            delay_millis: AtomicU64::default(),
            silent: AtomicUsize::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = shared.server.lock().expect("nobody panicked").clone();
                let server = TcpStream::connect(server).await;
                tokio::spawn(between(client, server.expect("the server is there"), Arc::clone(&shared)));
            }
        });
        Self { url: url.into(), state }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// # Panics
    /// When the URL has no port.
    pub fn leads_to(&self, url: &str) {
        *self.state.server.lock().expect("nobody panicked") = address(url);
    }

    pub fn loses_the_next_answer(&self) {
        self.state.loses.store(true, Ordering::SeqCst);
    }

    /// As a firewall drops a connection that was idle: those that are there stay open and carry nothing; new ones do.
    pub fn silences_its_connections(&self) {
        self.state.silent.store(self.connections(), Ordering::SeqCst);
    }

    /// Each request takes so much longer to the server from now on.
    pub fn delays(&self, millis: u64) {
        self.state.delay_millis.store(millis, Ordering::SeqCst);
    }

    /// The number of connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The number of lost answers.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

fn address(url: &str) -> (String, u16) {
    let url = Url::parse(url).expect("a URL");
    (url.host_str().expect("a host").to_owned(), url.port().expect("a port"))
}

async fn between(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut asked, mut answered) = ([0; 1 << 16], [0; 1 << 16]);
    let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let is_silent = || number <= state.silent.load(Ordering::SeqCst);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                tokio::time::sleep(Duration::from_millis(state.delay_millis.load(Ordering::SeqCst))).await;
                match read {
                    Ok(1..) if is_silent() => {}
                    Ok(read @ 1..) if server.write_all(&asked[..read]).await.is_ok() => {}
                    _ => return,
                }
            }
            read = server.read(&mut answered) => match read {
                Ok(1..) if is_silent() => {}
                Ok(1..) if state.loses.swap(false, Ordering::SeqCst) => {
                    state.lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Ok(read @ 1..) if client.write_all(&answered[..read]).await.is_ok() => {}
                _ => return,
            },
        }
    }
}
