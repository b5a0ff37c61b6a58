use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A path for a folder that is not there yet, and is gone after the test.
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hallpass-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Not in the checkout: that may be in a folder that others can write to, and stores refuse those.
        Self(std::env::temp_dir().join(name))
    }

    /// One that is there, for this user alone.
    pub(crate) fn made() -> Self {
        let folder = Self::new();
        fs::create_dir(folder.path()).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of what is in it, sorted; none when it was never made.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
