use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A way to a server that breaks off, when a test says so, after the server has done what it was asked and before its answer
/// arrives.
pub struct Severed {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    loses: AtomicBool,
    lost: AtomicUsize,
}

impl Severed {
    /// # Panics
    /// When there is no port, or the URL has none.
    pub async fn before(url: &str) -> Self {
        let mut url = Url::parse(url).expect("a URL");
        let server = (url.host_str().expect("a host").to_owned(), url.port().expect("a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        url.set_port(Some(listener.local_addr().expect("it is bound").port())).expect("such URLs have ports");
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.0.as_str(), server.1)).await;
                tokio::spawn(between(client, server.expect("the server is there"), Arc::clone(&shared)));
            }
        });
        Self { url: url.into(), state }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn loses_the_next_answer(&self) {
        self.state.loses.store(true, Ordering::SeqCst);
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

async fn between(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut asked, mut answered) = ([0; 1 << 16], [0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(read @ 1..) if server.write_all(&asked[..read]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut answered) => match read {
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
