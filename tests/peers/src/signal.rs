use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// A signal to a process.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    Stop,
    Continue,
    Kill,
    /// It may put its things in order first.
    Terminate,
}

impl Signal {
    /// # Panics
    /// When there is no such process.
    pub fn send(self, process: u32) {
        let name = match self {
            Self::Stop => "STOP",
            Self::Continue => "CONT",
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
        };
        let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().expect("kill runs");
        assert!(sent.success(), "process {process} is there");
    }
}

/// Waits until the system has stopped the process as a whole.
pub(crate) fn wait_until_stopped(process: u32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
        if status.lines().any(|line| line.starts_with("State:\tT")) {
            return;
        }
        assert!(Instant::now() < deadline, "process {process} did not stop");
        thread::sleep(Duration::from_millis(2));
    }
}
