use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::crypto;
use crate::error::{ErrorKind, Result};
use crate::store::{CredentialsStore, Lock, Record, RecordKey};

/// What every [`CredentialsStore`] has to do. Each call of `handle` gives a way to the same place: clones of one store, or two
/// connections to one database. It uses keys that nobody else has, and removes what it stored.
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
    one_of_many_saves_wins(&handle, &keys).await;
    a_lock_keeps_others_out(&handle(), &handle(), &keys).await;
    a_lock_goes_to_one_after_another(&handle, &keys).await;
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
    drop(one.lock(key, LONG).await.expect("a waiter that gave up holds nothing"));
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
