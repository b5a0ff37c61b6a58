//! A panic in a program's own code, while it holds what this library gave it: its message shows no secret, and the library goes on.

use std::convert::Infallible;
use std::fmt::Debug;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hallpass::store::{CredentialsStore, Memory, Record, RecordKey};
use hallpass::testing::{Api, Endpoint, TestBrowser, TestProvider};
use hallpass::web_auth::{Browser, PrintUrl};
use hallpass::{
    AccessToken, Application, AuthorizedClient, ClientAuth, CredentialsManager, Error, ErrorKind, Result, Secret, TokenSource,
    WebAuth,
};
use tokio::task::JoinError;
use url::Url;

use crate::canaries::{ENDPOINTS, Search};
use crate::listener::free_port;
use crate::looks::secrets_in;
use crate::two_halves::TwoHalves;

/// The message of the panic that `work` ends in.
pub(crate) fn message_of(work: impl FnOnce() -> Infallible) -> String {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(never) => match never {},
        Err(payload) => {
            payload.downcast_ref::<String>().cloned().unwrap_or_else(|| (*payload.downcast::<&str>().unwrap()).to_owned())
        }
    }
}

/// Whatever any thread of this process has said when it panicked.
fn said() -> &'static Mutex<String> {
    static SAID: OnceLock<Mutex<String>> = OnceLock::new();
    SAID.get_or_init(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if let Some(said) = SAID.get() {
                said.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{panic}\n"));
            }
            before(panic);
        }));
        Mutex::default()
    })
}

/// Whatever the provider was asked with is in no panic's message.
fn nothing_was_said_of(provider: &TestProvider) {
    let mut search = Search::default();
    search.secret("the client's secret", provider.client_secret());
    for endpoint in ENDPOINTS {
        for request in provider.requests(endpoint) {
            search.request(&format!("{endpoint:?}"), &request);
        }
    }
    assert!(search.known() > 0);
    search.finds_nothing_in("a panic's message", &said().lock().unwrap_or_else(PoisonError::into_inner));
}

fn is_the_programs_own(end: JoinError) {
    assert!(end.is_panic(), "{end}");
    let payload = end.into_panic();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&OWN), "it is handed on as it is");
}

const OWN: &str = "the program's own code panics, as the test wants";

/// I1
#[tokio::test]
async fn an_assertion_about_what_went_well_shows_no_secret() {
    let provider = TestProvider::start().await;
    let application = Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_basic(provider.client_secret()));
    let halves = TwoHalves::of(provider.clone(), &application).scope("openid offline_access");
    let store = Memory::new();
    let (login, callback) = halves.returned().await;
    let key = RecordKey::new(provider.issuer(), provider.confidential_client_id(), "");
    let pending = message_of(|| failed(Err::<(), _>(&login)));
    let credentials = halves.auth.finish(login, &callback).await.unwrap();
    let manager = CredentialsManager::new(halves.auth.clone(), store.clone());
    manager.save(&credentials).await.unwrap();
    let record = store.load(&key).await.unwrap().expect("the record of the session");
    let client = AuthorizedClient::new(credentials.clone()).unwrap();
    let request = client.get(provider.issuer()).build().unwrap();
    let issued = application.exchange(credentials.access_token().expose(), "urn:ietf:params:oauth:token-type:access_token");
    let [id_token, access_token] = [credentials.id_token().unwrap().raw(), &Secret::new(credentials.access_token().expose())];
    let messages = [
        pending,
        message_of(|| failed(Err::<(), _>(&credentials))),
        message_of(|| failed(Err::<(), _>(&record))),
        message_of(|| failed(Err::<(), _>((&manager, &client, &request, &application, &issued)))),
        message_of(|| failed(Err::<(), _>(credentials.access_token().header_value()))),
        message_of(|| {
            assert_eq!(id_token, access_token, "of two secrets");
            unreachable!("they differ")
        }),
        message_of(|| {
            assert_eq!(*credentials.access_token(), AccessToken::bearer("CANARY-another-token").unwrap(), "of two tokens");
            unreachable!("they differ")
        }),
    ];
    for message in &messages {
        // A hash of the issuer and of names: where the session is kept.
        let message = message.replace(&key.id(), "[id]");
        assert!(secrets_in(&message).is_empty() && !message.contains("CANARY"), "{message}");
        assert!(!message.contains(provider.client_secret()), "{message}");
    }
    assert!(messages[5].contains("Secret(…)"), "{}", messages[5]);
}

fn failed<E: Debug>(outcome: std::result::Result<(), E>) -> Infallible {
    outcome.unwrap();
    unreachable!("it failed")
}

/// Panics at its first use.
struct Panicky<T> {
    inner: T,
    uses: Arc<AtomicUsize>,
}

impl<T> Panicky<T> {
    fn new(inner: T) -> Self {
        Self { inner, uses: Arc::default() }
    }

    fn used(&self) {
        assert!(self.uses.fetch_add(1, Ordering::SeqCst) != 0, "{OWN}");
    }
}

impl Browser for Panicky<TestBrowser> {
    async fn open(&self, url: &Url) -> Result<()> {
        // Not with `assert!` and its formatting: the payload is compared.
        if self.uses.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("the program's own code panics, as the test wants");
        }
        self.inner.open(url).await
    }
}

