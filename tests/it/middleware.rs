//! The authorized client among the middleware of another client.

use std::pin::Pin;

use hallpass::{AuthorizedClient, Error, ErrorKind};
use http::Extensions;
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Next, Result};

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, answer, only_for};

fn plain() -> Client {
    Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap()
}

fn with(client: Client, authorized: AuthorizedClient) -> ClientWithMiddleware {
    ClientBuilder::new(client).with(authorized).build()
}

fn ours(error: reqwest_middleware::Error) -> Error {
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("it is ours: {error}") };
    error.downcast().unwrap()
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

/// Another middleware: counts requests in the extensions, and fails where the path tells it to.
fn counting<'a>(request: Request, extensions: &'a mut Extensions, next: Next<'a>) -> Sending<'a> {
    *extensions.get_or_insert_default::<usize>() += 1;
    Box::pin(async move {
        if request.url().path() == "/broken" {
            return Err(reqwest_middleware::Error::middleware(std::io::Error::other("broken")));
        }
        next.run(request, extensions).await
    })
}

/// F11, F16
#[tokio::test]
async fn a_middleware_renews_a_refused_token_and_sends_the_same_bytes_again() {
    let api = ScriptedApi::start(|seen| only_for("token-1", seen)).await;
    let source = CountedSource::default();
    let authorized = AuthorizedClient::new(source.clone()).unwrap();
    let client = ClientBuilder::new(plain()).with(authorized).with(counting).build();
    let mut extensions = Extensions::new();
    let request = plain().post(api.url("/messages")).body("hello").build().unwrap();
    let response = client.execute_with_extensions(request, &mut extensions).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "hello");
    let seen: Vec<_> = api.seen().iter().map(|seen| (seen.authorization().unwrap().to_owned(), seen.body.clone())).collect();
    assert_eq!(seen, ["token-0", "token-1"].map(|token| (format!("Bearer {token}"), b"hello".to_vec())));
    assert_eq!((extensions.get::<usize>(), source.renewals()), (Some(&2), 1), "what is further inside sees each request");
}

/// F1
#[tokio::test]
async fn a_middleware_notices_a_client_that_went_elsewhere_by_itself() {
    let foreign = ScriptedApi::start(|_| answer(200, &[], "foreign")).await;
    let to = foreign.url("/");
    let api = ScriptedApi::start(move |seen| match seen.target.as_str() {
        "/away" => answer(302, &[&format!("Location: {to}")], ""),
        "/near" => answer(302, &["Location: /end"], ""),
        _ => answer(200, &[], "hello"),
    })
    .await;
    let authorized = AuthorizedClient::new(CountedSource::default()).unwrap();
    let following = with(Client::builder().no_proxy().build().unwrap(), authorized.clone());
    let error = ours(following.get(api.url("/away")).send().await.unwrap_err());
    assert_eq!((error.kind(), foreign.seen().len()), (ErrorKind::Forbidden, 1));
    assert_eq!(following.get(api.url("/near")).send().await.unwrap().text().await.unwrap(), "hello");

    let client = with(plain(), authorized);
    assert_eq!(client.get(api.url("/away")).send().await.unwrap().status(), 302);
    assert_eq!(client.get(api.url("/near")).send().await.unwrap().text().await.unwrap(), "hello");
    assert_eq!(foreign.seen().len(), 1, "nothing went there");
}

/// F6, F9, F13: an error of this crate keeps its predicates, and any other error is left as it is.
#[tokio::test]
async fn errors_say_whose_they_are() {
    let challenge = "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"read:a\"";
    let api = ScriptedApi::start(move |_| answer(403, &[challenge], "")).await;
    let source = CountedSource::default();
    let authorized = AuthorizedClient::new(source.clone()).unwrap().base_url(api.origin()).unwrap();
    let client = ClientBuilder::new(plain()).with(authorized).with(counting).build();
    let elsewhere = ours(client.get("https://evil.example/").send().await.unwrap_err());
    let twice = ours(client.get(api.url("/")).bearer_auth("abc").send().await.unwrap_err());
    assert_eq!((elsewhere.kind(), twice.kind()), (ErrorKind::Forbidden, ErrorKind::Configuration));
    assert_eq!((api.seen().len(), source.reads()), (0, 0));
    let step_up = ours(client.get(api.url("/")).send().await.unwrap_err());
    assert_eq!(step_up.step_up().unwrap().scope(), Some("read:a"));

    let broken = client.get(api.url("/broken")).send().await.unwrap_err();
    let reqwest_middleware::Error::Middleware(broken) = broken else { panic!("{broken}") };
    assert_eq!(broken.downcast_ref::<std::io::Error>().unwrap().to_string(), "broken");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = with(plain(), AuthorizedClient::new(source).unwrap());
    assert!(client.get(format!("http://{closed}/")).send().await.unwrap_err().is_connect());
}
