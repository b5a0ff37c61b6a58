use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::super::{PageOutcome, ResponseMode};
use super::{arrives_after, belongs, connect, exchange, get, listener, port, read_all, status};

/// A request, in words where `HOST` stands for ours, and the status it gets.
async fn check_table(mode: ResponseMode, rows: &[(&str, String, u16)]) {
    let mut listener = listener(mode);
    let port = port(&listener);
    let others = async {
        for (what, request, expected) in rows {
            let request = request.replace("HOST", &format!("127.0.0.1:{port}"));
            let answer = exchange(port, request.as_bytes()).await;
            assert_eq!(status(&answer), *expected, "{what}: {answer}");
            assert!(answer.contains("connection: close\r\n"), "{what}");
            assert!(!answer.contains("location:"), "{what}");
        }
    };
    let waiting = listener.accept(&|text| {
        assert!(!text.contains("state=right"), "taken: {text}");
        false
    });
    tokio::select! {
        _ = waiting => panic!("nothing of this is the callback"),
        () = others => {}
    }
}

/// E4, E5, E6, E7, E8, E9, E10, E11, E12, E14, E16, E17
#[tokio::test]
async fn whatever_is_not_the_callback_gets_its_status_and_the_wait_goes_on() {
    let plain = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: HOST\r\n\r\n");
    let with = |header: &str| format!("GET /callback?state=right HTTP/1.1\r\nHost: HOST\r\n{header}\r\n\r\n");
    let method = |method: &str| format!("{method} /callback?state=right HTTP/1.1\r\nHost: HOST\r\n\r\n");
    let line = |length: usize| {
        let rest = "GET /callback? HTTP/1.1".len();
        format!("GET /callback?{} HTTP/1.1\r\nHost: HOST\r\n\r\n", "x".repeat(length - rest))
    };
    let headers = |length: usize| {
        let rest = "Host: 127.0.0.1:12345\r\nX: ".len();
        format!("GET /callback HTTP/1.1\r\nHost: HOST\r\nX: {}\r\n\r\n", "x".repeat(length - rest))
    };
    check_table(
        ResponseMode::Query,
        &[
            ("E4 another path", plain("/other?state=right"), 404),
            ("E4 a longer path", plain("/callback/?state=right"), 404),
            ("E4 another case", plain("/Callback?state=right"), 404),
            ("E4 an escape", plain("/%63allback?state=right"), 404),
            ("E4 two slashes", plain("//callback?state=right"), 404),
            ("E4 dots", plain("/x/../callback?state=right"), 404),
            ("E4 the end page, before the end", plain("/finished"), 404),
            ("E5 favicon", plain("/favicon.ico"), 404),
            ("E5 TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(), 400),
            ("E5 HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
            ("E6 another state", plain("/callback?code=abc&state=wrong"), 400),
            ("E6 no state", plain("/callback?code=abc"), 400),
            ("E6 nothing", plain("/callback"), 400),
            ("E7 a forged error", plain("/callback?error=access_denied&state=wrong"), 400),
            ("E8 POST", method("POST"), 405),
            ("E9 HEAD", method("HEAD"), 405),
            ("E9 OPTIONS", method("OPTIONS"), 405),
            ("E9 CONNECT", "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), 405),
            ("E9 lower case", method("get"), 400),
            ("E10 a foreign name", "GET /callback?state=right HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), 400),
            ("E10 a foreign name with our port", with("").replace("HOST", "evil.example:21965"), 400),
            ("E10 localhost", with("").replace("127.0.0.1", "localhost").replace("HOST", "localhost"), 400),
            ("E10 no port", with("").replace("HOST", "127.0.0.1"), 400),
            ("E10 a dot more", with("").replace("HOST", "HOST."), 400),
            ("E10 none", "GET /callback?state=right HTTP/1.1\r\n\r\n".to_owned(), 400),
            ("E10 two", with("Host: HOST"), 400),
            ("E11 an image", with("Sec-Fetch-Dest: image"), 403),
            ("E11 a frame", with("Sec-Fetch-Dest: iframe"), 403),
            ("E11 a script", with("Sec-Fetch-Dest: empty"), 403),
            ("E11 a request without a page", with("Sec-Fetch-Mode: no-cors"), 403),
            ("E11 two", with("Sec-Fetch-Dest: document\r\nSec-Fetch-Dest: image"), 400),
            ("E12 the longest request line", line(8192), 400),
            ("E12 one more", line(8193), 414),
            ("E12 headers enough", headers(32_000), 400),
            ("E12 too much of headers", headers(33_000), 431),
            ("E12 too many headers", with(&"x: y\r\n".repeat(200)), 431),
            ("E14 behind a wrong one", plain("/callback") + &plain("/callback?state=right"), 400),
            ("E16 state", plain("/callback?state=right&code=a&state=right"), 400),
            ("E16 code", plain("/callback?state=right&code=a&code=a"), 400),
            ("E16 iss", plain("/callback?state=right&iss=a&iss=a"), 400),
            ("E16 error", plain("/callback?state=right&error=a&error=b"), 400),
            ("E16 escaped", plain("/callback?state=right&code=a&c%6fde=b"), 400),
            ("E17 bare LF", "GET /callback?state=right HTTP/1.1\nHost: HOST\n\n".to_owned(), 400),
            ("E17 one bare LF", "GET /callback?state=right HTTP/1.1\r\nHost: HOST\n\r\n".to_owned(), 400),
            ("E17 bare CR", with("x: a\rb"), 400),
            ("E17 an empty line first", "\r\n".to_owned() + &with("x: y"), 400),
            ("E17 folded", with("x: a\r\n b"), 400),
            ("E17 folded from the first", "GET /callback?state=right HTTP/1.1\r\n Host: HOST\r\n\r\n".to_owned(), 400),
            ("E17 chunked", with("Transfer-Encoding: chunked"), 400),
            ("E17 a body", with("Content-Length: 1"), 400),
            ("E17 no length", with("Content-Length: -1"), 400),
            ("E17 a length with a sign", with("Content-Length: +0"), 400),
            ("E17 an empty length", with("Content-Length: "), 400),
            ("E17 two lengths", with("Content-Length: 0\r\nContent-Length: 0"), 400),
            ("E17 NUL in the line", plain("/callback?state=right\0"), 400),
            ("E17 NUL in a header", with("x: \0"), 400),
            ("E17 space before the colon", with("x : y"), 400),
            ("E17 no colon", with("x"), 400),
            ("E17 the absolute form", plain("http://HOST/callback?state=right"), 400),
            ("E17 an asterisk", plain("*"), 400),
            ("E17 a fragment", plain("/callback?state=right#x"), 400),
            ("E17 not ASCII", plain("/callback?state=right&x=é"), 400),
            ("E17 two spaces", plain(" /callback?state=right"), 400),
            ("E17 a third word", plain("/callback?state=right x"), 400),
            ("E17 HTTP/1.0", plain("/callback?state=right").replace("1.1", "1.0"), 505),
            ("E17 HTTP/0.9", "GET /callback?state=right\r\n\r\n".to_owned(), 400),
        ],
    )
    .await;
}

/// E8, E16
#[tokio::test]
async fn a_form_is_taken_only_as_it_must_be() {
    let form = |headers: &str, body: &str| format!("POST /callback HTTP/1.1\r\nHost: HOST\r\n{headers}\r\n\r\n{body}");
    let urlencoded = |length: usize, body: &str| {
        form(&format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}"), body)
    };
    check_table(
        ResponseMode::FormPost,
        &[
            ("another state", urlencoded(11, "state=wrong"), 400),
            ("GET", "GET /callback?state=right HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), 405),
            ("PUT", urlencoded(11, "state=right").replace("POST", "PUT"), 405),
            ("to the end page", urlencoded(11, "state=right").replace("/callback", "/finished"), 405),
            ("no media type", form("Content-Length: 11", "state=right"), 415),
            ("another media type", form("Content-Type: text/plain\r\nContent-Length: 11", "state=right"), 415),
            ("no length", form("Content-Type: application/x-www-form-urlencoded", "state=right"), 411),
            ("64 KiB", urlencoded(64 * 1024, &"x".repeat(64 * 1024)), 400),
            ("more than 64 KiB", urlencoded(64 * 1024 + 1, ""), 413),
            ("a length beyond numbers", urlencoded(0, "").replace("h: 0", "h: 99999999999999999999999"), 413),
            ("a length with a sign", urlencoded(0, "state=right").replace("h: 0", "h: +11"), 400),
            ("not ASCII", urlencoded(13, "state=right\u{e9}"), 400),
            ("a space", urlencoded(15, "state=right&x= "), 400),
            ("to another path", urlencoded(11, "state=right").replace("/callback", "/other"), 404),
            (
                "from a frame",
                form(
                    "Sec-Fetch-Dest: iframe\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 11",
                    "state=right",
                ),
                403,
            ),
            ("twice", urlencoded(23, "state=right&state=right"), 400),
            ("chunked", form("Transfer-Encoding: chunked", "b\r\nstate=right\r\n0\r\n\r\n"), 400),
        ],
    )
    .await;
}

/// E8
#[tokio::test]
async fn a_posted_form_of_64_kib_arrives_whole_and_cross_site() {
    let mut listener = listener(ResponseMode::FormPost);
    let port = port(&listener);
    let body = format!("state=right&code={}", "c".repeat(64 * 1024 - 17));
    let request = format!(
        "POST /callback HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://idp.example\r\nSec-Fetch-Site: cross-site\r\n\
         Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{body}and more",
        body.len()
    );
    let mut stream = connect(port).await;
    let (arrival, written) = tokio::join!(listener.accept(&belongs), stream.write_all(request.as_bytes()));
    written.unwrap();
    assert_eq!(arrival.callback(), body);
}

/// E5
#[tokio::test]
async fn connections_that_say_nothing_or_break_off_are_tolerated() {
    let mut listener = listener(ResponseMode::Query);
    let port = port(&listener);
    let (_, answers) = arrives_after(&mut listener, async {
        let silent = connect(port).await;
        drop(connect(port).await);
        let mut broken = connect(port).await;
        broken.write_all(b"GET /callb").await.unwrap();
        broken.shutdown().await.unwrap();
        (silent, read_all(&mut broken).await)
    })
    .await;
    assert_eq!(status(&answers.1), 400);
}

/// E13
#[tokio::test]
async fn slow_connections_in_any_number_do_not_keep_the_callback_out() {
    for slow in [100, 400] {
        let mut listener = listener(ResponseMode::Query);
        let port = port(&listener);
        let (arrival, held) = arrives_after(&mut listener, async {
            let mut held = Vec::new();
            for _ in 0..slow {
                let mut stream = connect(port).await;
                stream.write_all(b"GET /callback?code=").await.unwrap();
                held.push(stream);
            }
            held
        })
        .await;
        assert_eq!((arrival.callback(), held.len()), ("code=abc&state=right", slow));
    }
}

/// E13
#[tokio::test]
async fn the_oldest_of_too_many_connections_makes_room_and_not_before_it_could_speak() {
    let mut listener = listener(ResponseMode::Query);
    let port = port(&listener);
    let began = Instant::now();
    let (_, (lived, said, held)) = arrives_after(&mut listener, async {
        let mut oldest = connect(port).await;
        let mut held = Vec::new();
        for _ in 0..200 {
            held.push(connect(port).await);
        }
        let said = read_all(&mut oldest).await;
        (began.elapsed(), said, held)
    })
    .await;
    assert_eq!((said.as_str(), held.len()), ("", 200));
    assert!((Duration::from_millis(250)..Duration::from_secs(8)).contains(&lived), "{lived:?}");
}

/// E14
#[tokio::test]
async fn only_the_first_of_pipelined_requests_is_handled() {
    let mut listener = listener(ResponseMode::Query);
    let port = port(&listener);
    let both = [get(port, "/callback?code=abc&state=right"), get(port, "/callback?code=xyz&state=right")].concat();
    let mut stream = connect(port).await;
    stream.write_all(&both).await.unwrap();
    let arrival = listener.accept(&belongs).await;
    assert_eq!(arrival.callback(), "code=abc&state=right");
    let ((), answer) = tokio::join!(listener.answer(arrival, PageOutcome::Done), read_all(&mut stream));
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

/// E15
#[tokio::test]
async fn of_two_valid_callbacks_one_wins() {
    let mut listener = listener(ResponseMode::Query);
    let port = port(&listener);
    let (mut first, mut second, mut again) = (connect(port).await, connect(port).await, connect(port).await);
    first.write_all(&get(port, "/callback?code=abc&state=right")).await.unwrap();
    let mut arrival = listener.accept(&belongs).await;
    second.write_all(&get(port, "/callback?code=xyz&state=right")).await.unwrap();
    again.write_all(&get(port, "/callback?code=abc&state=right")).await.unwrap();
    let others = async { (read_all(&mut second).await, read_all(&mut again).await) };
    let (refused, led_on) = listener.while_pending(&mut arrival, others).await;
    assert_eq!((status(&refused), status(&led_on)), (400, 303));
    let ((), answer) = tokio::join!(listener.answer(arrival, PageOutcome::Done), read_all(&mut first));
    assert_eq!(status(&answer), 303);
}

/// E24
#[tokio::test]
async fn the_return_from_a_logout_needs_no_state() {
    let mut listener = listener(ResponseMode::Query);
    let mut stream = connect(port(&listener)).await;
    stream.write_all(&get(port(&listener), "/callback")).await.unwrap();
    let arrival = listener.accept(&|_| true).await;
    assert_eq!(arrival.callback(), "");
}
