//! What is left in a record by who is about to spend its refresh token, and what others make of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hallpass::Result;
use hallpass::store::{Announced, CredentialsStore, Intent, Lock, Outcome, Record, RecordKey, Redis, SealingKey};
use hallpass_peers::Severed;

use super::{Fleet, LEASE, SEALING_KEY};

const WAIT: Duration = Duration::from_secs(10);

/// A store whose callers find that somebody else may have sent the refresh token, and then that their lock has ended. What they
/// were about to do is kept.
struct Overheard {
    store: Redis,
    intents: Arc<Mutex<Vec<Intent>>>,
}

impl CredentialsStore for Overheard {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.store.load(key).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        self.store.save(key, expected, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        self.store.lock(key, wait).await
    }

    async fn announce(&self, _: &RecordKey, _: &Lock, intent: &Intent) -> Result<Announced> {
        let mut intents = self.intents.lock().unwrap();
        intents.push(intent.clone());
        let unresolved = Announced::Unresolved { since: Duration::ZERO, wait: Duration::ZERO, replayed: false };
        Ok(if intents.len() == 1 { unresolved } else { Announced::Late })
    }
}

/// A fleet whose credentials have ended, and what one of it would announce: to send the refresh token, and to send it once more.
struct Scene {
    fleet: Fleet,
    store: Redis,
    key: RecordKey,
    first: Intent,
    replay: Intent,
}

impl Scene {
    async fn start() -> Self {
        let fleet = Fleet::start().await;
        let intents = Arc::default();
        let overheard = Overheard { store: fleet.store(), intents: Arc::clone(&intents) };
        fleet.here_on(overheard).reuse_interval(Duration::from_secs(600)).credentials().await.unwrap_err();
        let [first, replay, ..] = &intents.lock().unwrap()[..] else { panic!("two were announced") };
        assert!(!first.is_replay() && replay.is_replay());
        let key = RecordKey::new(fleet.provider.issuer(), fleet.provider.client_id(), "");
        Self { store: fleet.store(), key, first: first.clone(), replay: replay.clone(), fleet }
    }

    async fn lock(&self) -> Lock {
        self.store.lock(&self.key, WAIT).await.unwrap()
    }

    async fn announce(&self, lock: &Lock, intent: &Intent) -> Announced {
        self.store.announce(&self.key, lock, intent).await.unwrap()
    }

    /// Gives the lock back, with word of what came of it; without one, nobody knows.
    async fn release(&self, lock: Lock, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            assert!(self.store.settle(&lock, outcome));
        }
        drop(lock);
    }

    fn record(&self) -> String {
        format!("{{hallpass:{}}}:record", self.key.id())
    }

    async fn field(&self, name: &str) -> Option<String> {
        redis::cmd("HGET").arg(self.record()).arg(name).query_async(&mut self.fleet.redis.connection().await).await.unwrap()
    }

    async fn set(&self, name: &str, value: &str) {
        let mut redis = self.fleet.redis.connection().await;
        () = redis::cmd("HSET").arg(self.record()).arg(name).arg(value).query_async(&mut redis).await.unwrap();
    }
}

fn unresolved(announced: Announced) -> (Duration, Duration, bool) {
    let Announced::Unresolved { since, wait, replayed } = announced else { panic!("{announced:?}") };
    (since, wait, replayed)
}

/// G13
#[tokio::test]
async fn who_is_about_to_send_is_alone_and_all_others_wait() {
    let scene = Scene::start().await;
    let lock = scene.lock().await;
    for _ in 0..2 {
        assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone, "also when it says so twice");
    }
    scene.release(lock, None).await;

    let lock = scene.lock().await;
    for intent in [&scene.first, &scene.replay] {
        let (_, wait, replayed) = unresolved(scene.announce(&lock, intent).await);
        assert!(!wait.is_zero() && !replayed, "nobody knows what came of it, and something still may");
    }
    scene.release(lock, Some(Outcome::NotTaken)).await;
    let lock = scene.lock().await;
    unresolved(scene.announce(&lock, &scene.first).await);
    assert!(scene.field("holder").await.is_some(), "what others say of theirs is another matter");
}

/// G13
#[tokio::test]
async fn of_all_replicas_one_sends_it_once_more_and_none_after_that() {
    let scene = Scene::start().await;
    let began = Instant::now();
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone);
    scene.release(lock, Some(Outcome::Unknown)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let lock = scene.lock().await;
    let (since, wait, replayed) = unresolved(scene.announce(&lock, &scene.first).await);
    assert!(since >= Duration::from_millis(150) && wait.is_zero() && !replayed, "{since:?} {wait:?}");
    for _ in 0..2 {
        assert_eq!(scene.announce(&lock, &scene.replay).await, Announced::Alone, "also when it says so twice");
    }
    let replayed_after = began.elapsed();
    scene.release(lock, Some(Outcome::Unknown)).await;

    let lock = scene.lock().await;
    for intent in [&scene.first, &scene.replay] {
        let (since, wait, replayed) = unresolved(scene.announce(&lock, intent).await);
        assert!(wait.is_zero() && replayed, "it was the last");
        assert!(since + Duration::from_millis(50) >= replayed_after - Duration::from_millis(50), "it counts from the first time");
    }
}

