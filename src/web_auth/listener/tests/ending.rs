use std::future::pending;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::super::page::Shown;
use super::super::{Arrival, CallbackPage, Listener, PageOutcome, ResponseMode};
use super::{any_port, belongs, connect, exchange, get, listener, port, read_all, status};
use crate::crypto;

/// A listener whose callback has come, with the browser's connection.
async fn arrived(page: CallbackPage) -> (Listener, Arrival, TcpStream) {
    let mut listener = Listener::bind(&any_port(), ResponseMode::Query, page).unwrap();
    let mut browser = connect(port(&listener)).await;
    let request = get(port(&listener), "/callback?code=CANARY-CODE&state=right&error_description=<b>CANARY</b>");
    browser.write_all(&request).await.unwrap();
    let arrival = listener.accept(&belongs).await;
    (listener, arrival, browser)
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("{name} in {head}"))
}

/// The style's real hash is in the policy, and nothing else may be loaded or run.
fn assert_guarded(answer: &str) {
    assert_eq!(header(answer, "cache-control"), "no-store");
    assert_eq!(header(answer, "referrer-policy"), "no-referrer");
    assert_eq!(header(answer, "x-content-type-options"), "nosniff");
    assert_eq!(header(answer, "connection"), "close");
    let policy = header(answer, "content-security-policy");
    if let Some((_, style)) = answer.split_once("<style>") {
        let style = style.split("</style>").next().unwrap();
        let hash = STANDARD.encode(crypto::sha256(style.as_bytes()));
        assert_eq!(
            policy,
            format!("default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
        );
    } else {
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    }
    assert!(!answer.contains("CANARY"), "{answer}");
}

/// E18
#[tokio::test]
async fn the_browser_ends_at_a_clean_address_that_says_how_it_ended() {
    for (outcome, words) in [
        (PageOutcome::Done, "You are logged in"),
        (PageOutcome::Failed, "The login did not work"),
        (PageOutcome::Refused, "The login was cancelled"),
        (PageOutcome::LoggedOut, "You are logged out"),
    ] {
        let (mut listener, arrival, mut browser) = arrived(CallbackPage::new().name("Tom & <i>Jerry</i>")).await;
        let port = port(&listener);
        let browser = async {
            let redirect = read_all(&mut browser).await;
            let page = exchange(port, &get(port, header(&redirect, "location"))).await;
            (redirect, page)
        };
        let ((), (redirect, page)) = tokio::join!(listener.answer(arrival, outcome), browser);
        assert_eq!((status(&redirect), header(&redirect, "location")), (303, "/finished"));
        assert_eq!(status(&page), 200);
        assert_guarded(&redirect);
        assert_guarded(&page);
        let title = format!("<title>{words} – Tom &amp; &lt;i&gt;Jerry&lt;/i&gt;</title>");
        assert!(page.contains(&title) && page.contains(&format!("<h1>{words}</h1>")), "{page}");
        assert!(
            page.contains("<html lang=\"en\">")
                && page.contains("<div role=\"status\">")
                && page.contains("You can close this page.")
                && !page.contains("<script")
        );
    }
}

/// E18
/// The answer waits for the checks.
#[tokio::test]
async fn nothing_is_said_before_the_login_was_checked() {
    let (mut listener, mut arrival, mut browser) = arrived(CallbackPage::new()).await;
    let port = port(&listener);
    let work = async {
        // Whoever comes meanwhile is served, and the end page is not there yet.
        let early = exchange(port, &get(port, "/finished")).await;
        let mut nothing = [0];
        let said = browser.try_read(&mut nothing);
        (status(&early), said.map_err(|error| error.kind()))
    };
    let seen = listener.while_pending(&mut arrival, work).await;
    assert_eq!(seen, (404, Err(std::io::ErrorKind::WouldBlock)));
    let ((), redirect) = tokio::join!(listener.answer(arrival, PageOutcome::Done), read_all(&mut browser));
    assert_eq!(status(&redirect), 303);
}

/// E18
/// Ten seconds at most.
#[tokio::test]
async fn a_login_that_takes_long_sends_the_person_back_to_the_application() {
    let (mut listener, mut arrival, mut browser) = arrived(CallbackPage::new().name("Acme")).await;
    let port = port(&listener);
    // Virtual time: it moves on as soon as nothing else is left to do.
    tokio::time::pause();
    let started = Instant::now();
    let work = async {
        browser.readable().await.unwrap();
        let waited = started.elapsed();
        tokio::time::resume();
        let redirect = read_all(&mut browser).await;
        (waited, redirect, exchange(port, &get(port, "/finished")).await)
    };
    let (waited, redirect, page) = listener.while_pending(&mut arrival, work).await;
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&waited), "{waited:?}");
    assert_eq!((status(&redirect), header(&redirect, "location")), (303, "/finished"));
    assert!(page.contains("<h1>The login is being checked</h1>") && page.contains("Go back to Acme:"), "{page}");
    assert_guarded(&page);
    // It was seen already, so nobody is waited for.
    listener.answer(arrival, PageOutcome::Done).await;
}

