use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::manager::spent::AnswerLost;
use crate::manager::term::Term;
use crate::provider::IdToken;
use crate::secret::Secret;
use crate::store::next_generation;

/// What a record holds: what a login gave, and access tokens for other APIs that its refresh token has bought since.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) generation: u64,
    pub(crate) login: Granted,
    pub(crate) others: Box<[Other]>,
    /// The refresh token was sent, and nobody knows what came of it.
    pub(crate) answer_lost: Option<AnswerLost>,
}

#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) credentials: Credentials,
    /// By a renewal, and not by the login.
    pub(crate) is_renewed: bool,
    pub(crate) term: Term,
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

impl Content {
    /// What a login gave, as the successor of whatever was there before.
    pub(crate) fn of_login(credentials: Credentials, now: Timestamp, after: Option<u64>) -> Self {
        let login = Granted::by_login(credentials, false);
        Self { generation: next_generation(now, after), login, others: Box::default(), answer_lost: None }
    }

    /// The same login, as the successor of what there is meanwhile.
    pub(crate) fn following(&self, after: Option<u64>, now: Timestamp) -> Self {
        Self { generation: next_generation(now, after), ..self.clone() }
    }

    /// The same session with newer tokens for `wanted`.
    pub(crate) fn renewed(&self, wanted: &Wanted, credentials: Credentials, now: Timestamp) -> Self {
        let mut newer = Self { generation: next_generation(now, Some(self.generation)), answer_lost: None, ..self.clone() };
        if *wanted == Wanted::default() {
            newer.login = Granted::by_login(credentials, true);
            return newer;
        }
        // One refresh token serves all, and an ID token is about the person: the login's credentials go on with them.
        let mut parts = newer.login.credentials.parts().clone();
        (parts.refresh_token, parts.id_token) = (credentials.refresh_token().cloned(), credentials.id_token().cloned());
        newer.login = Granted::by_login(Credentials::new(parts), self.login.is_renewed);
        let mut others = newer.others.into_vec();
        others.retain(|other| other.wanted != *wanted && other.granted.term.is_valid_for(Duration::ZERO, now));
        if others.len() >= MOST_OTHERS {
            others.remove(0);
        }
        let granted = Granted::new(credentials.of_other_api(), true, newer.login.credentials.session_end());
        others.push(Other { wanted: wanted.clone(), granted });
        newer.others = others.into_boxed_slice();
        newer
    }

    /// The same tokens, and a newer ID token that was verified after they were stored.
    pub(crate) fn with_id_token(&self, id_token: &IdToken, now: Timestamp) -> Self {
        let mut newer = Self { generation: next_generation(now, Some(self.generation)), ..self.clone() };
        let mut parts = newer.login.credentials.parts().clone();
        parts.id_token = Some(id_token.clone());
        newer.login = Granted::by_login(Credentials::new(parts), self.login.is_renewed);
        newer
    }

    /// The same tokens, with word for others that the refresh token may be spent.
    pub(crate) fn with_answer_lost(&self, lost: AnswerLost, now: Timestamp) -> Self {
        Self { generation: next_generation(now, Some(self.generation)), answer_lost: Some(lost), ..self.clone() }
    }

    /// What there is for `wanted`.
    pub(crate) fn granted(&self, wanted: &Wanted) -> Option<&Granted> {
        if *wanted == Wanted::default() {
            return Some(&self.login);
        }
        self.others.iter().find(|other| other.wanted == *wanted).map(|other| &other.granted)
    }

    /// What there is for `wanted`, if it is handed out without another thought.
    pub(crate) fn fresh(&self, wanted: &Wanted, min_ttl: Duration, now: Timestamp) -> Option<&Credentials> {
        let granted = self.granted(wanted)?;
        granted.term.is_fresh(min_ttl, now).then_some(&granted.credentials)
    }

    /// What there is for `wanted`, if it lasts that long still.
    pub(crate) fn valid_for(&self, time: Duration, wanted: &Wanted, now: Timestamp) -> Option<&Credentials> {
        let granted = self.granted(wanted)?;
        granted.term.is_valid_for(time, now).then_some(&granted.credentials)
    }

    pub(crate) fn refresh_token(&self) -> Option<&Secret> {
        self.login.credentials.refresh_token()
    }

    pub(crate) fn session_end(&self) -> Option<Timestamp> {
        self.login.credentials.session_end()
    }
}

impl Granted {
    pub(crate) fn by_login(credentials: Credentials, is_renewed: bool) -> Self {
        let session_end = credentials.session_end();
        Self::new(credentials, is_renewed, session_end)
    }

    pub(crate) fn new(credentials: Credentials, is_renewed: bool, session_end: Option<Timestamp>) -> Self {
        let term = Term::new(credentials.parts().received, credentials.access_token().expiry(), session_end);
        Self { credentials, is_renewed, term }
    }

    pub(crate) fn received(&self) -> Timestamp {
        self.credentials.parts().received
    }

    /// Renewed moments ago: a refusal of it is the API's last word. A time in the future says that the clock was set back,
    /// and counts as long ago.
    pub(crate) fn was_just_renewed(&self, now: Timestamp) -> bool {
        self.is_renewed && self.received() <= now && now.since(self.received()) < JUST_NOW
    }
}

impl Credentials {
    /// Auth0's `session_expiry` claim, in seconds since 1970: nothing is used or renewed beyond it.
    pub(crate) fn session_end(&self) -> Option<Timestamp> {
        let seconds = self.user()?.get::<f64>("session_expiry")?;
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
        Some(Timestamp::from_unix_seconds(seconds as i64))
    }

    /// The refresh token and the ID token are the login's own.
    fn of_other_api(&self) -> Self {
        let mut parts = self.parts().clone();
        (parts.refresh_token, parts.id_token, parts.id_token_refusal) = (None, None, None);
        Self::new(parts)
    }
}

const JUST_NOW: Duration = Duration::from_secs(30);
/// Of other APIs' tokens that are held at once, so that a record stays small.
const MOST_OTHERS: usize = 32;
