use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access_token::{AccessToken, TokenType};
use crate::clock::Timestamp;
use crate::credentials::{Credentials, Parts};
use crate::crypto;
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::provider::IdToken;
use crate::secret::Secret;
use crate::store::Record;

/// What a record holds: what a login gave, and access tokens for other APIs that its refresh token has bought since.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) generation: u64,
    pub(crate) login: Granted,
    pub(crate) others: Vec<Other>,
}

/// Credentials, and when they came: a clock that shows an earlier time than that was set back.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) credentials: Credentials,
    pub(crate) received: Timestamp,
}

#[derive(Clone)]
pub(crate) struct Other {
    pub(crate) wanted: Wanted,
    pub(crate) granted: Granted,
}

/// An API and a part of what was granted, to have an access token for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) audience: Option<Box<str>>,
    pub(crate) scope: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    issuer: String,
    client_id: String,
    login: StoredToken,
    refresh_token: Option<String>,
    id_token: Option<String>,
    others: Vec<StoredOther>,
}

#[derive(Serialize, Deserialize)]
struct StoredToken {
    access_token: String,
    dpop: bool,
    expires_at: Option<i64>,
    received: i64,
    scope: Option<String>,
    requested_scope: String,
}

#[derive(Serialize, Deserialize)]
struct StoredOther {
    wanted: Wanted,
    token: StoredToken,
}

impl Content {
    /// What a login gave, as the successor of whatever was there before.
    pub(crate) fn of_login(credentials: Credentials, now: Timestamp, after: Option<u64>) -> Result<Self> {
        Ok(Self { generation: next_generation(now, after)?, login: Granted { credentials, received: now }, others: Vec::new() })
    }

    /// The same session with newer tokens for `wanted`.
    pub(crate) fn renewed(&self, wanted: &Wanted, credentials: Credentials, now: Timestamp) -> Result<Self> {
        let mut newer = self.clone();
        newer.generation = next_generation(now, Some(self.generation))?;
        let refresh_token = credentials.refresh_token().cloned();
        let granted = Granted { credentials, received: now };
        if *wanted == Wanted::default() {
            newer.login = granted;
        } else {
            // One refresh token serves all: the login's credentials go on with its successor.
            let mut parts = newer.login.credentials.parts().clone();
            parts.refresh_token = refresh_token;
            newer.login.credentials = Credentials::new(parts);
            newer.others.retain(|other| other.wanted != *wanted && !other.granted.is_over(now));
            newer.others.push(Other { wanted: wanted.clone(), granted });
        }
        Ok(newer)
    }

    /// What there is for `wanted`, with the session's refresh token.
    pub(crate) fn granted(&self, wanted: &Wanted) -> Option<&Granted> {
        if *wanted == Wanted::default() {
            return Some(&self.login);
        }
        self.others.iter().find(|other| other.wanted == *wanted).map(|other| &other.granted)
    }

    pub(crate) fn refresh_token(&self) -> Option<&Secret> {
        self.login.credentials.refresh_token()
    }

    pub(crate) fn to_record(&self) -> Record {
        let login = &self.login.credentials;
        let text = |secret: &Secret| secret.expose().to_owned();
        let stored = Stored {
            issuer: login.issuer().to_owned(),
            client_id: login.client_id().to_owned(),
            login: self.login.stored(),
            refresh_token: login.refresh_token().map(text),
            id_token: login.id_token().map(|id_token| text(id_token.raw())),
            others: self
                .others
                .iter()
                .map(|other| StoredOther { wanted: other.wanted.clone(), token: other.granted.stored() })
                .collect(),
        };
        let json = Zeroizing::new(serde_json::to_vec(&stored).expect("text and numbers are always JSON"));
        Record::new(self.generation, &json)
    }

    /// Whoever can write the store is believed: seal it where that may be somebody else.
    pub(crate) fn from_record(record: &Record) -> Result<Self> {
        let unreadable = || Error::new(ErrorKind::Store, "the stored credentials are left as they are: they cannot be read");
        let stored: Stored = json::object(record.content()).map_err(|error| unreadable().with_source(error))?;
        let (issuer, client_id) = (Arc::from(stored.issuer), Arc::from(stored.client_id));
        let granted = |token: StoredToken, refresh_token: Option<Secret>, id_token: Option<IdToken>| {
            let token_type = if token.dpop { TokenType::DPoP } else { TokenType::Bearer };
            let text = Zeroizing::new(token.access_token);
            let access_token = AccessToken::new(token_type, &text, token.expires_at.map(Timestamp::from_unix_millis))?;
            let credentials = Credentials::new(Parts {
                issuer: Arc::clone(&issuer),
                client_id: Arc::clone(&client_id),
                access_token,
                refresh_token,
                id_token,
                id_token_refusal: None,
                scope: token.scope.map(Box::from),
                requested_scope: token.requested_scope.into(),
            });
            Some(Granted { credentials, received: Timestamp::from_unix_millis(token.received) })
        };
        let id_token = stored.id_token.map(|text| IdToken::restore(Secret::new(text)).ok_or_else(unreadable)).transpose()?;
        let login = granted(stored.login, stored.refresh_token.map(Secret::new), id_token).ok_or_else(unreadable)?;
        let others = stored
            .others
            .into_iter()
            .map(|other| granted(other.token, None, None).map(|granted| Other { wanted: other.wanted, granted }));
        let others = others.collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
        Ok(Self { generation: record.generation(), login, others })
    }
}

impl Granted {
    fn is_over(&self, now: Timestamp) -> bool {
        self.credentials.access_token().expiry().is_some_and(|expiry| expiry <= now)
    }

    fn stored(&self) -> StoredToken {
        let parts = self.credentials.parts();
        StoredToken {
            access_token: parts.access_token.expose().to_owned(),
            dpop: parts.access_token.token_type() == TokenType::DPoP,
            expires_at: parts.access_token.expiry().map(Timestamp::unix_millis),
            received: self.received.unix_millis(),
            scope: parts.scope.as_deref().map(str::to_owned),
            requested_scope: (*parts.requested_scope).to_owned(),
        }
    }
}

/// Higher than the one before, and unlike any that a removed record had: time and chance go into it.
fn next_generation(now: Timestamp, after: Option<u64>) -> Result<u64> {
    let mut chance = [0; 2];
    crypto::random(&mut chance)?;
    let by_time = u64::try_from(now.unix_millis()).unwrap_or(0) << 16 | u64::from(u16::from_be_bytes(chance));
    Ok(after.map_or(by_time, |after| by_time.max(after + 1)))
}
