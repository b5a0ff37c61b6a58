//! Answers that are posted (OAuth 2.0 Form Post Response Mode): the same checks as of a URL, and what any page in the world can post.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{ErrorKind, PendingLogin, Result, WebAuth};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use crate::altered_login::{application, web_auth};

/// Far longer than anything takes; a test that waits for it has failed.
const SOON: Duration = Duration::from_secs(10);

fn loopback(provider: &TestProvider) -> WebAuth {
    WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port().form_post()
}

fn field(form: &str, name: &str) -> String {
    let found = form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("the form has a field {name}")).1.into_owned()
}

/// K20 — authorize: 0
#[tokio::test]
async fn a_provider_that_lists_no_posted_answers_is_asked_for_none() {
    for (modes, accepted) in [(&["query", "fragment"][..], false), (&["query", "form_post"], true)] {
        let provider = TestProvider::start().await;
        provider.always(Endpoint::Discovery, Fault::new().set("response_modes_supported", modes));
        let browser = TestBrowser::new();
        let result = loopback(&provider).browser(browser).start().await;
        assert_eq!((result.is_ok(), provider.count(Endpoint::Authorize)), (accepted, usize::from(accepted)), "{result:?}");
        let plain = WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port().browser(TestBrowser::new());
        plain.start().await.unwrap();
        let error = loopback(&provider).redirect_uri("http://127.0.0.1:9/callback").begin().await.err();
        assert_eq!(error.map(|error| error.kind()), (!accepted).then_some(ErrorKind::Configuration));
        let signed = WebAuth::new(provider.issuer(), provider.client_id()).signed_response();
        let error = signed.redirect_uri("http://127.0.0.1:9/callback").begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "neither has query.jwt: {error}");
    }
}

/// K20 — token: 0. Each is told when the wait ends, and ends nothing by itself.
#[tokio::test]
async fn an_answer_in_a_url_and_an_error_without_state_are_told_at_the_end() {
    for (posted, query, told) in [
        (true, "code=CANARY&state=x", "an answer came in a URL"),
        (false, "error=access_denied&error_description=Not+%1B%5B1mallowed", "perhaps the provider's refusal"),
        (false, "error=access_denied&state=x", "register http://127.0.0.1:"),
    ] {
        let provider = TestProvider::start().await;
        let (opened, mut urls) = mpsc::unbounded_channel();
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port();
        let auth = if posted { auth.form_post() } else { auth };
        let auth = auth.timeout(Duration::from_secs(2)).browser(move |url: &Url| -> Result<()> {
            opened.send(url.clone()).unwrap();
            Ok(())
        });
        let task = tokio::spawn(async move { auth.start().await });
        let url = timeout(SOON, urls.recv()).await.unwrap().unwrap();
        let redirect_uri = url.query_pairs().find(|pair| pair.0 == "redirect_uri").unwrap().1.into_owned();
        let status = reqwest::get(format!("{redirect_uri}?{query}")).await;
        assert_eq!(status.unwrap().status(), if posted { 405 } else { 400 });
        let error = timeout(SOON, task).await.unwrap().unwrap().unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{text}");
        assert!(text.contains(told) && !text.contains("CANARY") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(text.contains("access_denied"), query.starts_with("error") && !query.contains("state"), "{text}");
        assert_eq!(provider.count(Endpoint::Token), 0);
    }
}

#[tokio::test]
async fn an_answer_is_posted_to_the_listener_and_the_person_is_told() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new();
    let credentials = loopback(&provider).browser(browser.clone()).start().await.unwrap();
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some("jane@example.com"));
    let asked = provider.requests(Endpoint::Authorize).remove(0);
    assert_eq!(asked.parameter("response_mode").as_deref(), Some("form_post"));
    let page = browser.shown(1).await.remove(0);
    assert_eq!((page.status().as_u16(), page.url().query()), (200, None));

    let refusing = TestBrowser::new().refusing();
    let error = loopback(&provider).browser(refusing.clone()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(refusing.shown(1).await[0].text().contains("No access was given."));
    let pasting = loopback(&provider).browser(TestBrowser::new().pasting());
    pasting.start().await.expect("a form's body may be pasted");
}

