use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::connection::{Held, Site};
use super::page::{PageOutcome, Shown};
use crate::crypto;

/// The callback, and the browser that waits to be told how it ended.
///
/// Dropped without an answer, as when a login is called off, it tells the browser that the login did not work.
pub(crate) struct Arrival {
    text: Zeroizing<String>,
    site: Arc<Site>,
    /// None once the browser was sent on to the page at the end.
    pub(super) stream: Option<TcpStream>,
    pub(super) end_page_shown: bool,
}

impl Arrival {
    pub(super) fn new(site: Arc<Site>, held: Held) -> Self {
        Self { text: held.text, site, stream: Some(held.stream), end_page_shown: false }
    }

    /// The raw query, or the raw form: nothing was decoded or checked but that no parameter comes twice.
    pub(crate) fn callback(&self) -> &str {
        &self.text
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.stream.is_some()
    }

    pub(super) fn is_repeated_by(&self, held: &Held) -> bool {
        crypto::equal(self.text.as_bytes(), held.text.as_bytes())
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            let answer = self.site.page(StatusCode::OK, Shown::Outcome(PageOutcome::Failed));
            // As much as can be done without waiting, and it fits any socket's buffer.
            let _ = stream.try_write(answer.as_bytes());
        }
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").finish_non_exhaustive()
    }
}
