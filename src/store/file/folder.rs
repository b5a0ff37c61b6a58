use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, ErrorKind as IoKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result, excerpt};
#[cfg(unix)]
use crate::store::file::ownership;
use crate::worker;

/// A folder of this user's own, and the plain files in it. Its methods block, but for [`blocking`](Self::blocking), which runs
/// them on another thread.
#[derive(Clone)]
pub(super) struct Folder {
    path: Arc<Path>,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs what blocks. When the future is dropped, the work goes on.
    ///
    /// # Errors
    /// Those of `work`, and `Store` when it takes longer than [`ANSWER`].
    pub(super) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (unanswered, panicked) = (self.clone(), self.clone());
        let late = move || {
            let why = format!(
                "did not answer in {} seconds; check its disk, and keep credentials on one of this machine",
                ANSWER.as_secs()
            );
            unanswered.refused("", &why)
        };
        worker::run_blocking(ANSWER, late, move || panicked.refused("", "made this library panic; report it as a bug"), work).await
    }

    /// The file's path, for a message.
    pub(super) fn shown(&self, name: &str) -> String {
        excerpt(&self.path.join(name).to_string_lossy())
    }

    pub(super) fn exists(&self) -> Result<bool> {
        #[cfg(unix)]
        ownership::check_ancestors(&self.path)?;
        match fs::metadata(&self.path) {
            Ok(metadata) => self.check_own(&metadata).map(|()| true),
            Err(error) if error.kind() == IoKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("", "could not be looked into; give this user the right to", error)),
        }
    }

    /// The whole file, if there is one.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        if !self.exists()? {
            return Ok(None);
        }
        let Some((file, metadata)) = self.open(name, OpenOptions::new().read(true))? else { return Ok(None) };
        // One byte more than there are, so that the buffer does not grow and leave a copy behind.
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(LONGEST) + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        file.take(LONGEST as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed(name, "could not be read; check its rights and its disk", error))?;
        if bytes.len() > LONGEST {
            return Err(self.refused(name, "is too long for credentials; log in again to replace it").unreadable_record());
        }
        Ok(Some(bytes))
    }

    /// Puts the bytes in the place of the file in one step. Only one at a time may do so for one name: the lock that says who
    /// that is has made the folder.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if bytes.len() > LONGEST {
            return Err(Error::new(ErrorKind::Store, "the credentials are too long to be stored; ask for fewer scopes and claims"));
        }
        self.write_new(name, bytes).map_err(|error| {
            // Nothing of the tokens stays there; the next save would remove it too.
            _ = fs::remove_file(self.path.join(new(name)));
            self.failed(name, "could not be written; the disk may be full or write-protected", error)
        })?;
        self.sync().map_err(|error| self.failed(name, "was written, but may not survive a power failure; check its disk", error))
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.join(new(name));
        // One that was left behind by a process that died.
        remove_if_there(&new)?;
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
        file.write_all(bytes)?;
        // Before it has the name: else a power failure could leave the name with nothing.
        file.sync_all()?;
        drop(file);
        fs::rename(&new, self.path.join(name))
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let removed = remove_if_there(&self.path.join(new(name)))
            .and_then(|()| remove_if_there(&self.path.join(name)))
            .and_then(|()| self.sync());
        removed.map_err(|error| self.failed(name, "could not be removed; check the rights of its folder", error))
    }

    /// Returns whether the record, or a file that its save left behind, exists. `true` if the system does not tell.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.has(name) || self.has(&new(name))
    }

    /// Returns whether an entry of that name exists, or may exist.
    pub(super) fn has(&self, name: &str) -> bool {
        !fs::symlink_metadata(self.path.join(name)).is_err_and(|error| error.kind() == IoKind::NotFound)
    }

    /// The names of the plain files that `filter` selects.
    pub(super) fn names(&self, filter: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let failed = |error| self.failed("", "could not be listed; check its rights and its disk", error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_string();
            names.extend(name.ok().filter(|name| filter(name) && entry.file_type().is_ok_and(|kind| kind.is_file())));
        }
        Ok(names)
    }

    /// Returns whether the name still belongs to `file`, and not to a file that replaced it. Always `false` on Windows.
    pub(super) fn is_at(&self, name: &str, file: &fs::File) -> bool {
        #[cfg(unix)]
        {
            let (named, opened) = (fs::symlink_metadata(self.path.join(name)), file.metadata());
            named.is_ok_and(|named| opened.is_ok_and(|opened| ownership::is_same(&named, &opened)))
        }
        #[cfg(not(unix))]
        {
            _ = (name, file);
            true
        }
    }

    /// Removes the empty file of a lock, which the caller holds.
    pub(super) fn remove_empty(&self, name: &str) {
        // One that stays is used again.
        _ = fs::remove_file(self.path.join(name));
    }

    /// An empty file, to be locked.
    pub(super) fn open_empty(&self, name: &str) -> Result<fs::File> {
        self.create()?;
        let opened = self.open(name, OpenOptions::new().write(true).create(true).truncate(false))?;
        opened.map(|(file, _)| file).ok_or_else(|| self.refused(name, "went away while it was opened; try again"))
    }

    fn open(&self, name: &str, options: &mut OpenOptions) -> Result<Option<(fs::File, Metadata)>> {
        let path = self.path.join(name);
        let opened = private(options).open(&path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, file)) if metadata.is_file() => {
                #[cfg(unix)]
                ownership::check_file(&path, &metadata)?;
                Ok(Some((file, metadata)))
            }
            Ok(_) => Err(self.refused(name, "has to be a plain file; remove what is there")),
            Err(error) if error.kind() == IoKind::NotFound => Ok(None),
            Err(_) if path.is_symlink() => Err(self.refused(name, "has to be a plain file; remove the link that is there")),
            Err(error) => Err(self.failed(name, "could not be opened; check its rights", error)),
        }
    }

    fn create(&self) -> Result<()> {
        if self.exists()? {
            return Ok(());
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.path)
            .map_err(|error| self.failed("", "could not be made; check the rights of the folder around it", error))?;
        self.exists().map(drop)
    }

    fn check_own(&self, metadata: &Metadata) -> Result<()> {
        if !metadata.is_dir() {
            return Err(self.refused("", "has to be a folder; remove what is there, or name another"));
        }
        #[cfg(unix)]
        ownership::check_folder(&self.path, metadata)?;
        Ok(())
    }

    /// Makes the names in it last. Windows has no such call, and does not need it.
    fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        match fs::File::open(&self.path)?.sync_all() {
            // Some file systems know no such thing.
            Err(error) if matches!(error.kind(), IoKind::InvalidInput | IoKind::Unsupported) => {}
            other => other?,
        }
        Ok(())
    }

    fn refused(&self, name: &str, why: &str) -> Error {
        Error::new(ErrorKind::Store, format!("{} {why}", self.shown(name)))
    }

    fn failed(&self, name: &str, what: &str, error: io::Error) -> Error {
        self.refused(name, what).with_source(error)
    }
}

fn new(name: &str) -> String {
    format!("{name}.new")
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != IoKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// For this user alone from the first moment, through no link, and without waiting for a pipe's other end.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;
        /// The link itself is opened, and is no plain file.
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
    options
}

/// More bytes than any credentials have.
const LONGEST: usize = 8 << 20;
/// A disk of this machine answers in milliseconds.
const ANSWER: Duration = Duration::from_secs(10);
