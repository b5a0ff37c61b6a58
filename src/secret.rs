use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, mem};

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A token, a code, a client secret: text that must not be seen.
///
/// `Debug` prints no part of it, equality takes the same time wherever the texts differ, the bytes are wiped when the
/// last clone is dropped, and a clone is one reference more to the same bytes. It is read only by [`expose`](Self::expose).
///
/// ```
/// use hallpass::Secret;
/// let secret = Secret::new("s3cr3t");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "s3cr3t");
/// ```
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// A copy of the text; a `String` that is handed over is wiped.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        Self(Arc::from(text.as_str()))
    }

    /// The text itself: for the place that must have it, and no log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if wiped(&mut self.0) {
            return;
        }
        // Of two clones that are dropped at once, each would take the other for the last one: so one at a time.
        let _alone = DROPPING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = mem::take(&mut self.0);
        wiped(&mut text);
    }
}

/// Wipes the text if this was the last reference to it, and returns whether it was.
fn wiped(text: &mut Arc<str>) -> bool {
    Arc::get_mut(text).map(Zeroize::zeroize).is_some()
}

static DROPPING: Mutex<()> = Mutex::new(());

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
