use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::{Credentials, Parts, WholeSeconds};
use crate::dpop::DpopKey;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Text};
use crate::manager::protocol::{Ended, InFlight, Origin, RefreshState, TokenHash, Unexplained};
use crate::manager::snapshot::{Granted, Other, Snapshot, Wanted, hash};
use crate::provider::IdToken;
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::store::{Record, RecordKey};

/// A record's content. Texts are borrowed both ways, so that no copy of a token is left behind.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    /// The owner of the record. A store that mixes records up is noticed by it.
    #[serde(borrow)]
    key: Text<'a>,
    /// The labels that a store can search: see `Record::session` and the methods after it.
    #[serde(borrow, default)]
    session: Option<Text<'a>>,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
    #[serde(borrow, default)]
    sid: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    beside: Option<Text<'a>>,
    #[serde(borrow)]
    issuer: Text<'a>,
    #[serde(borrow)]
    client_id: Text<'a>,
    #[serde(borrow)]
    login: StoredToken<'a>,
    #[serde(borrow)]
    refresh_token: Option<Text<'a>>,
    #[serde(borrow)]
    id_token: Option<Text<'a>>,
    #[serde(borrow)]
    others: Vec<StoredOther<'a>>,
    /// The private keys that tokens are bound to.
    #[serde(borrow, default)]
    dpop_keys: Vec<Text<'a>>,
    /// The time of the login; in release 0.1.0 unknown.
    #[serde(default)]
    logged_in: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    in_flight: Option<StoredInFlight<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<StoredEnd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unexplained: Option<StoredUnexplained>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    origin: Option<StoredOrigin<'a>>,
    #[serde(default, skip_serializing_if = "is_false")]
    is_reusable: bool,
    /// Release 0.1.0's way to say that an answer was lost.
    #[serde(default, skip_serializing)]
    answer_lost: Option<StoredLoss>,
}

#[derive(Serialize, Deserialize)]
struct StoredInFlight<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    sent: i64,
    deadline: i64,
    attempts: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredEnd {
    Refused { at: i64 },
    OtherPerson,
}

#[derive(Serialize, Deserialize)]
struct StoredUnexplained {
    first: i64,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredOrigin<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    generation: u64,
}

/// The time when the refresh token was sent, in release 0.1.0.
#[derive(Deserialize)]
struct StoredLoss {
    sent: i64,
    replayed: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredToken<'a> {
    #[serde(borrow)]
    access_token: Text<'a>,
    /// The position of its key in `dpop_keys`.
    #[serde(default)]
    dpop_key: Option<usize>,
    expires_at: Option<i64>,
    received: i64,
    renewed: bool,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
    #[serde(borrow)]
    requested_scope: Text<'a>,
    #[serde(borrow)]
    requested_audience: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    requested_resources: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    authorization_details: Option<Text<'a>>,
    /// In seconds after `received`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_life: Option<u32>,
    /// In seconds after `received`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct StoredOther<'a> {
    wanted: Wanted,
    #[serde(borrow)]
    token: StoredToken<'a>,
}

