use std::time::Duration;

use hallpass::store::{CredentialsStore, File, Memory, Record, RecordKey, SealingKey, SealingKeys};
use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider};
use hallpass::{Application, CredentialsManager, Error, Result, Secret};

use super::{CANARY, Page, jane};

pub(super) async fn go_wrong(page: &mut Page) {
    logged_out(page).await;
    renewals(page).await;
    stores(page).await;
}

struct Session {
    provider: TestProvider,
    clock: TestClock,
    manager: CredentialsManager,
}

impl Session {
    async fn start(store: impl CredentialsStore, scope: &str) -> Self {
        let clock = TestClock::new();
        let provider = TestProvider::builder().clock(clock.clone()).access_token_life(HOUR).start().await;
        let auth = Application::new(provider.issuer(), provider.client_id()).clock(&clock).web_auth();
        let auth = auth.scope(scope).ephemeral_port().browser(jane());
        Self { manager: CredentialsManager::new(auth, store), provider, clock }
    }

    /// One whose access token has expired.
    async fn expired(scope: &str) -> Self {
        let session = Self::start(Memory::new(), scope).await;
        session.manager.login_if_needed().await.unwrap();
        session.clock.advance(HOUR);
        session
    }
}

async fn logged_out(page: &mut Page) {
    let session = Session::start(Memory::new(), OFFLINE).await;
    page.note("nobody has logged in", session.manager.credentials().await);
    page.note("no refresh token", Session::expired("openid").await.manager.credentials().await);
    let session = Session::expired(OFFLINE).await;
    session.provider.revoke_everything();
    page.note("a refresh token that is revoked", session.manager.credentials().await);
    page.note("a refresh token that is known to be dead", session.manager.credentials().await);
    session.provider.next(Endpoint::Revoke, Fault::status(503));
    let application = session.manager.web_auth().application();
    page.note("a revocation at a provider in trouble", application.revoke(&Secret::new(CANARY)).await);
}

async fn renewals(page: &mut Page) {
    let session = Session::expired(OFFLINE).await;
    session.provider.always(Endpoint::Token, Fault::close().committed());
    page.note("a renewal whose answer is lost twice", session.manager.credentials().await);
    session.clock.advance(Duration::from_secs(5));
    page.note("a renewal after two whose answers were lost", session.manager.credentials().await);
    let session = Session::expired(OFFLINE).await;
    session.provider.always(Endpoint::Token, Fault::answer(403, "text/html", "<h1>Blocked</h1>"));
    page.note("a firewall's page in the place of an answer", session.manager.credentials().await);
    for _ in 0..2 {
        session.clock.advance(Duration::from_secs(70));
        _ = session.manager.credentials().await;
    }
    page.note("a firewall's page for the third time", session.manager.credentials().await);
    let session = Session::expired(OFFLINE).await;
    session.provider.always_id_token(|token| _ = token.set("sub", "auth0|another"));
    page.note("another person's tokens", session.manager.credentials().await);
    page.note("a session that ended with another person's tokens", session.manager.credentials().await);
    page.note("a session without a name", session.manager.session("").credentials().await);
    let session = Session::expired(OFFLINE).await;
    page.note("tokens that live too short", session.manager.clone().min_ttl(HOUR).credentials().await);
    let session = Session::expired(OFFLINE).await;
    let hooked = session.manager.clone().on_renewed(|_| panic!("a hook that panics"));
    page.note("a hook that panics", hooked.credentials().await);
}

async fn stores(page: &mut Page) {
    let key = RecordKey::new("issuer", "client", "");
    page.note("a record that is none", Record::from_bytes(CANARY.into()));
    page.note("a record of a newer release", Record::from_bytes(b"hlps\x02and something else".to_vec()));
    let keys = SealingKeys::from(SealingKey::from_bytes([1; 32]));
    let record = Record::from_bytes([&b"hlps\x01"[..], &1u64.to_be_bytes(), &1u64.to_be_bytes(), b"x"].concat()).unwrap();
    let sealed = keys.seal(&key, &record).unwrap();
    page.note("a sealed record of another session", keys.open(&RecordKey::new("issuer", "client", "other"), &sealed));
    page.note("a sealed record, and another key", SealingKeys::from(SealingKey::from_bytes([2; 32])).open(&key, &sealed));
    page.note("a sealed record that is none", keys.open(&key, CANARY.as_bytes()));
    page.note("a store that fails", Session::start(Broken::Fails, OFFLINE).await.manager.credentials().await);
    page.note("a store that panics", Session::start(Broken::Panics, OFFLINE).await.manager.credentials().await);

    let store = Memory::new();
    let _used = store.lock(&key, HOUR).await.unwrap();
    page.note("credentials that are in use", store.lock(&key, Duration::ZERO).await);
    let session = Session::start(store.clone(), OFFLINE).await;
    let key = RecordKey::new(session.provider.issuer(), session.provider.client_id(), "");
    store.save(&key, None, &record).await.unwrap();
    page.note("a record that holds no credentials", session.manager.credentials().await);
    let no_folder = std::env::current_exe().unwrap();
    let path = no_folder.to_str().unwrap().to_owned();
    page.note_without(&[&path], "a file in the place of a folder", File::new(no_folder).load(&key).await);
}

enum Broken {
    Fails,
    Panics,
}

impl CredentialsStore for Broken {
    async fn load(&self, _: &RecordKey) -> Result<Option<Record>> {
        match self {
            Self::Fails => Err(Error::store("the database is away")),
            Self::Panics => panic!("a store that panics"),
        }
    }

    async fn save(&self, _: &RecordKey, _: Option<u64>, _: &Record) -> Result<bool> {
        Ok(false)
    }

    async fn remove(&self, _: &RecordKey) -> Result<()> {
        Ok(())
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const OFFLINE: &str = "openid offline_access";
