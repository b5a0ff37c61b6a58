//! A store whose locks can lapse, as a lease does, is told before a refresh token is sent, and what came of it.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::store::{Announced, CredentialsStore, Intent, Lock, Memory, Outcome, Record, RecordKey};
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, CredentialsManager, ErrorKind, Result};

const LIFE: Duration = Duration::from_secs(3600);

#[derive(Clone)]
struct Scripted {
    records: Memory,
    clock: TestClock,
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    /// What is answered to an announcement, and how long that takes by the clock; afterwards `Alone` at once.
    answers: VecDeque<(Announced, Duration)>,
    replays: Vec<bool>,
    outcomes: Vec<Outcome>,
    locks: usize,
}

impl CredentialsStore for Scripted {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.records.load(key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        self.records.save(key, expected, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.records.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.said.lock().unwrap().locks += 1;
        self.records.lock(key, wait).await
    }

    async fn announce(&self, key: &RecordKey, _: &Lock, intent: &Intent) -> Result<Announced> {
        let stored = self.records.load(key).await?.expect("somebody has logged in");
        assert_eq!(intent.generation(), stored.generation());
        let mut said = self.said.lock().unwrap();
        said.replays.push(intent.is_replay());
        let (answer, takes) = said.answers.pop_front().unwrap_or((Announced::Alone, Duration::ZERO));
        self.clock.advance(takes);
        Ok(answer)
    }

    fn settle(&self, _: &Lock, outcome: Outcome) -> bool {
        self.said.lock().unwrap().outcomes.push(outcome);
        true
    }
}

struct Scene {
    provider: TestProvider,
    store: Scripted,
    session: CredentialsManager,
    logins: usize,
}

impl Scene {
    /// The login's token has so long to live still.
    async fn with_token_for(left: Duration) -> Self {
        let clock = TestClock::new();
        let provider = TestProvider::builder().clock(clock.clone()).access_token_life(LIFE).reuse_interval(LIFE).start().await;
        let store = Scripted { records: Memory::new(), clock: clock.clone(), said: Arc::default() };
        let auth = Application::new(provider.issuer(), provider.client_id()).clock(&clock).web_auth();
        let auth = auth.scope("openid offline_access").ephemeral_port().browser(TestBrowser::new());
        let session = CredentialsManager::new(auth, store.clone());
        session.login_if_needed().await.unwrap();
        clock.advance(LIFE - left);
        let logins = provider.count(Endpoint::Token);
        Self { provider, store, session, logins }
    }

    async fn with_ended_token() -> Self {
        Self::with_token_for(Duration::ZERO).await
    }

    fn answers(&self, answers: &[Announced]) {
        let quickly = answers.iter().map(|answer| (*answer, Duration::ZERO));
        self.store.said.lock().unwrap().answers.extend(quickly);
    }

    fn renewals(&self) -> usize {
        self.provider.count(Endpoint::Token) - self.logins
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.store.said.lock().unwrap().outcomes.clone()
    }
}

fn unresolved(since: Duration, wait: Duration, replayed: bool) -> Announced {
    Announced::Unresolved { since, wait, replayed }
}

/// G13 — token: 0
#[tokio::test]
async fn what_somebody_else_may_have_sent_is_not_sent_again() {
    let scene = Scene::with_ended_token().await;
    scene.answers(&[unresolved(Duration::from_secs(60), Duration::ZERO, false)]);
    let error = scene.session.credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired);
    assert_eq!(scene.renewals(), 0);
    assert_eq!(scene.outcomes(), [], "somebody else's intent stays as it is");
}

/// G13 — token: 0
#[tokio::test]
async fn a_replay_needs_the_interval_and_that_there_was_none_yet() {
    for (since, replayed) in [(LIFE, false), (Duration::ZERO, true)] {
        let scene = Scene::with_ended_token().await;
        scene.answers(&[unresolved(since, Duration::ZERO, replayed)]);
        let session = scene.session.clone().reuse_interval(LIFE);
        assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::LoginRequired);
        assert_eq!(scene.renewals(), 0);
    }
}

