use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

/// The same test in another process: there [`folder`](Self::folder) is the folder that the first one gave it.
pub(super) struct OtherProcess {
    child: Child,
    output: BufReader<ChildStderr>,
}

impl OtherProcess {
    pub(super) fn start(test: &str, folder: &Path) -> Self {
        Self::run(Command::new(std::env::current_exe().unwrap()), test, folder)
    }

    /// One that may write files of up to 2 KiB only, and sees an error beyond.
    pub(super) fn start_with_little_disk(test: &str, folder: &Path) -> Self {
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"trap "" XFSZ; ulimit -f 2; exec "$@""#, "bash"]).arg(std::env::current_exe().unwrap());
        Self::run(shell, test, folder)
    }

    /// One that runs as that user, if this one runs as root.
    pub(super) fn start_as(user: u32, test: &str, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.uid(user).gid(user);
        Self::run(command, test, folder)
    }

    /// One that sees a disk of 64 KiB at the folder, which only root can arrange.
    pub(super) fn start_with_small_disk(test: &str, folder: &Path) -> Self {
        let mut shell = Command::new("unshare");
        let mount = r#"mount -t tmpfs -o size=64k,mode=700 none "$0" && exec "$@""#;
        shell.args(["--mount", "sh", "-c", mount]).arg(folder).arg(std::env::current_exe().unwrap());
        Self::run(shell, test, folder)
    }

    /// One whose desktop's bus is at that path.
    #[cfg(feature = "keychain")]
    pub(super) fn start_with_bus(test: &str, folder: &Path, bus: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()));
        Self::run(command, test, folder)
    }

    fn run(mut command: Command, test: &str, folder: &Path) -> Self {
        command.args([test, "--exact", "--nocapture"]).env(FOLDER, folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stderr.take().unwrap());
        Self { child, output }
    }

    /// In the other process: the folder that it was given.
    pub(super) fn folder() -> Option<PathBuf> {
        std::env::var_os(FOLDER).map(PathBuf::from)
    }

    /// In the other process.
    pub(super) fn says(word: &str) {
        eprintln!("{word}");
    }

    /// Until the other process said it, and nothing else.
    pub(super) fn waits_for(&mut self, word: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word, "what the other process said");
    }

    /// Waits until it has ended.
    pub(super) fn ends_well(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    /// As [`ends_well`](Self::ends_well); a process that hangs is killed, and no good.
    pub(super) fn ends_well_and_soon(&mut self) {
        for _ in 0..3000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return assert!(status.success(), "{status}");
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the other process did not end in a minute");
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn stop(&self) {
        self.signal("STOP");
    }

    pub(super) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

const FOLDER: &str = "FOLDER_OF_ANOTHER_PROCESS";
