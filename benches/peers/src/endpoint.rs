//! A server on a thread of its own, so that its allocations are nobody's: the same answer to whatever is asked.
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// As plain as it can be, for what a client takes: one connection at a time, kept alive.
pub fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 16_384];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
                }
            });
        }
    });
    url
}

/// What a server says.
pub async fn get(url: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().bytes().await.unwrap().into()
}

/// A token endpoint that takes its time, and counts. Any number of connections at once.
pub struct TokenEndpoint {
    pub url: String,
    requests: Arc<AtomicUsize>,
}

impl TokenEndpoint {
    pub fn start(takes: Duration) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
                while let Ok((mut stream, _)) = listener.accept().await {
                    let count = Arc::clone(&count);
                    tokio::spawn(async move {
                        let mut buffer = vec![0; 4096];
                        let mut asked = Vec::new();
                        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                            asked.extend_from_slice(&buffer[..read]);
                            if is_whole(&asked) {
                                asked.clear();
                                count.fetch_add(1, Ordering::Relaxed);
                                tokio::time::sleep(takes).await;
                                _ = stream.write_all(answer().as_bytes()).await;
                            }
                        }
                    });
                }
            });
        });
        Self { url: receiver.recv().unwrap(), requests }
    }

    pub fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

/// A form is as long as its header says.
fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn answer() -> String {
    let body = format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":86400,"scope":"read:messages"}}"#);
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// As long as a provider's opaque one.
pub const TOKEN: &str = "b8JmKXQyW3vTgZ1nPzL5dRfHs0aEuCxYoIq7wMtN9kG";
