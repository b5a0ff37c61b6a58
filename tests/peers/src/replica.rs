use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::signal::{Signal, wait_until_stopped};

/// Another process of the same program: `src/bin/replica.rs`. It is killed when this is dropped, and ends when its standard input
/// does.
pub struct Replica {
    child: Child,
    input: ChildStdin,
    lines: UnboundedReceiver<String>,
}

/// The results of a replica's tasks.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The access tokens, each once.
    pub tokens: Vec<String>,
    /// The kinds of the errors, each once.
    pub errors: Vec<String>,
}

impl Replica {
    /// `program` is `env!("CARGO_BIN_EXE_replica")`; `settings` are what its head names.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(program: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.envs(settings.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the replica starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, lines) = unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                _ = sender.send(line);
            }
        });
        Self { child, input, lines }
    }

    /// Has so many tasks ask for credentials at once. [`answer`](Self::answer) waits for what they get.
    pub fn ask(&mut self, tasks: usize) {
        writeln!(self.input, "once {tasks}").expect("the replica listens");
    }

    /// Has so many tasks ask for credentials at once. It ends when they have them.
    pub fn ask_last(&mut self, tasks: usize) {
        writeln!(self.input, "last {tasks}").expect("the replica listens");
    }

    /// Has so many tasks ask for credentials again and again for a time.
    pub fn ask_for(&mut self, time: Duration, tasks: usize) {
        writeln!(self.input, "{} {tasks}", time.as_millis()).expect("the replica listens");
    }

    /// Has so many tasks ask for credentials at once, and again when what they got has ended, so many rounds.
    pub fn ask_at_each_end(&mut self, tasks: usize, rounds: usize) {
        writeln!(self.input, "rounds {tasks} {rounds}").expect("the replica listens");
    }

    /// # Panics
    /// When none comes.
    pub async fn answer(&mut self) -> Answer {
        let answer: Value = serde_json::from_str(&self.line().await).expect("an answer is JSON");
        let texts = |name: &str| {
            let list = answer[name].as_array().expect("a list");
            list.iter().map(|text| text.as_str().expect("text").to_owned()).collect()
        };
        Answer { tokens: texts("tokens"), errors: texts("errors") }
    }

    /// Stops it as a whole, at the moment that its settings name.
    pub async fn stops(&mut self) {
        assert_eq!(self.line().await, "stop me");
        Signal::Stop.send(self.child.id());
        wait_until_stopped(self.child.id());
    }

    pub fn goes_on(&mut self) {
        writeln!(self.input, "go on").expect("the replica listens");
        Signal::Continue.send(self.child.id());
    }

    /// Waits until it has ended.
    pub fn ends(mut self) {
        assert!(self.child.wait().expect("the replica is there").success());
    }

    /// `kill -9`.
    pub fn dies(mut self) {
        self.child.kill().expect("the replica is there");
        self.child.wait().expect("the replica is there");
    }

    async fn line(&mut self) -> String {
        timeout(PATIENCE, self.lines.recv()).await.expect("the replica says something").expect("the replica is there")
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(120);