impl Snapshot {
    pub(crate) fn to_record(&self, key: &RecordKey) -> Record {
        let (id, login) = (key.id(), &self.login.credentials);
        let keys = self.dpop_keys();
        let key_texts: Vec<_> = keys.iter().map(|key| key.to_stored()).collect();
        let state = self.refresh_state();
        let (in_flight_token, origin_token) =
            (state.in_flight.map(|sent| hex(sent.token)), state.origin.map(|origin| hex(origin.token)));
        let (user, sid) = (login.user(), login.user().and_then(|user| user.get::<String>("sid")));
        let stored = Stored {
            key: text(&id),
            session: Some(text(key.session())),
            sub: user.map(|user| text(user.subject())),
            sid: sid.as_deref().map(text),
            beside: key.api().map(text),
            issuer: text(login.issuer()),
            client_id: text(login.client_id()),
            login: StoredToken::of(&self.login, &keys),
            refresh_token: login.refresh_token().map(|token| text(token.expose())),
            id_token: login.id_token().map(|id_token| text(id_token.raw().expose())),
            others: self
                .others
                .iter()
                .map(|other| StoredOther { wanted: other.wanted.clone(), token: StoredToken::of(&other.granted, &keys) })
                .collect(),
            dpop_keys: key_texts.iter().map(|key| text(key)).collect(),
            logged_in: Some(self.logged_in.unix_millis()),
            in_flight: state.in_flight.zip(in_flight_token.as_deref()).map(|(in_flight, token)| StoredInFlight {
                token: text(token),
                sent: in_flight.sent.unix_millis(),
                deadline: in_flight.deadline.unix_millis(),
                attempts: in_flight.attempts,
            }),
            ended: state.ended.map(|ended| match ended {
                Ended::Refused { at } => StoredEnd::Refused { at: at.unix_millis() },
                Ended::OtherPerson => StoredEnd::OtherPerson,
            }),
            unexplained: state
                .unexplained
                .map(|Unexplained { first, count }| StoredUnexplained { first: first.unix_millis(), count }),
            origin: state
                .origin
                .zip(origin_token.as_deref())
                .map(|(origin, token)| StoredOrigin { token: text(token), generation: origin.generation }),
            is_reusable: state.is_reusable,
            answer_lost: None,
        };
        Record::new(self.generation, &json::secret(&stored))
    }

    /// Each once: as a rule all tokens of a record are bound to the login's.
    fn dpop_keys(&self) -> Vec<&DpopKey> {
        let mut keys = Vec::new();
        for granted in std::iter::once(&self.login).chain(self.others.iter().map(|other| &other.granted)) {
            if let Some(key) = granted.credentials.access_token().dpop_key()
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        keys
    }

    /// A record is believed: it has to be sealed where others can write the store.
    pub(crate) fn from_record(record: &Record, key: &RecordKey, application: &Application) -> Result<Self> {
        let stored: Stored<'_> = json::object(record.content()).map_err(|error| unreadable().with_source(error))?;
        let state = stored.refresh_state().ok_or_else(unreadable)?;
        if !application.may_own(&stored.issuer, &stored.client_id) {
            return Err(Error::configuration(
                "the stored credentials are another issuer's or client id's; give each application a store of its own",
            ));
        }
        if *stored.key != *key.id() {
            return Err(Error::new(ErrorKind::Store, "the store gave the record of another session; use each record's whole key"));
        }
        let dpop_keys = stored.dpop_keys.iter().map(|text| DpopKey::from_stored(text).ok_or_else(unreadable));
        let shared = Shared { application, issuer: &stored.issuer, dpop_keys: dpop_keys.collect::<Result<_>>()? };
        let id_token =
            stored.id_token.as_ref().map(|text| IdToken::restore(Secret::from(&**text)).ok_or_else(unreadable)).transpose()?;
        let mut parts = shared.parts(&stored.login)?;
        parts.refresh_token = stored.refresh_token.as_ref().map(|text| Secret::from(&**text));
        parts.id_token = id_token;
        let login = Granted::by_login(Credentials::new(parts), stored.login.renewed);
        let session_end = login.credentials.session_end();
        let others = stored.others.into_iter().map(|StoredOther { wanted, token }| {
            let credentials = Credentials::new(shared.parts(&token)?);
            Ok(Other { wanted, granted: Granted::new(credentials, token.renewed, session_end) })
        });
        let others = others.collect::<Result<_>>()?;
        let logged_in = stored.logged_in.map_or_else(|| login.lifetime.received(), Timestamp::from_unix_millis);
        let (generation, is_beside) = (record.generation(), stored.beside.is_some());
        Ok(Self { generation, login, others, logged_in, refresh: None, is_beside }.with_state(generation, state))
    }
}

impl Stored<'_> {
    fn refresh_state(&self) -> Option<RefreshState> {
        let at = Timestamp::from_unix_millis;
        let mut in_flight = match &self.in_flight {
            None => None,
            Some(StoredInFlight { token, sent, deadline, attempts }) => {
                Some(InFlight { token: unhex(token)?, sent: at(*sent), deadline: at(*deadline), attempts: *attempts })
            }
        };
        if let (Some(StoredLoss { sent, replayed }), Some(refresh_token)) = (&self.answer_lost, &self.refresh_token) {
            let (token, sent) = (hash(&Secret::from(&**refresh_token)), at(*sent));
            in_flight = Some(InFlight { token, sent, deadline: sent, attempts: 1 + u32::from(*replayed) });
        }
        let origin = match &self.origin {
            None => None,
            Some(StoredOrigin { token, generation }) => Some(Origin { token: unhex(token)?, generation: *generation }),
        };
        let ended = self.ended.as_ref().map(|ended| match ended {
            StoredEnd::Refused { at: refused } => Ended::Refused { at: at(*refused) },
            StoredEnd::OtherPerson => Ended::OtherPerson,
        });
        let unexplained = self.unexplained.as_ref().map(|stored| Unexplained { first: at(stored.first), count: stored.count });
        Some(RefreshState { in_flight, ended, unexplained, origin, is_reusable: self.is_reusable })
    }
}