/// G13 — token: 1
#[tokio::test]
async fn a_replay_waits_until_nothing_is_to_come_and_says_what_it_is() {
    let scene = Scene::with_ended_token().await;
    let (moment, minute) = (Duration::from_millis(1), Duration::from_secs(60));
    scene.answers(&[unresolved(minute, moment, false), unresolved(minute, Duration::ZERO, false)]);
    scene.session.clone().reuse_interval(LIFE).credentials().await.unwrap();
    assert_eq!(scene.store.said.lock().unwrap().replays, [false, false, true]);
    assert_eq!(scene.renewals(), 1);
}

#[tokio::test]
async fn a_valid_token_serves_while_somebody_else_is_renewing() {
    let scene = Scene::with_token_for(Duration::from_secs(30)).await;
    scene.answers(&[unresolved(Duration::ZERO, Duration::from_secs(40), false)]);
    scene.session.credentials().await.unwrap();
    assert_eq!(scene.renewals(), 0);
}

/// G21 — token: 1
#[tokio::test]
async fn whose_lock_has_ended_sends_nothing_and_reads_again() {
    let scene = Scene::with_ended_token().await;
    scene.answers(&[Announced::Late, Announced::Late]);
    scene.session.credentials().await.unwrap();
    assert_eq!(scene.store.said.lock().unwrap().locks, 3);
    assert_eq!(scene.renewals(), 1);

    let scene = Scene::with_ended_token().await;
    scene.answers(&[Announced::Late; 3]);
    let error = scene.session.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true));
    assert_eq!(scene.renewals(), 0);
}

/// G21 — token: 1
#[tokio::test]
async fn who_was_stopped_after_announcing_announces_again_and_takes_the_word_back_if_it_is_too_late() {
    let scene = Scene::with_ended_token().await;
    let stopped = (Announced::Alone, Duration::from_secs(60));
    scene.store.said.lock().unwrap().answers.extend([stopped, (Announced::Late, Duration::ZERO)]);
    scene.session.credentials().await.unwrap();
    assert_eq!(scene.outcomes(), [Outcome::NotTaken]);
    assert_eq!(scene.store.said.lock().unwrap().locks, 2);
    assert_eq!(scene.renewals(), 1);

    let scene = Scene::with_ended_token().await;
    scene.store.said.lock().unwrap().answers.extend([stopped, stopped]);
    scene.session.credentials().await.unwrap();
    assert_eq!(scene.store.said.lock().unwrap().replays.len(), 3, "the lock was still held");
    assert_eq!((scene.store.said.lock().unwrap().locks, scene.renewals()), (1, 1));
}

/// G13 — token: 1
#[tokio::test]
async fn the_store_is_told_what_came_of_an_announcement() {
    for (fault, kind, outcome) in [
        (Fault::close().committed(), ErrorKind::Ambiguous, Outcome::Unknown),
        (Fault::answer(200, "text/html", "<html>"), ErrorKind::InvalidResponse, Outcome::Unknown),
        (Fault::status(503), ErrorKind::Server, Outcome::NotTaken),
        (Fault::error(403, "invalid_grant", "Unknown or invalid refresh token."), ErrorKind::LoginRequired, Outcome::NotTaken),
    ] {
        let scene = Scene::with_ended_token().await;
        scene.provider.next(Endpoint::Token, fault);
        assert_eq!(scene.session.credentials().await.unwrap_err().kind(), kind);
        assert_eq!(scene.outcomes(), [outcome], "{kind:?}");
        assert_eq!(scene.renewals(), 1);
    }
    let scene = Scene::with_ended_token().await;
    scene.session.credentials().await.unwrap();
    assert_eq!(scene.outcomes(), [], "a save says it all");
}

/// G13 — token: 2
#[tokio::test]
async fn a_replay_whose_lock_had_ended_is_not_used_up() {
    let scene = Scene::with_ended_token().await;
    let session = scene.session.clone().reuse_interval(LIFE);
    scene.provider.next(Endpoint::Token, Fault::close().committed());
    assert_eq!(session.credentials().await.unwrap_err().kind(), ErrorKind::Ambiguous);
    scene.answers(&[Announced::Late]);
    session.credentials().await.unwrap();
    assert_eq!(scene.renewals(), 2);
}
