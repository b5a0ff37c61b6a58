use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use super::super::{CallbackPage, Listener, LoopbackAddress, PageOutcome, ResponseMode};
use super::{belongs, connect, get, listener, port, read_all};
use crate::ErrorKind;

fn bind(address: &LoopbackAddress) -> crate::Result<Listener> {
    Listener::bind(address, ResponseMode::Query, CallbackPage::new())
}

fn on(host: &str, port: u16) -> LoopbackAddress {
    LoopbackAddress::from_redirect_uri(&format!("http://{host}:{port}/callback")).unwrap()
}

async fn busy() -> (TcpListener, u16) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// E1
#[tokio::test]
async fn only_loopback_is_listened_on() {
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let listener = bind(&on(host, 0)).unwrap();
        assert!(listener.sockets.iter().all(|socket| socket.local_addr().unwrap().ip().is_loopback()));
        assert_eq!(listener.redirect_uri(), format!("http://{host}:{}/callback", port(&listener)));
    }
}

/// E2
#[tokio::test]
async fn a_busy_port_leads_to_the_next_and_all_busy_to_an_error_that_names_them() {
    let (_first, one) = busy().await;
    let (second, two) = busy().await;
    let address = LoopbackAddress::default().ports([one, two]);
    let error = bind(&address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Browser);
    assert_eq!(
        error.to_string(),
        format!(":{one} and :{two} of 127.0.0.1 are in use; end the program that listens there, or register and set other ports")
    );
    drop(second);
    assert_eq!(port(&bind(&address).unwrap()), two);
    assert_eq!(bind(&LoopbackAddress::default().ports([])).unwrap_err().kind(), ErrorKind::Configuration);
}

/// E3
#[tokio::test]
async fn localhost_is_listened_on_in_both_families_or_in_neither() {
    let listener = bind(&on("localhost", 0)).unwrap();
    let addresses: Vec<SocketAddr> = listener.sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let port = port(&listener);
    assert_eq!(addresses, [SocketAddr::new([127, 0, 0, 1].into(), port), format!("[::1]:{port}").parse().unwrap()]);
    drop(listener);

    let other = TcpListener::bind(format!("[::1]:{port}")).await.unwrap();
    let address = on("localhost", port);
    assert_eq!(bind(&address).unwrap_err().kind(), ErrorKind::Browser);
    TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the other half was given back");
    drop(other);
    assert!(bind(&address).is_ok());
}

/// E3
#[tokio::test]
async fn a_callback_to_localhost_arrives_in_either_family() {
    for family in ["127.0.0.1", "[::1]"] {
        let mut listener = bind(&on("localhost", 0)).unwrap();
        let port = port(&listener);
        let mut stream = tokio::net::TcpStream::connect(format!("{family}:{port}")).await.unwrap();
        let request = format!("GET /callback?state=right HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(listener.accept(&belongs).await.callback(), "state=right");
    }
}

/// E10
#[tokio::test]
async fn a_callback_to_ipv6_says_so_in_its_host() {
    let mut listener = bind(&on("[::1]", 0)).unwrap();
    let port = port(&listener);
    let mut stream = tokio::net::TcpStream::connect(format!("[::1]:{port}")).await.unwrap();
    let request = format!("GET /callback?state=right HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(listener.accept(&belongs).await.callback(), "state=right");
}

/// E19, E20
#[tokio::test]
async fn a_port_is_free_as_soon_as_the_wait_was_given_up() {
    let address = LoopbackAddress::default().ports([port(&listener(ResponseMode::Query))]);
    for _ in 0..3 {
        let mut listener = bind(&address).unwrap();
        let mut open = connect(port(&listener)).await;
        open.write_all(b"GET /callback").await.unwrap();
        let wait = async { listener.accept(&belongs).await };
        assert!(timeout(Duration::from_millis(20), wait).await.is_err());
        drop(listener);
    }
    assert!(bind(&address).is_ok());
}

/// E19, E23
#[tokio::test]
async fn a_port_is_free_for_the_next_login_right_after_one_that_worked() {
    let address = LoopbackAddress::default().ports([port(&listener(ResponseMode::Query))]);
    for _ in 0..3 {
        let mut listener = bind(&address).unwrap();
        let port = port(&listener);
        let mut stream = connect(port).await;
        stream.write_all(&get(port, "/callback?state=right")).await.unwrap();
        let arrival = listener.accept(&belongs).await;
        let browser = async {
            read_all(&mut stream).await;
            super::exchange(port, &get(port, "/finished")).await
        };
        let ((), page) = tokio::join!(listener.answer(arrival, PageOutcome::Done), browser);
        assert!(page.contains("You are logged in"), "{page}");
    }
}

/// E23
#[cfg(unix)]
#[tokio::test]
async fn nobody_can_share_the_port() {
    let listener = listener(ResponseMode::Query);
    let port = port(&listener);
    let reusing = |reuse_port: bool| {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(reuse_port)?;
        socket.bind(SocketAddr::new([127, 0, 0, 1].into(), port))?;
        socket.listen(1)
    };
    for reuse_port in [false, true] {
        assert_eq!(reusing(reuse_port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn a_redirect_uri_is_kept_to_the_letter() {
    for (uri, path) in [
        ("http://127.0.0.1:8000", "/"),
        ("http://localhost:8000/a/b?tenant=x", "/a/b"),
        ("http://[::1]:8000/%7ecallback", "/%7ecallback"),
        ("HTTP://LOCALHOST:80/", "/"),
    ] {
        let address = LoopbackAddress::from_redirect_uri(uri).unwrap();
        assert_eq!(address.redirect_uri(address.candidates()[0]), uri);
        assert_eq!(address.path(), path);
    }
    assert_eq!(LoopbackAddress::from_redirect_uri("http://127.0.0.1:80/").unwrap().authority(80), "127.0.0.1");
    assert_eq!(LoopbackAddress::from_redirect_uri("http://localhost:0/x").unwrap().redirect_uri(7), "http://localhost:7/x");
    for uri in [
        "https://127.0.0.1/callback",
        "http://127.0.0.2/callback",
        "http://0.0.0.0/callback",
        "http://localhost.evil.example/callback",
        "http://user@127.0.0.1/callback",
        "http://127.0.0.1/callback#x",
        "com.acme.app:/callback",
        "callback",
    ] {
        assert_eq!(LoopbackAddress::from_redirect_uri(uri).unwrap_err().kind(), ErrorKind::Configuration, "{uri}");
    }
}

#[test]
fn the_default_is_three_fixed_addresses() {
    let address = LoopbackAddress::default();
    let uris: Vec<String> = address.candidates().iter().map(|port| address.redirect_uri(*port)).collect();
    assert_eq!(uris, ["http://127.0.0.1:21965/callback", "http://127.0.0.1:21966/callback", "http://127.0.0.1:21967/callback"]);
}
