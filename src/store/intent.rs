use std::fmt;
use std::time::Duration;

/// What the holder of a lock is about to do: to send a refresh token, which spends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Intent {
    generation: u64,
    refresh_token: [u8; 32],
    replay: bool,
}

/// What a store answers to an [`Intent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// Nobody else may have sent the refresh token: go on.
    Alone,
    /// The lock has lapsed, or the record was replaced: nothing may be sent, and the record is to be read again.
    Late,
    /// Another holder announced to send this refresh token, and nobody knows how that ended.
    Unresolved {
        /// How long ago that was.
        since: Duration,
        /// For how long a newer record, or word that nothing was sent, can still be expected.
        wait: Duration,
        /// It has been sent once more since.
        replayed: bool,
    },
}

/// How it ended when a refresh token was sent and no newer record came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider did not take it: others may send it.
    NotTaken,
    /// The provider may have taken it: others have nothing to wait for.
    Unknown,
}

impl Intent {
    pub(crate) fn new(generation: u64, refresh_token: [u8; 32]) -> Self {
        Self { generation, refresh_token, replay: false }
    }

    /// To send it although it may be spent, once.
    pub(crate) fn replay(&self) -> Self {
        Self { replay: true, ..self.clone() }
    }

    /// The generation of the record that holds the refresh token.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The SHA-256 of the refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> &[u8; 32] {
        &self.refresh_token
    }

    /// Whether it takes the place of an unresolved intent that waits for nothing any more.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.replay
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intent").field("generation", &self.generation).field("replay", &self.replay).finish_non_exhaustive()
    }
}
