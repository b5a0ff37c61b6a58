use std::process::Command;

use reqwest::Client;
use serde_json::Value;

use crate::process::Process;

/// oauth2-mock-server: a provider without a login page that lies on demand; see `oauth2-mock-server/server.mjs`.
pub struct MockServer {
    issuer: String,
    client: Client,
    _process: Process,
}

impl MockServer {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With the settings that the head of `server.mjs` names.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new("node");
        command.arg("server.mjs").envs(settings.iter().copied());
        let (process, issuer) = Process::start("oauth2-mock-server", &mut command, "ready ");
        Self { issuer, client: client(), _process: process }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Bends its next answer of a kind.
    pub async fn next(&self, lie: Value) {
        self.control("/__next", lie).await;
    }

    /// Replaces its keys; the old ones are gone.
    pub async fn rotate_keys(&self) {
        self.control("/__rotate", Value::Null).await;
    }

    /// The form bodies of the token requests so far, in order.
    pub async fn token_requests(&self) -> Vec<Value> {
        self.seen("/token").await.into_iter().map(|mut request| request["body"].take()).collect()
    }

    /// The number of requests for a path.
    pub async fn count(&self, path: &str) -> usize {
        self.seen(path).await.len()
    }

    /// Follows an authorization URL as a browser would, and returns where it leads.
    pub async fn authorize(&self, url: &str) -> String {
        let response = self.client.get(url).send().await.expect("the provider answers");
        assert_eq!(response.status(), 302, "the provider redirects");
        let location = response.headers().get("location").expect("a redirect has a location");
        location.to_str().expect("a location is ASCII").to_owned()
    }

    async fn seen(&self, path: &str) -> Vec<Value> {
        let url = format!("{}/__seen", self.origin());
        let response = self.client.get(url).send().await.expect("the provider answers");
        let seen: Vec<Value> = response.json().await.expect("a list");
        seen.into_iter().filter(|request| request["path"] == path).collect()
    }

    async fn control(&self, path: &str, body: Value) {
        let url = format!("{}{path}", self.origin());
        let response = self.client.post(url).json(&body).send().await.expect("the provider answers");
        assert_eq!(response.status(), 200, "the provider takes the order");
    }

    fn origin(&self) -> &str {
        self.issuer.trim_end_matches('/')
    }
}

fn client() -> Client {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a plain client")
}
