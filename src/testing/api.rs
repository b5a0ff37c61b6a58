use std::fmt;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};
use url::Url;

use super::answer;
use super::fault::Fault;
use super::intake::{Gate, Intake, Stage};
use super::proof::{ALGORITHMS, Expected, ProofDesk};
use super::provider::TestProvider;
use super::seen::SeenRequest;
use super::server::{Answer, Bound, Reply, Server};
use super::tenant::Tenant;
use super::userinfo::bound;
use crate::crypto;

/// An API that needs an access token: 200 with a valid one, 401 without, 403 where it lacks the scope (RFC 6750, section 3.1). A
/// token that is bound to a key needs a valid DPoP proof as well (RFC 9449, section 7).
///
/// It answers every method and path, and describes the request in JSON: `method`, `path`, `query`, `sub` and `scope` of the token,
/// `body_length` and `body_sha256` (in hex). Under `/echo` it answers with the body. Its root is another name for it, in addition
/// to the audience, and it names the issuer that logs people in for it (RFC 9728). Like the provider it runs on another thread,
/// ends with its last clone, notes every request, and fails on demand. Another `Api` is another origin.
///
/// ```
/// use hallpass::testing::{Api, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = TestProvider::start().await;
/// let api = Api::start(&provider, "https://api.example.com").await;
/// api.require_scope("/messages", "read:messages");
///
/// let refused = reqwest::get(api.url().join("messages")?).await?;
/// assert_eq!(refused.status(), 401);
///
/// let token = provider.access_token("https://api.example.com", "read:messages");
/// let answer = reqwest::Client::new().get(api.url().join("messages")?).bearer_auth(&token).send().await?;
/// assert_eq!(answer.status(), 200);
/// assert_eq!(api.seen()[1].header("authorization"), Some(format!("Bearer {token}").as_str()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Api {
    door: Arc<Door>,
    server: Arc<Server>,
    url: Url,
}

/// The check before the API's content.
struct Door {
    tenant: Arc<Tenant>,
    url: Url,
    audience: String,
    intake: Intake,
    proofs: ProofDesk,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    scopes: Vec<(String, String)>,
    accepted: Vec<String>,
    refused: Vec<String>,
    wants_nonce: bool,
}

impl Api {
    /// One that accepts what this provider issues for this audience, on a free port.
    #[expect(clippy::unused_async, reason = "as the provider starts")]
    pub async fn start(provider: &TestProvider, audience: impl Into<String>) -> Self {
        let bound = Bound::to(0);
        let url = bound.url();
        let door = Arc::new(Door {
            tenant: Arc::clone(provider.tenant()),
            url: url.clone(),
            audience: audience.into(),
            intake: Intake::new(),
            proofs: ProofDesk::new(),
            rules: Mutex::default(),
        });
        Self { server: Arc::new(bound.serve(Arc::clone(&door))), door, url }
    }

    /// Its root: `http://127.0.0.1:{port}/`
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Under this path a token needs this scope.
    pub fn require_scope(&self, path: &str, scope: &str) {
        self.door.rules().scopes.push((path.to_owned(), scope.to_owned()));
    }

    /// Refuses this token from now on, by any issuer.
    pub fn refuse(&self, token: &str) {
        self.door.rules().refused.push(token.to_owned());
    }

    /// Accepts this token for everything from now on, by any issuer.
    pub fn accept(&self, token: &str) {
        self.door.rules().accepted.push(token.to_owned());
    }

    /// From now on DPoP proofs need a nonce, which every answer brings: another one after each call of this.
    pub fn require_dpop_nonce(&self) {
        self.door.rules().wants_nonce = true;
        self.door.proofs.renew_nonce();
    }

    /// The number of requests so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.door.intake.count()
    }

    /// The requests that it has seen, in their order.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.door.intake.seen()
    }

    /// Until it has seen so many requests; at once when it has.
    pub async fn asked(&self, requests: usize) {
        self.door.intake.asked(requests).await;
    }

    /// A fault for the next request that meets none; those given before come first.
    pub fn next(&self, fault: Fault) {
        self.door.intake.next(fault);
    }

    /// A fault for every request, once those of [`next`](Self::next) are used up.
    pub fn always(&self, fault: Fault) {
        self.door.intake.always(fault);
    }

    /// No faults any more.
    pub fn clear(&self) {
        self.door.intake.clear();
    }

    /// Requests wait until the gate is released.
    #[must_use]
    pub fn hold(&self) -> Gate {
        self.door.intake.hold(Stage::Request)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("url", &self.url.as_str()).field("server", &self.server).finish_non_exhaustive()
    }
}

