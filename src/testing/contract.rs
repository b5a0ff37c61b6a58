use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::crypto;
use crate::error::{ErrorKind, Result};
use crate::store::{CredentialsStore, Lock, Record, RecordFilter, RecordKey};

/// The contract of every [`CredentialsStore`]. Each call of `handle` gives access to the same store: clones of one store, or two
/// connections to one database. It uses new keys, and removes its records. A store that cannot list its records returns
/// `Configuration` for that, and passes.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use hallpass::store::Memory;
/// let store = Memory::new();
/// hallpass::testing::store_contract(|| store.clone()).await;
/// # });
/// ```
///
/// # Panics
/// When the store does otherwise: the message says what.
pub async fn store_contract<S: CredentialsStore>(handle: impl Fn() -> S + Send + Sync) {
    let keys = Keys::of_nobody_else();
    records_are_replaced_by_those_who_know_them(&handle(), &keys).await;
    each_handle_sees_what_another_saved(&handle(), &handle(), &keys).await;
    a_save_that_is_repeated_changes_nothing(&handle(), &keys).await;
    one_of_many_saves_wins(&handle, &keys).await;
    a_lock_keeps_others_out(&handle(), &handle(), &keys).await;
    a_lock_goes_to_one_after_another(&handle, &keys).await;
    if lists(&handle(), &keys.one, &RecordFilter::All).await.is_some() {
        sessions_are_listed_by_their_labels(&handle(), &handle(), &keys).await;
        what_is_listed_can_be_removed(&handle(), &handle(), &keys).await;
        each_of_many_sessions_is_listed(&handle, &keys).await;
    }
}

async fn records_are_replaced_by_those_who_know_them(store: &impl CredentialsStore, keys: &Keys) {
    let key = &keys.one;
    assert_eq!(content(store, key).await, None, "a store holds nothing under a new key");
    store.remove(key).await.expect("removing nothing is no error");

    assert!(!saves(store, key, Some(1), &record(2, b"two")).await, "there is no generation 1 yet, so none can be replaced");
    assert_eq!(content(store, key).await, None, "a save that returned false changed nothing");
    assert!(saves(store, key, None, &record(1, b"one")).await, "the first save replaces nothing");
    assert_eq!(content(store, key).await, Some((1, b"one".to_vec())), "what was saved is loaded");

    assert!(!saves(store, key, None, &record(2, b"two")).await, "there is a record, and the save expected none");
    for wrong in [0, 2, u64::MAX] {
        assert!(!saves(store, key, Some(wrong), &record(2, b"two")).await, "the record's generation is 1, not {wrong}");
    }
    assert_eq!(content(store, key).await, Some((1, b"one".to_vec())), "a save that returned false changed nothing");

    assert!(saves(store, key, Some(1), &record(2, b"")).await, "the generation is the expected one");
    assert_eq!(content(store, key).await, Some((2, Vec::new())), "the newer record is loaded, shorter or not");
    assert!(saves(store, key, Some(2), &record(u64::MAX, &[0xff; 64 * 1024])).await, "64 KiB of any bytes, of any generation");
    assert_eq!(content(store, key).await, Some((u64::MAX, vec![0xff; 64 * 1024])), "bytes come back as they were");

    for other in [&keys.of_another_session, &keys.of_another_client, &keys.of_another_issuer] {
        assert_eq!(content(store, other).await, None, "each issuer, client and session has a record of its own");
    }
    assert!(saves(store, &keys.of_another_session, None, &record(7, b"seven")).await, "another session's first save");
    store.remove(key).await.expect("a record can be removed");
    assert_eq!(content(store, key).await, None, "what was removed is gone");
    assert_eq!(content(store, &keys.of_another_session).await, Some((7, b"seven".to_vec())), "another session's record stays");
    assert!(saves(store, key, None, &record(3, b"three")).await, "after a removal there is no record to replace");

    store.remove(key).await.expect("a record can be removed");
    store.remove(&keys.of_another_session).await.expect("a record can be removed");
}

