use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::crypto;
use crate::lifetime::{Lifetime, is_recent};
use crate::manager::protocol::{Origin, RefreshState, TokenHash};
use crate::provider::IdToken;
use crate::secret::Secret;

/// The content of a record: the tokens of a login, access tokens for other APIs, and the state of the refresh token.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) login: Granted,
    pub(crate) others: Box<[Other]>,
    pub(crate) logged_in: Timestamp,
    /// None for a refresh token about which there is nothing to say.
    pub(crate) refresh: Option<Box<RefreshState>>,
    /// The record stands beside that of a login for another API.
    pub(crate) is_beside: bool,
}

#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) credentials: Credentials,
    pub(crate) lifetime: Lifetime,
    /// By a renewal, and not by the login.
    pub(crate) is_renewed: bool,
}

#[derive(Clone)]
pub(crate) struct Other {
    pub(crate) wanted: Wanted,
    pub(crate) granted: Granted,
}

/// The API and the scope that an access token is for. The default is those of the login.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) audience: Option<Box<str>>,
    pub(crate) scope: Option<Box<str>>,
}

impl Snapshot {
    pub(crate) fn of_login(credentials: Credentials, generation: u64, now: Timestamp, is_beside: bool) -> Self {
        let login = Granted::by_login(credentials, false);
        Self { generation, login, others: Box::default(), logged_in: now, refresh: None, is_beside }
    }

    /// The same content as another generation.
    pub(crate) fn following(&self, generation: u64) -> Self {
        Self { generation, ..self.clone() }
    }

    /// No token serves past the end of the login.
    pub(crate) fn end_at(&mut self, end: Option<Timestamp>) {
        let others = self.others.iter_mut().map(|other| &mut other.granted);
        for granted in std::iter::once(&mut self.login).chain(others) {
            granted.lifetime = granted.lifetime.within(end);
        }
    }

    /// The same tokens, with another state of the refresh token.
    pub(crate) fn with_state(&self, generation: u64, state: RefreshState) -> Self {
        let refresh = (state != RefreshState::default()).then(|| Box::new(state));
        Self { generation, refresh, ..self.clone() }
    }

    /// The same session with newer tokens for `wanted`.
    pub(crate) fn renewed(&self, generation: u64, wanted: &Wanted, credentials: &Credentials, origin: Origin) -> Self {
        let (now, spent) = (credentials.parts().received, self.refresh_token().map(hash));
        let is_reusable = credentials.refresh_token().map(hash) == spent;
        let state = RefreshState { origin: Some(origin), is_reusable, ..RefreshState::default() };
        let mut newer = self.with_state(generation, state);
        if *wanted == Wanted::default() {
            newer.login = Granted::by_login(credentials.clone(), true);
            return newer;
        }
        // One refresh token serves all, and an ID token is about the person: the login's credentials go on with them.
        let mut parts = newer.login.credentials.parts().clone();
        (parts.refresh_token, parts.id_token) = (credentials.refresh_token().cloned(), credentials.id_token().cloned());
        newer.login = Granted::by_login(Credentials::new(parts), self.login.is_renewed);
        let mut others = newer.others.into_vec();
        others.retain(|other| other.wanted != *wanted && other.granted.lifetime.is_valid_for(Duration::ZERO, now));
        if others.len() >= MAX_OTHERS {
            others.remove(0);
        }
        let granted = Granted::new(credentials.of_other_api(), true, newer.login.credentials.session_end());
        others.push(Other { wanted: wanted.clone(), granted });
        newer.others = others.into_boxed_slice();
        newer
    }

    /// The same tokens, and a newer ID token that was verified after they were stored.
    pub(crate) fn with_id_token(&self, generation: u64, id_token: &IdToken) -> Self {
        let mut parts = self.login.credentials.parts().clone();
        parts.id_token = Some(id_token.clone());
        let login = Granted::by_login(Credentials::new(parts), self.login.is_renewed);
        Self { generation, login, ..self.clone() }
    }

    pub(crate) fn refresh_state(&self) -> RefreshState {
        self.refresh.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn granted(&self, wanted: &Wanted) -> Option<&Granted> {
        if *wanted == Wanted::default() {
            return Some(&self.login);
        }
        self.others.iter().find(|other| other.wanted == *wanted).map(|other| &other.granted)
    }

    /// The credentials for `wanted`, if they are valid for `time` from now.
    pub(crate) fn valid_for(&self, time: Duration, wanted: &Wanted, now: Timestamp) -> Option<&Credentials> {
        let granted = self.granted(wanted)?;
        granted.lifetime.is_valid_for(time, now).then_some(&granted.credentials)
    }

    /// A number that this login's refresh token keeps, for as long as it is not renewed.
    pub(crate) fn login_id(&self) -> u64 {
        match self.refresh_token().map(hash) {
            Some(hash) => u64::from_be_bytes(hash[..8].try_into().expect("half of 16 bytes")),
            None => self.generation,
        }
    }

    /// The end of the refresh token, as far as the provider says.
    pub(crate) fn refresh_until(&self) -> Option<Timestamp> {
        self.login.credentials.parts().refresh_until()
    }

    pub(crate) fn refresh_token(&self) -> Option<&Secret> {
        self.login.credentials.refresh_token()
    }
}

impl Granted {
    pub(crate) fn by_login(credentials: Credentials, is_renewed: bool) -> Self {
        let session_end = credentials.session_end();
        Self::new(credentials, is_renewed, session_end)
    }

    pub(crate) fn new(credentials: Credentials, is_renewed: bool, session_end: Option<Timestamp>) -> Self {
        let parts = credentials.parts();
        let lifetime =
            Lifetime::new(parts.received, parts.access_token.expiry()).within(session_end).renewed_at(parts.refresh_at());
        Self { credentials, lifetime, is_renewed }
    }

    pub(crate) fn was_just_renewed(&self, now: Timestamp) -> bool {
        self.is_renewed && is_recent(self.lifetime.received(), now)
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

pub(crate) fn hash(refresh_token: &Secret) -> TokenHash {
    let mut half = TokenHash::default();
    half.copy_from_slice(&crypto::sha256(refresh_token.expose().as_bytes())[..16]);
    half
}

/// The number of other APIs' tokens that a record holds at most, so that it stays small.
const MAX_OTHERS: usize = 32;
