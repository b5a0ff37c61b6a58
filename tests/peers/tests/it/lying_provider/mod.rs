//! A provider that bends each of its answers in turn: what must be refused is refused, as what, and at what cost to it.
mod callback;
mod id_token;
mod metadata;
mod token_response;
mod user_info;

use std::error::Error as _;

use hallpass::{Credentials, Error, ErrorKind, Result, WebAuth};
use hallpass_peers::MockServer;
use serde_json::Value;
use url::Url;

const CLIENT_ID: &str = "me";
const CALLBACK: &str = "http://127.0.0.1:21965/callback";

/// A new application, which knows nothing of the provider yet.
fn web_auth(provider: &MockServer) -> WebAuth {
    WebAuth::new(provider.issuer(), CLIENT_ID).scope("openid profile").redirect_uri(CALLBACK)
}

/// A login at a provider that tells one lie on the way.
async fn log_in(provider: &MockServer, login: &WebAuth, lie: Value) -> Result<Credentials> {
    let before = provider.token_requests().await.len();
    provider.next(lie).await;
    let pending = login.begin().await?;
    let callback = provider.authorize(pending.url().as_str()).await;
    let mut secrets = parameters(pending.url(), &["state", "nonce"]);
    secrets.extend(parameters(&Url::parse(&callback).unwrap(), &["code"]));
    let result = login.finish(pending, &callback).await;
    for request in &provider.token_requests().await[before..] {
        secrets.push(request["code_verifier"].as_str().unwrap().to_owned());
    }
    if let Err(error) = &result {
        shows_none_of(error, &secrets);
    }
    result
}

/// Each lie, told to an application that is new to the provider, makes the login fail as `kind`, after so many token requests.
async fn all_refused(kind: ErrorKind, token_requests: usize, lies: impl IntoIterator<Item = Value>) {
    let provider = MockServer::start();
    for lie in lies {
        let before = provider.token_requests().await.len();
        let told = lie.to_string();
        let error = log_in(&provider, &web_auth(&provider), lie).await.expect_err(&told);
        assert_eq!(error.kind(), kind, "{told}: {error:?}");
        assert_eq!(provider.token_requests().await.len() - before, token_requests, "token requests after {told}");
    }
}

/// Each oddity is borne.
async fn all_accepted(oddities: impl IntoIterator<Item = Value>) {
    let provider = MockServer::start();
    for oddity in oddities {
        let told = oddity.to_string();
        let credentials = log_in(&provider, &web_auth(&provider), oddity).await.unwrap_or_else(|error| panic!("{told}: {error:?}"));
        assert_eq!(credentials.user().unwrap().subject(), "johndoe", "{told}");
    }
}

/// Neither the error nor what caused it, as a person or as a log sees them.
fn shows_none_of(error: &Error, secrets: &[String]) {
    let mut shown = format!("{error}\n{error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push_str(&format!("\n{error}\n{error:?}"));
        cause = error.source();
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!shown.contains(secret.as_str()), "the error shows a secret: {shown}");
    }
}

fn parameters(url: &Url, names: &[&str]) -> Vec<String> {
    url.query_pairs().filter(|(name, _)| names.contains(&&**name)).map(|(_, value)| value.into_owned()).collect()
}

fn seconds_from_now(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_secs()).expect("a clock of this age") + seconds
}
