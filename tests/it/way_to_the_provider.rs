//! The HTTP client to the provider follows no redirect and, on loopback, uses no proxy.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Application, ErrorKind, Secret};

use crate::altered_login::{application, login, told, web_auth};
use crate::scripted_api::{ScriptedApi, answer};
use crate::virtual_time::VirtualTime;

/// D24 — elsewhere: 0
#[tokio::test]
async fn a_callers_client_that_would_follow_redirects_follows_none_to_or_from_the_provider() {
    let (provider, elsewhere) = (TestProvider::start().await, TestProvider::start().await);
    for status in [302, 307, 308] {
        let eager = || reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(10));
        let application = || application(&provider).http_client(eager());
        let redirect = |endpoint| Fault::redirect(elsewhere.endpoint_url(endpoint).as_str()).with_status(status);
        let good = application();
        let credentials = login(&web_auth(&good).scope("openid offline_access")).await.unwrap();
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Par, Endpoint::Token, Endpoint::UserInfo, Endpoint::Revoke]
        {
            provider.next(endpoint, redirect(endpoint));
            let result = match endpoint {
                Endpoint::UserInfo => good.user_info(&credentials).await.map(drop),
                Endpoint::Revoke => good.revoke(credentials.refresh_token().unwrap()).await,
                Endpoint::Par => login(&web_auth(&application()).pushed()).await.map(drop),
                _ => login(&web_auth(&application())).await.map(drop),
            };
            let error = result.unwrap_err();
            assert!(told(&error).contains("not followed"), "{endpoint:?}: {error}");
            if endpoint == Endpoint::Token {
                assert_eq!((error.kind(), error.server_error().unwrap().code()), (ErrorKind::Server, &*format!("http_{status}")));
            } else {
                assert!(matches!(error.kind(), ErrorKind::Discovery | ErrorKind::InvalidResponse), "{endpoint:?}: {error:?}");
            }
            assert_eq!(elsewhere.count(endpoint), 0, "{endpoint:?}");
        }
    }
}

/// G13 — token: 1: a host that is not there is told from an answer that is lost, whatever HTTP client a program brings.
#[tokio::test]
async fn a_connection_that_was_never_made_spends_no_refresh_token() {
    let time = VirtualTime::start(TestProvider::start().await).await;
    let application = time.application();
    let credentials = login(&web_auth(&application).scope("openid offline_access")).await.unwrap();
    let asked = time.provider.count(Endpoint::Token);
    time.let_lookups_hang(true);
    let error = time.without_waiting(application.renew_credentials(&credentials)).await.unwrap_err();
    assert!(error.is_connect() && error.is_transient() && error.kind() != ErrorKind::Ambiguous, "{error:?}");
    time.let_lookups_hang(false);
    application.renew_credentials(&credentials).await.unwrap();
    assert_eq!(time.provider.count(Endpoint::Token), asked + 1);
}

/// J8, G15: what a machine that slept left open leads nowhere, and a refresh token that was sent there might be spent.
#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_not_used_again() {
    let tokens = r#"{"access_token":"a","token_type":"Bearer","expires_in":3600}"#;
    let provider = ScriptedApi::start(move |seen| {
        let own = format!("http://{}/", seen.header("host").unwrap());
        let metadata = format!(
            r#"{{"issuer":"{own}","authorization_endpoint":"{own}authorize","token_endpoint":"{own}token","jwks_uri":"{own}jwks"}}"#
        );
        answer(200, &[], if seen.method == "GET" { &metadata } else { tokens })
    })
    .await;
    let own = Application::new(provider.url("/"), "program");
    let brought = own.clone().http_client(reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(90)));
    let mut before = 0;
    for application in [own, brought] {
        for (pause, connections) in [(0, 1), (0, 1), (1_100, 2)] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            application.renew(&Secret::new("refresh")).await.unwrap();
            assert_eq!(provider.connections() - before, connections, "after {pause} ms");
        }
        before = provider.connections();
    }
}

/// The mark of the second run of the test below.
const PROXY: &str = "HALLPASS_TEST_PROXY";

/// D25: in another process, because the proxy is in the environment.
#[test]
fn http_on_loopback_goes_past_the_proxy_of_the_environment() {
    if std::env::var_os(PROXY).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(log_in_beside_a_proxy());
    }
    let proxy = CountingProxy::start();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "way_to_the_provider::http_on_loopback_goes_past_the_proxy_of_the_environment", "--nocapture"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, &proxy.url);
    }
    again.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD").env(PROXY, "1");
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(proxy.asked.load(Ordering::SeqCst), 1, "only plain reqwest asked the proxy, to show that it is one");
}

async fn log_in_beside_a_proxy() {
    let provider = TestProvider::start().await;
    let through = reqwest::get(provider.endpoint_url(Endpoint::Discovery)).await.unwrap();
    assert_eq!(through.status(), 502);
    let by_default = application(&provider);
    let explicit = reqwest::Proxy::all(std::env::var("HTTP_PROXY").unwrap()).unwrap();
    let with_a_proxy = by_default.clone().http_client(reqwest::Client::builder().proxy(explicit));
    for application in [by_default, with_a_proxy] {
        let credentials = login(&web_auth(&application).scope("openid offline_access")).await.unwrap();
        application.user_info(&credentials).await.unwrap();
        application.revoke(credentials.refresh_token().unwrap()).await.unwrap();
    }
    assert_eq!(provider.count(Endpoint::Token), 2);
}

struct CountingProxy {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl CountingProxy {
    /// It refuses everything, on a thread that ends with the process.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { url, asked }
    }
}
