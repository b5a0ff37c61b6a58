//! How the examples look in a terminal: headings, facts, and a line that waits and counts down. Elsewhere, and with `NO_COLOR` set,
//! it is plain text. With `RUST_LOG=trace` (or another level) they also show what is logged.
#![allow(dead_code, reason = "each example shows what it has to show")]

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use console::{Term, style};
use hallpass::web_auth::{PrintUrl, SystemBrowser};
use tracing_subscriber::filter::LevelFilter;

/// On stderr, if `RUST_LOG` names a level.
pub(crate) fn show_logs() {
    let level = env::var("RUST_LOG").ok().and_then(|level| level.parse::<LevelFilter>().ok());
    if let Some(level) = level {
        tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(false).init();
    }
}

pub(crate) fn heading(text: impl Display) {
    println!("\n{}", style(text).bold());
}

pub(crate) fn fact(name: &str, value: impl Display) {
    println!("  {} {value}", style(format!("{name:<9}")).cyan());
}

/// Something that is waited for, until this is dropped.
pub(crate) struct Waiting(Arc<Mutex<Line>>);

enum Line {
    /// Drawn anew each tenth of a second.
    Counting(Term),
    Over,
}

pub(crate) fn waiting(what: &str, at_most: Duration) -> Waiting {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        eprintln!("{what}: {} seconds at most.", at_most.as_secs());
        return Waiting(Arc::new(Mutex::new(Line::Over)));
    }
    let (what, end, line) = (what.to_owned(), Instant::now() + at_most, Arc::new(Mutex::new(Line::Counting(terminal))));
    let drawn = Arc::clone(&line);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for sign in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".chars().cycle() {
            ticks.tick().await;
            let line = drawn.lock().unwrap_or_else(PoisonError::into_inner);
            let Line::Counting(terminal) = &*line else { return };
            let left = end.saturating_duration_since(Instant::now()).as_secs();
            let text = format!("{} {what} ({}:{:02} left)", style(sign).cyan().for_stderr(), left / 60, left % 60);
            let _ = terminal.clear_line().and_then(|()| terminal.write_str(&text));
        }
    });
    Waiting(line)
}

impl Waiting {
    /// The system's browser. Where there is none, the login's URL is printed, to be opened elsewhere, and the person pastes the
    /// address that they came back to: the line makes room for that.
    pub(crate) fn browser(&self) -> SystemBrowser {
        SystemBrowser::new().or(PrintUrl::to(Room(Arc::clone(&self.0))).pasted_from_stdin())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        end(&self.0);
    }
}

struct Room(Arc<Mutex<Line>>);

impl Write for Room {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        end(&self.0);
        io::stderr().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn end(line: &Mutex<Line>) {
    let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
    if let Line::Counting(terminal) = std::mem::replace(&mut *line, Line::Over) {
        let _ = terminal.clear_line();
    }
}
