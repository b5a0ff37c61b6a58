//! The load of the program: people who are logged in, and calls in their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass::store::{CredentialsStore, File, Memory, Redis, SealingKey};
use hallpass::testing::{TestBrowser, TestClock};
use hallpass::web_auth::Browser;
use hallpass::{Application, AuthorizedClient, CredentialsManager, Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use super::program::{AUDIENCE, Places};
use super::random::Random;
use crate::scratch_folder::ScratchFolder;

/// Several people, each with two managers of one store, each with tasks that call the API.
pub(super) struct Sessions {
    people: Vec<Arc<Person>>,
    tasks: JoinSet<()>,
    going: watch::Sender<bool>,
    resting: watch::Sender<usize>,
    /// To Redis, each with a task.
    connections: usize,
    _folder: ScratchFolder,
}

struct Person {
    email: String,
    places: [String; 2],
    managers: Vec<CredentialsManager>,
    clients: Vec<AuthorizedClient>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    lost: AtomicU64,
    ambiguous: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Sessions {
    pub(super) fn of(places: &Places, clock: &TestClock) -> Self {
        let folder = ScratchFolder::new();
        let plain = File::new(folder.file("plain"));
        let sealed = File::new(folder.file("sealed")).sealed(SealingKey::from_bytes([7; 32]));
        let memory = Memory::new();
        // Each manager of a person's has one of its own, as two replicas have: all that they share is in Redis.
        let key = || SealingKey::from_bytes([8; 32]);
        let replica = |url: &String| Redis::new(url, key()).lease(LEASE);
        let replicas = places.redis.as_ref().map(|url| [replica(url), replica(url)]);
        let kinds = if replicas.is_some() { 4 } else { 3 };
        let mut random = Random::new(places.seed).split();
        let people = (0..2 * kinds).map(|number| match (number % kinds, &replicas) {
            (0, _) => Person::new(number, places, clock, [&memory; 2]),
            (1, _) => Person::new(number, places, clock, [&plain; 2]),
            (3, Some([one, other])) => Person::new(number, places, clock, [one, other]),
            _ => Person::new(number, places, clock, [&sealed; 2]),
        });
        let people: Vec<_> = people.map(Arc::new).collect();
        // It goes on when everybody has logged in, which the first rest sees to.
        let (going, resting) = (watch::Sender::new(false), watch::Sender::new(0));
        let mut tasks = JoinSet::new();
        for person in &people {
            for number in 0..TASKS_EACH {
                let caller = Caller { person: Arc::clone(person), own: number % 2, random: random.split() };
                tasks.spawn(caller.live(going.subscribe(), resting.clone()));
            }
        }
        Self { people, tasks, going, resting, connections: replicas.map_or(0, |replicas| replicas.len()), _folder: folder }
    }

    /// The next order, unless one of the tasks has ended, which it only does when something is wrong.
    pub(super) async fn or_ends<T>(&mut self, order: impl Future<Output = T>) -> T {
        tokio::select! {
            order = order => order,
            ended = self.tasks.join_next() => panic!("a task has ended: {ended:?}"),
        }
    }

    /// Until all tasks rest, and every session works.
    pub(super) async fn pause(&mut self) {
        self.going.send_replace(false);
        let (mut resting, all) = (self.resting.subscribe(), self.tasks.len());
        let rests = timeout(PATIENCE, async move { resting.wait_for(|resting| *resting == all).await.map(|_| ()) });
        self.or_ends(rests).await.expect("each call has an end").unwrap();
        for person in &self.people {
            for own in 0..2 {
                person.works(own).await;
            }
        }
    }

    pub(super) fn go_on(&self) {
        self.going.send_replace(true);
    }

    /// Those that are there when nothing goes on.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.len() + self.connections
    }

    pub(super) fn lost(&self) -> u64 {
        self.sum(|counts| &counts.lost)
    }

    pub(super) fn ambiguous(&self) -> u64 {
        self.sum(|counts| &counts.ambiguous)
    }

    pub(super) fn answered(&self) -> u64 {
        self.sum(|counts| &counts.answered)
    }

    pub(super) fn failed(&self) -> u64 {
        self.sum(|counts| &counts.failed)
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.people.iter().map(|person| count(&person.counts).load(Ordering::Relaxed)).sum()
    }
}

impl Person {
    fn new(number: usize, places: &Places, clock: &TestClock, stores: [&(impl CredentialsStore + Clone); 2]) -> Self {
        let email = format!("p{number}@example.com");
        let counts = Arc::new(Counts::default());
        let managers: Vec<_> = stores
            .into_iter()
            .map(|store| {
                let application = Application::new(&*places.issuer, &*places.client_id).clock(clock).http_client(http());
                let auth = application.web_auth().scope("openid email offline_access").audience(AUDIENCE).ephemeral_port();
                let auth = auth.browser(OwnBrowser { email: email.clone() }).timeout(LOGIN);
                let lost = Arc::clone(&counts);
                let manager = CredentialsManager::new(auth, store.clone());
                let manager = manager.on_login_required(move |_: &Error| _ = lost.lost.fetch_add(1, Ordering::Relaxed));
                manager.session(format!("session of {email}"))
            })
            .collect();
        let client = |manager: &CredentialsManager| {
            AuthorizedClient::from_builder(http(), manager.clone()).unwrap().base_url(&*places.api).unwrap()
        };
        let clients = managers.iter().map(client).collect();
        Self { email, places: [places.api.clone(), places.foreign.clone()], managers, clients, counts }
    }

    /// In fair weather: valid credentials, and an answer of the API, in this person's name.
    async fn works(&self, own: usize) {
        let mut trouble = Vec::new();
        // A token that is valid still would hide until the next era that its successor cannot be had.
        if let Err(error) = self.managers[own].renew().await {
            self.failed(own, &error).await;
        }
        while trouble.len() < TRIES {
            // Whoever has to log in does; who waited for what had begun in bad weather tries again.
            match self.managers[own].login_if_needed().await {
                Ok(_) => match self.call(own, "at-rest").await {
                    Ok(()) => return,
                    Err(why) => {
                        trouble.push(why);
                        // The provider may have forgotten the key that signed the token. A refusal of a token that came moments
                        // ago would be believed.
                        _ = self.managers[own].renew().await;
                    }
                },
                Err(error) => trouble.push(format!("{error:?}")),
            }
        }
        panic!("{} cannot call the API, though nothing is wrong: {trouble:?}", self.email);
    }

    /// An answer of the API, which is about this person; or why there is none.
    async fn call(&self, own: usize, path: &str) -> Result<(), String> {
        let response = match self.clients[own].get(path).send().await {
            Ok(response) => response,
            Err(error) => {
                self.failed(own, &error).await;
                return Err(format!("{error:?}"));
            }
        };
        if response.status() != 200 {
            return Err(format!("{response:?}"));
        }
        let answer: serde_json::Value = response.json().await.map_err(|error| format!("{error:?}"))?;
        if !answer["path"].is_string() {
            return Err(answer.to_string());
        }
        assert_eq!(answer["sub"], format!("auth0|{}", self.email), "an answer about somebody else");
        self.counts.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Logs in again when a login is required, as a program does.
    async fn failed(&self, own: usize, error: &Error) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        if error.kind() == ErrorKind::Ambiguous {
            self.counts.ambiguous.fetch_add(1, Ordering::Relaxed);
        }
        assert!(!matches!(error.kind(), ErrorKind::Configuration | ErrorKind::Forbidden | ErrorKind::Cancelled), "{error:?}");
        assert!(!format!("{error:?}").contains("eyJ"), "a token is shown: {error:?}");
        if error.is_login_required() {
            _ = self.managers[own].login_if_needed().await;
        }
    }
}

/// One task of a person's.
struct Caller {
    person: Arc<Person>,
    /// Which manager and client.
    own: usize,
    random: Random,
}

impl Caller {
    async fn live(mut self, mut going: watch::Receiver<bool>, resting: watch::Sender<usize>) {
        loop {
            if !*going.borrow_and_update() {
                resting.send_modify(|resting| *resting += 1);
                // It fails when the program ends.
                if going.wait_for(|going| *going).await.is_err() {
                    return;
                }
                resting.send_modify(|resting| *resting -= 1);
            }
            self.act().await;
            tokio::time::sleep(self.random.millis(30)).await;
        }
    }

    async fn act(&mut self) {
        let (person, own) = (Arc::clone(&self.person), self.own);
        let manager = &person.managers[own];
        let outcome = match self.random.below(20) {
            0 => manager.renew().await.map(drop),
            1 => manager.credentials_for("https://billing.acme.com", "read:invoices").await.map(drop),
            2 => manager.credentials().await.map(drop),
            3 => manager.login_if_needed().await.map(drop),
            4 => {
                let patience = self.random.millis(8);
                _ = timeout(patience, manager.renew()).await;
                Ok(())
            }
            5 => {
                let patience = self.random.millis(8);
                _ = timeout(patience, person.call(own, "given-up")).await;
                Ok(())
            }
            6 => {
                let [_, foreign] = &person.places;
                let refused = person.clients[own].get(foreign).send().await.expect_err("it is another origin");
                assert_eq!(refused.kind(), ErrorKind::Forbidden);
                Ok(())
            }
            _ => {
                // What is no answer is the weather's.
                _ = person.call(own, "messages").await;
                Ok(())
            }
        };
        if let Err(error) = outcome {
            person.failed(own, &error).await;
        }
    }
}

/// Another browser for each login, so that none remembers more and more pages.
struct OwnBrowser {
    email: String,
}

impl Browser for OwnBrowser {
    async fn open(&self, url: &Url) -> Result<()> {
        let (browser, url) = (TestBrowser::new().user(&*self.email), url.clone());
        tokio::spawn(timeout(LOGIN, async move {
            if let Ok(callback) = browser.visit(&url).await {
                _ = reqwest::Client::builder().no_proxy().build().unwrap().execute(get(&callback)).await;
            }
        }));
        Ok(())
    }
}

fn get(url: &str) -> reqwest::Request {
    reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap())
}

/// Without connections in reserve, so that none is left at rest.
fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(REQUEST).pool_max_idle_per_host(0)
}

const TASKS_EACH: usize = 4;
/// Longer than a request.
const LEASE: Duration = Duration::from_secs(5);
/// The time for which a stalled answer is waited for.
const REQUEST: Duration = Duration::from_secs(3);
/// The time that a login may take under faults.
const LOGIN: Duration = Duration::from_secs(4);
/// Longer than any operation takes.
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES: usize = 20;
