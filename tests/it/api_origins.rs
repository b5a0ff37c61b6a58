use std::process::Command;
use std::time::Duration;

use hallpass::{AccessToken, AuthorizedClient, ErrorKind};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Proxy, Request};

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, answer};

fn token() -> AccessToken {
    AccessToken::bearer("abc").unwrap()
}

/// F5, F6, F7, F8
#[tokio::test]
async fn a_url_where_no_token_may_go_is_refused_before_one_is_read() {
    let source = CountedSource::default();
    let open = AuthorizedClient::new(source.clone()).unwrap();
    let based = AuthorizedClient::new(source.clone()).unwrap().base_url("https://api.acme.com/v1").unwrap();
    let named = based.clone().allow_origin("https://files.acme.com").unwrap();
    for (client, url) in [
        (&open, "http://api.acme.com/"),
        (&open, "http://localhost.evil.com/"),
        (&open, "https://user:password@api.acme.com/"),
        (&open, "https://user@api.acme.com/"),
        (&open, "file:///etc/passwd"),
        (&based, "https://api.acme.com.evil.com/"),
        (&based, "https://files.acme.com/"),
        (&based, "https://api.acme.com:8443/"),
        (&based, "http://api.acme.com/"),
        (&based, "http://127.0.0.1/"),
        (&named, "https://acme.com/"),
        (&named, "https://a.files.acme.com/"),
        (&named, "https://user@files.acme.com/"),
    ] {
        let error = client.get(url).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{url}");
        let request = Request::new(Method::GET, url.parse().unwrap());
        assert_eq!(client.execute(request).await.unwrap_err().kind(), ErrorKind::Forbidden, "{url}");
    }
    assert_eq!(source.reads(), 0);
}

/// F6: also where an origin is named and no base, and at the end of a redirect.
#[tokio::test]
async fn an_origin_that_is_named_alone_is_the_only_one_that_gets_a_token() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let elsewhere = api.localhost_url("/");
    let leading = ScriptedApi::start(move |_| answer(307, &[&format!("Location: {elsewhere}")], "")).await;
    let source = CountedSource::default();
    let client = AuthorizedClient::new(source.clone()).unwrap().allow_origin(leading.origin()).unwrap();
    for url in [api.url("/"), leading.localhost_url("/"), "https://api.acme.com/".to_owned()] {
        assert_eq!(client.get(&url).send().await.unwrap_err().kind(), ErrorKind::Forbidden, "{url}");
    }
    assert_eq!((source.reads(), leading.seen().len()), (0, 0));
    assert_eq!(client.get(leading.url("/")).send().await.unwrap().status(), 307, "it is not followed");
    assert_eq!(leading.seen()[0].authorization(), Some("Bearer token-0"));
    assert_eq!(api.seen().len(), 0);
}

/// K27: on this crate's own requests and on clients that it builds; a program's own name stands.
#[tokio::test]
async fn requests_name_this_crate_unless_the_program_has_a_name() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let own = Client::builder().user_agent("acme/1").redirect(AuthorizedClient::redirect_policy());
    let plain = Client::builder().redirect(AuthorizedClient::redirect_policy()).no_proxy().build().unwrap();
    let ours = Some(concat!("hallpass/", env!("CARGO_PKG_VERSION")));
    for (client, expected) in [
        (AuthorizedClient::new(token()).unwrap(), ours),
        (AuthorizedClient::from_builder(Client::builder(), token()).unwrap(), ours),
        (AuthorizedClient::from_builder(own, token()).unwrap(), Some("acme/1")),
        (AuthorizedClient::wrap(plain, token()), None),
    ] {
        client.get(api.url("/")).send().await.unwrap();
        assert_eq!(api.seen().last().unwrap().header("user-agent"), expected);
    }
    let provider = hallpass::testing::TestProvider::start().await;
    for (application, expected) in [
        (hallpass::Application::new(provider.issuer(), "native"), ours),
        (
            hallpass::Application::new(provider.issuer(), "native").http_client(Client::builder().user_agent("acme/1")),
            Some("acme/1"),
        ),
    ] {
        application.web_auth().redirect_uri("http://127.0.0.1:9/callback").begin().await.unwrap();
        let request = provider.requests(hallpass::testing::Endpoint::Discovery).pop().unwrap();
        assert_eq!(request.header("user-agent"), expected);
    }
}

