use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::application::Application;
use crate::clock::Timestamp;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::json::{self, Text};
use crate::provider::Claims;
use crate::secret::Secret;
use crate::transport::Reply;

/// The provider's description of a token (RFC 7662, section 2.2). Of an inactive token it says nothing else.
#[derive(Debug, Clone)]
pub struct Introspection(Option<Claims>);

#[derive(Deserialize)]
struct Body<'a> {
    active: bool,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Application {
    /// Asks the provider about a token that an API was shown, such as an opaque one (RFC 7662). Most providers answer only
    /// applications that authenticate; Auth0 has no such endpoint.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// use hallpass::testing::TestProvider;
    /// use hallpass::{Application, ClientAuth};
    ///
    /// let provider = TestProvider::start().await;
    /// let presented = provider.access_token("https://api.acme.com", "read:messages");
    /// let api = Application::new(provider.issuer(), provider.confidential_client_id())
    ///     .client_auth(ClientAuth::client_secret_basic(provider.client_secret()));
    /// let token = api.introspect(&presented.into()).await?;
    /// let is_for_us = token.audience().iter().any(|api| api == "https://api.acme.com");
    /// assert!(token.is_active() && is_for_us && token.has_scope("read:messages"));
    /// assert!(!api.introspect(&"invented".into()).await?.is_active());
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    ///
    /// # Errors
    /// `Discovery` when the provider offers no introspection; `Server` (as when it does not believe this application),
    /// `InvalidResponse`, `Network`, `TimedOut`.
    pub async fn introspect(&self, token: &Secret) -> Result<Introspection> {
        let metadata = self.provider().metadata().await?;
        let url = metadata.introspection_endpoint.url()?;
        let form = Form::default().with("token", token.expose());
        Introspection::read(&endpoint::post(self, "the introspection", url, form).await?)
    }
}

impl Introspection {
    pub(crate) fn read(reply: &Reply) -> Result<Self> {
        let body: Body<'_> = reply.json()?;
        if !body.active {
            return Ok(Self(None));
        }
        // Who reads on decides by it whom to let in: with a member that stands twice, each reader sees its own.
        json::refuse_duplicates(reply.body()).map_err(|error| {
            Error::invalid_response(
                "the introspection was answered with an object in which a member stands twice; only the provider can correct that",
            )
            .with_source(error)
        })?;
        let subject = body.sub.map(|sub| Box::from(&*sub)).unwrap_or_default();
        Ok(Self(Some(Claims::new(reply.body().to_vec(), subject))))
    }

    /// Returns whether the token is active: issued by this provider, not expired, not revoked. Compare its
    /// [`audience`](Self::audience): a token for another API is active, too.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// `sub`: who granted it; for a token that a service has for itself, that service.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.as_ref().map(Claims::subject).filter(|subject| !subject.is_empty())
    }

    /// `client_id`: to which application it was given.
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        self.get("client_id")
    }

    /// `username`: the person's name, for other people.
    #[must_use]
    pub fn username(&self) -> Option<String> {
        self.get("username")
    }

    /// `scope`, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<String> {
        self.get("scope")
    }

    /// Returns whether the token is active and one scope, such as `read:messages`, was granted.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope().is_some_and(|own| own.split(' ').any(|own| own == scope))
    }

    /// `aud`: for which APIs it is.
    #[must_use]
    pub fn audience(&self) -> Vec<String> {
        match self.get("aud") {
            None => Vec::new(),
            Some(OneOrMany::One(one)) => vec![one],
            Some(OneOrMany::Many(many)) => many,
        }
    }

    /// `iss`: who issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<String> {
        self.get("iss")
    }

    /// `token_type`, such as `Bearer` or `DPoP`.
    #[must_use]
    pub fn token_type(&self) -> Option<String> {
        self.get("token_type")
    }

    /// `exp`: when it ends.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.time("exp")
    }

    /// `iat`: when it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.time("iat")
    }

    /// Any other member by its name, such as `cnf`; none when it is absent, null or of another shape.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.as_ref()?.get(name)
    }

    fn time(&self, name: &str) -> Option<OffsetDateTime> {
        let seconds: f64 = self.get(name)?;
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and a fraction does not matter")]
        Some(Timestamp::from_unix_seconds(seconds as i64).to_offset_date_time())
    }
}