async fn each_handle_sees_what_another_saved(one: &impl CredentialsStore, other: &impl CredentialsStore, keys: &Keys) {
    let key = &keys.one;
    assert!(saves(one, key, None, &record(1, b"one")).await, "the first save replaces nothing");
    assert_eq!(content(other, key).await, Some((1, b"one".to_vec())), "what one handle saved, another loads");
    assert!(saves(other, key, Some(1), &record(2, b"two")).await, "what one handle saved, another replaces");
    assert!(!saves(one, key, Some(1), &record(2, b"late")).await, "what another handle replaced is not there to be replaced");
    other.remove(key).await.expect("a record can be removed");
    assert_eq!(content(one, key).await, None, "what one handle removed is gone for another");
}

/// As after an answer that was lost. Whether the second save says that it saved is the store's choice.
async fn a_save_that_is_repeated_changes_nothing(store: &impl CredentialsStore, keys: &Keys) {
    let key = &keys.one;
    for (expected, generation) in [(None, 1), (Some(1), 2)] {
        let record = record(generation, b"again");
        assert!(saves(store, key, expected, &record).await, "the generation is the expected one");
        saves(store, key, expected, &record).await;
        assert_eq!(content(store, key).await, Some((generation, b"again".to_vec())), "a save that is repeated changes nothing");
    }
    assert!(!saves(store, key, None, &record(1, b"again")).await, "a repeated save does not bring back what was replaced");
    assert_eq!(content(store, key).await, Some((2, b"again".to_vec())), "a save that returned false changed nothing");
    store.remove(key).await.expect("a record can be removed");
}

async fn one_of_many_saves_wins<S: CredentialsStore>(handle: &(impl Fn() -> S + Sync), keys: &Keys) {
    for expected in [None, Some(1)] {
        let mut saves = JoinSet::new();
        for number in 0..MANY {
            let (store, key) = (handle(), keys.one.clone());
            saves.spawn(async move {
                let record = record(expected.map_or(1, |generation| generation + 1), &[number]);
                (number, store.save(&key, expected, &record).await.expect("many may save at once"))
            });
        }
        let outcomes = saves.join_all().await;
        let winners: BTreeSet<u8> = outcomes.into_iter().filter(|(_, won)| *won).map(|(number, _)| number).collect();
        assert_eq!(winners.len(), 1, "of {MANY} saves at once that expect {expected:?}, one wins");
        let stored = content(&handle(), &keys.one).await.map(|(_, content)| content);
        assert_eq!(stored, winners.first().map(|number| vec![*number]), "the record is the winner's");
    }
    handle().remove(&keys.one).await.expect("a record can be removed");
}

async fn a_lock_keeps_others_out(one: &impl CredentialsStore, other: &impl CredentialsStore, keys: &Keys) {
    let key = &keys.one;
    let held = one.lock(key, LONG).await.expect("nobody holds the lock");
    for attempt in [one.lock(key, SHORT).await, other.lock(key, SHORT).await] {
        let refused = attempt.expect_err("a lock that is held is not given to anybody else");
        assert_eq!(refused.kind(), ErrorKind::Store, "waiting too long for a lock is an error of the kind Store");
    }
    drop(other.lock(&keys.of_another_session, LONG).await.expect("another session's lock is another"));
    assert!(saves(one, key, None, &record(1, b"one")).await, "whoever holds the lock saves");
    assert_eq!(content(other, key).await, Some((1, b"one".to_vec())), "others read meanwhile");
    one.remove(key).await.expect("whoever holds the lock removes");

    let mut waits = Box::pin(other.lock(key, LONG));
    let waited = tokio::time::timeout(SHORT, &mut waits).await;
    assert!(waited.is_err(), "whoever may wait for longer waits");
    drop(held);
    let passed_on = waits.await.expect("a lock that was dropped goes to who waits for it");

    // Whoever gives up takes nothing along.
    let given_up = tokio::time::timeout(SHORT, one.lock(key, LONG)).await;
    assert!(given_up.is_err(), "a lock that is held is not given to anybody else");
    drop(passed_on);
    let last = one.lock(key, LONG).await.expect("a waiter that gave up holds nothing");
    last.release().await;
    drop(other.lock(key, Duration::ZERO).await.expect("when a release has ended, another can have the lock at once"));
}

