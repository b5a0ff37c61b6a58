//! Several processes on one folder, some of which die.
use std::time::Duration;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File, Record, RecordKey};

use super::other_process::OtherProcess;
use super::record_bytes::{bytes, key, record};
use crate::scratch_folder::ScratchFolder;

const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

/// G10
#[tokio::test]
async fn a_kill_at_any_moment_leaves_the_old_record_or_the_new() {
    if let Some(folder) = OtherProcess::folder() {
        let store = File::new(folder);
        let mut generation = generation(&store, &key("")).await;
        OtherProcess::says("saving");
        loop {
            let next = generation.map_or(1, |generation| generation + 1);
            assert!(store.save(&key(""), generation, &long_record(next)).await.unwrap());
            generation = Some(next);
        }
    }
    let (folder, mut last) = (ScratchFolder::new(), 0);
    let store = File::new(folder.path());
    for round in 0..50 {
        let mut other =
            OtherProcess::start("stores::processes::a_kill_at_any_moment_leaves_the_old_record_or_the_new", folder.path());
        other.waits_for("saving");
        // Each time at another moment, within the first saves.
        std::thread::sleep(Duration::from_micros(round * 397));
        other.kill();
        if let Some(record) = store.load(&key("")).await.unwrap() {
            assert!(record.generation() >= last, "{} after {last}", record.generation());
            last = record.generation();
            assert!(record.as_bytes() == long_record(last).as_bytes(), "generation {last} is whole");
        }
        assert!(folder.names().len() <= 3, "at most the record, who saves, and one half-written file: {:?}", folder.names());
    }
    assert!(last > 0, "something was saved");
    assert!(store.save(&key(""), Some(last), &record(last + 1, b"after them all")).await.unwrap());
}

/// G20
#[tokio::test]
async fn a_stopped_process_keeps_its_lock_and_a_dead_one_does_not() {
    if let Some(folder) = OtherProcess::folder() {
        let _lock = File::new(folder).lock(&key(""), LONG).await.unwrap();
        OtherProcess::says("locked");
        return std::future::pending().await;
    }
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    let mut other =
        OtherProcess::start("stores::processes::a_stopped_process_keeps_its_lock_and_a_dead_one_does_not", folder.path());
    other.waits_for("locked");
    other.stop();
    let refused = store.lock(&key(""), SOON).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    let file = folder.file(&format!("{}.lock", key("").id()));
    let message =
        format!("the stored credentials were in use for more than 0.05 seconds; end the process that holds {}", file.display());
    assert_eq!(refused.to_string(), message);

    other.go_on();
    other.kill();
    drop(store.lock(&key(""), LONG).await.unwrap());
}

#[tokio::test]
async fn two_processes_that_count_under_the_lock_lose_nothing() {
    if let Some(folder) = OtherProcess::folder() {
        OtherProcess::says("counting");
        return count(&File::new(folder)).await;
    }
    let folder = ScratchFolder::new();
    let test = "stores::processes::two_processes_that_count_under_the_lock_lose_nothing";
    let mut others = [(); 2].map(|()| OtherProcess::start(test, folder.path()));
    for other in &mut others {
        other.waits_for("counting");
    }
    for other in &mut others {
        other.ends_well();
    }
    assert_eq!(generation(&File::new(folder.path()), &key("")).await, Some(2 * COUNT));
}

/// Under the lock, no other process can be first.
async fn count(store: &File) {
    for _ in 0..COUNT {
        let _lock = store.lock(&key(""), LONG).await.unwrap();
        let current = generation(store, &key("")).await;
        let next = current.map_or(1, |generation| generation + 1);
        assert!(store.save(&key(""), current, &record(next, b"")).await.unwrap());
    }
}

#[tokio::test]
async fn two_processes_that_count_without_a_lock_lose_nothing_either() {
    if let Some(folder) = OtherProcess::folder() {
        OtherProcess::says("counting");
        let (store, mut saved) = (File::new(folder), 0);
        while saved < COUNT {
            let current = generation(&store, &key("")).await;
            let next = current.map_or(1, |generation| generation + 1);
            saved += u64::from(store.save(&key(""), current, &record(next, b"")).await.unwrap());
        }
        return;
    }
    let folder = ScratchFolder::new();
    let test = "stores::processes::two_processes_that_count_without_a_lock_lose_nothing_either";
    let mut others = [(); 2].map(|()| OtherProcess::start(test, folder.path()));
    for other in &mut others {
        other.waits_for("counting");
    }
    for other in &mut others {
        other.ends_well();
    }
    assert_eq!(generation(&File::new(folder.path()), &key("")).await, Some(2 * COUNT));
}

async fn generation(store: &File, key: &RecordKey) -> Option<u64> {
    store.load(key).await.unwrap().as_ref().map(Record::generation)
}

/// Of a length that takes several writes of a disk's block, all of it known by its generation.
fn long_record(generation: u64) -> Record {
    let content: Vec<u8> = (0..40_000 + generation % 1000).map(|index| (index ^ generation) as u8).collect();
    Record::from_bytes(bytes(generation, &content)).unwrap()
}

const COUNT: u64 = 100;
