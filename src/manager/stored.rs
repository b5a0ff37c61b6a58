use serde::{Deserialize, Serialize};

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::{Credentials, Parts};
use crate::dpop::DpopKey;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Text};
use crate::manager::content::{Content, Granted, Other, Wanted};
use crate::manager::spent::AnswerLost;
use crate::provider::IdToken;
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::store::{Record, RecordKey};

/// A record's content. Texts are borrowed both ways, so that no copy of a token is left behind.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    /// Whose record it is: a store that mixes them up is found out.
    #[serde(borrow)]
    key: Text<'a>,
    /// What a store can look the record up by: see `Record::session` and the methods after it.
    #[serde(borrow, default)]
    session: Option<Text<'a>>,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
    #[serde(borrow, default)]
    sid: Option<Text<'a>>,
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
    #[serde(default)]
    answer_lost: Option<StoredLoss>,
}

/// When the refresh token was sent, and whether twice.
#[derive(Serialize, Deserialize)]
struct StoredLoss {
    sent: i64,
    replayed: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredToken<'a> {
    #[serde(borrow)]
    access_token: Text<'a>,
    /// Which of the `dpop_keys` it is bound to.
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
}

#[derive(Serialize, Deserialize)]
struct StoredOther<'a> {
    wanted: Wanted,
    #[serde(borrow)]
    token: StoredToken<'a>,
}

impl Content {
    pub(crate) fn to_record(&self, key: &RecordKey) -> Record {
        let (id, login) = (key.id(), &self.login.credentials);
        let keys = self.dpop_keys();
        let key_texts: Vec<_> = keys.iter().map(|key| key.to_stored()).collect();
        let (user, sid) = (login.user(), login.user().and_then(|user| user.get::<String>("sid")));
        let stored = Stored {
            key: text(&id),
            session: Some(text(key.session())),
            sub: user.map(|user| text(user.subject())),
            sid: sid.as_deref().map(text),
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
            answer_lost: self.answer_lost.map(|lost| StoredLoss { sent: lost.sent.unix_millis(), replayed: lost.replayed }),
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

    /// Whoever can write the store is believed: seal it where that may be somebody else.
    pub(crate) fn from_record(record: &Record, key: &RecordKey, application: &Application) -> Result<Self> {
        let stored: Stored<'_> = json::object(record.content()).map_err(|error| unreadable().with_source(error))?;
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
        let id_token = stored.id_token.map(|text| IdToken::restore(Secret::from(&*text)).ok_or_else(unreadable)).transpose()?;
        let mut parts = shared.parts(&stored.login)?;
        parts.refresh_token = stored.refresh_token.map(|text| Secret::from(&*text));
        parts.id_token = id_token;
        let login = Granted::by_login(Credentials::new(parts), stored.login.renewed);
        let session_end = login.credentials.session_end();
        let others = stored.others.into_iter().map(|StoredOther { wanted, token }| {
            let credentials = Credentials::new(shared.parts(&token)?);
            Ok(Other { wanted, granted: Granted::new(credentials, token.renewed, session_end) })
        });
        let others = others.collect::<Result<_>>()?;
        let answer_lost = stored.answer_lost.map(|StoredLoss { sent, replayed }| {
            let sent = Timestamp::from_unix_millis(sent);
            AnswerLost { sent, replayed }
        });
        Ok(Self { generation: record.generation(), login, others, answer_lost })
    }
}

impl<'a> StoredToken<'a> {
    fn of(granted: &'a Granted, keys: &[&DpopKey]) -> Self {
        let parts = granted.credentials.parts();
        let (own, requested_api) = (parts.access_token.dpop_key(), parts.requested.api.as_ref());
        Self {
            access_token: text(parts.access_token.expose()),
            dpop_key: own.and_then(|own| keys.iter().position(|key| *key == own)),
            expires_at: parts.access_token.expiry().map(Timestamp::unix_millis),
            received: granted.received().unix_millis(),
            renewed: granted.is_renewed,
            scope: parts.scope.as_deref().map(text),
            requested_scope: text(&parts.requested.scope),
            requested_audience: requested_api.and_then(RequestedApi::audience).map(text),
            requested_resources: requested_api.and_then(RequestedApi::resources).map(text),
            authorization_details: parts.authorization_details.as_deref().map(text),
        }
    }
}

/// What all credentials of a record have in common.
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
            refresh_token_life: None,
            refresh_in: None,
        })
    }
}

fn text(text: &str) -> Text<'_> {
    Text(text.into())
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Store, "the stored credentials cannot be read, and are left as they are; clear() removes them")
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
        let content = Content::of_login(credentials, received(), None);
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
        let content = Content::from_record(&record, &key, &application).unwrap();
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
            let content = Content::from_record(&record, &key, &application).unwrap();
            assert_eq!(content.login.term.is_fresh(Duration::from_secs(60), received()), serves, "{end}");
            assert!(!content.login.term.is_fresh(Duration::MAX, received()), "{end}");
            assert!(content.login.credentials.expires_at().is_some_and(|end| (1..=9999).contains(&end.year())));
        }
        for moment in ["1000000000000000000", "9223372036854775807"] {
            let (record, key, application) = record(|json| json.replace("1800000000000", moment));
            let content = Content::from_record(&record, &key, &application).unwrap();
            assert!(!content.login.term.is_fresh(Duration::ZERO, received()), "it came from the future");
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
            let error = Content::from_record(&record, &key, &application).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store, "row {row}");
            assert!(error.to_string().contains("clear()"), "{error}");
        }
    }
}