/// G13
#[tokio::test]
async fn a_replay_that_was_not_taken_leaves_what_was_unresolved_before_it() {
    let scene = Scene::start().await;
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone);
    scene.release(lock, Some(Outcome::Unknown)).await;
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.replay).await, Announced::Alone);
    scene.release(lock, Some(Outcome::NotTaken)).await;

    let lock = scene.lock().await;
    let (_, wait, replayed) = unresolved(scene.announce(&lock, &scene.first).await);
    assert!(wait.is_zero() && !replayed, "the first is as lost as it was");
    assert_eq!(scene.announce(&lock, &scene.replay).await, Announced::Alone);
}

/// G13: word that is sent twice, since the answer to it was lost, says no more than once.
#[tokio::test]
async fn a_replay_that_was_not_taken_is_said_twice_and_means_the_same() {
    let mut scene = Scene::start().await;
    let severed = Severed::before(&scene.fleet.redis.url()).await;
    scene.store = Redis::new(severed.url(), SealingKey::from_bytes([SEALING_KEY; 32])).lease(LEASE);
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone);
    scene.release(lock, Some(Outcome::Unknown)).await;
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.replay).await, Announced::Alone);
    severed.loses_the_next_answer();
    scene.release(lock, Some(Outcome::NotTaken)).await;

    let lock = scene.lock().await;
    assert_eq!(severed.lost(), 1);
    let (_, wait, replayed) = unresolved(scene.announce(&lock, &scene.first).await);
    assert!(wait.is_zero() && !replayed, "the first is as lost as it was");
}

/// G13, G21
#[tokio::test]
async fn a_holder_clears_no_word_but_its_own() {
    let scene = Scene::start().await;
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone);
    scene.set("holder", "another").await;
    scene.release(lock, Some(Outcome::NotTaken)).await;
    let lock = scene.lock().await;
    assert_eq!(scene.field("holder").await.as_deref(), Some("another"));
    unresolved(scene.announce(&lock, &scene.first).await);
}

/// G21
#[tokio::test]
async fn nothing_is_announced_for_a_record_that_was_replaced() {
    let scene = Scene::start().await;
    let lock = scene.lock().await;
    let record = scene.store.load(&scene.key).await.unwrap().unwrap();
    let mut bytes = record.as_bytes().to_vec();
    bytes[5..13].copy_from_slice(&(record.generation() + 1).to_be_bytes());
    let newer = Record::from_bytes(bytes).unwrap();
    assert!(scene.store.save(&scene.key, Some(record.generation()), &newer).await.unwrap());
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Late);
    assert_eq!(scene.field("holder").await, None);
}

/// G14: a time of Redis's own that lies ahead, as when it was set back, is no time at all.
#[tokio::test]
async fn times_that_lie_ahead_are_clamped() {
    let scene = Scene::start().await;
    let lock = scene.lock().await;
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone);
    scene.release(lock, None).await;
    let lock = scene.lock().await;
    for name in ["began", "until"] {
        scene.set(name, "4102444800000").await;
    }
    let (since, wait, _) = unresolved(scene.announce(&lock, &scene.first).await);
    assert!(since.is_zero() && wait <= super::LEASE, "{since:?} {wait:?}");
    // Another refresh token's is nobody's.
    scene.set("token", "another").await;
    assert_eq!(scene.announce(&lock, &scene.first).await, Announced::Alone);
}

/// G22: a command whose answer is lost is sent again, and does what it would have done once.
#[tokio::test]
async fn what_is_sent_twice_is_done_once() {
    let scene = Scene::start().await;
    let severed = Severed::before(&scene.fleet.redis.url()).await;
    let store = Redis::new(severed.url(), hallpass::store::SealingKey::from_bytes([super::SEALING_KEY; 32])).lease(super::LEASE);
    let record = store.load(&scene.key).await.unwrap().unwrap();
    let other = RecordKey::new("issuer", "client", "sent twice");

    severed.loses_the_next_answer();
    assert!(store.save(&other, None, &record).await.unwrap(), "the first time has saved it");
    severed.loses_the_next_answer();
    let lock = tokio::time::timeout(super::LEASE / 2, store.lock(&scene.key, WAIT)).await.expect("it has it already").unwrap();
    // Redis knows the script by now.
    assert_eq!(store.announce(&other, &lock, &scene.first).await.unwrap(), Announced::Late);
    severed.loses_the_next_answer();
    assert_eq!(store.announce(&scene.key, &lock, &scene.first).await.unwrap(), Announced::Alone);
    assert_eq!(severed.lost(), 3);
}

/// G21: the lease of who came after is not made longer.
#[tokio::test]
async fn a_holder_extends_no_lease_but_its_own() {
    let scene = Scene::start().await;
    let store = scene.fleet.store().lease(Duration::from_millis(300));
    let lock = store.lock(&scene.key, WAIT).await.unwrap();
    let lease = format!("{{hallpass:{}}}:lease", scene.key.id());
    let mut redis = scene.fleet.redis.connection().await;
    () = redis::cmd("SET").arg(&lease).arg("next").arg("PX").arg(400).query_async(&mut redis).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    let holder: Option<String> = redis::cmd("GET").arg(&lease).query_async(&mut redis).await.unwrap();
    assert_eq!(holder, None, "it ended by itself");
    drop(lock);
}
