//! A folder, its files and the folders around it belong to this user or to root, and no other user can change them.
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::time::Duration;

use hallpass::store::{CredentialsStore, File, RecordFilter};
use hallpass::{Error, ErrorKind};

use super::other_process::OtherProcess;
use super::record_bytes::{key, record};
use crate::scratch_folder::ScratchFolder;

const NO_WAIT: Duration = Duration::ZERO;
/// No user of any machine.
const STRANGER: u32 = 12_345;

/// The result of each call.
async fn refusals(store: &File) -> Vec<Error> {
    vec![
        store.load(&key("")).await.unwrap_err(),
        store.save(&key(""), Some(1), &record(2, b"two")).await.unwrap_err(),
        store.lock(&key(""), NO_WAIT).await.unwrap_err(),
        store.remove(&key("")).await.unwrap_err(),
        store.list(&key(""), &RecordFilter::All).await.unwrap_err(),
    ]
}

async fn is_refused(store: &File, message: &str) {
    for refused in refusals(store).await {
        assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::Store, message.to_owned()));
        assert!(!refused.is_unreadable_record(), "a login does not replace it");
    }
}

async fn generation(store: &File) -> Option<u64> {
    store.load(&key("")).await.unwrap().map(|record| record.generation())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder with a record in `outer/inner/credentials`.
async fn stored() -> (ScratchFolder, File) {
    let folder = ScratchFolder::new();
    let store = File::new(folder.file("outer/inner/credentials"));
    assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
    (folder, store)
}

/// J14
#[tokio::test]
async fn each_folder_on_the_way_that_others_can_write_to_is_refused() {
    let (folder, store) = stored().await;
    for name in ["outer", "outer/inner"] {
        let path = folder.file(name);
        for mode in [0o777, 0o775, 0o757, 0o720, 0o702] {
            set_mode(&path, mode);
            let message = format!("{} can be written by other users; run chmod go-w on it, or name another folder", path.display());
            is_refused(&store, &message).await;
        }
        // Others may look, and in a sticky folder they may add their own.
        for mode in [0o755, 0o1777, 0o1770] {
            set_mode(&path, mode);
            assert_eq!(generation(&store).await, Some(1), "{mode:o}");
        }
        set_mode(&path, 0o700);
    }
}

/// J14
#[tokio::test]
async fn nothing_is_made_in_a_folder_that_others_can_write_to() {
    let folder = ScratchFolder::made();
    set_mode(folder.path(), 0o777);
    let store = File::new(folder.file("within/credentials"));
    let path = folder.path().display();
    let message = format!("{path} can be written by other users; run chmod go-w on it, or name another folder");
    is_refused(&store, &message).await;
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

/// J14
#[tokio::test]
async fn the_way_through_a_link_is_checked_at_both_ends() {
    let (folder, _) = stored().await;
    let places = ScratchFolder::made();
    // first -> second -> the folder, and back by "..".
    symlink(places.file("second"), places.file("first")).unwrap();
    symlink(folder.file("outer"), places.file("second")).unwrap();
    let store = File::new(places.file("first/../outer/inner/credentials"));
    assert_eq!(generation(&store).await, Some(1));
    for path in [places.path(), folder.path(), &folder.file("outer/inner")] {
        set_mode(path, 0o775);
        let message = format!("{} can be written by other users; run chmod go-w on it, or name another folder", path.display());
        is_refused(&store, &message).await;
        set_mode(path, 0o700);
    }
    assert_eq!(generation(&store).await, Some(1));

    symlink(places.file("round"), places.file("round")).unwrap();
    let round = File::new(places.file("round/credentials"));
    let message =
        format!("{} leads through too many links; name the folder that they end at", places.file("round/credentials").display());
    is_refused(&round, &message).await;
}

/// J14
#[tokio::test]
async fn what_belongs_to_another_user_is_refused() {
    let (folder, store) = stored().await;
    let record_file = folder.file("outer/inner/credentials").join(key("").id());
    let user = fs::metadata(folder.path()).unwrap().uid();
    if user != 0 {
        // Who is not root can give nothing away, but root's folders are others' too.
        let message = "/usr belongs to another user (uid 0); run this program as that user, or name another folder";
        return is_refused(&File::new("/usr"), message).await;
    }
    let foreign = |path: &Path| {
        let path = path.display();
        format!("{path} belongs to another user (uid {STRANGER}); run this program as that user, or name another folder")
    };
    for name in ["outer", "outer/inner", "outer/inner/credentials"] {
        let path = folder.file(name);
        chown(&path, Some(STRANGER), None).unwrap();
        is_refused(&store, &foreign(&path)).await;
        chown(&path, Some(0), None).unwrap();
    }
    chown(&record_file, Some(STRANGER), None).unwrap();
    for refused in [store.load(&key("")).await.unwrap_err(), store.save(&key(""), Some(1), &record(2, b"")).await.unwrap_err()] {
        assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::Store, foreign(&record_file)));
    }
    chown(&record_file, Some(0), None).unwrap();
    for (purpose, refused) in [("lock", true), ("saving", false)] {
        let path = record_file.with_extension(purpose);
        fs::write(&path, b"").unwrap();
        set_mode(&path, 0o600);
        chown(&path, Some(STRANGER), None).unwrap();
        let refused = match refused {
            true => store.lock(&key(""), NO_WAIT).await.unwrap_err(),
            false => store.save(&key(""), Some(1), &record(2, b"")).await.unwrap_err(),
        };
        assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::Store, foreign(&path)));
        fs::remove_file(&path).unwrap();
    }
    let link = folder.file("link");
    symlink(folder.file("outer"), &link).unwrap();
    lchown(&link, Some(STRANGER), None).unwrap();
    is_refused(&File::new(link.join("inner/credentials")), &foreign(&link)).await;
    assert_eq!(generation(&store).await, Some(1));
}

/// J14: a user's folder is in folders of root's.
#[tokio::test]
async fn folders_of_roots_around_a_users_own_are_fine() {
    if let Some(folder) = OtherProcess::folder() {
        let store = File::new(&folder);
        assert!(store.save(&key(""), None, &record(1, b"one")).await.unwrap());
        assert_eq!(generation(&store).await, Some(1));
        return OtherProcess::says("stored");
    }
    let (folder, _) = stored().await;
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        // Then every test is one of these.
        return;
    }
    for name in ["", "outer", "outer/inner"] {
        set_mode(&folder.file(name), 0o755);
    }
    let own = folder.file("outer/inner/own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(STRANGER), None).unwrap();
    let test = "stores::ownership::folders_of_roots_around_a_users_own_are_fine";
    let mut other = OtherProcess::start_as(STRANGER, test, &own);
    other.waits_for("stored");
    other.ends_well();
    // Root is another user there.
    let path = own.display();
    let message = format!("{path} belongs to another user (uid {STRANGER}); run this program as that user, or name another folder");
    is_refused(&File::new(&own), &message).await;
}
