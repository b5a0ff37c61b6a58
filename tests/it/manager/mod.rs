//! Staying logged in: what a manager asks of the provider and of its store.

mod api;
mod clock;
mod ends;
mod failures;
mod hooks;
mod lost_answers;
mod many_sessions;
mod odd_store;
mod questions;
mod refused_tokens;
mod several;
mod staying;

use std::time::Duration;

use hallpass::store::{CredentialsStore, Memory, RecordKey};
use hallpass::testing::{Api, Endpoint, TestBrowser, TestClock, TestProvider, TestProviderBuilder};
use hallpass::{Application, AuthorizedClient, Credentials, CredentialsManager, ErrorKind, WebAuth};

struct Kept<S = Memory> {
    provider: TestProvider,
    clock: TestClock,
    store: S,
    session: CredentialsManager,
    /// Jane's, who has logged in.
    browser: TestBrowser,
}

/// A login with tokens that live an hour.
async fn logged_in() -> Kept {
    logged_in_to(Memory::new(), |provider| provider).await
}

async fn logged_in_to<S: CredentialsStore + Clone>(
    store: S,
    configured: impl FnOnce(TestProviderBuilder) -> TestProviderBuilder,
) -> Kept<S> {
    let clock = TestClock::new();
    let builder = TestProvider::builder().clock(clock.clone()).access_token_life(HOUR);
    let provider = configured(builder).start().await;
    let browser = TestBrowser::new();
    let session = CredentialsManager::new(web_auth(&provider, &clock).browser(browser.clone()), store.clone());
    session.login_if_needed().await.unwrap();
    Kept { provider, clock, store, session, browser }
}

impl<S: CredentialsStore + Clone> Kept<S> {
    /// Another manager on the same store, as another process has one.
    fn sibling(&self) -> CredentialsManager {
        let auth = web_auth(&self.provider, &self.clock).browser(self.browser.clone());
        CredentialsManager::new(auth, self.store.clone())
    }

    /// Another person's login by the same application, not yet saved.
    async fn log_in(&self, user: &str) -> Credentials {
        web_auth(&self.provider, &self.clock).browser(TestBrowser::new().user(user)).start().await.unwrap()
    }

    fn key(&self) -> RecordKey {
        RecordKey::new(self.provider.issuer(), self.provider.client_id(), "")
    }

    /// The number of token requests.
    fn asked(&self) -> usize {
        self.provider.count(Endpoint::Token)
    }
}

fn manager(provider: &TestProvider, clock: &TestClock, store: impl CredentialsStore) -> CredentialsManager {
    CredentialsManager::new(web_auth(provider, clock).browser(TestBrowser::new()), store)
}

fn web_auth(provider: &TestProvider, clock: &TestClock) -> WebAuth {
    let application = Application::new(provider.issuer(), provider.client_id()).clock(clock);
    application.web_auth().scope("openid email offline_access").audience("https://api.acme.com").ephemeral_port()
}

fn user_of(credentials: &Credentials) -> String {
    credentials.user().unwrap().email().unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// G1 — token: 1
#[tokio::test]
async fn ten_thousand_tasks_on_expired_credentials_make_one_request() {
    let Kept { provider, clock, session, .. } = logged_in().await;
    clock.advance(Duration::from_secs(3600));
    let before = provider.count(Endpoint::Token);
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            tokio::spawn({
                let session = session.clone();
                async move { session.credentials().await }
            })
        })
        .collect();
    let mut tokens = Vec::new();
    for task in tasks {
        tokens.push(task.await.unwrap().unwrap().access_token().clone());
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(provider.count(Endpoint::Token), before + 1);
}

/// G3 — token: 1
#[tokio::test]
async fn a_renewal_outlives_whoever_asked() {
    let Kept { provider, clock, session, store, .. } = logged_in().await;
    clock.advance(Duration::from_secs(3600));
    let before = provider.count(Endpoint::Token);
    let gate = provider.hold(Endpoint::Token);
    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    gate.release();
    let other = manager(&provider, &clock, store);
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !other.has_valid(Duration::from_secs(600)).await.unwrap() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
    other.credentials().await.unwrap();
    assert_eq!(provider.count(Endpoint::Token), before + 1);
}

/// G29 — token: 0
#[tokio::test]
async fn without_a_refresh_token_a_login_is_needed_at_once() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let application = Application::new(provider.issuer(), provider.client_id()).clock(&clock);
    let auth = application.web_auth().scope("openid").ephemeral_port().browser(TestBrowser::new());
    let session = CredentialsManager::new(auth, Memory::new());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::LoginRequired);
    session.login_if_needed().await.unwrap();
    clock.advance(Duration::from_secs(48 * 3600));
    let before = provider.count(Endpoint::Token);
    assert!(session.credentials().await.unwrap_err().is_login_required());
    assert_eq!(provider.count(Endpoint::Token), before);
}

/// G2 — token: 2
#[tokio::test]
async fn another_audience_has_a_token_of_its_own() {
    let Kept { provider, session, .. } = logged_in().await;
    let before = provider.count(Endpoint::Token);
    let login = session.credentials().await.unwrap();
    let billing = session.credentials_for("https://billing.acme.com", "read:invoices").await.unwrap();
    assert_ne!(login.access_token(), billing.access_token());
    let again = session.credentials_for("https://billing.acme.com", "read:invoices").await.unwrap();
    assert_eq!(billing.access_token(), again.access_token());
    let other = session.credentials_for("https://billing.acme.com", "write:invoices").await.unwrap();
    assert_ne!(billing.access_token(), other.access_token());
    assert_eq!(provider.count(Endpoint::Token), before + 2);
}

/// G32 — token: 0
#[tokio::test]
async fn a_token_that_a_sibling_has_replaced_is_not_renewed_again() {
    let Kept { provider, clock, store, session, .. } = logged_in().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    let sibling = manager(&provider, &clock, store);
    let old = session.credentials().await.unwrap();
    sibling.renew().await.unwrap();
    api.refuse(old.access_token().expose());
    let before = provider.count(Endpoint::Token);
    let client = AuthorizedClient::new(session).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    assert_eq!(provider.count(Endpoint::Token), before);
}

/// G23 — token: 1
#[tokio::test]
async fn a_logout_during_a_renewal_is_not_undone() {
    let Kept { provider, clock, session, .. } = logged_in().await;
    clock.advance(Duration::from_secs(3600));
    let gate = provider.hold(Endpoint::Token);
    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.credentials().await }
    });
    gate.reached(1).await;
    session.clear().await.unwrap();
    gate.release();
    assert!(asking.await.unwrap().unwrap_err().is_login_required());
    assert!(!session.is_logged_in().await.unwrap());
}
