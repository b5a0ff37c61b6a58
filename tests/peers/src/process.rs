use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A child process that ends when its standard input does, and so never outlives the tests, however those end.
pub(crate) struct Process {
    child: Child,
    output: Output,
}

impl Process {
    /// Starts `command` in `folder` of this crate and waits for the line that holds `ready`; returns the rest of that line.
    ///
    /// # Panics
    /// When the process ends or the deadline passes before that; the message holds what the process printed.
    pub(crate) fn start(folder: &str, command: &mut Command, ready: &'static str) -> (Self, String) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let command = command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start ({error}); run tests/peers/install first"));
        let output = Output::default();
        let (sender, lines) = mpsc::channel();
        output.follow(child.stdout.take().expect("stdout is a pipe"), Some(sender));
        output.follow(child.stderr.take().expect("stderr is a pipe"), None);
        let process = Self { child, output };

        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some((_, rest)) = line.split_once(ready) {
                        return (process, rest.trim().to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{command:?} was not ready within {READY_WITHIN:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{command:?} ended at once; run tests/peers/install first"),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + ENDED_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                _ = self.child.kill();
                _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        if thread::panicking() {
            eprintln!("the peer printed:\n{}", self.output);
        }
    }
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<String>>);

impl Output {
    /// Reads on until the stream ends, since a full pipe would stop the process.
    fn follow(&self, stream: impl Read + Send + 'static, lines: Option<Sender<String>>) {
        let output = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = output.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                drop(text);
                if let Some(lines) = &lines {
                    _ = lines.send(line);
                }
            }
        });
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// On a machine that is busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(120);
const ENDED_WITHIN: Duration = Duration::from_secs(10);
