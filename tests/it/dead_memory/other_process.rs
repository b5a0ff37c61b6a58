use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use url::Url;

use super::search::{masked, places_of};

/// Runs a test in another process, whose memory is searched after everything in it has been dropped.
pub(super) struct OtherProcess {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl OtherProcess {
    /// Each input is masked, secret or not: the environment is part of the process's memory.
    pub(super) fn start(test: &str, given: &[(&str, &str)]) -> Self {
        Self::start_for_a_person(test, given, |_| unreachable!("nobody logs in"))
    }

    /// The browser is in this process, and so is what it keeps of the person's way.
    pub(super) fn start_for_a_person(test: &str, given: &[(&str, &str)], person: impl Fn(Url)) -> Self {
        let given: Vec<(&str, Vec<u8>)> = given.iter().map(|(name, value)| (*name, masked(value.as_bytes()))).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(GIVEN, json!(given).to_string())
            .envs(KEEP_WHAT_IS_FREED);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut process = Self { child, questions, answers };
        while let Value::String(url) = process.answer() {
            person(url.parse().unwrap());
        }
        process
    }

    /// The places where parts of the secret remain. Its beginning is not searched for: freed memory is overwritten there.
    pub(super) fn places_of(&mut self, secret: &[u8]) -> Vec<String> {
        let parts = [&secret[secret.len() - 16..], &secret[secret.len() / 2 - 8..][..16]];
        parts.into_iter().flat_map(|part| self.ask(part)).collect()
    }

    fn ask(&mut self, part: &[u8]) -> Vec<String> {
        writeln!(self.questions, "{}", json!(masked(part))).unwrap();
        serde_json::from_value(self.answer()).unwrap()
    }

    fn answer(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the other process ended; what it said stands above");
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return serde_json::from_str(answer).unwrap();
            }
        }
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The inputs of the other process.
pub(super) struct Given(Vec<(String, Vec<u8>)>);

impl Given {
    /// Only in the other process.
    pub(super) fn here() -> Option<Self> {
        Some(Self(serde_json::from_str(&std::env::var(GIVEN).ok()?).unwrap()))
    }

    /// The browser of the other process, which lets the first one open what is to be opened.
    pub(super) fn elsewhere(url: &Url) -> hallpass::Result<()> {
        println!("{ANSWER}{}", json!(url.as_str()));
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// A new `String` without spare capacity, for a caller that wipes it.
    pub(super) fn text(&self, name: &str) -> String {
        let (_, value) = self.0.iter().find(|(given, _)| given == name).unwrap();
        let mut text = String::with_capacity(value.len());
        value.iter().for_each(|byte| text.push(char::from(masked(&[*byte])[0])));
        text
    }

    /// Does the work, and then searches for each text that it is sent. The work's thread still exists: the stack of an ended thread
    /// is given back.
    pub(super) fn look_after(self, work: impl FnOnce(&Self) + Send) {
        let (done, is_done) = mpsc::channel();
        let (end, is_over) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let given = &self;
            scope.spawn(move || {
                work(given);
                done.send(()).unwrap();
                // Until the other half is dropped.
                _ = is_over.recv();
            });
            is_done.recv().expect("the work goes well");
            println!("{ANSWER}null");
            for line in std::io::stdin().lines() {
                let part: Vec<u8> = serde_json::from_str(&line.unwrap()).unwrap();
                println!("{ANSWER}{}", json!(places_of(&part)));
            }
            drop(end);
        });
    }
}

/// Freed memory stays as it is until it is used again, and is not given back to the system: otherwise the search would find
/// nothing.
const KEEP_WHAT_IS_FREED: [(&str, &str); 2] = [("MALLOC_TRIM_THRESHOLD_", "1000000000"), ("MALLOC_MMAP_THRESHOLD_", "1000000000")];
const GIVEN: &str = "GIVEN_TO_A_DEAD_MEMORY";
const ANSWER: &str = "dead memory: ";
