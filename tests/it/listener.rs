//! The loopback listener in real logins, whose person the tests play.

use std::io::{self, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::web_auth::{CallbackPage, Logout, PrintUrl};
use hallpass::{Credentials, ErrorKind, Result, WebAuth};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

/// Far longer than anything takes; a test that waits for it has failed.
const SOON: Duration = Duration::from_secs(10);

/// A login that waits for its callback.
struct Login {
    task: JoinHandle<Result<Credentials>>,
    authorize_url: Url,
    /// The URL that the provider sends the browser to.
    callback: Url,
}

impl Login {
    async fn begin(auth: WebAuth) -> Self {
        let (task, authorize_url) = start(auth).await;
        let callback = visit(&authorize_url).await;
        Self { task, authorize_url, callback }
    }

    fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.callback.port().unwrap())
    }

    fn target(&self) -> String {
        self.callback[url::Position::BeforePath..].to_owned()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.unwrap()
    }

    /// Asks for `target`, and leaves the connection open.
    async fn ask(&self, target: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.authority());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn get(&self, target: &str) -> String {
        read_all(&mut self.ask(target).await).await
    }

    /// Comes back as the browser does, and follows where it is sent on to.
    async fn come_back(&self) -> String {
        self.sent_on(self.ask(&self.target()).await).await
    }

    /// Follows where a browser that came back is sent on to.
    async fn sent_on(&self, mut browser: TcpStream) -> String {
        let redirect = read_all(&mut browser).await;
        assert_eq!(status(&redirect), 303, "{redirect}");
        let location = redirect.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        assert!(!location.contains('?'), "{location}");
        self.get(location).await
    }

    async fn ended(self) -> Result<Credentials> {
        timeout(SOON, self.task).await.expect("the login ends").unwrap()
    }
}

/// Starts a login, and returns what its browser was told to open.
async fn start(auth: WebAuth) -> (JoinHandle<Result<Credentials>>, Url) {
    let (opened, mut urls) = mpsc::unbounded_channel();
    let auth = auth.browser(move |url: &Url| -> Result<()> {
        opened.send(url.clone()).unwrap();
        Ok(())
    });
    let task = tokio::spawn(async move { auth.start().await });
    let url = timeout(SOON, urls.recv()).await.unwrap().expect("a browser is opened");
    (task, url)
}

async fn visit(authorize_url: &Url) -> Url {
    Url::parse(&TestBrowser::new().visit(authorize_url).await.unwrap()).unwrap()
}

fn web_auth(provider: &TestProvider) -> WebAuth {
    WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port()
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset at its end has still said what it said.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an answer, or an end");
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

fn busy_port() -> (TcpListener, u16) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Below the range of ephemeral ports: no other test, and no connection, takes it. Another run of the tests begins elsewhere.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 120).unwrap() * 100;
    let next = || first + TAKEN.fetch_add(1, Ordering::Relaxed);
    std::iter::repeat_with(next).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// E4, E5, E6, E7, E8, E9, E10, E11, E12, E16, E17 — token: 0 until the right callback
