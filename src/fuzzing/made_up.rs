//! The provider, the application and the login that bytes are made up for.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::application::Application;
use crate::clock::Timestamp;
use crate::jose::base64url;
use crate::provider::{Issuer, Metadata};
use crate::secret::Secret;
use crate::transport::Reply;
use crate::web_auth::pending::PendingLogin;

pub(super) const ISSUER: &str = "https://issuer.example.com/";
pub(super) const CLIENT_ID: &str = "client";
/// Every secret of the corpus holds it, and nothing else does.
pub(super) const CANARY: &str = "canary";

pub(super) static APPLICATION: LazyLock<Application> = LazyLock::new(|| Application::new(ISSUER, CLIENT_ID));

/// Its secrets are the bytes from 0 to 95.
pub(super) static LOGIN: LazyLock<PendingLogin> = LazyLock::new(|| {
    let secrets: Vec<u8> = (0..96).collect();
    let kept = format!(
        r#"{{"url":"https://issuer.example.com/authorize","issuer":"{ISSUER}","client_id":"{CLIENT_ID}",
            "redirect_uri":"https://app.example.com/callback","scope":"openid","expires_at":4102444800000,"secrets":"{}"}}"#,
        base64url(&secrets)
    );
    let text = Secret::new(format!("hallpass1.{}", base64url(kept.as_bytes())));
    PendingLogin::from_secret_string(&text).expect("it is written as this release writes it")
});

pub(super) fn metadata(names_itself_in_callbacks: bool) -> Metadata {
    let document = format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{ISSUER}authorize","token_endpoint":"{ISSUER}token",
            "jwks_uri":"{ISSUER}keys","authorization_response_iss_parameter_supported":{names_itself_in_callbacks}}}"#
    );
    let issuer = Issuer::parse(ISSUER, None).expect("it is an issuer");
    Metadata::from_reply(&json_reply(document.as_bytes()), &issuer).expect("it is the metadata of that issuer")
}

pub(super) fn json_reply(body: &[u8]) -> Reply {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Reply::made_up(StatusCode::OK, headers, body)
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000)
}

/// The same JSON, read in full by another parser: it may refuse members that this crate does not read.
pub(super) fn read_by_another(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).ok()
}

/// The result of a future that has nothing to wait for.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}
