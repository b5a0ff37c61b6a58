use std::collections::HashSet;
use std::fmt;
use std::future::{Future, ready};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::access_token::{AccessToken, TokenType};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Claims, IdToken, NumericDate};
use crate::requested::Requested;
use crate::secret::Secret;
use crate::token_source::TokenSource;

/// The result of a login: an access token for an API, the person's ID token, and perhaps a refresh token.
///
/// Where they have an ID token, it was verified. Cheap to clone; `Debug` shows no token.
#[derive(Clone)]
pub struct Credentials(Arc<Parts>);

/// The checked parts of credentials.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) requested: Arc<Requested>,
    pub(crate) access_token: AccessToken,
    /// The time of arrival. A clock that shows an earlier time was set back.
    pub(crate) received: Timestamp,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) id_token: Option<IdToken>,
    pub(crate) id_token_refusal: Option<Error>,
    /// As granted; none when the provider said nothing, which means as requested (RFC 6749, section 5.1).
    pub(crate) scope: Option<Box<str>>,
    /// As JSON.
    pub(crate) authorization_details: Option<Box<str>>,
    /// The life of the refresh token, counted from `received`.
    pub(crate) refresh_token_life: Option<WholeSeconds>,
    /// The provider wants the access token renewed this long after `received`.
    pub(crate) refresh_in: Option<WholeSeconds>,
}

/// A duration in 4 bytes, also inside an `Option`: a server holds many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeSeconds(NonZeroU32);

impl WholeSeconds {
    /// None for less than a second; saturates at 136 years.
    pub(crate) fn new(duration: Duration) -> Option<Self> {
        NonZeroU32::new(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)).map(Self)
    }

    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0.get().into())
    }
}

impl Parts {
    /// The end of the refresh token, where the provider said it.
    pub(crate) fn refresh_until(&self) -> Option<Timestamp> {
        self.refresh_token_life.map(|life| self.received.plus(life.duration()))
    }

    /// The time at which the provider wants the access token renewed.
    pub(crate) fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh_in.map(|after| self.received.plus(after.duration()))
    }
}

impl Credentials {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// The key to the API: put it on requests with [`AuthorizedClient`](crate::AuthorizedClient).
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.0.access_token
    }

    /// The way in which the access token is presented.
    #[must_use]
    pub fn token_type(&self) -> TokenType {
        self.0.access_token.token_type()
    }

    /// The end of the access token; none when the provider did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.0.access_token.expires_at()
    }

    /// The end of the login, as far as the provider says it: by the claim `session_expiry`, or by the end of the refresh token. No
    /// renewal goes past it.
    #[must_use]
    pub fn ends_at(&self) -> Option<OffsetDateTime> {
        let session_expiry = self.user().and_then(|user| user.get::<NumericDate>("session_expiry")).map(NumericDate::timestamp);
        let earlier = session_expiry.into_iter().chain(self.0.refresh_until()).min();
        earlier.map(Timestamp::to_offset_date_time)
    }

    /// Gets new credentials without a person. None unless the scope holds `offline_access` and, at Auth0, the API allows it.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.0.refresh_token.as_ref()
    }

    /// The verified ID token; none when `openid` was not asked for.
    #[must_use]
    pub fn id_token(&self) -> Option<&IdToken> {
        self.0.id_token.as_ref()
    }

    /// The reason why the ID token of a renewal was dropped. The new tokens are kept, because the old refresh token is spent. If
    /// the ID token names another person or issuer, start another login.
    #[must_use]
    pub fn id_token_refusal(&self) -> Option<&Error> {
        self.0.id_token_refusal.as_ref()
    }

    /// The claims of the ID token: who has logged in.
    #[must_use]
    pub fn user(&self) -> Option<&Claims> {
        self.id_token().map(IdToken::claims)
    }

    /// The granted scope, separated by spaces: the requested one, unless the provider said otherwise.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.0.scope.as_deref().unwrap_or(&self.0.requested.scope)
    }

    /// Returns whether one scope, such as `read:messages`, was granted.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope().split(' ').any(|own| own == scope)
    }

    /// The scopes that were requested and not granted.
    pub fn missing_scopes(&self) -> impl Iterator<Item = &str> {
        let granted: HashSet<&str> = self.scope().split(' ').collect();
        self.0.requested.scope.split(' ').filter(move |scope| !scope.is_empty() && !granted.contains(scope))
    }

    /// The granted authorization details (RFC 9396, section 7): objects with a `type`, each read into a type of yours or a
    /// `serde_json::Value`. None when the provider sent none, or they do not fit the type. They may be less than requested, and
    /// people may have changed them.
    #[must_use]
    pub fn authorization_details<T: DeserializeOwned>(&self) -> Option<Vec<T>> {
        serde_json::from_str(self.0.authorization_details.as_deref()?).ok()
    }

    /// The issuer that gave them, as it names itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.requested.issuer
    }

    /// The client id they were given to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.requested.client_id
    }
}

impl Error {
    /// The credentials that were obtained, when only storing them failed: keep them, or the login is lost with the process.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.attachment()
    }

    /// A store's error, with what it could not store.
    pub(crate) fn rescuing(self, credentials: &Credentials) -> Self {
        let message = "the credentials could not be stored; this error holds them, and this process keeps them and tries again";
        Self::new(ErrorKind::Store, message).with_source(self).with_attachment(credentials.clone())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("issuer", &self.issuer())
            .field("client_id", &self.client_id())
            .field("access_token", &self.0.access_token)
            .field("refresh_token", &self.0.refresh_token)
            .field("id_token", &self.0.id_token)
            .field("scope", &self.scope())
            .finish_non_exhaustive()
    }
}

/// The access token, also after its end, when APIs refuse it: credentials by themselves renew nothing.
impl TokenSource for Credentials {
    fn cached(&self) -> Option<AccessToken> {
        Some(self.0.access_token.clone())
    }

    fn token(&self, _rejected: Option<&AccessToken>) -> impl Future<Output = Result<AccessToken>> + Send {
        ready(Ok(self.0.access_token.clone()))
    }
}
