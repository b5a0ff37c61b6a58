//! Owners and modes of files. Windows has neither.
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, excerpt};

/// The effective user of this process.
pub(in crate::store) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses a folder that another user could replace. Each folder and each link on the way belongs to this user or to root,
/// and no other user may write to it. A sticky folder such as `/tmp` may be open to all, since only the owner of an entry can
/// replace it. The check ends where the path does not exist.
pub(super) fn check_ancestors(folder: &Path) -> Result<()> {
    let absolute = std::path::absolute(folder).map_err(|error| not_searched(folder, error))?;
    let mut links = 0;
    let mut reached = PathBuf::new();
    let mut pending = reversed(&absolute);
    while let Some(component) = pending.pop() {
        if component == ".." {
            // The path that was reached has no links.
            reached.pop();
            continue;
        }
        let next = reached.join(component);
        let metadata = match fs::symlink_metadata(&next) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(not_searched(&next, error)),
        };
        if metadata.uid() != ROOT && metadata.uid() != user() {
            return Err(foreign(&next, &metadata));
        }
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(refused(&absolute, "leads through too many links; name the folder that they end at"));
            }
            let target = fs::read_link(&next).map_err(|error| not_searched(&next, error))?;
            pending.extend(reversed(&target));
            continue;
        }
        if metadata.mode() & OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0 {
            return Err(refused(&next, "can be written by other users; run chmod go-w on it, or name another folder"));
        }
        reached = next;
    }
    Ok(())
}

/// Refuses a folder of another user's, and one that others may write to.
pub(super) fn check_folder(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.uid() != user() {
        return Err(foreign(path, metadata));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        // A sticky one: its ancestors' check refuses the others.
        return Err(refused(path, "can be written by other users; name a folder inside it, which is made for this user alone"));
    }
    Ok(())
}

/// Refuses a file that another user could have made up, and one that others may read.
pub(super) fn check_file(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.uid() != user() {
        return Err(foreign(path, metadata));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(refused(path, "is open to other users; take their rights away (mode 600)"));
    }
    Ok(())
}

/// Returns whether both are the same file.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn reversed(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|component| component.as_os_str().to_owned()).collect()
}

fn foreign(path: &Path, metadata: &Metadata) -> Error {
    let owner = metadata.uid();
    refused(path, &format!("belongs to another user (uid {owner}); run this program as that user, or name another folder"))
}

fn not_searched(path: &Path, error: io::Error) -> Error {
    refused(path, "could not be looked into; give this user the right to").with_source(error)
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Store, format!("{} {why}", excerpt(&path.to_string_lossy())))
}

const ROOT: u32 = 0;
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
/// As many as Linux follows.
const MAX_LINKS: u32 = 40;