/// K4: localhost is this machine, whatever a resolver says.
#[tokio::test]
async fn localhost_is_never_looked_up() {
    use std::net::SocketAddr;
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    // As a hosts file may say it: nobody listens there.
    let elsewhere = Client::builder().resolve("localhost", SocketAddr::from(([127, 0, 0, 9], 0)));
    let client = AuthorizedClient::from_builder(elsewhere, token()).unwrap();
    client.get(api.localhost_url("/")).send().await.unwrap();
    assert_eq!(api.seen()[0].authorization(), Some("Bearer abc"));
}

/// F27
#[tokio::test]
async fn a_relative_url_stays_below_the_base_or_is_refused() {
    let source = CountedSource::default();
    for base in ["https://api.acme.com/v1", "https://api.acme.com/v1/"] {
        let client = AuthorizedClient::new(source.clone()).unwrap().base_url(base).unwrap();
        for (relative, expected) in [
            ("messages", "https://api.acme.com/v1/messages"),
            ("", "https://api.acme.com/v1/"),
            ("messages/1?x=%2F#top", "https://api.acme.com/v1/messages/1?x=%2F#top"),
            ("?page=2", "https://api.acme.com/v1/?page=2"),
            ("/messages", "https://api.acme.com/messages"),
            ("../v2/messages", "https://api.acme.com/v2/messages"),
            ("../../../x", "https://api.acme.com/x"),
            ("https:evil.com", "https://api.acme.com/v1/evil.com"),
            ("https://api.acme.com/v2", "https://api.acme.com/v2"),
            ("https://API.acme.com:443/v2", "https://api.acme.com/v2"),
        ] {
            assert_eq!(client.get(relative).build().unwrap().url().as_str(), expected, "{relative}");
        }
        for foreign in [
            "//evil.com/x",
            "\\\\evil.com\\x",
            "/\\evil.com/x",
            "/\t/evil.com",
            " //evil.com",
            "https:///evil.com",
            "https://evil.com/v1/",
            "http:messages",
            "javascript:alert(1)",
            "mailto:a@b.c",
        ] {
            match client.get(foreign).send().await {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Forbidden, "{foreign}"),
                Ok(response) => panic!("{foreign} led to {}", response.url()),
            }
        }
    }
    assert_eq!(source.reads(), 0);
}

#[tokio::test]
async fn a_bad_url_is_an_error_of_the_request() {
    let client = AuthorizedClient::new(token()).unwrap();
    for url in ["messages", "https://", "https://api.acme.com:99999/", "https://a b/"] {
        let error = client.get(url).query(&[("a", "b")]).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
        assert!(client.get(url).try_clone().is_none());
    }
}

#[test]
fn a_base_or_origin_that_cannot_work_is_refused_at_once() {
    let client = AuthorizedClient::new(token()).unwrap();
    for url in ["api.acme.com", "http://api.acme.com/", "https://u:p@api.acme.com/", "https://api.acme.com/?a=b", "data:,x", ""] {
        assert_eq!(client.clone().base_url(url).unwrap_err().kind(), ErrorKind::Configuration, "{url}");
        assert_eq!(client.clone().allow_origin(url).unwrap_err().kind(), ErrorKind::Configuration, "{url}");
    }
    assert_eq!(client.allow_origin("https://api.acme.com/v1").unwrap_err().kind(), ErrorKind::Configuration);
}

/// F9
#[tokio::test]
async fn a_header_set_by_the_caller_is_an_error_and_no_second_header() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let source = CountedSource::default();
    let client = AuthorizedClient::new(source.clone()).unwrap();
    let error = client.get(api.url("/")).header("AUTHORIZATION", "Basic abc").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);

    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer mine"))]);
    let builder = || Client::builder().default_headers(headers.clone());
    let built = AuthorizedClient::from_builder(builder(), source.clone()).unwrap();
    let policy = AuthorizedClient::redirect_policy();
    let wrapped = AuthorizedClient::wrap(builder().redirect(policy).build().unwrap(), source.clone());
    for client in [&built, &wrapped] {
        let error = client.get(api.url("/")).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("default headers"), "{error}");
    }
    assert_eq!((source.reads(), api.seen().len()), (0, 0));

    // The same of another header, and only of that one.
    let own = HeaderName::from_static("x-api-token");
    let error = client.clone().header(own.clone()).get(api.url("/")).header(&own, "mine").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    built.header(own).get(api.url("/")).send().await.unwrap();
    assert_eq!(api.seen()[0].header("x-api-token"), Some("token-0"));
    assert_eq!(api.seen()[0].authorization(), Some("Bearer mine"));
}

