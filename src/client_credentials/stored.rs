use serde::{Deserialize, Serialize};

use crate::access_token::AccessToken;
use crate::client_credentials::service_token::ServiceToken;
use crate::clock::{Clock, Timestamp};
use crate::dpop::DpopKey;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Text};
use crate::store::{Record, RecordKey};

/// A record's content: a service's token. Texts are borrowed both ways, so that no copy of it is left behind.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    /// The owner of the record. A store that mixes records up is noticed by it.
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    service_token: Text<'a>,
    /// The private key that it is bound to.
    #[serde(borrow, default)]
    dpop_key: Option<Text<'a>>,
    expires_at: Option<i64>,
    received: i64,
}

impl ServiceToken {
    pub(super) fn to_record(&self, key: &RecordKey, generation: u64) -> Record {
        let dpop_key = self.token.dpop_key().map(DpopKey::to_stored);
        let stored = Stored {
            key: Text(key.id().into()),
            service_token: Text(self.token.expose().into()),
            dpop_key: dpop_key.as_ref().map(|key| Text(key.as_str().into())),
            expires_at: self.token.expiry().map(Timestamp::unix_millis),
            received: self.received.unix_millis(),
        };
        Record::new(generation, &json::secret(&stored))
    }

    /// A writer of the store is trusted: seal it where other programs can write.
    pub(super) fn from_record(record: &Record, key: &RecordKey, clock: &Clock) -> Result<Self> {
        let stored: Stored<'_> = json::object(record.content()).map_err(|error| unreadable().with_source(error))?;
        if *stored.key != *key.id() {
            return Err(Error::new(ErrorKind::Store, "the store gave another token's record; use each record's whole key"));
        }
        let expires_at = stored.expires_at.map(Timestamp::from_unix_millis);
        let token = match &stored.dpop_key {
            None => AccessToken::new(&stored.service_token, expires_at),
            Some(text) => {
                let dpop_key = DpopKey::from_stored(text).ok_or_else(unreadable)?;
                AccessToken::bound(&stored.service_token, expires_at, dpop_key, clock.clone())
            }
        };
        let token = token.ok_or_else(unreadable)?;
        Ok(Self::new(token, Timestamp::from_unix_millis(stored.received)))
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Store, "the stored token cannot be read, and is left as it is; remove it from the store")
}
