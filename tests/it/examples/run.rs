use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass::testing::TestBrowser;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{interval, timeout};

use crate::scratch_folder::ScratchFolder;

/// An example as another process, with a minimal environment, and with empty folders.
pub(super) struct Example {
    pub(super) name: String,
    place: ScratchFolder,
    variables: Vec<(&'static str, String)>,
}

/// The outcome.
pub(super) struct Run {
    pub(super) succeeded: bool,
    /// In the terminal, with everything that was logged.
    pub(super) shown: String,
    /// The environments and command lines of the example's processes.
    pub(super) processes: String,
    /// The URL that the person was sent to.
    pub(super) opened: Vec<String>,
}

impl Example {
    pub(super) fn new(name: &str, variables: &[(&'static str, &str)]) -> Self {
        let place = ScratchFolder::new();
        for folder in FOLDERS {
            fs::create_dir_all(place.file(folder)).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { name: name.to_owned(), place, variables }
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Run {
        let person = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let screen = self.place.file("screen");
        let (stdout, stderr) = (File::create(&screen).unwrap(), File::options().append(true).open(&screen).unwrap());
        let mut command = Command::new(folder_of_examples().join(&self.name));
        command.args(arguments).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("TMPDIR", self.place.file("tmp")).env("HOME", self.place.file("home"));
        command.env("BROWSER", BROWSER).env("PERSON_PORT", person.local_addr().unwrap().port().to_string());
        command.env("RUST_LOG", "trace").envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.kill_on_drop(true).stdout(stdout).stderr(stderr).spawn().unwrap();
        let root = child.id().unwrap();

        let (mut processes, mut opened, mut looks) = (String::new(), Vec::new(), interval(Duration::from_millis(5)));
        let ended = timeout(PATIENCE, async {
            loop {
                tokio::select! {
                    ended = child.wait() => return ended.unwrap(),
                    visit = person.accept() => opened.push(log_in(visit.unwrap().0).await),
                    _ = looks.tick() => note(&mut processes, root),
                }
            }
        });
        let succeeded = ended.await.expect("the example ends").success();
        Run { succeeded, shown: fs::read_to_string(screen).unwrap(), processes, opened }
    }

    /// All that the example has left on the disk.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| self.place.file(folder)).into();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

/// The names of all examples.
pub(super) fn every_example() -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let examples = paths.filter(|path| path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists());
    let mut names: Vec<String> = examples.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// `cargo test` has built them; `cargo test --test it` has not.
pub(super) fn build() {
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--examples"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(cfg!(feature = "keychain").then_some("--all-features"));
    cargo.args((!cfg!(debug_assertions)).then_some("--release"));
    assert!(cargo.status().unwrap().success());
}

fn folder_of_examples() -> PathBuf {
    // Of `target/debug/deps/it-…`.
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples")
}

/// Acts as a browser that is given a URL.
async fn log_in(socket: TcpStream) -> String {
    let url = BufReader::new(socket).lines().next_line().await.unwrap().expect("the URL that is opened");
    let callback = TestBrowser::new().visit(&url.parse().unwrap()).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = reqwest::Request::new(reqwest::Method::GET, callback.parse().unwrap());
    assert!(client.execute(request).await.unwrap().status().is_success(), "the application thanks for coming back");
    url
}

/// The parts of a process and of its children that other users of the machine can see. Each may end at any time.
fn note(processes: &mut String, process: u32) {
    let root = PathBuf::from(format!("/proc/{process}"));
    for what in ["environ", "cmdline"] {
        let text = fs::read(root.join(what)).unwrap_or_default();
        processes.push_str(&String::from_utf8_lossy(&text).replace('\0', "\n"));
    }
    for task in fs::read_dir(root.join("task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.split_whitespace().for_each(|child| note(processes, child.parse().unwrap()));
    }
}

const FOLDERS: [&str; 2] = ["home", "tmp"];
const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/examples/browser.sh");
const PATIENCE: Duration = Duration::from_secs(60);
