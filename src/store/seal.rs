use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::{self, Cipher};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Record, RecordKey};

/// The key that records are sealed with: 32 random bytes. It is wiped with its last clone, and `Debug` does not show it.
#[derive(Clone)]
pub struct SealingKey(Arc<Zeroizing<[u8; 32]>>);

/// Seals records with AES-256-GCM, bound to the record's key, its generation and the format. A reader of the store learns no
/// token. A writer of the store can neither make a record up nor give one session another's. Sealing does not detect that an
/// older record of the same session was put back.
///
/// The first key seals, and any of them opens: to change the key, put the new one first, and drop the old one when every
/// record has been saved again.
///
/// ```
/// use hallpass::store::{SealingKey, SealingKeys};
/// let (old, new) = (SealingKey::generate()?, SealingKey::generate()?);
/// let keys = SealingKeys::from([new, old]);
/// # assert_eq!(format!("{keys:?}"), "SealingKeys(2)");
/// # Ok::<(), hallpass::Error>(())
/// ```
#[derive(Clone)]
pub struct SealingKeys(Arc<[SealingKey]>);

impl SealingKey {
    /// Generates a key. Keep it apart from the records: they cannot be read without it.
    ///
    /// # Errors
    /// `Configuration` when the operating system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        crypto::random(&mut *bytes)?;
        Ok(Self(Arc::new(bytes)))
    }

    /// A key that was kept: random bytes, never a password.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The key itself: for the place that keeps it, and no log.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(feature = "keychain")]
    pub(in crate::store) fn is(&self, other: &Self) -> bool {
        self.id() == other.id()
    }

    /// Which key it is, for everybody to see. It tells nothing about a random key.
    fn id(&self) -> [u8; KEY_ID] {
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_ID_PREFIX.len() + 32));
        text.extend_from_slice(KEY_ID_PREFIX);
        text.extend_from_slice(self.expose());
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&crypto::sha256(&text)[..KEY_ID]);
        id
    }
}

impl SealingKeys {
    /// The record's bytes as the store may keep them.
    ///
    /// # Errors
    /// `Configuration` when there is no key.
    pub fn seal(&self, key: &RecordKey, record: &Record) -> Result<Vec<u8>> {
        let Some(sealing_key) = self.0.first() else {
            return Err(Error::configuration("the credentials are to be sealed, but no key was given; give the key first"));
        };
        let mut sealed = Vec::with_capacity(HEAD + record.as_bytes().len() + OVERHEAD);
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&sealing_key.id());
        sealed.extend_from_slice(&record.generation().to_be_bytes());
        let context = context(&sealed, &key.id());
        sealed.extend_from_slice(&Cipher::new(sealing_key.expose()).seal(&context, record.as_bytes()));
        Ok(sealed)
    }

    /// The record that [`seal`](Self::seal) sealed for that `key`.
    ///
    /// # Errors
    /// `Store` when none of the keys sealed it, when it was changed or is another session's, or when it is not sealed.
    pub fn open(&self, key: &RecordKey, sealed: &[u8]) -> Result<Record> {
        self.open_by_id(&key.id(), sealed)
    }

    /// The same for the record key's [`id`](RecordKey::id).
    pub(crate) fn open_by_id(&self, id: &str, sealed: &[u8]) -> Result<Record> {
        let refused = |why: &str| {
            let error = Error::new(ErrorKind::Store, format!("the stored credentials cannot be opened: {why}"));
            Err(error.unreadable_record())
        };
        let Some((head, ciphertext)) = sealed.split_at_checked(HEAD).filter(|(head, _)| head[..4] == MAGIC[..4]) else {
            return refused("they are cut off, or were not sealed by this library; log in again to replace them");
        };
        if head[4] != MAGIC[4] {
            return refused("a newer release of this library sealed them; update this program, or log in again to replace them");
        }
        let key_id = &head[MAGIC.len()..MAGIC.len() + KEY_ID];
        let Some(sealing_key) = self.0.iter().find(|candidate| candidate.id() == key_id) else {
            return refused("they were sealed with another key; give that one too, or log in again to replace them");
        };
        match Cipher::new(sealing_key.expose()).open(&context(head, id), ciphertext) {
            Some(mut plain) => Record::from_bytes(std::mem::take(&mut *plain)),
            None => refused("they were changed, cut off, or put in the place of another session's; log in again to replace them"),
        }
    }
}

impl From<SealingKey> for SealingKeys {
    fn from(key: SealingKey) -> Self {
        Self(Arc::new([key]))
    }
}

impl<const N: usize> From<[SealingKey; N]> for SealingKeys {
    fn from(keys: [SealingKey; N]) -> Self {
        Self(Arc::new(keys))
    }
}

impl From<Vec<SealingKey>> for SealingKeys {
    fn from(keys: Vec<SealingKey>) -> Self {
        Self(keys.into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys({})", self.0.len())
    }
}

/// The data that the tag authenticates beside the record: everything before the nonce, and the record's owner.
fn context(head: &[u8], id: &str) -> Vec<u8> {
    [head, id.as_bytes()].concat()
}

/// The format's name and version. Then the key's id, the generation, the nonce, and the sealed record with its tag.
const MAGIC: &[u8; 5] = b"hlse\x01";
const KEY_ID: usize = 8;
const KEY_ID_PREFIX: &[u8] = b"hallpass sealing key ";
const HEAD: usize = MAGIC.len() + KEY_ID + 8;
/// Nonce and tag.
const OVERHEAD: usize = 12 + 16;
