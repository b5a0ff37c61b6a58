use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(unix)]
use crate::store::file::ownership;

/// The platform's folder for data of this user and machine. None when the environment does not name it.
pub(super) fn data_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name);
    if cfg!(windows) {
        absolute(variable("LOCALAPPDATA"))
    } else if cfg!(target_os = "macos") {
        absolute(variable("HOME")).map(|home| home.join("Library/Application Support"))
    } else {
        // XDG Base Directory Specification: a relative path is invalid and ignored.
        absolute(variable("XDG_DATA_HOME")).or_else(|| absolute(variable("HOME")).map(|home| home.join(".local/share")))
    }
}

/// The folder for the lock on the keychain's entry of `program`. It is the same for all of this user's processes, wherever
/// they keep their records: their keychain is the same, too.
pub(super) fn lock_folder(program: &str) -> PathBuf {
    data_folder().unwrap_or_else(temporary_folder).join(program)
}

/// A folder of this user's for files that need not last.
fn temporary_folder() -> PathBuf {
    if let Some(folder) = absolute(std::env::var_os("XDG_RUNTIME_DIR")) {
        return folder;
    }
    #[cfg(unix)]
    let name = format!("hallpass-{}", ownership::user());
    // Windows has such a folder for each user.
    #[cfg(not(unix))]
    let name = "hallpass";
    std::env::temp_dir().join(name)
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}
