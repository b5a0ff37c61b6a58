//! Proofs, wherever else the authorized client stands.

use bytes::Bytes;
use hallpass::dpop::DpopKey;
use hallpass::testing::{Api, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, blocking};
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Layer as _, ServiceExt as _};

use super::AUDIENCE;

/// An API that wants nonces, and a token for it.
async fn api() -> (TestProvider, Api, AccessToken) {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    api.require_dpop_nonce();
    let key = DpopKey::generate().unwrap();
    let token = AccessToken::dpop(provider.dpop_access_token(AUDIENCE, "", key.thumbprint()), key).unwrap();
    (provider, api, token)
}

fn bodies(api: &Api) -> Vec<(u64, Vec<u8>)> {
    let seen = |seen: &hallpass::testing::SeenRequest| (seen.headers().get_all("dpop").iter().count() as u64, seen.body().to_vec());
    api.seen().iter().map(seen).collect()
}

/// F20, F24
#[tokio::test]
async fn a_tower_layer_proves_and_repeats() {
    let (_provider, api, token) = api().await;
    let service = Client::builder(TokioExecutor::new()).build_http();
    let service = AuthorizedClient::new(token).unwrap().base_url(api.url()).unwrap().layer(service);
    let request = || Request::post(format!("{}messages?a=b", api.url())).body(Full::<Bytes>::from("hello")).unwrap();
    for _ in 0..2 {
        assert_eq!(service.clone().oneshot(request()).await.unwrap().status(), 200);
    }
    assert_eq!(bodies(&api), vec![(1, b"hello".to_vec()); 3]);
}

/// F20, F24
#[tokio::test]
async fn a_middleware_proves_and_repeats() {
    let (_provider, api, token) = api().await;
    let plain = reqwest::Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let client = reqwest_middleware::ClientBuilder::new(plain.clone()).with(AuthorizedClient::new(token).unwrap()).build();
    for _ in 0..2 {
        let request = plain.post(api.url().join("messages").unwrap()).body("hello").build().unwrap();
        assert_eq!(client.execute(request).await.unwrap().status(), 200);
    }
    assert_eq!(bodies(&api), vec![(1, b"hello".to_vec()); 3]);
}

/// F20, F24
#[test]
fn a_blocking_client_proves_and_repeats() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_provider, api, token) = runtime.block_on(api());
    let client = blocking::AuthorizedClient::new(token).unwrap().base_url(api.url()).unwrap();
    for _ in 0..2 {
        assert_eq!(client.post("messages").body("hello").send().unwrap().status(), 200);
    }
    assert_eq!(bodies(&api), vec![(1, b"hello".to_vec()); 3]);
}
