use std::ffi::OsString;
use std::path::PathBuf;

/// Where this platform's programs keep data of this user and machine; nothing when the environment does not say.
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

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}