/// G5, I1, E20
#[tokio::test]
async fn a_browser_that_panics_ends_its_login_and_no_other() {
    said();
    let provider = TestProvider::start().await;
    let port = free_port();
    let auth = || {
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").redirect_ports([port]);
        auth.browser(Panicky::new(TestBrowser::new()))
    };
    let alone = auth();
    let login = alone.clone();
    is_the_programs_own(tokio::spawn(async move { login.start().await }).await.unwrap_err());
    assert_eq!(provider.count(Endpoint::Token), 0);
    alone.start().await.expect("the port is free, and the next login is one of its own");

    let session = CredentialsManager::new(auth(), Memory::new());
    let login = session.clone();
    is_the_programs_own(tokio::spawn(async move { login.login_if_needed().await }).await.unwrap_err());
    session.login_if_needed().await.expect("nobody waits for the login that was");
    session.renew().await.unwrap();
    nothing_was_said_of(&provider);
}

impl<T: TokenSource> TokenSource for Panicky<T> {
    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        self.used();
        self.inner.token(rejected).await
    }
}

/// F23, I1
#[tokio::test]
async fn a_source_of_tokens_that_panics_sends_nothing_and_is_asked_again() {
    said();
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    let token = AccessToken::bearer(provider.access_token("https://api.acme.com", "read")).unwrap();
    let client = AuthorizedClient::new(Panicky::new(token)).unwrap().base_url(api.url()).unwrap();
    let caller = client.clone();
    assert!(tokio::spawn(async move { caller.get("messages").send().await }).await.unwrap_err().is_panic());
    assert_eq!(api.count(), 0, "nothing is sent without a token");
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    let mut search = Search::default();
    search.request("the API", &api.seen()[0]);
    search.finds_nothing_in("a panic's message", &said().lock().unwrap_or_else(PoisonError::into_inner));
}

/// A store whose lock is poisoned by a panic, as people write it.
#[derive(Clone, Default)]
struct Careless {
    records: Arc<Mutex<Vec<(RecordKey, Record)>>>,
    panics: Arc<AtomicUsize>,
}

impl CredentialsStore for Careless {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let records = self.records.lock().unwrap();
        Ok(records.iter().find(|(kept, _)| kept == key).map(|(_, record)| record.clone()))
    }

    async fn save(&self, key: &RecordKey, _: Option<u64>, record: &Record) -> Result<bool> {
        let mut records = self.records.lock().unwrap();
        let panics = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1);
        assert!(!panics, "cannot keep {record:?} beside {records:?}");
        records.retain(|(kept, _)| kept != key);
        records.push((key.clone(), record.clone()));
        Ok(true)
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.records.lock().unwrap().retain(|(kept, _)| kept != key);
        Ok(())
    }
}

/// G5, G11, I1 — token: 2
#[tokio::test]
async fn a_store_whose_lock_is_poisoned_costs_an_error_and_no_token() {
    said();
    let provider = TestProvider::start().await;
    let store = Careless::default();
    let auth = || WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").ephemeral_port();
    let session = CredentialsManager::new(auth().browser(TestBrowser::new()), store.clone());
    session.login_if_needed().await.unwrap();

    // The first save announces the request, and the second stores its answer.
    store.panics.store(2, Ordering::SeqCst);
    let lost = session.renew().await.unwrap_err();
    let rescued = lost.credentials().expect("the error holds what could not be stored").clone();
    assert!(store.records.is_poisoned());
    for error in [lost, session.renew().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Store);
        let message = message_of(|| failed(Err::<(), _>(error)));
        assert!(secrets_in(&message).is_empty(), "{message}");
    }
    assert_eq!(session.credentials().await.unwrap().access_token(), rescued.access_token(), "memory serves");

    store.records.clear_poison();
    session.credentials().await.unwrap();
    let later = CredentialsManager::new(auth(), store);
    assert_eq!(later.credentials().await.unwrap().refresh_token(), rescued.refresh_token(), "what came is stored");
    assert_eq!(provider.count(Endpoint::Token), 2);
    later.renew().await.unwrap();
    nothing_was_said_of(&provider);
}

/// G20
#[tokio::test]
async fn whoever_panics_lets_go_of_a_sessions_lock() {
    let (store, key) = (Memory::new(), RecordKey::new("https://acme.example/", "client", ""));
    let (other, same) = (store.clone(), key.clone());
    let holder = tokio::spawn(async move {
        let _lock = other.lock(&same, Duration::ZERO).await.unwrap();
        panic!("the program's own code panics, as the test wants");
    });
    is_the_programs_own(holder.await.unwrap_err());
    store.lock(&key, Duration::ZERO).await.unwrap();
}

impl Write for Panicky<io::Sink> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.used();
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// I1: a poisoned lock of this library has no effect.
#[tokio::test]
async fn a_screen_that_panics_shows_the_next_login() {
    said();
    let browser = PrintUrl::to(Panicky::new(io::sink()));
    let url = Url::parse("https://acme.example/authorize?state=CANARY-state-of-a-panic").unwrap();
    let (first, page) = (browser.clone(), url.clone());
    assert!(tokio::spawn(async move { first.open(&page).await }).await.unwrap_err().is_panic());
    browser.open(&url).await.unwrap();
    assert!(!said().lock().unwrap_or_else(PoisonError::into_inner).contains("CANARY-state-of-a-panic"));
}

/// The output of `unwrap` for an error.
pub(crate) fn unwrapped(error: &Error) -> String {
    message_of(|| failed(Err::<(), _>(error)))
}
