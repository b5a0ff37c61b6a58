//! A token source that counts what it is asked, and renews as its contract says: only the token it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hallpass::{AccessToken, Result, TokenSource};

/// Its tokens are `token-0`, and after each renewal `token-1`, `token-2` …
#[derive(Clone, Default)]
pub(crate) struct CountedSource {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    current: AtomicUsize,
    reads: AtomicUsize,
}

impl CountedSource {
    /// The number of calls.
    pub(crate) fn reads(&self) -> usize {
        self.counts.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn renewals(&self) -> usize {
        self.counts.current.load(Ordering::SeqCst)
    }

    fn current(&self) -> AccessToken {
        AccessToken::bearer(format!("token-{}", self.renewals())).unwrap()
    }
}

impl TokenSource for CountedSource {
    fn cached(&self) -> Option<AccessToken> {
        self.counts.reads.fetch_add(1, Ordering::SeqCst);
        Some(self.current())
    }

    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        self.counts.reads.fetch_add(1, Ordering::SeqCst);
        let current = self.renewals();
        if rejected.is_some_and(|rejected| rejected.expose() == format!("token-{current}")) {
            // Whoever is second finds that the token has changed already.
            let _ = self.counts.current.compare_exchange(current, current + 1, Ordering::SeqCst, Ordering::SeqCst);
        }
        Ok(self.current())
    }
}