impl Door {
    fn work(&self, request: &SeenRequest) -> Response<Bytes> {
        if request.path() == METADATA_PATH {
            return answer::json(StatusCode::OK, &self.metadata());
        }
        let response = self.answer_to(request);
        if self.rules().wants_nonce { self.proofs.announce_nonce(response) } else { response }
    }

    fn answer_to(&self, request: &SeenRequest) -> Response<Bytes> {
        let Some((token, shown)) = request.access_token() else {
            // RFC 6750, section 3.1: without authentication "the resource server SHOULD NOT include an error code".
            return self.challenge(StatusCode::UNAUTHORIZED, "Bearer", "");
        };
        let Some(claims) = self.claims(token) else {
            let error = r#", error="invalid_token", error_description="The access token is unknown or has expired""#;
            return self.challenge(StatusCode::UNAUTHORIZED, shown.scheme(), error);
        };
        let expected = Expected { now: self.tenant.now(), token: Some(token), wants_nonce: self.rules().wants_nonce };
        let jkt = claims.get("cnf").and_then(|key| key.get("jkt")).and_then(Value::as_str);
        if let Err(refusal) = bound(shown, jkt, self.proofs.check(request, &expected)) {
            let (code, description) = refusal.words();
            let algorithms = ALGORITHMS.join(" ");
            let error = format!(r#", error="{code}", error_description="{description}", algs="{algorithms}""#);
            return self.challenge(StatusCode::UNAUTHORIZED, "DPoP", &error);
        }
        let scope = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        if let Some(missing) = self.missing_scope(request.path(), token, scope) {
            let error = format!(r#", error="insufficient_scope", scope="{missing}""#);
            return self.challenge(StatusCode::FORBIDDEN, shown.scheme(), &error);
        }
        if request.path().starts_with("/echo") {
            let mut response = Response::new(request.bytes());
            if let Some(content_type) = request.headers().get(CONTENT_TYPE) {
                response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
            }
            return response;
        }
        let body = json!({
            "method": request.method().as_str(),
            "path": request.path(),
            "query": request.query(),
            "sub": claims.get("sub"),
            "scope": scope,
            "body_length": request.body().len(),
            "body_sha256": hex(&crypto::sha256(request.body())),
        });
        answer::json(StatusCode::OK, &body)
    }

    /// RFC 9728, section 2.
    fn metadata(&self) -> Value {
        let mut scopes: Vec<String> = self.rules().scopes.iter().map(|(_, scope)| scope.clone()).collect();
        scopes.dedup();
        json!({
            "resource": self.url.as_str(),
            "authorization_servers": [self.tenant.issuer],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
        })
    }

    fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        {
            let rules = self.rules();
            if rules.refused.iter().any(|refused| refused == token) {
                return None;
            }
            if rules.accepted.iter().any(|accepted| accepted == token) {
                return Some(Map::new());
            }
        }
        let claims = self.tenant.signed_claims(token)?;
        let is_ours = |audience: &Value| *audience == self.audience || *audience == self.url.as_str();
        let for_us = match claims.get("aud")? {
            Value::Array(audiences) => audiences.iter().any(is_ours),
            audience => is_ours(audience),
        };
        let lives = self.tenant.now().unix_seconds() < claims.get("exp")?.as_i64()?;
        (for_us && lives).then_some(claims)
    }

    fn missing_scope(&self, path: &str, token: &str, scope: &str) -> Option<String> {
        let rules = self.rules();
        if rules.accepted.iter().any(|accepted| accepted == token) {
            return None;
        }
        let missing =
            |(under, wanted): &&(String, String)| path.starts_with(under.as_str()) && !scope.split(' ').any(|word| word == wanted);
        rules.scopes.iter().find(missing).map(|(_, wanted)| wanted.clone())
    }

    fn challenge(&self, status: StatusCode, scheme: &str, error: &str) -> Response<Bytes> {
        let mut response = answer::empty(status);
        let mut challenge = format!(r#"{scheme} realm="{}"{error}"#, self.audience);
        if status == StatusCode::UNAUTHORIZED {
            let (url, path) = (self.url.as_str().trim_end_matches('/'), METADATA_PATH);
            write!(challenge, r#", resource_metadata="{url}{path}""#).expect("a string can be written to");
        }
        let challenge = HeaderValue::try_from(challenge).expect("the test gives audiences and scopes that a header can hold");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer for Door {
    async fn answer(self: Arc<Self>, request: SeenRequest) -> Reply {
        self.intake.answer(&request, &self.tenant.clock, |request| self.work(request)).await
    }
}

const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string can be written to");
        hex
    })
}
