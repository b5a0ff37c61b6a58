use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, GrantFate, Result, excerpt, is_transient};
use crate::http_client;
use crate::json::{self, NotAnObject};
use crate::origin;
use crate::worker;

/// The only way to the provider: confidential, without redirects, bounded in time and size.
pub(crate) struct Transport {
    /// The settings of the client, until it is built.
    builder: Mutex<Option<reqwest::ClientBuilder>>,
    client: OnceLock<Result<reqwest::Client>>,
}

/// An answer that was read in full. Without `Debug`: its body may hold tokens.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    context: &'static str,
}

impl Transport {
    /// The client is built at the first request, once for all clones, with redirects off: a client that follows them would hand a
    /// refresh token to the target of a 307.
    pub(crate) fn new(builder: reqwest::ClientBuilder) -> Self {
        let builder = http_client::named(builder);
        let builder = if limits_connecting(&builder) { builder } else { builder.connect_timeout(CONNECT_TIMEOUT) };
        Self { builder: Mutex::new(Some(builder)), client: OnceLock::new() }
    }

    pub(crate) fn with_client(client: reqwest::Client) -> Self {
        Self { builder: Mutex::new(None), client: OnceLock::from(Ok(client)) }
    }

    /// For what the provider publishes: an answer that cannot be used, as one of endless length, is a failure of discovery.
    pub(crate) async fn get(&self, context: &'static str, url: &Url) -> Result<Reply> {
        let reply = self.send(context, reqwest::Request::new(Method::GET, url.clone())).await;
        reply.map_err(|error| match error.kind() {
            ErrorKind::InvalidResponse => error.with_kind(ErrorKind::Discovery),
            _ => error,
        })
    }

    /// `context` names the request in messages: "the token request".
    pub(crate) async fn send(&self, context: &'static str, request: reqwest::Request) -> Result<Reply> {
        self.send_by(deadline(), context, request).await?.unless_redirect()
    }

    /// Sends one of several requests that share a deadline. A redirect is an answer here, and is not followed.
    pub(crate) async fn send_by(&self, deadline: Instant, context: &'static str, mut request: reqwest::Request) -> Result<Reply> {
        if !origin::is_confidential(request.url()) || origin::has_user_info(request.url()) {
            return Err(Error::forbidden(format!(
                "{context} does not go to an address that is neither https nor http on loopback; use https"
            )));
        }
        let client = self.client(request.url())?;
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        // A pooled connection must not depend on the caller's runtime.
        let (status, headers, body) = worker::run(exchange(client, deadline, context, request)).await?;
        Ok(Reply { status, headers, body, context })
    }

    fn client(&self, url: &Url) -> Result<reqwest::Client> {
        let made = self.client.get_or_init(|| {
            // It is there unless an attempt to build it panicked: then no client of other settings takes its place.
            let builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner).take();
            let builder = builder.ok_or_else(|| Error::configuration("the HTTP client could not be built; check http_client"))?;
            // http on loopback goes out directly. Metadata keeps an https issuer from naming http endpoints, so the first
            // URL speaks for all of them.
            let builder = if url.scheme() == "http" { builder.no_proxy() } else { builder };
            builder
                .redirect(reqwest::redirect::Policy::none())
                .pool_idle_timeout(MAX_IDLE)
                .build()
                .map_err(|error| Error::configuration("the HTTP client could not be built; check http_client").with_source(error))
        });
        made.clone()
    }
}

/// reqwest tells this only in its Debug output.
fn limits_connecting(builder: &reqwest::ClientBuilder) -> bool {
    format!("{builder:?}").contains("connect_timeout: ")
}

/// Without the client: its default headers may hold secrets.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Reply {
    /// A reply for tests.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn made_up(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        Self { status, headers, body: Zeroizing::new(body.to_vec()), context: "the request" }
    }

    /// Refuses a redirect, for callers that do not expect one.
    pub(crate) fn unless_redirect(self) -> Result<Self> {
        if self.status.is_redirection() {
            return Err(Error::invalid_response(format!(
                "{} was answered with a redirect ({}), which is not followed; configure the issuer by its final address",
                self.context, self.status
            )));
        }
        Ok(self)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as a JSON object, with any content type. Members that `T` names have to be unique.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        json::object(&self.body).map_err(|error| self.is_no("the JSON object", error))
    }

    /// The body as a list of JSON objects.
    #[cfg(feature = "auth0")]
    pub(crate) fn json_list<'a, T: Deserialize<'a>>(&'a self) -> Result<Vec<T>> {
        json::list(&self.body).map_err(|error| self.is_no("the JSON list", error))
    }

    fn is_no(&self, what: &str, error: NotAnObject) -> Error {
        let content_type = excerpt(self.content_type());
        let content_type = if content_type.is_empty() { "no content type" } else { &content_type };
        let (context, status) = (self.context, self.status);
        let message = format!(
            "{context} was answered with {status} and {content_type}, but not with {what} that was expected; check the issuer, and what \
             stands between it and this program"
        );
        Error::invalid_response(message).with_source(error)
    }

    /// RFC 9110, section 10.2.3: seconds or a date.
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let value = self.header_text(RETRY_AFTER.as_str())?;
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)).min(LONGEST_WAIT));
        }
        // What the parser takes may hold comments in comments.
        let date = Some(value).filter(|date| date.len() <= LONGEST_DATE)?;
        let date = OffsetDateTime::parse(date, &Rfc2822).ok()?;
        Some(Timestamp::from_unix_seconds(date.unix_timestamp()).since(now).min(LONGEST_WAIT))
    }

    /// The same; else Auth0's `x-ratelimit-reset`, seconds since 1970, which stands on answers to which it does not matter, too.
    pub(crate) fn retry_after_rate_limit(&self, now: Timestamp) -> Option<Duration> {
        let reset = || self.header_text("x-ratelimit-reset")?.parse().ok();
        let until_reset = || Some(Timestamp::from_unix_seconds(reset()?).since(now).min(LONGEST_WAIT));
        self.retry_after(now).or_else(until_reset)
    }

    fn header_text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    /// The error for an unexpected status, of discovery and other requests that have no errors in JSON.
    pub(crate) fn unexpected_status(&self, kind: ErrorKind, now: Timestamp) -> Error {
        let error = Error::new(kind, format!("{} was answered with {}", self.context, self.status));
        if is_transient(self.status) {
            error.with_advice("try again later").transient().with_retry_after(self.retry_after_rate_limit(now))
        } else {
            error.with_advice("check the domain or issuer")
        }
    }
}

