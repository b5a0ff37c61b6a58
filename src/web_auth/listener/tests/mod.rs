mod arbitrary_bytes;
mod binding;
mod ending;
mod requests;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Arrival, CallbackPage, Listener, LoopbackAddress, ResponseMode};

/// Far longer than any answer takes; a test that waits for it has failed.
const SOON: Duration = Duration::from_secs(8);

fn any_port() -> LoopbackAddress {
    LoopbackAddress::default().ports([0])
}

fn listener(mode: ResponseMode) -> Listener {
    Listener::bind(&any_port(), mode, CallbackPage::new()).unwrap()
}

fn port(listener: &Listener) -> u16 {
    listener.sockets[0].local_addr().unwrap().port()
}

fn belongs(callback: &str) -> bool {
    callback.split('&').any(|parameter| parameter == "state=right")
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset at its end has still said what it said.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an answer, or an end");
    String::from_utf8(answer).unwrap()
}

/// Sends bytes, and returns all that comes back.
async fn exchange(port: u16, request: &[u8]) -> String {
    let mut stream = connect(port).await;
    let _ = stream.write_all(request).await;
    read_all(&mut stream).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

fn get(port: u16, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").into_bytes()
}

/// Waits for the callback while `others` has its say, and then sends the right one.
async fn arrives_after<T>(listener: &mut Listener, others: impl Future<Output = T>) -> (Arrival, T) {
    let right = get(port(listener), "/callback?code=abc&state=right");
    let port = port(listener);
    let person = async {
        let said = others.await;
        let mut stream = connect(port).await;
        stream.write_all(&right).await.unwrap();
        (stream, said)
    };
    let (arrival, (_stream, said)) = timeout(SOON * 2, async { tokio::join!(listener.accept(&belongs), person) }).await.unwrap();
    assert_eq!(arrival.callback(), "code=abc&state=right");
    (arrival, said)
}
