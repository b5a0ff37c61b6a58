use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::io::{self, BufRead, Read as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::Notify;
use url::Url;
use zeroize::Zeroizing;

use super::{Browser, only_web_pages};
use crate::error::{Error, ErrorKind, Result};

/// Prints the login's URL for the person to open, on this machine or another.
///
/// A browser on another machine cannot come back to this one: it ends at an address that begins with
/// `http://127.0.0.1` and shows an error. With [`pasted_from_stdin`](Self::pasted_from_stdin) the person copies that
/// address back, and the login goes on.
///
/// # Defaults
/// It prints to standard error, and reads nothing.
#[derive(Clone)]
#[must_use]
pub struct PrintUrl {
    writer: Arc<Mutex<dyn Write + Send>>,
    pasted: Option<Arc<Pasted>>,
}

/// Lines of a reader, read one at a time and on demand.
struct Pasted {
    reader: Mutex<Box<dyn BufRead + Send>>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Zeroizing<String>>,
    reading: bool,
    ended: bool,
}

/// Longer than any callback that a listener would take.
const LINE_MAX: u64 = 64 * 1024;

impl PrintUrl {
    /// To standard error.
    pub fn new() -> Self {
        Self::to(io::stderr())
    }

    /// To a file, a pipe, a terminal of your own.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self { writer: Arc::new(Mutex::new(writer)), pasted: None }
    }

    /// Lets the person paste the address they came back to. For programs that read nothing else from standard input:
    /// a line may still be waited for when the login has ended in another way.
    pub fn pasted_from_stdin(self) -> Self {
        self.pasted_from(io::BufReader::new(io::stdin()))
    }

    /// Lets the person paste the address they came back to, as a line of `reader`. Another thread waits for the line.
    pub fn pasted_from(mut self, reader: impl BufRead + Send + 'static) -> Self {
        let reader: Mutex<Box<dyn BufRead + Send>> = Mutex::new(Box::new(reader));
        self.pasted = Some(Arc::new(Pasted { reader, state: Mutex::default(), changed: Notify::new() }));
        self
    }

    fn print(&self, url: &Url) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        write!(writer, "To log in, open this address in a browser:\n\n{url}\n\n")?;
        if self.pasted.is_some() {
            writeln!(writer, "If it then cannot show the page it is sent to, paste the address of that page here:")?;
        }
        writer.flush()
    }
}

impl Default for PrintUrl {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser for PrintUrl {
    /// # Errors
    /// `Browser` when it cannot be written; `Configuration` for what is no web page.
    async fn open(&self, url: &Url) -> Result<()> {
        only_web_pages(url)?;
        self.print(url).map_err(|error| {
            Error::new(ErrorKind::Browser, "the login's URL could not be printed; let PrintUrl write to what is open")
                .with_source(error)
        })
    }

    async fn pasted(&self) -> Result<String> {
        match &self.pasted {
            Some(pasted) => Ok(pasted.line().await),
            None => pending().await,
        }
    }
}

impl fmt::Debug for PrintUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrintUrl").field("takes_pasted", &self.pasted.is_some()).finish_non_exhaustive()
    }
}

impl Pasted {
    /// The next line. None ever comes when the input has ended: a login on the same machine may still.
    async fn line(self: &Arc<Self>) -> String {
        loop {
            let changed = self.changed.notified();
            if let Some(line) = self.next_or_read() {
                return line;
            }
            changed.await;
        }
    }

    fn next_or_read(self: &Arc<Self>) -> Option<String> {
        let mut state = lock(&self.state);
        if let Some(mut line) = state.lines.pop_front() {
            return Some(std::mem::take(&mut *line));
        }
        if !state.reading && !state.ended {
            state.reading = true;
            let pasted = Arc::clone(self);
            // A thread of its own and not one of the runtime's, which waits for those when it shuts down.
            let started = thread::Builder::new().name("hallpass-paste".to_owned()).spawn(move || pasted.read());
            if started.is_err() {
                state.reading = false;
                state.ended = true;
            }
        }
        None
    }

    fn read(&self) {
        let line = next_line(&mut **lock(&self.reader));
        let mut state = lock(&self.state);
        state.reading = false;
        match line {
            Some(line) => state.lines.push_back(line),
            None => state.ended = true,
        }
        drop(state);
        self.changed.notify_one();
    }
}

/// The next line that holds anything, without the white space around it.
fn next_line(reader: &mut dyn BufRead) -> Option<Zeroizing<String>> {
    loop {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        let read = reader.take(LINE_MAX).read_until(b'\n', &mut bytes);
        if !matches!(read, Ok(1..)) {
            return None;
        }
        if let Ok(text) = std::str::from_utf8(&bytes)
            && !text.trim().is_empty()
        {
            return Some(Zeroizing::new(text.trim().to_owned()));
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
