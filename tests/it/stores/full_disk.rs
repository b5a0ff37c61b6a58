//! A save for which there is no room.
use std::fs;
use std::io::Write as _;
use std::path::Path;

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, File};

use super::other_process::OtherProcess;
use super::record_bytes::{bytes, key, record};
use crate::scratch_folder::ScratchFolder;

/// J9
#[tokio::test]
async fn a_limit_on_files_keeps_the_old_record() {
    if let Some(folder) = OtherProcess::folder() {
        let store = File::new(folder);
        // Larger than what this process may write.
        let refused = store.save(&key(""), Some(1), &record(2, &[2; 4096])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Store);
        assert_eq!(store.load(&key("")).await.unwrap().unwrap().generation(), 1);
        return OtherProcess::says("kept");
    }
    let folder = ScratchFolder::new();
    let store = File::new(folder.path());
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    OtherProcess::start_with_little_disk("stores::full_disk::a_limit_on_files_keeps_the_old_record", folder.path())
        .waits_for("kept");
    assert_eq!(store.load(&key("")).await.unwrap().unwrap().as_bytes(), bytes(1, b"one"));
    assert!(!folder.names().contains(&format!("{}.new", key("").id())), "nothing of the tokens is left there");
}

/// J9
#[tokio::test]
async fn a_full_disk_keeps_the_old_record_and_takes_the_next_when_there_is_room() {
    if let Some(disk) = OtherProcess::folder() {
        let store = File::new(disk.join("credentials"));
        assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
        for room in [0, 4096] {
            let filler = fill(&disk, room);
            for (key, expected) in [(key(""), Some(1)), (key("another"), None)] {
                let refused = store.save(&key, expected, &record(2, &[2; 16 << 10])).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Store);
                assert!(
                    refused.to_string().ends_with("could not be written; the disk may be full or write-protected"),
                    "{refused}"
                );
            }
            assert_eq!(store.load(&key("")).await.unwrap().unwrap().as_bytes(), bytes(1, b"one"));
            let id = key("").id();
            for entry in fs::read_dir(disk.join("credentials")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!([id.clone(), format!("{id}.saving")].contains(&name), "{name} is left there");
            }
            fs::remove_file(filler).unwrap();
        }
        assert!(store.save(&key(""), Some(1), &record(2, &[2; 16 << 10])).await.unwrap());
        return OtherProcess::says("kept");
    }
    let disk = ScratchFolder::made();
    // Only root may mount a disk. Everybody else has the test above.
    if !may_mount(disk.path()) {
        return;
    }
    let test = "stores::full_disk::a_full_disk_keeps_the_old_record_and_takes_the_next_when_there_is_room";
    let mut other = OtherProcess::start_with_small_disk(test, disk.path());
    other.waits_for("kept");
    other.ends_well();
}

fn may_mount(folder: &Path) -> bool {
    let mount = std::process::Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "none"])
        .arg(folder)
        .stderr(std::process::Stdio::null())
        .status();
    mount.is_ok_and(|status| status.success())
}

/// Fills the disk but for so many bytes.
fn fill(disk: &Path, room: u64) -> std::path::PathBuf {
    let path = disk.join("filler");
    let mut filler = fs::File::create(&path).unwrap();
    while filler.write_all(&[0; 1024]).is_ok() {}
    let length = filler.metadata().unwrap().len();
    filler.set_len(length - room).unwrap();
    path
}