fn seconds(number: u32) -> Option<WholeSeconds> {
    WholeSeconds::new(Duration::from_secs(number.into()))
}

fn hex(hash: TokenHash) -> String {
    format!("{:032x}", u128::from_be_bytes(hash))
}

fn unhex(text: &str) -> Option<TokenHash> {
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> StoredToken<'a> {
    fn of(granted: &'a Granted, keys: &[&DpopKey]) -> Self {
        let parts = granted.credentials.parts();
        let (own, requested_api) = (parts.access_token.dpop_key(), parts.requested.api.as_ref());
        Self {
            access_token: text(parts.access_token.expose()),
            dpop_key: own.and_then(|own| keys.iter().position(|key| *key == own)),
            expires_at: parts.access_token.expiry().map(Timestamp::unix_millis),
            received: granted.lifetime.received().unix_millis(),
            renewed: granted.is_renewed,
            scope: parts.scope.as_deref().map(text),
            requested_scope: text(&parts.requested.scope),
            requested_audience: requested_api.and_then(RequestedApi::audience).map(text),
            requested_resources: requested_api.and_then(RequestedApi::resources).map(text),
            authorization_details: parts.authorization_details.as_deref().map(text),
            refresh_token_life: parts.refresh_token_life.map(WholeSeconds::get),
            refresh_in: parts.refresh_in.map(WholeSeconds::get),
        }
    }
}

/// The parts that all credentials of a record share.
struct Shared<'a> {
    application: &'a Application,
    issuer: &'a str,
    dpop_keys: Vec<DpopKey>,
}

impl Shared<'_> {
    fn parts(&self, token: &StoredToken<'_>) -> Result<Parts> {
        let expires_at = token.expires_at.map(Timestamp::from_unix_millis);
        let access_token = match token.dpop_key {
            None => AccessToken::new(&token.access_token, expires_at),
            Some(position) => {
                let key = self.dpop_keys.get(position).ok_or_else(unreadable)?;
                AccessToken::bound(&token.access_token, expires_at, key.clone(), self.application.time().clone())
            }
        };
        let api = RequestedApi::from_kept(token.requested_audience.as_deref(), token.requested_resources.as_deref());
        Ok(Parts {
            requested: self.application.requested(self.issuer, &token.requested_scope, api.as_ref()),
            access_token: access_token.ok_or_else(unreadable)?,
            received: Timestamp::from_unix_millis(token.received),
            refresh_token: None,
            id_token: None,
            id_token_refusal: None,
            // As requested is what none means, and takes no room.
            scope: token.scope.as_deref().filter(|scope| **scope != *token.requested_scope).map(Box::from),
            authorization_details: token.authorization_details.as_deref().map(Box::from),
            refresh_token_life: token.refresh_token_life.and_then(seconds),
            refresh_in: token.refresh_in.and_then(seconds),
        })
    }
}

