//! A service's token that a fleet shares: one request for all of it.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::store::{CredentialsStore, Lock, Memory, Record, RecordKey};
use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider};
use hallpass::{AccessToken, Application, ClientAuth, ClientCredentials, Error, ErrorKind, Result, TokenSource};

const LIFE: Duration = Duration::from_secs(1000);

/// A provider, and a store that fails when it is told to.
struct Fleet {
    provider: TestProvider,
    clock: TestClock,
    store: Unreliable,
}

#[derive(Clone, Default)]
struct Unreliable {
    records: Memory,
    is_down: Arc<AtomicBool>,
    saves: Arc<AtomicUsize>,
}

impl Unreliable {
    fn works(&self) -> Result<()> {
        if self.is_down.load(Ordering::Relaxed) { Err(Error::store("down")) } else { Ok(()) }
    }
}

impl CredentialsStore for Unreliable {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.works()?;
        self.records.load(key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        self.works()?;
        self.saves.fetch_add(1, Ordering::Relaxed);
        self.records.save(key, expected, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.records.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.works()?;
        self.records.lock(key, wait).await
    }
}

impl Fleet {
    async fn start() -> Self {
        let clock = TestClock::new();
        let provider = TestProvider::builder().clock(clock.clone()).access_token_life(LIFE).start().await;
        Self { provider, clock, store: Unreliable::default() }
    }

    fn member(&self) -> ClientCredentials {
        self.member_for("https://api.acme.com")
    }

    /// Other connections and another memory, as another process has.
    fn member_for(&self, audience: &str) -> ClientCredentials {
        let application = Application::new(self.provider.issuer(), self.provider.confidential_client_id())
            .client_auth(ClientAuth::client_secret_post(self.provider.client_secret()))
            .clock(&self.clock);
        application.client_credentials().audience(audience).scope("read:messages").shared(self.store.clone())
    }

    fn requests(&self) -> usize {
        self.provider.count(Endpoint::Token)
    }
}

async fn ask_at_once(members: &[ClientCredentials]) -> Vec<AccessToken> {
    let asking: Vec<_> = (0..members.len() * 100)
        .map(|task| {
            let member = members[task % members.len()].clone();
            tokio::spawn(async move { member.token().await.unwrap() })
        })
        .collect();
    let mut tokens = Vec::new();
    for task in asking {
        tokens.push(task.await.unwrap());
    }
    tokens
}

/// H12 — token: 1 for each expiry, whatever the fleet's size
#[tokio::test]
async fn a_fleet_makes_one_request_for_each_expiry() {
    let fleet = Fleet::start().await;
    let members: Vec<_> = (0..8).map(|_| fleet.member()).collect();
    for expiry in 1..=5 {
        let tokens = ask_at_once(&members).await;
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(fleet.requests(), expiry);
        fleet.clock.advance(LIFE);
    }
}

/// H12 — token: 2: ahead of the end the first fetches another, and the others find it
#[tokio::test]
async fn the_fleets_next_token_is_fetched_while_the_old_one_serves() {
    let fleet = Fleet::start().await;
    let members: Vec<_> = (0..8).map(|_| fleet.member()).collect();
    let old = ask_at_once(&members).await.remove(0);
    fleet.clock.advance(LIFE * 95 / 100);
    for member in &members {
        assert_eq!(member.token().await.unwrap(), old, "served at once");
    }
    let renewed = tokio::time::timeout(Duration::from_secs(30), async {
        while members.iter().any(|member| member.cached().is_none()) {
            tokio::task::yield_now().await;
        }
    });
    renewed.await.unwrap();
    let new = members[0].cached().unwrap();
    assert!(new != old && members.iter().all(|member| member.cached().as_ref() == Some(&new)));
    assert_eq!(fleet.requests(), 2);
}

/// H12 — token: 1 for each set of parameters, in whatever order they are given
#[tokio::test]
async fn a_token_for_something_else_is_another() {
    let fleet = Fleet::start().await;
    let token = fleet.member().token().await.unwrap();
    let other = fleet.member_for("https://billing.acme.com");
    assert_ne!(other.token().await.unwrap(), token);
    assert_ne!(fleet.member().organization("org_acme").token().await.unwrap(), token);
    assert_eq!(fleet.requests(), 3);
    let in_another_order = other.audience("https://api.acme.com");
    assert_eq!(in_another_order.token().await.unwrap(), token);
    assert_eq!(fleet.requests(), 3);
}

/// H12 — token: 2 for a token that all of the fleet were refused
#[tokio::test]
async fn a_token_that_an_api_refuses_is_replaced_once_for_all() {
    let fleet = Fleet::start().await;
    let members: Vec<_> = (0..8).map(|_| fleet.member()).collect();
    let refused = ask_at_once(&members).await.remove(0);
    let newcomer = fleet.member();
    let mut new = Vec::new();
    for member in members.iter().chain([&newcomer]) {
        new.push(TokenSource::token(member, Some(&refused)).await.unwrap());
    }
    assert!(new[0] != refused && new.iter().all(|token| *token == new[0]));
    assert_eq!(fleet.requests(), 2);
}

/// H12 — token: 1 for each process while the store is down, and for its whole life
#[tokio::test]
async fn a_store_that_is_down_stops_nobody_and_lets_nobody_storm() {
    let fleet = Fleet::start().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let members: Vec<_> = (0..4)
        .map(|_| {
            let told = Arc::clone(&told);
            fleet.member().on_store_failure(move |error| {
                told.lock().unwrap().push(error.kind());
                panic!("a hook that panics harms nobody");
            })
        })
        .collect();
    fleet.store.is_down.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        ask_at_once(&members).await;
        assert_eq!(fleet.requests(), 4);
    }
    assert_eq!(*told.lock().unwrap(), [ErrorKind::Store; 4]);

