//! Programs without async: a login, a session and API calls that are waited for.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read, Seek, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hallpass::blocking::{self, AuthorizedClient, Body, CredentialsManager};
use hallpass::store::Memory;
use hallpass::testing::{Api, Endpoint, TestBrowser, TestProvider};
use hallpass::{AccessToken, ErrorKind, WebAuth};

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, Seen, answer, only_for};

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn web_auth(provider: &TestProvider) -> WebAuth {
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).audience("https://api.acme.com");
    auth.scope("openid email offline_access").ephemeral_port().browser(TestBrowser::new())
}

/// An API on another thread, and access to its requests.
fn api_elsewhere(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> (String, impl Fn() -> Vec<Seen>) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        now(async {
            sender.send(ScriptedApi::start(answer).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let api = receiver.recv().unwrap();
    (api.origin(), move || api.seen())
}

fn client_of(origin: &str) -> (CountedSource, AuthorizedClient) {
    let source = CountedSource::default();
    (source.clone(), AuthorizedClient::new(source).unwrap().base_url(origin).unwrap())
}

#[test]
fn a_program_without_async_logs_in_stays_logged_in_and_calls_an_api() {
    let provider = now(TestProvider::start());
    let api = now(Api::start(&provider, "https://api.acme.com"));
    let session = CredentialsManager::new(web_auth(&provider), Memory::new());
    assert!(!session.is_logged_in().unwrap());
    let first = session.login_if_needed().unwrap();
    session.login_if_needed().unwrap();
    assert_eq!(session.user().unwrap().unwrap().email().as_deref(), Some("jane@example.com"));
    assert_eq!((provider.count(Endpoint::Authorize), provider.count(Endpoint::Token)), (1, 1));

    let client = AuthorizedClient::new(session.clone()).unwrap().base_url(api.url()).unwrap();
    api.refuse(first.access_token().expose());
    let shown: BTreeMap<String, serde_json::Value> = client.get("messages").send().unwrap().json().unwrap();
    assert_eq!((shown["path"].as_str(), provider.count(Endpoint::Token)), (Some("/messages"), 2));

    let threads: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || client.get("messages").send().unwrap().status())
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    session.revoke().unwrap();
    assert!(client.get("messages").send().unwrap_err().is_login_required());
    assert_eq!(provider.count(Endpoint::Token), 2);
}

#[test]
fn a_login_in_two_halves_is_waited_for_too() {
    let provider = now(TestProvider::start());
    let auth = blocking::WebAuth::from(web_auth(&provider).redirect_uri("http://127.0.0.1:9999/callback"));
    let login = auth.begin().unwrap();
    let callback = now(TestBrowser::new().visit(login.url())).unwrap();
    let credentials = auth.finish(login, &callback).unwrap();
    let application = web_auth(&provider).application().clone();
    let profile = blocking::wait(application.user_info(&credentials)).unwrap();
    assert_eq!(profile.email().as_deref(), Some("jane@example.com"));
    assert_eq!(blocking::WebAuth::from(application).start().unwrap_err().kind(), ErrorKind::Browser);
}

/// A runtime's own threads, and those that it lends, are refused: the call would block everything else.
#[tokio::test]
async fn inside_an_async_runtime_every_call_is_an_error_and_nothing_is_sent() {
    let provider = TestProvider::start().await;
    let refuse = move || {
        let session = CredentialsManager::new(web_auth(&provider), Memory::new());
        let client = AuthorizedClient::new(CountedSource::default()).unwrap();
        for error in [
            blocking::WebAuth::from(web_auth(&provider)).start().unwrap_err(),
            session.credentials().unwrap_err(),
            session.login_if_needed().unwrap_err(),
            client.get(provider.issuer()).send().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("use the async API"), "{error}");
        }
        let asked = [Endpoint::Discovery, Endpoint::Authorize, Endpoint::Token].map(|endpoint| provider.count(endpoint));
        assert_eq!(asked, [0; 3]);
    };
    refuse();
    tokio::task::spawn_blocking(refuse).await.unwrap();
}

/// F11, F15, F16: text is sent again, a file and whatever is read are not.
#[test]
fn bodies_arrive_as_they_are_and_only_those_in_memory_are_sent_again() {
    let mut file = tempfile();
    file.write_all(b"skipped and uploaded").unwrap();
    file.seek(io::SeekFrom::Start(12)).unwrap();
    let bodies: [(&str, Body, Option<&str>, usize); 4] = [
        ("text", "text".into(), Some("4"), 2),
        ("bytes", b"bytes".to_vec().into(), Some("5"), 2),
        ("uploaded", file.into(), Some("8"), 1),
        ("read", Body::new(io::Cursor::new("read")), None, 1),
    ];
    for (expected, body, length, sends) in bodies {
        let (origin, seen) = api_elsewhere(|seen| only_for("token-1", seen));
        let (source, client) = client_of(&origin);
        let status = client.put("upload").body(body).send().unwrap().status();
        assert_eq!((status.as_u16(), seen().len(), source.renewals()), (if sends == 2 { 200 } else { 401 }, sends, 1));
        for seen in seen() {
            assert_eq!((&*String::from_utf8_lossy(&seen.body), seen.header("content-length")), (expected, length));
        }
    }
}

fn tempfile() -> File {
    let path = std::env::temp_dir().join(format!("hallpass-blocking-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

#[test]
fn an_upload_that_breaks_off_is_an_error_and_not_a_shorter_upload() {
    enum Breaking {
        Failing,
        Panicking,
    }
    struct Reader(Option<Breaking>, usize);
    impl Read for Reader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.0 {
                _ if self.1 < 3 => {
                    buffer[..4].copy_from_slice(b"part");
                    Ok(4)
                }
                Some(Breaking::Failing) => Err(io::Error::other("the disk is gone")),
                Some(Breaking::Panicking) => panic!("as a test wants it"),
                None => Ok(0),
            }
        }
    }
    let (origin, seen) = api_elsewhere(|_| answer(200, &[], ""));
    let (_, client) = client_of(&origin);
    for breaking in [Breaking::Failing, Breaking::Panicking] {
        let error = client.post("").body(Body::new(Reader(Some(breaking), 0))).send().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    }
    assert_eq!(seen().len(), 0, "no whole request arrived");
    client.post("").body(Body::new(Reader(None, 0))).send().unwrap();
    assert_eq!(seen()[0].body, b"partpart");
}

/// Also where its timeouts need a runtime.
#[test]
fn a_response_is_read_by_whoever_waits_for_it() {
    let (origin, _) = api_elsewhere(|seen| answer(200, &["X-Own: 1"], &"x".repeat(seen.target.len() * 100_000)));
    let builder = reqwest::Client::builder().read_timeout(Duration::from_secs(60));
    let client = AuthorizedClient::from_builder(builder, CountedSource::default()).unwrap().base_url(origin.clone()).unwrap();
    let mut response = client.get("ab?c").send().unwrap();
    assert_eq!((response.url().as_str(), response.headers()["x-own"].as_bytes()), (&*format!("{origin}/ab?c"), &b"1"[..]));
    assert!(response.remote_addr().is_some());
    let mut start = [0; 3];
    response.read_exact(&mut start).unwrap();
    let mut rest = Vec::new();
    assert_eq!((start, response.copy_to(&mut rest).unwrap()), (*b"xxx", 499_997));

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = AuthorizedClient::new(AccessToken::bearer("abc").unwrap()).unwrap();
    let request = client.get(format!("http://{}/", silent.local_addr().unwrap())).timeout(Duration::from_millis(20));
    assert!(request.try_clone().unwrap().send().unwrap_err().is_timeout());
    assert!(client.execute(request.build().unwrap()).unwrap_err().is_timeout());
}

#[cfg(target_os = "linux")]
#[test]
fn one_thread_serves_the_whole_process() {
    let (origin, _) = api_elsewhere(|_| answer(200, &[], ""));
    for _ in 0..5 {
        let (_, client) = client_of(&origin);
        assert_eq!(client.get("").send().unwrap().status(), 200);
    }
    let names = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    assert_eq!(names.filter(|name| name.trim_end() == "hallpass").count(), 1);
}

/// A program written for `reqwest::blocking`, in which one type changed.
#[test]
fn a_program_for_reqwests_blocking_client_works_with_one_type_changed() -> Result<(), Box<dyn StdError>> {
    let (origin, _) = api_elsewhere(|seen| match (&*seen.method, &*seen.target) {
        ("GET", "/messages?limit=2") => answer(200, &[], r#"[{"id":1}]"#),
        ("POST", "/messages") if seen.body == br#"{"id":2}"# => answer(201, &[], ""),
        ("PATCH", "/messages/1") if seen.body == b"text=a+b" => answer(204, &[], ""),
        _ => answer(404, &[], ""),
    });
    let client = AuthorizedClient::new(CountedSource::default())?; // was: reqwest::blocking::Client::new()
    let listed = client.get(format!("{origin}/messages")).query(&[("limit", "2")]).header("accept", "*/*").send()?;
    let listed: serde_json::Value = listed.error_for_status()?.json()?;
    assert_eq!(listed[0]["id"], 1);
    let message = BTreeMap::from([("id", 2)]);
    assert_eq!(client.post(format!("{origin}/messages")).json(&message).send()?.status(), 201);
    let request = client.patch(format!("{origin}/messages/1")).form(&[("text", "a b")]).timeout(Duration::from_secs(9)).build()?;
    assert_eq!(client.execute(request)?.status(), 204);
    let missing = || -> Result<String, Box<dyn StdError>> {
        Ok(client.delete(format!("{origin}/messages/1")).send()?.error_for_status()?.text()?)
    };
    assert!(missing().is_err_and(|error| error.is::<reqwest::Error>()));
    Ok(())
}