/// F6: where several hosts share an address, the `Host` header decides about the token.
#[tokio::test]
async fn a_host_that_is_not_the_urls_own_is_refused_before_a_token_is_read() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let source = CountedSource::default();
    let client = AuthorizedClient::new(source.clone()).unwrap();
    let own = api.origin().replace("http://", "");
    for host in ["evil.com", "", "127.0.0.1", "127.0.0.1:1", &format!("evil.com@{own}"), &format!("{own}.evil.com"), "\u{e9}"] {
        let error = client.get(api.url("/")).header("Host", host).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
        assert!(host.is_empty() || !error.to_string().contains(host), "{error}");
    }
    let twice = client.get(api.url("/")).header("Host", &own).header("Host", "evil.com").send().await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Forbidden);
    assert_eq!((source.reads(), api.seen().len()), (0, 0));
    client.get(api.url("/")).header("Host", &own).send().await.unwrap();
    assert_eq!(api.seen()[0].header("host"), Some(&*own));
}

/// D25, F31
#[tokio::test]
async fn http_on_this_machine_passes_by_the_proxies_of_the_builder() {
    let proxy = ScriptedApi::start(|_| answer(502, &[], "")).await;
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let builder = || Client::builder().proxy(Proxy::all(proxy.origin()).unwrap()).user_agent("acme");
    let based = AuthorizedClient::from_builder(builder(), token()).unwrap().base_url(api.origin()).unwrap();
    let open = AuthorizedClient::from_builder(builder(), token()).unwrap();
    let mixed = open.clone().base_url("https://api.acme.com").unwrap().allow_origin(api.origin()).unwrap();
    for client in [&based, &open, &mixed] {
        assert_eq!(client.get(api.url("/")).send().await.unwrap().status(), 200);
    }
    assert_eq!(api.seen()[0].header("user-agent"), Some("acme"), "all its origins are here: the builder's settings hold");
    assert_eq!(api.seen().len(), 3);
    assert_eq!(proxy.seen().len(), 0);

    // The proxy is there for everything else.
    let elsewhere = mixed.get("https://api.acme.com/").timeout(Duration::from_secs(10)).send().await.unwrap_err();
    assert!(elsewhere.is_connect());
    assert_eq!(proxy.seen()[0].method, "CONNECT");
}

/// D25, F31
#[tokio::test]
async fn http_on_this_machine_passes_by_the_proxies_of_the_environment() {
    let proxy = ScriptedApi::start(|_| answer(502, &[], "")).await;
    let myself = std::env::current_exe().unwrap();
    let child = tokio::task::spawn_blocking({
        let proxy = proxy.origin();
        move || {
            let mut child = Command::new(myself);
            child.args(["--exact", "api_origins::a_loopback_api_is_reached_whatever_the_environment", "--test-threads=1"]);
            child.env_remove("NO_PROXY").env_remove("no_proxy");
            child.envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, &proxy))).output().unwrap()
        }
    });
    let output = child.await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(proxy.seen().len(), 0);
}

/// D25, F31
#[tokio::test]
async fn a_loopback_api_is_reached_whatever_the_environment() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let open = AuthorizedClient::new(token()).unwrap();
    let based = AuthorizedClient::new(token()).unwrap().base_url(api.origin()).unwrap();
    for client in [open, based] {
        assert_eq!(client.get(api.url("/")).send().await.unwrap().status(), 200);
    }
    assert_eq!(api.seen().len(), 2);
}

#[tokio::test]
async fn without_a_proxy_the_builders_settings_hold_for_every_url() {
    let api = ScriptedApi::start(|_| answer(200, &[], "")).await;
    let builder = Client::builder().no_proxy().user_agent("acme");
    let client = AuthorizedClient::from_builder(builder, token()).unwrap();
    client.get(api.url("/")).send().await.unwrap();
    assert_eq!(api.seen()[0].header("user-agent"), Some("acme"));
}

#[tokio::test]
async fn a_builder_that_cannot_build_is_an_error_of_the_first_request() {
    let client = AuthorizedClient::from_builder(Client::builder().user_agent("line\nbreak"), token()).unwrap();
    for _ in 0..2 {
        let error = client.get("https://api.acme.com/").send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(std::error::Error::source(&error).is_some());
    }
}