    fleet.store.is_down.store(false, Ordering::Relaxed);
    fleet.clock.advance(LIFE);
    ask_at_once(&members).await;
    assert_eq!((fleet.requests(), told.lock().unwrap().len()), (5, 4), "from then on the fleet shares again");
}

/// H12 — token: 1
#[tokio::test]
async fn a_store_that_goes_down_before_the_save_costs_the_others_a_request() {
    let fleet = Fleet::start().await;
    let told = Arc::new(AtomicUsize::new(0));
    let member = fleet.member().on_store_failure({
        let told = Arc::clone(&told);
        move |_| _ = told.fetch_add(1, Ordering::Relaxed)
    });
    let gate = fleet.provider.hold(Endpoint::Token);
    let asking = tokio::spawn({
        let member = member.clone();
        async move { member.token().await }
    });
    gate.reached(1).await;
    fleet.store.is_down.store(true, Ordering::Relaxed);
    gate.release();
    let token = asking.await.unwrap().unwrap();
    assert_eq!((member.token().await.unwrap(), told.load(Ordering::Relaxed)), (token, 1));
    assert_eq!(fleet.requests(), 1);
}

/// H12 — token: 2: a task that waited tries itself when the first has failed
#[tokio::test]
async fn a_failure_is_not_shared() {
    let fleet = Fleet::start().await;
    fleet.provider.next(Endpoint::Token, Fault::status(503));
    assert!(fleet.member().token().await.unwrap_err().is_transient());
    fleet.member().token().await.unwrap();
    assert_eq!((fleet.requests(), fleet.store.saves.load(Ordering::Relaxed)), (2, 1));
}

/// A stranger who may say how a session is called does not get at the service's token.
#[tokio::test]
async fn no_session_has_the_key_of_a_service() {
    let fleet = Fleet::start().await;
    fleet.member().token().await.unwrap();
    let (issuer, client_id) = (fleet.provider.issuer(), fleet.provider.confidential_client_id());
    let asked = "audience=https%3A%2F%2Fapi.acme.com&scope=read%3Amessages";
    for session in [asked.to_owned(), format!("client_credentials {asked}"), String::new()] {
        let key = RecordKey::new(issuer, client_id, &session);
        assert!(fleet.store.load(&key).await.unwrap().is_none(), "{session}");
    }
}
