//! Where a token comes from, by each library's own means: what a program would call before each request.
use std::fs;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use google_cloud_auth::credentials::{CacheableResource, Credentials, user_account};
use hallpass::store::Memory;
use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{CredentialsManager, TokenSource, WebAuth};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::json;
use yup_oauth2::authenticator::DefaultAuthenticator;
use yup_oauth2::{ApplicationSecret, InstalledFlowAuthenticator, InstalledFlowReturnMethod};

pub trait Source: Send + Sync + 'static {
    fn header(&self) -> impl Future<Output = HeaderValue> + Send;
}

/// Nothing is asked: the header is there.
pub struct Ready(pub HeaderValue);

/// The least that a cache with an expiry can be: for one thread, and for several.
pub struct UnderRwLock(RwLock<Option<Arc<Held>>>);
pub struct UnderArcSwap(ArcSwapOption<Held>);

type Held = (HeaderValue, i64);

pub struct Hallpass(pub CredentialsManager);
pub struct Azure(Arc<ClientSecretCredential>);
pub struct Google(Credentials);
pub struct Yup(DefaultAuthenticator);

impl Source for Ready {
    async fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl UnderRwLock {
    pub fn new(header: HeaderValue) -> Self {
        Self(RwLock::new(Some(Arc::new((header, i64::MAX)))))
    }
}

impl Source for UnderRwLock {
    async fn header(&self) -> HeaderValue {
        let now = now();
        let held = self.0.read().unwrap();
        held.as_deref().filter(|(_, due)| now < *due).map(|(header, _)| header.clone()).unwrap()
    }
}

impl UnderArcSwap {
    pub fn new(header: HeaderValue) -> Self {
        Self(ArcSwapOption::from_pointee((header, i64::MAX)))
    }
}

impl Source for UnderArcSwap {
    async fn header(&self) -> HeaderValue {
        let now = now();
        let held = self.0.load();
        held.as_deref().filter(|(_, due)| now < *due).map(|(header, _)| header.clone()).unwrap()
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Hallpass {
    pub async fn logged_in(provider: &TestProvider) -> Self {
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").ephemeral_port();
        let manager = CredentialsManager::new(auth.browser(TestBrowser::new()), Memory::new());
        manager.login_if_needed().await.unwrap();
        Self(manager)
    }
}

impl Source for Hallpass {
    async fn header(&self) -> HeaderValue {
        self.0.cached().unwrap().into()
    }
}

impl Azure {
    /// Its endpoint is always Entra's, so that the answer comes from a transport of its own instead.
    pub fn new(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        let transport = Transport::new(Arc::new(Canned(Box::new(answer))));
        let client_options = ClientOptions { transport: Some(transport), ..ClientOptions::default() };
        let options = ClientSecretCredentialOptions { client_options };
        Self(ClientSecretCredential::new("tenant", "client".to_owned(), Secret::new("secret"), Some(options)).unwrap())
    }
}

pub struct Answer {
    pub after: Duration,
    pub token: String,
}

struct Canned(Box<dyn Fn() -> Answer + Send + Sync>);

impl std::fmt::Debug for Canned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canned")
    }
}

#[async_trait::async_trait]
impl HttpClient for Canned {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Answer { after, token } = (self.0)();
        tokio::time::sleep(after).await;
        let body = json!({ "token_type": "Bearer", "expires_in": 86_400, "access_token": token }).to_string();
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), body))
    }
}

impl Source for Azure {
    async fn header(&self) -> HeaderValue {
        bearer(self.0.get_token(&["https://api.example.com/.default"], None).await.unwrap().token.secret())
    }
}

impl Google {
    /// Inside a runtime: it renews on a task of its own from the beginning.
    pub fn new(token_url: &str) -> Self {
        let user =
            json!({ "type": "authorized_user", "client_id": "client", "client_secret": "secret", "refresh_token": "refresh" });
        Self(user_account::Builder::new(user).with_token_uri(token_url).build().unwrap())
    }
}

impl Source for Google {
    async fn header(&self) -> HeaderValue {
        match self.0.headers(http::Extensions::new()).await.unwrap() {
            CacheableResource::New { data, .. } => data[AUTHORIZATION].clone(),
            CacheableResource::NotModified => unreachable!("no tag was sent"),
        }
    }
}

impl Yup {
    /// Its tokens come from a file, which it reads once.
    pub async fn new(token_url: &str, token: &str, is_valid: bool) -> Self {
        let file = std::env::temp_dir().join(format!(
            "hallpass-bench-{}-{}.json",
            std::process::id(),
            FILES.fetch_add(1, Ordering::Relaxed)
        ));
        // year, day of the year, hour, minute, second, nanosecond, offset: as the crate time writes it.
        let expires_at = json!([if is_valid { 2199 } else { 2019 }, 1, 0, 0, 0, 0, 0, 0, 0]);
        let token = json!({ "access_token": token, "refresh_token": "refresh", "expires_at": expires_at, "id_token": null });
        fs::write(&file, json!([{ "scopes": [SCOPE], "token": token }]).to_string()).unwrap();
        let secret = ApplicationSecret { client_id: "client".into(), token_uri: token_url.into(), ..ApplicationSecret::default() };
        let builder = InstalledFlowAuthenticator::builder(secret, InstalledFlowReturnMethod::HTTPRedirect);
        let authenticator = builder.persist_tokens_to_disk(&file).build().await.unwrap();
        _ = fs::remove_file(file);
        Self(authenticator)
    }
}

impl Source for Yup {
    async fn header(&self) -> HeaderValue {
        bearer(self.0.token(&[SCOPE]).await.unwrap().token().unwrap())
    }
}

fn bearer(token: &str) -> HeaderValue {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    header.set_sensitive(true);
    header
}

const SCOPE: &str = "read:messages";
/// It goes on writing to its file when nobody waits any more.
static FILES: AtomicUsize = AtomicUsize::new(0);