async fn a_lock_goes_to_one_after_another<S: CredentialsStore>(handle: &(impl Fn() -> S + Sync), keys: &Keys) {
    let inside = Arc::new(());
    let mut tasks = JoinSet::new();
    for _ in 0..MANY {
        let (store, key, inside) = (handle(), keys.one.clone(), Arc::downgrade(&inside));
        tasks.spawn(async move {
            let _lock: Lock = store.lock(&key, LONG).await.expect("each gets the lock in turn");
            let _here = inside.upgrade();
            tokio::task::yield_now().await;
            assert_eq!(inside.strong_count(), 2, "only one at a time holds the lock");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("a lock is exclusive, and each gets it in turn");
    }
}

async fn sessions_are_listed_by_their_labels(one: &impl CredentialsStore, other: &impl CredentialsStore, keys: &Keys) {
    let [first, second, third] = ["first", "second", "third"].map(|session| keys.one.sibling(session));
    let foreign = &keys.of_another_client;
    for (key, labels) in [
        (&first, Labels { subject: "jane", provider_session: "one" }),
        (&second, Labels { subject: "jane", provider_session: "two" }),
        (&third, Labels { subject: "joe", provider_session: "three" }),
        (foreign, Labels { subject: "jane", provider_session: "one" }),
    ] {
        assert!(saves(one, key, None, &labelled(1, key, labels)).await, "the first save replaces nothing");
    }
    for (program, filter, expected) in [
        (&keys.one, RecordFilter::All, vec![&first, &second, &third]),
        (&keys.one, subject("jane"), vec![&first, &second]),
        (&keys.one, subject("joe"), vec![&third]),
        (&keys.one, subject("nobody"), vec![]),
        (&keys.one, provider_session("one"), vec![&first]),
        (&keys.one, provider_session("jane"), vec![]),
        (foreign, RecordFilter::All, vec![foreign]),
        (foreign, subject("jane"), vec![foreign]),
        (&keys.of_another_issuer, RecordFilter::All, vec![]),
    ] {
        listed(other, program, &filter, &expected).await;
    }

    assert!(saves(other, &second, Some(1), &labelled(2, &second, Labels { subject: "joe", provider_session: "four" })).await);
    listed(one, &keys.one, &RecordFilter::All, &[&first, &second, &third]).await;
    listed(one, &keys.one, &subject("jane"), &[&first]).await;
    listed(one, &keys.one, &subject("joe"), &[&second, &third]).await;
    listed(one, &keys.one, &provider_session("two"), &[]).await;
    listed(one, &keys.one, &provider_session("four"), &[&second]).await;
    assert!(
        !saves(one, &second, Some(1), &labelled(3, &second, Labels { subject: "jane", provider_session: "five" })).await,
        "the record's generation is 2, not 1"
    );
    listed(one, &keys.one, &subject("joe"), &[&second, &third]).await;
    listed(one, &keys.one, &subject("jane"), &[&first]).await;
    for key in [&first, &second, &third, foreign] {
        one.remove(key).await.expect("a record can be removed");
    }
}

async fn what_is_listed_can_be_removed(one: &impl CredentialsStore, other: &impl CredentialsStore, keys: &Keys) {
    let labels = Labels { subject: "jane", provider_session: "one" };
    let sessions = ["first", "second"].map(|session| keys.one.sibling(session));
    for _ in 0..2 {
        for key in &sessions {
            assert!(saves(one, key, None, &labelled(1, key, labels)).await, "after a removal there is no record to replace");
        }
        let found = lists(other, &keys.one, &subject("jane")).await.expect("it could list a moment ago");
        assert_eq!(found.len(), 2, "a session that is stored again is listed again");
        for key in &found {
            other.remove(key).await.expect("a record can be removed by the key that list gave");
        }
        for filter in [RecordFilter::All, subject("jane"), provider_session("one")] {
            listed(one, &keys.one, &filter, &[]).await;
        }
    }
}

async fn each_of_many_sessions_is_listed<S: CredentialsStore>(handle: &(impl Fn() -> S + Sync), keys: &Keys) {
    let sessions: Vec<RecordKey> = (0..MANY).map(|number| keys.one.sibling(&format!("of many {number}"))).collect();
    let mut saves = JoinSet::new();
    for key in sessions.clone() {
        let store = handle();
        saves.spawn(async move {
            let record = labelled(1, &key, Labels { subject: "jane", provider_session: key.session() });
            assert!(store.save(&key, None, &record).await.expect("many may save at once"));
        });
    }
    while let Some(done) = saves.join_next().await {
        done.expect("the first save replaces nothing");
    }
    let store = handle();
    let all: Vec<&RecordKey> = sessions.iter().collect();
    listed(&store, &keys.one, &RecordFilter::All, &all).await;
    listed(&store, &keys.one, &subject("jane"), &all).await;
    for key in &sessions {
        store.remove(key).await.expect("a record can be removed");
    }
    listed(&store, &keys.one, &RecordFilter::All, &[]).await;
}

async fn listed(store: &impl CredentialsStore, program: &RecordKey, filter: &RecordFilter, expected: &[&RecordKey]) {
    let found = lists(store, program, filter).await.expect("it could list a moment ago");
    let [found, expected] = [found.iter().collect::<Vec<_>>(), expected.to_vec()].map(|keys| {
        let mut ids: Vec<String> = keys.into_iter().map(RecordKey::id).collect();
        ids.sort();
        ids
    });
    assert_eq!(found, expected, "the sessions that {filter:?} selects are listed, each once");
}

/// None: the store cannot.
async fn lists(store: &impl CredentialsStore, program: &RecordKey, filter: &RecordFilter) -> Option<Vec<RecordKey>> {
    match store.list(program, filter).await {
        Err(error) if error.kind() == ErrorKind::Configuration => None,
        outcome => Some(outcome.expect("a store that works lists, or says with Configuration that it cannot")),
    }
}

fn subject(subject: &str) -> RecordFilter {
    RecordFilter::Subject(subject.to_owned())
}

fn provider_session(id: &str) -> RecordFilter {
    RecordFilter::ProviderSession(id.to_owned())
}

async fn content(store: &impl CredentialsStore, key: &RecordKey) -> Option<(u64, Vec<u8>)> {
    let record = store.load(key).await.expect("a store that works loads");
    record.map(|record| (record.generation(), record.content().to_vec()))
}

async fn saves(store: &impl CredentialsStore, key: &RecordKey, expected: Option<u64>, record: &Record) -> bool {
    store.save(key, expected, record).await.expect("a store that works saves")
}

fn record(generation: u64, content: &[u8]) -> Record {
    Record::new(generation, content)
}

/// A record as a login leaves it.
fn labelled(generation: u64, key: &RecordKey, labels: Labels<'_>) -> Record {
    let content = json!({ "key": key.id(), "session": key.session(), "sub": labels.subject, "sid": labels.provider_session });
    record(generation, content.to_string().as_bytes())
}

#[derive(Clone, Copy)]
struct Labels<'a> {
    subject: &'a str,
    provider_session: &'a str,
}

struct Keys {
    one: RecordKey,
    of_another_session: RecordKey,
    of_another_client: RecordKey,
    of_another_issuer: RecordKey,
}

impl Keys {
    fn of_nobody_else() -> Self {
        let unique = unique().expect("the operating system gives random bytes");
        let issuer = format!("https://{unique}.example.com/");
        Self {
            one: RecordKey::new(&issuer, "client", "session"),
            of_another_session: RecordKey::new(&issuer, "client", "another"),
            of_another_client: RecordKey::new(&issuer, "another", "session"),
            of_another_issuer: RecordKey::new(&format!("{issuer}c"), "lient", "session"),
        }
    }
}

fn unique() -> Result<String> {
    let mut bytes = [0; 16];
    crypto::random(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

const MANY: u8 = 16;
/// Long enough that something would have happened.
const SHORT: Duration = Duration::from_millis(100);
/// Long enough for a slow machine.
const LONG: Duration = Duration::from_secs(60);