/// By when a request to the provider that begins now is to be answered.
pub(crate) fn deadline() -> Instant {
    Instant::now() + DEADLINE
}

/// The same for a request that the provider may hold until a person has answered.
pub(crate) fn deadline_of_a_poll() -> Instant {
    Instant::now() + POLL_DEADLINE
}

async fn exchange(
    client: reqwest::Client,
    deadline: Instant,
    context: &'static str,
    request: reqwest::Request,
) -> Result<(StatusCode, HeaderMap, Zeroizing<Vec<u8>>)> {
    let late = || Error::new(ErrorKind::TimedOut, format!("{context} did not finish in time; try again later")).transient();
    // The process may have been stopped since the deadline was set.
    if Instant::now() >= deadline {
        return Err(late());
    }
    let late = || late().with_grant_fate(GrantFate::Unknown);
    let end = tokio::time::Instant::from_std(deadline);
    // Around the request rather than in it, where it would take the place of a shorter timeout of the program's client.
    let response = tokio::time::timeout_at(end, client.execute(request)).await.map_err(|_| late())?;
    let response = response.map_err(|error| Error::network(context, error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = tokio::time::timeout_at(end, read_body(context, response)).await.unwrap_or_else(|_| Err(late()));
    match body {
        Ok(body) => Ok((status, headers, body)),
        // The status decides. Part of a body could hold part of a secret.
        Err(_) if !status.is_success() => Ok((status, headers, Zeroizing::default())),
        Err(error) => Err(error),
    }
}

/// Counts bytes after decompression, since another crate may have turned on reqwest's gzip.
async fn read_body(context: &str, mut response: reqwest::Response) -> Result<Zeroizing<Vec<u8>>> {
    let too_long = || {
        Error::invalid_response(format!(
            "{context} was answered with more than {} KiB, which is not read; check the issuer",
            BODY_CAP / 1024
        ))
        .with_grant_fate(GrantFate::Unknown)
    };
    let announced = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    if announced > BODY_CAP {
        return Err(too_long());
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(|error| Error::network(context, error))? {
        if body.len() + chunk.len() > BODY_CAP {
            return Err(too_long());
        }
        if body.capacity() - body.len() < chunk.len() {
            // Growing in place would leave an unwiped copy behind.
            let mut larger = Zeroizing::new(Vec::with_capacity((body.len() + chunk.len()).next_power_of_two()));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

const DEADLINE: Duration = Duration::from_secs(30);
/// CIBA Core 1.0, section 7.3: "Clients should be prepared to wait at least 30 seconds for a response".
const POLL_DEADLINE: Duration = Duration::from_secs(60);
const BODY_CAP: usize = 1024 * 1024;
/// Shorter than a request's deadline, so that a host that is not there is told from an answer that is lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// In bytes; RFC 9110, section 5.6.7, has none longer than 33.
const LONGEST_DATE: usize = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// A connection that was idle for longer may be dead, and a refresh token that is sent on it may be lost.
const MAX_IDLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins what reqwest's Debug output shows.
    #[test]
    fn a_limit_for_connecting_is_seen_in_the_debug_output() {
        let builder = || reqwest::Client::builder().timeout(DEADLINE).pool_idle_timeout(DEADLINE);
        assert!(!limits_connecting(&builder()));
        assert!(limits_connecting(&builder().connect_timeout(DEADLINE)));
    }

    /// B29, D5
    #[tokio::test]
    async fn nothing_is_sent_where_others_could_read_along() {
        let transport = Transport::new(reqwest::Client::builder());
        for url in
            ["http://auth.example.com/", "http://localhost.example.com/", "https://user@127.0.0.1/", "http://:secret@127.0.0.1/"]
        {
            let error = transport.get("the request", &Url::parse(url).unwrap()).await.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