/// A1, A2, A3, A4, A5, A6, A7, A8, A10, A15, A19 — token: 0
#[tokio::test]
async fn a_posted_answer_is_checked_as_any_other() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider)).form_post();
    type Alteration = fn(&str) -> String;
    let rows: [(&str, Alteration); 15] = [
        ("A1 no code", |form| form.replace("code=", "kode=")),
        ("A1 nothing", |_| String::new()),
        ("A2 no state", |form| form.replace("state=", "stat=")),
        ("A3 a longer state", |form| form.replace("&iss=", "1&iss=")),
        ("A4 an encoded state", |form| form.replace(&field(form, "state"), &format!("%20{}", field(form, "state")))),
        ("A5 two states", |form| format!("{form}&state={}", field(form, "state"))),
        ("A6 two codes", |form| format!("{form}&code=x")),
        ("A7 no iss", |form| form.replace("iss=", "is=")),
        ("A8 a longer iss", |form| form.replace("&iss=", "&iss=1")),
        ("A10 another iss", |form| form.replace("127.0.0.1", "localhost")),
        ("A15 a token", |form| format!("{form}&access_token=x")),
        ("A15 an ID token", |form| format!("{form}&id_token=x")),
        ("A19 a signed response", |form| format!("{form}&response=x")),
        ("A20 no UTF-8", |form| format!("{form}&error=%ff")),
        ("A20 NUL", |form| format!("{form}&error=%00")),
    ];
    for (row, alter) in rows {
        let login = auth.begin().await.unwrap();
        let form = TestBrowser::new().visit(login.url()).await.unwrap();
        let error = auth.finish(login, &alter(&form)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{row}: {error}");
    }
    assert_eq!(provider.count(Endpoint::Token), 0);

    let login = auth.begin().await.unwrap();
    let form = TestBrowser::new().visit(login.url()).await.unwrap();
    let kept = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    auth.finish(kept, &form).await.unwrap();
}

/// A14: also in the page that the provider posts from
#[tokio::test]
async fn a_posted_error_is_told_and_not_reflected() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new();
    let canary = "<b>CANARY</b>\u{1b}[31m";
    provider.next(Endpoint::Callback, Fault::new().set("error", "invalid_request").set("error_description", canary));
    let error = loopback(&provider).browser(browser.clone()).start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().description(), Some(r"<b>CANARY</b>\u{1b}[31m"));
    assert!(!browser.shown(1).await[0].text().contains("CANARY"));
}

/// E4, E6, E7, E8, E10, E11 — token: 0 until the right form
#[tokio::test]
async fn what_other_pages_post_does_not_end_a_login() {
    let provider = TestProvider::start().await;
    let (opened, mut urls) = mpsc::unbounded_channel();
    let auth = loopback(&provider).browser(move |url: &Url| -> Result<()> {
        opened.send(url.clone()).unwrap();
        Ok(())
    });
    let login = tokio::spawn(async move { auth.start().await });
    let url = timeout(SOON, urls.recv()).await.unwrap().unwrap();
    let redirect_uri: Url = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.parse().unwrap();
    let ours = format!("127.0.0.1:{}", redirect_uri.port().unwrap());
    let right = TestBrowser::new().visit(&url).await.unwrap();
    let post = |headers: &str, body: &str| {
        format!(
            "POST /callback HTTP/1.1\r\nHost: {ours}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
             {headers}\r\n{body}",
            body.len()
        )
    };
    let cross_site =
        "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let state = field(&right, "state");
    let rows = [
        ("E6 a forged code", post(cross_site, "code=abc&state=forged"), 400),
        ("E6 a state and one letter", post(cross_site, &right.replace(&state, &format!("{state}1"))), 400),
        ("E7 a forged error", post(cross_site, "error=access_denied"), 400),
        ("E6 nothing", post(cross_site, ""), 400),
        ("E6 the right form in the URL", post("", "").replace("/callback", &format!("/callback?{right}")), 400),
        ("E8 the right form by GET", format!("GET /callback?{right} HTTP/1.1\r\nHost: {ours}\r\n\r\n"), 405),
        ("E4 elsewhere", post("", &right).replace("/callback", "/other"), 404),
        ("E10 under a foreign name", post("", &right).replace(&ours, "evil.example"), 400),
        ("E11 from a frame", post("Sec-Fetch-Dest: iframe\r\n", &right), 403),
        ("E11 by a script", post("Sec-Fetch-Mode: cors\r\n", &right), 403),
        ("E17 chunked", post("Transfer-Encoding: chunked\r\n", &right), 400),
        ("E8 as JSON", post("", &right).replace("x-www-form-urlencoded", "json"), 415),
    ];
    for (row, request, expected) in rows {
        let answer = exchange(&ours, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{row}: {answer}");
        assert_eq!(provider.count(Endpoint::Token), 0, "{row}");
        assert!(!login.is_finished(), "{row}");
    }
    // A form that never ends holds nobody up.
    let mut slow = TcpStream::connect(&ours).await.unwrap();
    slow.write_all(&post("", &right).as_bytes()[..150]).await.unwrap();
    let answer = exchange(&ours, &post("Origin: null\r\nSec-Fetch-Site: cross-site\r\n", &right)).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    timeout(SOON, login).await.unwrap().unwrap().unwrap();
    assert_eq!(provider.count(Endpoint::Token), 1);
}

async fn exchange(authority: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an answer, or an end");
    String::from_utf8(answer).unwrap()
}
