use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::application::Application;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::json::{self, MemberNames, Text};
use crate::provider::{Metadata, NumericDate, Purpose};

/// A verified logout token: the provider's word that a person has logged out there (OpenID Connect Back-Channel Logout 1.0).
/// [`Application::verify_logout_token`] makes it.
#[derive(Clone)]
pub struct LogoutToken {
    subject: Option<Box<str>>,
    session_id: Option<Box<str>>,
    id: Box<str>,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Checked<'a> {
    #[serde(borrow)]
    jti: Text<'a>,
    #[serde(default)]
    exp: Option<NumericDate>,
    iat: NumericDate,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
    #[serde(borrow, default)]
    sid: Option<Text<'a>>,
    #[serde(borrow)]
    events: Events<'a>,
}

#[derive(Deserialize)]
struct Events<'a> {
    #[serde(borrow, default, rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Object {}

impl Application {
    /// Verifies the field `logout_token` of a form that a provider posts to the back-channel logout URI of a web application: it
    /// names the person or the session to log out here (OpenID Connect Back-Channel Logout 1.0, section 2.6). Any program can post
    /// there; only a verified token is from the provider. Answer 200 then, and 400 for an error.
    ///
    /// A token is valid until [`expires_at`](LogoutToken::expires_at). Until then a program that has seen it can post it again: it
    /// also ends newer sessions, unless the program remembers its [`id`](LogoutToken::id).
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// use hallpass::Application;
    /// # use hallpass::testing::{TestBrowser, TestProvider};
    /// # let provider = TestProvider::start().await;
    /// # let login = Application::new(provider.issuer(), provider.client_id()).web_auth().ephemeral_port();
    /// # let credentials = login.browser(TestBrowser::new()).start().await?;
    /// # let posted = provider.logout_token(credentials.user().unwrap(), |_| {});
    ///
    /// let application = Application::new(provider.issuer(), provider.client_id());
    /// let logout = application.verify_logout_token(&posted).await?;
    /// // Every session of that person here, or the one with this sid in its ID token.
    /// assert_eq!(logout.subject(), Some(credentials.user().unwrap().subject()));
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    ///
    /// # Errors
    /// `IdToken` when it is not this provider's token for this application, or no good any more; `Configuration`, `Discovery`,
    /// `Network`, `TimedOut` when the provider's keys cannot be had.
    pub async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken> {
        let metadata = self.provider().metadata().await?;
        LogoutToken::verified(token, self, &metadata).await
    }
}

impl LogoutToken {
    pub(crate) async fn verified(token: &str, application: &Application, metadata: &Metadata) -> Result<Self> {
        let parties = application.parties(metadata, Purpose::LogoutToken);
        let jws = application.provider().verify(token, &parties, &["iat"]).await?;
        let refused = |why| Purpose::LogoutToken.refused(why);
        let claims: Checked<'_> = parties.claims(&jws.payload, "iss, aud, iat, exp, jti, events and perhaps sub and sid")?;
        let expires_at = match claims.exp {
            Some(exp) => exp.timestamp(),
            None if parties.tolerances.endless_logout_token => claims.iat.timestamp().plus(LIFE_WITHOUT_EXP),
            None => {
                return Err(refused("exp is missing; correct that at the provider, or use danger_accept_endless_logout_token()"));
            }
        };
        if expires_at <= parties.now.minus(parties.leeway) {
            return Err(refused("it was issued more than two minutes ago and has no exp; answer 400, and end no session"));
        }
        // "Verify that the Logout Token contains an events Claim whose value is JSON object containing the member name
        // http://schemas.openid.net/event/backchannel-logout", the value of which "MUST be a JSON object".
        if claims.events.logout.is_none_or(|event| json::object::<Object>(event.get().as_bytes()).is_err()) {
            return Err(refused("its events are not that of a logout; answer 400, and end no session"));
        }
        // "Verify that the Logout Token does not contain a nonce Claim": else it may be an ID token.
        if json::object::<MemberNames<'_>>(&jws.payload).is_ok_and(|names| names.hold("nonce")) {
            return Err(refused("it has a nonce, as ID tokens have; answer 400, and end no session"));
        }
        // "Verify that the Logout Token contains a sub Claim, a sid Claim, or both."
        let filled = |text: &Option<Text<'_>>| text.as_deref().is_some_and(|text| !text.is_empty());
        let empty = |text: &Option<Text<'_>>| text.is_some() && !filled(text);
        if claims.jti.is_empty() || empty(&claims.sub) || empty(&claims.sid) || !(filled(&claims.sub) || filled(&claims.sid)) {
            return Err(refused("it names neither a person nor a session, or has no jti; answer 400, and end no session"));
        }
        Ok(Self {
            subject: claims.sub.as_deref().map(Box::from),
            session_id: claims.sid.as_deref().map(Box::from),
            id: Box::from(&*claims.jti),
            expires_at,
        })
    }

    /// `sub`: whose sessions end. Without a [`session_id`](Self::session_id), all of them.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `sid`: which session ends, by the name that ID tokens have it under.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// `jti`: what to know it again by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `exp`: until when it may be posted.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at.to_offset_date_time()
    }
}

impl fmt::Debug for LogoutToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutToken")
            .field("subject", &self.subject)
            .field("session_id", &self.session_id)
            .field("id", &self.id)
            .field("expires_at", &self.expires_at())
            .finish()
    }
}

const LIFE_WITHOUT_EXP: Duration = Duration::from_secs(2 * 60);
