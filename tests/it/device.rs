//! A login on another device: what is shown, what is asked, and whom it lets in.

use hallpass::device::DeviceLogin;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{Application, ClientAuth, Error, ErrorKind};
use serde_json::{Value, json};

use crate::two_halves::all_of;
use crate::virtual_time::VirtualTime;

async fn started(fault: Fault) -> (TestProvider, hallpass::Result<DeviceLogin>) {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::DeviceCode, fault);
    let login = Application::new(provider.issuer(), provider.client_id()).device().start().await;
    assert_eq!((provider.count(Endpoint::DeviceCode), provider.count(Endpoint::Token)), (1, 0));
    (provider, login)
}

async fn confirm(login: &DeviceLogin) {
    let page = TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    assert_eq!(page.status(), 200);
}

/// The error of a login that was confirmed, and whose tokens then came with this fault.
async fn refused(prepare: impl FnOnce(&TestProvider)) -> (TestProvider, Error) {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let mut login = time.application().device().start().await.unwrap();
    confirm(&login).await;
    prepare(&time.provider);
    let error = time.poll(&mut login).await.unwrap_err();
    let again = login.poll().await.unwrap_err();
    assert_eq!((again.kind(), again.to_string()), (error.kind(), error.to_string()));
    assert_eq!(time.provider.count(Endpoint::Token), 1, "the device code is spent: nobody polls again");
    (time.provider, error)
}

#[tokio::test]
async fn a_person_confirms_a_code_and_is_logged_in() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let device = time.application().device().scope("openid offline_access").audience("https://api.acme.com");
    let mut login = device.parameter("device_name", "lab").start().await.unwrap();
    assert_eq!(time.poll(&mut login).await.unwrap().map(drop), None);
    confirm(&login).await;
    let credentials = time.poll(&mut login).await.unwrap().unwrap();
    assert!(credentials.user().is_some() && credentials.refresh_token().is_some());
    assert_eq!(credentials.scope(), "openid offline_access");

    let asked = time.provider.requests(Endpoint::DeviceCode).remove(0);
    let expected =
        [("scope", "openid offline_access"), ("audience", "https://api.acme.com"), ("device_name", "lab"), ("client_id", "native")];
    assert_eq!(asked.fields(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let polled = time.provider.requests(Endpoint::Token);
    assert_eq!(polled.len(), 2);
    let names: Vec<_> = polled[0].fields().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["grant_type", "device_code", "client_id"]);
    assert_eq!(polled[0].field("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:device_code"));

    let error = login.poll().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "its credentials are given out once");
    assert_eq!(time.provider.count(Endpoint::Token), 2);
}

#[tokio::test]
async fn waiting_goes_on_until_the_person_has_confirmed() {
    let provider = TestProvider::builder().device_interval(std::time::Duration::from_secs(1)).start().await;
    let secret = ClientAuth::client_secret_basic(provider.client_secret());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(secret);
    let mut login = application.device().start().await.unwrap();
    let page = login.verification_uri_complete().unwrap().clone();
    let confirming = async {
        provider.asked(Endpoint::Token, 1).await;
        TestBrowser::new().visit_page(&page).await.unwrap();
    };
    let (credentials, ()) = tokio::join!(login.wait(), confirming);
    assert_eq!(credentials.unwrap().user().unwrap().email().as_deref(), Some("jane@example.com"));
    for endpoint in [Endpoint::DeviceCode, Endpoint::Token] {
        assert!(provider.requests(endpoint).iter().all(|request| request.header("authorization").is_some()));
    }
}

#[tokio::test]
async fn an_answer_under_way_outlives_whoever_waited_for_it() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let mut login = time.application().device().start().await.unwrap();
    confirm(&login).await;
    let gate = time.provider.hold_answer(Endpoint::Token);
    tokio::select! {
        _ = time.poll(&mut login) => panic!("its answer is held back"),
        () = gate.reached(1) => {}
    }
    gate.release();
    login.wait().await.unwrap();
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_person_who_refuses_cancels_the_login() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let mut login = time.application().device().start().await.unwrap();
    TestBrowser::new().refusing().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    let error = time.poll(&mut login).await.unwrap_err();
    assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Cancelled, "access_denied"));
    login.wait().await.unwrap_err();
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

/// H5 — token: 0
#[tokio::test]
async fn a_page_that_is_not_on_the_web_is_never_shown() {
    for url in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://acme.com/",
        "/activate",
        "$(reboot)",
        "",
        "https://acme.com@evil.example/",
    ] {
        let (_, login) = started(Fault::new().set("verification_uri", url)).await;
        assert_eq!(login.unwrap_err().kind(), ErrorKind::InvalidResponse, "{url}");
        let (_, login) = started(Fault::new().set("verification_uri_complete", url)).await;
        assert_eq!(login.unwrap().verification_uri_complete(), None, "{url}");
    }
    let (_, login) = started(Fault::new().set("verification_uri", "https://acme.com/\u{1b}[2J\n\u{202e}x")).await;
    assert_eq!(login.unwrap().verification_uri().as_str(), "https://acme.com/%1B[2J%E2%80%AEx");
    let google = Fault::new().remove("verification_uri").set("verification_url", "https://www.google.com/device");
    assert_eq!(started(google).await.1.unwrap().verification_uri().as_str(), "https://www.google.com/device");
}