#[tokio::test]
async fn nothing_but_the_right_callback_ends_a_login() {
    let provider = TestProvider::start().await;
    let login = Login::begin(web_auth(&provider)).await;
    let (ours, right) = (login.authority(), login.target());
    let plain = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {ours}\r\n\r\n");
    let with = |header: &str| format!("GET {right} HTTP/1.1\r\nHost: {ours}\r\n{header}\r\n\r\n");
    let state = login.callback.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let table = [
        ("E4 a wrong path", plain(&right.replace("/callback", "/other")), 404),
        ("E5 a favicon", plain("/favicon.ico"), 404),
        ("E5 TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(), 400),
        ("E6 a state and one letter", plain(&right.replace(&state, &format!("{state}1"))), 400),
        ("E6 a state of another case", plain(&right.replace(&state, &state.to_ascii_uppercase())), 400),
        ("E6 no state", plain("/callback?code=abc"), 400),
        ("E7 a forged error", plain("/callback?error=access_denied&state=forged"), 400),
        ("E7 a forged error without a state", plain("/callback?error=access_denied"), 400),
        ("E8 POST", with("Content-Length: 0").replacen("GET", "POST", 1), 405),
        ("E9 HEAD", with("x: y").replacen("GET", "HEAD", 1), 405),
        ("E9 OPTIONS", with("x: y").replacen("GET", "OPTIONS", 1), 405),
        ("E9 CONNECT", format!("CONNECT {ours} HTTP/1.1\r\nHost: {ours}\r\n\r\n"), 405),
        ("E10 another name", plain(&right).replace(&ours, "rebound.example"), 400),
        ("E10 localhost", plain(&right).replace("127.0.0.1", "localhost"), 400),
        ("E11 an image", with("Sec-Fetch-Dest: image"), 403),
        ("E11 a frame", with("Sec-Fetch-Dest: iframe"), 403),
        ("E12 a long line", plain(&format!("{right}&x={}", "x".repeat(8192))), 414),
        ("E12 long headers", with(&format!("x: {}", "x".repeat(33_000))), 431),
        ("E16 two states", plain(&format!("{right}&state={state}")), 400),
        ("E16 two codes", plain(&format!("{right}&code=another")), 400),
        ("E17 bare LF", plain(&right).replace("\r\n", "\n"), 400),
        ("E17 a folded header", with("x: a\r\n b"), 400),
        ("E17 chunked", with("Transfer-Encoding: chunked"), 400),
        ("E17 NUL", with("x: \0"), 400),
    ];
    drop(login.connect().await);
    for (what, request, expected) in table {
        let mut stream = login.connect().await;
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = read_all(&mut stream).await;
        assert_eq!(status(&answer), expected, "{what}: {answer}");
        assert!(!login.task.is_finished(), "{what} ended the login");
    }
    assert_eq!(provider.count(Endpoint::Token), 0);
    assert!(login.come_back().await.contains("You are logged in"));
    assert!(login.ended().await.is_ok());
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// E13 — token: 1
#[tokio::test]
async fn a_hundred_slow_connections_do_not_keep_a_login_from_ending() {
    let provider = TestProvider::start().await;
    let login = Login::begin(web_auth(&provider)).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = login.connect().await;
        stream.write_all(b"GET /callback?code=").await.unwrap();
        slow.push(stream);
    }
    assert!(login.come_back().await.contains("You are logged in"));
    assert!(login.ended().await.is_ok());
    assert_eq!((provider.count(Endpoint::Token), slow.len()), (1, 100));
}

/// E14 — token: 1
#[tokio::test]
async fn the_second_of_two_pipelined_callbacks_is_not_looked_at() {
    let provider = TestProvider::start().await;
    let login = Login::begin(web_auth(&provider)).await;
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", login.authority());
    let mut stream = login.connect().await;
    let both = request(&login.target()) + &request("/callback?error=access_denied");
    stream.write_all(both.as_bytes()).await.unwrap();
    assert_eq!(read_all(&mut stream).await.matches("HTTP/1.1 ").count(), 1);
    assert!(login.ended().await.is_ok());
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// E15 — token: 1
#[tokio::test]
async fn of_two_right_callbacks_at_once_one_wins() {
    let provider = TestProvider::start().await;
    let login = Login::begin(web_auth(&provider)).await;
    let second = visit(&login.authorize_url).await;
    assert_ne!(login.callback, second, "two codes for one state");
    let gate = provider.hold(Endpoint::Token);
    let mut streams = [login.ask(&login.target()).await, login.ask(&second[url::Position::BeforePath..]).await];
    let [one, two] = &mut streams;
    let (loser, winner) = tokio::select! {
        answer = read_all(one) => (answer, two),
        answer = read_all(two) => (answer, one),
    };
    assert_eq!(status(&loser), 400);
    gate.release();
    assert_eq!(status(&read_all(winner).await), 303);
    assert!(login.ended().await.is_ok());
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// E18 — token: 1
#[tokio::test]
async fn the_page_says_done_only_after_the_id_token_was_verified() {
    let provider = TestProvider::start().await;
    let login = Login::begin(web_auth(&provider).callback_page(CallbackPage::new().name("Acme"))).await;
    let gate = provider.hold(Endpoint::Jwks);
    let browser = login.ask(&login.target()).await;
    timeout(SOON, gate.reached(1)).await.unwrap();
    assert_eq!(browser.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    gate.release();
    assert!(login.sent_on(browser).await.contains("<title>You are logged in – Acme</title>"));
    assert!(login.ended().await.is_ok());
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// E18 — token: 1
#[tokio::test]
async fn the_page_says_so_when_the_id_token_is_forged() {
    let provider = TestProvider::start().await;
    provider.always_id_token(|token| {
        token.unsigned();
    });
    let login = Login::begin(web_auth(&provider)).await;
    let page = login.come_back().await;
    assert!(page.contains("The login did not work") && !page.contains("You are logged in"), "{page}");
    assert_eq!(login.ended().await.unwrap_err().kind(), ErrorKind::IdToken);
}

/// E18 — token: 0
#[tokio::test]
async fn the_page_says_so_when_the_person_refused_and_shows_nothing_of_the_providers_text() {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Callback, Fault::new().set("error_description", "<script>CANARY</script>"));
    let (task, authorize_url) = start(web_auth(&provider)).await;
    let callback = TestBrowser::new().refusing().visit(&authorize_url).await.unwrap();
    assert!(callback.contains("CANARY"));
    let login = Login { task, authorize_url, callback: Url::parse(&callback).unwrap() };
    let page = login.come_back().await;
    assert!(page.contains("The login was cancelled") && !page.contains("CANARY"), "{page}");
    assert_eq!(login.ended().await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(provider.count(Endpoint::Token), 0);
}

/// E1, E2 — token: 0
#[tokio::test]
async fn a_busy_port_leads_to_the_next_and_all_busy_to_an_error_before_any_browser_opens() {
    let provider = TestProvider::start().await;
    let (_first, one) = busy_port();
    let (second, two) = busy_port();
    let auth = web_auth(&provider).redirect_ports([one, two]);
    let unopened = auth.clone().browser(|_: &Url| -> Result<()> { panic!("a browser was opened") });
    let error = unopened.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Browser);
    assert!(error.to_string().contains(&format!(":{one} and :{two} of 127.0.0.1 are in use")), "{error}");
    drop(second);
    let (task, url) = start(auth).await;
    let redirect_uri = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(redirect_uri, format!("http://127.0.0.1:{two}/callback"));
    task.abort();
    assert_eq!(provider.count(Endpoint::Token), 0);
}

/// E3 — token: 0
#[tokio::test]
async fn localhost_with_one_half_taken_opens_no_browser() {
    let provider = TestProvider::start().await;
    let other = TcpListener::bind("[::1]:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let auth = web_auth(&provider).redirect_uri(format!("http://localhost:{port}/callback"));
    let unopened = auth.clone().browser(|_: &Url| -> Result<()> { panic!("a browser was opened") });
    assert_eq!(unopened.start().await.unwrap_err().kind(), ErrorKind::Browser);
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the half that was had is given back");
    drop(other);
    let credentials = timeout(SOON, auth.browser(TestBrowser::new()).start()).await.unwrap();
    assert!(credentials.is_ok(), "{credentials:?}");
}

/// E3 — token: 1
#[tokio::test]
async fn a_login_at_localhost_comes_back_to_that_name_on_both_families() {
    let provider = TestProvider::start().await;
    let port = free_port();
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).redirect_ports([port]).localhost();
    assert_eq!(auth.callback_urls().unwrap(), [format!("http://localhost:{port}/callback")]);
    let (task, url) = start(auth).await;
    let redirect_uri = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(redirect_uri, format!("http://localhost:{port}/callback"));
    let callback = visit(&url).await;
    let target = &callback[url::Position::BeforePath..];
    let ask = async |host: &str, family: &str| {
        let mut stream = TcpStream::connect(format!("{family}:{port}")).await.unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n").as_bytes()).await.unwrap();
        read_all(&mut stream).await
    };
    assert_eq!(status(&ask("127.0.0.1", "127.0.0.1").await), 400, "the browser says the name that it was sent to");
    assert_eq!(provider.count(Endpoint::Token), 0);
    assert_eq!(status(&ask("localhost", "[::1]").await), 303);
    assert!(timeout(SOON, task).await.unwrap().unwrap().is_ok());
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// E19 — token: 0
#[tokio::test]
async fn a_login_nobody_comes_back_to_times_out_and_its_port_is_free() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&provider).redirect_ports([free_port()]).browser(TestBrowser::new().without_returning());
    for _ in 0..3 {
        let error = timeout(SOON, auth.clone().timeout(Duration::from_millis(50)).start()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
    assert_eq!(provider.count(Endpoint::Token), 0);
    assert!(timeout(SOON, auth.browser(TestBrowser::new()).start()).await.unwrap().is_ok());
}

/// E20 — token: 0
#[tokio::test]
async fn a_login_that_is_dropped_frees_its_port_at_once() {
    let provider = TestProvider::start().await;
    let port = free_port();
    let auth = web_auth(&provider).redirect_ports([port]);
    for _ in 0..3 {
        let (opened, mut urls) = mpsc::unbounded_channel();
        let auth = auth.clone().browser(move |url: &Url| -> Result<()> {
            opened.send(url.clone()).unwrap();
            Ok(())
        });
        tokio::select! {
            ended = auth.start() => panic!("{ended:?}"),
            url = urls.recv() => assert!(url.is_some()),
        }
        drop(TcpListener::bind(("127.0.0.1", port)).expect("the port is free"));
    }
    assert_eq!(provider.count(Endpoint::Token), 0);
}

/// E19, E23 — token: 1 for each login
#[tokio::test]
async fn one_login_after_another_has_the_same_port() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&provider).redirect_ports([free_port()]).browser(TestBrowser::new());
    for logins in 1..=3 {
        timeout(SOON, auth.start()).await.unwrap().unwrap();
        assert_eq!(provider.count(Endpoint::Token), logins);
    }
}

/// E21 — token: 1
#[tokio::test]
async fn a_pasted_callback_ends_the_login_and_one_of_another_login_does_not() {
    let provider = TestProvider::start().await;
    let (reader, mut person) = io::pipe().unwrap();
    let (screen, terminal) = io::pipe().unwrap();
    let browser = PrintUrl::to(terminal).pasted_from(BufReader::new(reader));
    let auth = web_auth(&provider).browser(browser);
    let task = tokio::spawn(async move { auth.start().await });
    let printed = tokio::task::spawn_blocking(move || {
        let mut lines = io::BufRead::lines(BufReader::new(screen)).map_while(io::Result::ok);
        (lines.find(|line| line.starts_with("http")).unwrap(), lines)
    });
    let (url, _screen) = timeout(SOON, printed).await.unwrap().unwrap();
    let url = Url::parse(&url).unwrap();
    let callback = visit(&url).await;
    writeln!(person, "http://127.0.0.1/callback?code=forged&state=forged").unwrap();
    writeln!(person, "what is this?").unwrap();
    writeln!(person, "{callback}").unwrap();
    let credentials = timeout(SOON, task).await.unwrap().unwrap().unwrap();
    assert!(credentials.user().is_some());
    assert_eq!(provider.count(Endpoint::Token), 1);
}

/// E24, K9 — logout: 1. A request with another state does not end the wait.
#[tokio::test]
async fn a_logout_ends_only_with_the_state_that_was_sent() {
    for (auth0, own_state) in [(true, Some("sent")), (true, None), (false, Some("sent")), (false, None)] {
        let provider = TestProvider::start().await;
        if !auth0 {
            provider.always(Endpoint::Discovery, hallpass::testing::Fault::new().remove("mfa_challenge_endpoint"));
        }
        let (opened, mut urls) = mpsc::unbounded_channel();
        let auth = web_auth(&provider).browser(move |url: &Url| -> Result<()> {
            opened.send(url.clone()).unwrap();
            Ok(())
        });
        let port = free_port();
        let mut logout = Logout::new().return_to(format!("http://127.0.0.1:{port}/bye"));
        if let Some(state) = own_state {
            logout = logout.state(state);
        }
        let task = tokio::spawn(async move { auth.logout(&logout).await });
        let url = timeout(SOON, urls.recv()).await.unwrap().unwrap();
        let sent = url.query_pairs().find(|pair| pair.0 == "state").map(|pair| pair.1.into_owned());
        assert_eq!(sent.is_none(), auth0, "{url}");
        let come_back = async |query: &str| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let request = format!("GET /bye{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            status(&read_all(&mut stream).await)
        };
        for query in ["?state=another", "?state=", "?state=a&state=b"] {
            assert_eq!(come_back(query).await, 400, "{query}");
            assert!(!task.is_finished(), "{query}");
        }
        let query = sent.map(|state| format!("?state={state}")).unwrap_or_default();
        assert_eq!(come_back(&query).await, 303);
        timeout(SOON, task).await.unwrap().unwrap().unwrap();
        assert_eq!(provider.count(Endpoint::Logout), 0, "the browser of this test asks nothing");
    }
}