/// E18
/// A browser that went away costs a second.
#[tokio::test]
async fn a_browser_that_never_fetches_the_page_is_not_waited_for() {
    let (mut listener, arrival, browser) = arrived(CallbackPage::new()).await;
    drop(browser);
    tokio::time::pause();
    let started = Instant::now();
    listener.answer(arrival, PageOutcome::Done).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

/// E11, E18
/// Nor does a page that shows it in a frame.
#[tokio::test]
async fn what_is_not_a_person_does_not_see_the_page_in_the_persons_place() {
    let (mut listener, arrival, mut browser) = arrived(CallbackPage::new()).await;
    let port = port(&listener);
    let others = async {
        read_all(&mut browser).await;
        let request = format!("GET /finished HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nSec-Fetch-Dest: iframe\r\n\r\n");
        assert_eq!(status(&exchange(port, request.as_bytes()).await), 403);
        exchange(port, &get(port, "/finished")).await
    };
    let ((), shown) = tokio::join!(listener.answer(arrival, PageOutcome::Done), others);
    assert_eq!(status(&shown), 200);
}

/// E20
#[tokio::test]
async fn a_login_that_is_called_off_tells_the_browser_so() {
    let (mut listener, mut arrival, mut browser) = arrived(CallbackPage::new()).await;
    let finishing = listener.while_pending(&mut arrival, pending::<()>());
    assert!(tokio::time::timeout(Duration::from_millis(20), finishing).await.is_err());
    drop((listener, arrival));
    let answer = read_all(&mut browser).await;
    assert!(answer.contains("<h1>The login did not work</h1>"), "{answer}");
    assert_guarded(&answer);
}

/// E18
/// Own HTML stays under the policy.
#[tokio::test]
async fn own_html_is_shown_under_the_same_policy() {
    let page = CallbackPage::new()
        .language("de")
        .style("h1 { color: red }</style><script>alert(1)</script>\r\n")
        .done_html("Angemeldet", "<h1>Fertig</h1><script>alert(1)</script>");
    let html = page.html(Shown::Outcome(PageOutcome::Done));
    assert!(html.contains("<html lang=\"de\">") && html.contains("<title>Angemeldet</title>") && html.contains("<h1>Fertig</h1>"));
    assert_eq!(html.matches("</style>").count(), 1, "{html}");
    let (mut listener, arrival, mut browser) = arrived(page).await;
    let port = port(&listener);
    let browser = async {
        read_all(&mut browser).await;
        exchange(port, &get(port, "/finished")).await
    };
    let ((), shown) = tokio::join!(listener.answer(arrival, PageOutcome::Done), browser);
    assert_guarded(&shown);
    assert!(shown.ends_with(&html));
}

/// E18
#[test]
fn each_page_has_html_of_its_own_and_the_answer_to_strangers_has_none() {
    let page = CallbackPage::new()
        .done_html("d", "<p>own done</p>")
        .failed_html("f & f", "<p>own failed</p>")
        .refused_html("r", "<p>own refused</p>")
        .pending_html("p", "<p>own pending</p>")
        .logged_out_html("l", "<p>own logged out</p>");
    for (shown, title, own) in [
        (Shown::Outcome(PageOutcome::Done), "d", "own done"),
        (Shown::Outcome(PageOutcome::Failed), "f &amp; f", "own failed"),
        (Shown::Outcome(PageOutcome::Refused), "r", "own refused"),
        (Shown::Outcome(PageOutcome::LoggedOut), "l", "own logged out"),
        (Shown::Pending, "p", "own pending"),
    ] {
        let html = page.html(shown);
        assert!(html.contains(&format!("<title>{title}</title>")) && html.contains(&format!("<p>{own}</p>")), "{html}");
        assert_eq!(html.matches("own ").count(), 1, "{html}");
    }
    assert!(!page.html(Shown::Stray).contains("own "));
}

/// E18
#[tokio::test]
async fn a_refused_request_is_not_reflected() {
    let mut listener = listener(ResponseMode::Query);
    let port = port(&listener);
    let requests = async {
        for target in ["/CANARY", "/callback?state=CANARY", "/callback?error_description=<b>CANARY</b>"] {
            let answer = exchange(port, &get(port, target)).await;
            assert!((400..500).contains(&status(&answer)));
            assert_guarded(&answer);
        }
        let head = format!("HEAD /callback HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        let head = exchange(port, head.as_bytes()).await;
        assert_eq!((status(&head), header(&head, "allow")), (405, "GET"));
        assert!(head.ends_with("\r\n\r\n"), "HEAD has no body: {head}");
    };
    tokio::select! {
        _ = listener.accept(&belongs) => panic!("nothing of this is the callback"),
        () = requests => {}
    }
}