/// H5 — token: 0
#[tokio::test]
async fn a_code_is_cleaned_before_it_is_shown() {
    for (code, shown) in [
        ("WDJB-MJHT", Some("WDJB-MJHT")),
        ("WDJB\u{1b}[2J\u{7}-\u{202e}MJ\u{200b}HT\u{9b}1m\r\n", Some("WDJB[2J-MJHT1m")),
        (" 123 456\t", Some("123 456")),
        ("\u{1b}\n", None),
        ("", None),
        (&"X".repeat(101), None),
    ] {
        let (_, login) = started(Fault::new().set("user_code", code)).await;
        match shown {
            Some(shown) => assert_eq!(login.unwrap().user_code(), shown),
            None => assert_eq!(login.unwrap_err().kind(), ErrorKind::InvalidResponse, "{code:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_without_what_a_login_needs_is_refused() {
    for name in ["device_code", "user_code", "verification_uri", "expires_in"] {
        for fault in [Fault::new().remove(name), Fault::new().set(name, Value::Null), Fault::new().duplicate(name, "x")] {
            let (_, login) = started(fault).await;
            assert_eq!(login.unwrap_err().kind(), ErrorKind::InvalidResponse, "{name}");
        }
    }
    let (_, login) = started(Fault::error(403, "unauthorized_client", "Grant type not allowed for the client")).await;
    assert_eq!(login.unwrap_err().server_error().unwrap().code(), "unauthorized_client");
}

#[tokio::test]
async fn what_cannot_work_is_said_before_a_code_is_asked_for() {
    let provider = TestProvider::start().await;
    let device = Application::new(provider.issuer(), provider.client_id()).device();
    for name in ["client_id", "scope", "organization", "device_code"] {
        let error = device.clone().parameter(name, "x").start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name}");
    }
    assert_eq!(provider.count(Endpoint::Discovery), 0);
    provider.next(Endpoint::Discovery, Fault::new().remove("device_authorization_endpoint"));
    let error = device.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Discovery);
    assert!(error.to_string().contains("no device_authorization_endpoint"), "{error}");
    assert_eq!(provider.count(Endpoint::DeviceCode), 0);
}

#[tokio::test]
async fn an_id_token_is_checked_as_in_any_login() {
    let id_token = |name: &'static str, value: Value| {
        move |provider: &TestProvider| {
            provider.next_id_token(move |token| {
                token.set(name, value.clone());
            })
        }
    };
    for (name, value) in
        [("aud", json!("somebody-else")), ("nonce", json!("nobody sent it")), ("iss", json!("https://evil.example/"))]
    {
        let (_, error) = refused(id_token(name, value)).await;
        assert_eq!(error.kind(), ErrorKind::IdToken, "{name}");
    }
    let (_, error) = refused(|provider| provider.next(Endpoint::Token, Fault::new().remove("id_token"))).await;
    assert_eq!(error.kind(), ErrorKind::IdToken);
    let (provider, error) = refused(|provider| provider.always(Endpoint::Jwks, Fault::status(503))).await;
    assert!(error.is_transient() && provider.count(Endpoint::Jwks) > 0, "{error:?}");
}

#[tokio::test]
async fn an_organization_that_was_asked_for_is_the_id_tokens() {
    for (named, expected) in [("org_acme", None), ("org_evil", Some(ErrorKind::IdToken))] {
        let time = VirtualTime::start(TestProvider::start().await).await;
        let mut login = time.application().device().organization("org_acme").start().await.unwrap();
        confirm(&login).await;
        time.provider.next_id_token(move |token| {
            token.set("org_id", named);
        });
        assert_eq!(time.poll(&mut login).await.err().map(|error| error.kind()), expected, "{named}");
        assert_eq!(time.provider.requests(Endpoint::DeviceCode)[0].field("organization").as_deref(), Some("org_acme"));
    }
}

/// I1
#[tokio::test]
async fn nothing_shows_a_device_code() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let mut login = time.application().device().start().await.unwrap();
    time.poll(&mut login).await.unwrap();
    let device_code = time.provider.requests(Endpoint::Token)[0].field("device_code").unwrap();
    let shown = format!("{login:?} {login:#?}");
    assert!(!shown.contains(&device_code) && !shown.contains(login.user_code()), "{shown}");
    time.provider.next(Endpoint::Token, Fault::error(403, "invalid_grant", &format!("{device_code} is unknown")));
    let error = time.poll(&mut login).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "invalid_grant");
    assert!(!all_of(&error).contains(&device_code), "{error:?}");
}

#[tokio::test]
async fn a_qr_code_is_light_on_dark_with_a_margin() {
    let (_, login) = started(Fault::new()).await;
    let code = login.unwrap().qr_code();
    let lines: Vec<&str> = code.lines().collect();
    let width = lines[0].chars().count();
    // Two modules stand in a character, one above the other, and a code has an odd number of rows.
    assert_eq!(lines.len(), width.div_ceil(2));
    let (last, others) = lines.split_last().unwrap();
    assert_eq!((lines[0], *last), (&*"█".repeat(width), &*"▀".repeat(width)));
    assert!(others.iter().all(|line| line.chars().count() == width && line.starts_with("████") && line.ends_with("████")));
    assert!(lines[2].starts_with("████ ▄▄▄▄▄ █") && lines[2].ends_with("█ ▄▄▄▄▄ ████"), "the corners that a camera looks for");
}