fn text(text: &str) -> Text<'_> {
    Text(text.into())
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Store, "the stored credentials cannot be read; log in again to replace them, or clear() them")
        .unreadable_record()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(alter: impl FnOnce(&str) -> String) -> (Record, RecordKey, Application) {
        let application = Application::new("acme.auth0.com", "id");
        let key = RecordKey::new("acme.auth0.com", "id", "");
        let token = AccessToken::new("token", Some(received().plus(Duration::from_secs(60))));
        let resources = RequestedApi::Resources("https://api.acme.com https://other.acme.com".into());
        let credentials = Credentials::new(Parts {
            requested: application.requested("https://acme.auth0.com/", "a \"quoted\" b", Some(&resources)),
            access_token: token.unwrap(),
            received: received(),
            refresh_token: Some("refresh".into()),
            id_token: None,
            id_token_refusal: None,
            scope: None,
            authorization_details: Some(r#"[{"type":"payment"}]"#.into()),
            refresh_token_life: None,
            refresh_in: None,
        });
        let content = Snapshot::of_login(credentials, 7, received(), false);
        let record = content.to_record(&key);
        let altered = alter(std::str::from_utf8(record.content()).unwrap());
        (Record::new(record.generation(), altered.as_bytes()), key, application)
    }

    fn received() -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let (record, key, application) = record(str::to_owned);
        let content = Snapshot::from_record(&record, &key, &application).unwrap();
        assert_eq!(content.to_record(&key).as_bytes(), record.as_bytes());
        assert_eq!(content.login.credentials.scope(), "a \"quoted\" b");
        let details = content.login.credentials.authorization_details::<serde_json::Value>().unwrap();
        assert_eq!(details, [serde_json::json!({ "type": "payment" })]);
        assert_eq!(content.refresh_token(), Some(&Secret::from("refresh")));
    }

    /// G16
    #[test]
    fn times_beyond_all_years_are_clamped() {
        for (end, serves) in [("1000000000000000000", true), ("9223372036854775807", true), ("-9223372036854775808", false)] {
            let (record, key, application) = record(|json| json.replace("1800000060000", end));
            let content = Snapshot::from_record(&record, &key, &application).unwrap();
            assert_eq!(content.login.lifetime.is_fresh(Duration::from_secs(60), received()), serves, "{end}");
            assert!(!content.login.lifetime.is_fresh(Duration::MAX, received()), "{end}");
            assert!(content.login.credentials.expires_at().is_some_and(|end| (1..=9999).contains(&end.year())));
        }
        for moment in ["1000000000000000000", "9223372036854775807"] {
            let (record, key, application) = record(|json| json.replace("1800000000000", moment));
            let content = Snapshot::from_record(&record, &key, &application).unwrap();
            assert!(!content.login.lifetime.is_fresh(Duration::ZERO, received()), "it came from the future");
        }
    }

    /// G16, G27
    #[test]
    fn what_cannot_be_a_record_is_refused() {
        let rows: [fn(&str) -> String; 8] = [
            |json| json.replace("1800000060000", "1e300"),
            |json| json.replace("1800000060000", "\"1800000060000\""),
            |json| json.replace("1800000060000", "10000000000000000000"),
            |json| json.replace("\"token\"", "\"to ken\""),
            |json| json.replace("\"id_token\":null", "\"id_token\":\"a.b.c\""),
            |json| json[1..].to_owned(),
            |json| json[..json.len() / 2].to_owned(),
            |_| String::new(),
        ];
        for (row, alter) in rows.into_iter().enumerate() {
            let (record, key, application) = record(alter);
            let error = Snapshot::from_record(&record, &key, &application).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store, "row {row}");
            assert!(error.to_string().contains("clear()"), "{error}");
        }
    }
}
