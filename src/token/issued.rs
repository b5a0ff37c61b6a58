use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::provider::{Claims, IdToken, Metadata};
use crate::secret::Secret;
use crate::token::exchange::TokenExchange;
use crate::token::response::{Body, TokenResponse, present};
use crate::token::{Asked, accept, credentials, verify_id_token};
use crate::transport::Reply;

/// The result of an exchange (RFC 8693, section 2.2.1): an access token, or a token of another type, which is not for APIs.
#[derive(Clone)]
pub struct IssuedToken {
    kind: Option<Box<str>>,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Access(Credentials),
    Other(Arc<Other>),
}

struct Other {
    token: Secret,
    expires_at: Option<Timestamp>,
    refresh_token: Option<Secret>,
    id_token: Option<IdToken>,
    scope: Option<Box<str>>,
}

impl IssuedToken {
    /// An exchange's answer, when its ID token is good or there is none.
    pub(crate) async fn accept(application: &Application, metadata: &Metadata, reply: &Reply, asked: Asked<'_>) -> Result<Self> {
        let body = Body::read(reply)?;
        let content = if is_access_token(&body) {
            let response = TokenResponse::read(reply, application, application.time().now())?;
            Content::Access(accept(application, metadata, response, asked).await?)
        } else {
            let other = Other::read(application, &body)?;
            let id_token = match present(&body.id_token) {
                Some(text) => Some(verify_id_token(application, metadata, &text.into(), other.token.expose(), asked.flow).await?),
                None => None,
            };
            Content::Other(Arc::new(Other { id_token, ..other }))
        };
        Ok(Self { kind: present(&body.issued_token_type).map(Box::from), content })
    }

    /// The answer to a refresh token, which may be spent now: what came in its place is kept whatever else is wrong.
    pub(super) async fn accept_in_place_of_refresh(
        application: &Application,
        metadata: &Metadata,
        reply: &Reply,
        asked: Asked<'_>,
    ) -> Result<Self> {
        let body = Body::read(reply)?;
        let kind = present(&body.issued_token_type);
        if is_access_token(&body) {
            let response = TokenResponse::read(reply, application, application.time().now())?;
            let instead = credentials(application, metadata, response, None, asked.scope, None);
            let message = "the provider gave an access token in place of the token that was asked for, as it does when the application \
                           may not have one; this error holds the credentials that came, with the refresh token that is good now";
            return Err(Error::invalid_response(message).with_attachment(instead));
        }
        let other = Other::read(application, &body)?;
        let id_token = match present(&body.id_token) {
            Some(text) => verify_id_token(application, metadata, &text.into(), other.token.expose(), asked.flow).await.ok(),
            None => None,
        };
        Ok(Self { kind: kind.map(Box::from), content: Content::Other(Arc::new(Other { id_token, ..other })) })
    }

    /// The type of the token: one of the constants of [`TokenExchange`], or the provider's own. None when the provider did not say.
    #[must_use]
    pub fn issued_token_type(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The token, of whatever kind.
    #[must_use]
    pub fn token(&self) -> Secret {
        match &self.content {
            Content::Access(credentials) => Secret::new(credentials.access_token().expose()),
            Content::Other(other) => other.token.clone(),
        }
    }

    /// The key to an API; none when the token is of another kind.
    #[must_use]
    pub fn access_token(&self) -> Option<&AccessToken> {
        self.credentials().map(Credentials::access_token)
    }

    /// All that came, where it is an access token: for an [`AuthorizedClient`](crate::AuthorizedClient), or to be kept.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        match &self.content {
            Content::Access(credentials) => Some(credentials),
            Content::Other(_) => None,
        }
    }

    /// The end of the token; none when the provider did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        match &self.content {
            Content::Access(credentials) => credentials.expires_at(),
            Content::Other(other) => other.expires_at.map(Timestamp::to_offset_date_time),
        }
    }

    /// The granted scope, separated by spaces; none for a token of another type whose scope the provider did not say.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        match &self.content {
            Content::Access(credentials) => Some(credentials.scope()),
            Content::Other(other) => other.scope.as_deref(),
        }
    }

    /// A refresh token that came along.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&Secret> {
        match &self.content {
            Content::Access(credentials) => credentials.refresh_token(),
            Content::Other(other) => other.refresh_token.as_ref(),
        }
    }

    /// The claims of a verified ID token that came along: whom it is about.
    #[must_use]
    pub fn user(&self) -> Option<&Claims> {
        match &self.content {
            Content::Access(credentials) => credentials.user(),
            Content::Other(other) => other.id_token.as_ref().map(IdToken::claims),
        }
    }
}

impl Other {
    fn read(application: &Application, body: &Body<'_>) -> Result<Self> {
        let refused = || {
            Error::invalid_response(
                "the provider's answer to the exchange is refused: it has no access_token; only the provider can correct that",
            )
        };
        Ok(Self {
            token: present(&body.access_token).map(Secret::from).ok_or_else(refused)?,
            expires_at: body.life.map(|life| application.time().now().plus(life)),
            refresh_token: present(&body.refresh_token).map(Secret::from),
            id_token: None,
            scope: body.scope.as_deref().map(Box::from),
        })
    }
}

/// RFC 8693, section 2.2.1: "If the issued token is not an access token or usable as an access token, then the token_type value
/// "N_A" is used". A token that says of itself that it is for something else is presented to no API, whatever its token_type is.
fn is_access_token(body: &Body<'_>) -> bool {
    let is_applicable = body.token_type.as_deref().is_none_or(|name| !name.eq_ignore_ascii_case("N_A"));
    is_applicable
        && present(&body.issued_token_type).is_none_or(|kind| !NOT_FOR_APIS.iter().any(|other| kind.eq_ignore_ascii_case(other)))
}

/// Without the tokens.
impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("issued_token_type", &self.kind)
            .field("expires_at", &self.expires_at())
            .field("scope", &self.scope())
            .field("credentials", &self.credentials())
            .finish_non_exhaustive()
    }
}

const NOT_FOR_APIS: [&str; 5] = [
    TokenExchange::REFRESH_TOKEN,
    TokenExchange::ID_TOKEN,
    TokenExchange::SAML2,
    "urn:ietf:params:oauth:token-type:saml1",
    TokenExchange::SESSION_TRANSFER_TOKEN,
];
