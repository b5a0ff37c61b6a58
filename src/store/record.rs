use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Text};
use crate::store::RecordKey;

/// The content of a store's record: bytes that begin with a format and a generation. They hold tokens, so a store that others
/// can read has to seal them. `Debug` shows none, and they are wiped on drop.
#[derive(Clone)]
pub struct Record {
    bytes: Zeroizing<Vec<u8>>,
}

impl Record {
    pub(crate) fn new(generation: u64, content: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + content.len()));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        bytes.extend_from_slice(content);
        Self { bytes }
    }

    /// A record as [`as_bytes`](Self::as_bytes) gave it.
    ///
    /// # Errors
    /// `Store` when the bytes are cut off, no record, or one of a newer release.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let bytes = Zeroizing::new(bytes);
        let refused =
            |why: &str| Error::new(ErrorKind::Store, format!("the stored credentials cannot be opened: {why}")).unreadable_record();
        if bytes.len() < HEAD || bytes[..4] != MAGIC[..4] {
            return Err(refused("they are cut off, or were not stored by this library; log in again to replace them"));
        }
        if bytes[4] != MAGIC[4] {
            return Err(refused(
                "a newer release of this library stored them; update this program, or log in again to replace them",
            ));
        }
        if number(&bytes[LENGTH..HEAD]) != (bytes.len() - HEAD) as u64 {
            return Err(refused("they are cut off; log in again to replace them"));
        }
        Ok(Self { bytes })
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Which of the records of a key it is. Every newer one has a higher number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        number(&self.bytes[GENERATION..LENGTH])
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes[HEAD..]
    }

    /// The session's name, as [`RecordKey::session`] has it. None in a program's own token, and in records of release 0.1.0.
    #[must_use]
    pub fn session(&self) -> Option<String> {
        self.labels()?.session.map(|session| session.to_string())
    }

    /// The person, by the `sub` of their ID token.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        self.labels()?.sub.map(|subject| subject.to_string())
    }

    /// The session at the provider, by the `sid` of the ID token.
    #[must_use]
    pub fn provider_session(&self) -> Option<String> {
        self.labels()?.sid.map(|id| id.to_string())
    }

    /// The API of a login that stands beside another one of its session.
    pub(crate) fn api(&self) -> Option<String> {
        self.labels()?.beside.map(|api| api.to_string())
    }

    pub(crate) fn is_stored_under(&self, key: &RecordKey) -> bool {
        self.labels().is_some_and(|labels| *labels.key == *key.id())
    }

    fn labels(&self) -> Option<Labels<'_>> {
        json::object(self.content()).ok()
    }
}

/// The members of a record's content that a store can look it up by.
#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow, default)]
    session: Option<Text<'a>>,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
    #[serde(borrow, default)]
    sid: Option<Text<'a>>,
    #[serde(borrow, default)]
    beside: Option<Text<'a>>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("generation", &self.generation()).field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("the numbers of the head have eight bytes"))
}

/// The format's name and version. Then the generation, the content's length, and the content.
const MAGIC: &[u8; 5] = b"hlps\x01";
const GENERATION: usize = MAGIC.len();
const LENGTH: usize = GENERATION + 8;
const HEAD: usize = LENGTH + 8;
