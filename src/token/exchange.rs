use url::Url;

use crate::application::Application;
use crate::error::Result;
use crate::form::Form;
use crate::provider::Flow;
use crate::secret::Secret;
use crate::token::advice::advised;
use crate::token::grant::Grant;
use crate::token::issued::IssuedToken;
use crate::token::renewal::renewal_failure;
use crate::token::{Asked, post};

/// One token for another (RFC 8693): as when an API calls the next one on behalf of the person who called it.
///
/// # Defaults
/// No scope and no audience, and whatever type of token the provider gives then.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// use hallpass::testing::TestProvider;
/// use hallpass::token::TokenExchange;
/// use hallpass::{Application, ClientAuth};
///
/// let provider = TestProvider::start().await;
/// let presented = provider.access_token("https://api.acme.com", "read:messages"); // by Jane, to this API
/// let api = Application::new(provider.issuer(), provider.confidential_client_id())
///     .client_auth(ClientAuth::client_secret_post(provider.client_secret()));
/// let exchange = api.exchange(presented, TokenExchange::ACCESS_TOKEN).audience("https://archive.acme.com").scope("read:archive");
/// let issued = exchange.send().await?;
/// assert_eq!(issued.issued_token_type(), Some(TokenExchange::ACCESS_TOKEN));
/// let for_the_archive = issued.access_token().expect("it is an access token");
/// # assert!(for_the_archive.expires_at().is_some());
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct TokenExchange(Grant);

impl Application {
    /// A token for another one. Its type is a URI: one of the constants of [`TokenExchange`], or the provider's own, as
    /// `urn:acme:legacy-session` in Auth0's custom token exchange.
    #[must_use]
    pub fn exchange(&self, subject_token: impl Into<Secret>, subject_token_type: impl Into<String>) -> TokenExchange {
        TokenExchange(self.grant_without_login(TOKEN_EXCHANGE)).subject(subject_token, subject_token_type)
    }

    /// The token of another service that a person has connected at Auth0 (*Token Vault*), such as Google's under the connection
    /// `google-oauth2`: for the person's refresh or access token. Where several accounts are connected,
    /// `.parameter("login_hint", …)` says which.
    #[must_use]
    pub fn exchange_for_connection(
        &self,
        subject_token: impl Into<Secret>,
        subject_token_type: impl Into<String>,
        connection: impl Into<String>,
    ) -> TokenExchange {
        // What comes is another service's token, which knows nothing of this application's key.
        TokenExchange(self.without_dpop().grant_without_login(FEDERATED))
            .subject(subject_token, subject_token_type)
            .requested_token_type(TokenExchange::CONNECTION_ACCESS_TOKEN)
            .parameter("connection", connection.into())
    }

    /// A token by which a web application of the same Auth0 tenant finds the person logged in, good once and for a minute
    /// (*Native to Web SSO*). The web application gets it as the parameter `session_transfer_token` and hands it to `/authorize`.
    /// Where refresh tokens rotate, a new one comes along: keep it, since the old one is spent.
    ///
    /// # Errors
    /// As [`renew`](Self::renew); `Server` also when the application may not have such tokens.
    ///
    /// # Cancel safety
    /// As [`renew`](Self::renew).
    pub async fn session_transfer_token(&self, refresh_token: &Secret) -> Result<IssuedToken> {
        let metadata = self.provider().metadata().await?;
        let host = Url::parse(&metadata.issuer).ok().and_then(|issuer| issuer.host_str().map(str::to_owned)).unwrap_or_default();
        let form = Form::new("refresh_token")
            .with("refresh_token", refresh_token.expose())
            .with("audience", &format!("urn:{host}:session_transfer"));
        let reply = post(self, &metadata, form, &[]).await.map_err(renewal_failure)?;
        let asked = Asked { scope: &"".into(), api: None, flow: Flow::Refresh { previous: None }, hidden: &[] };
        IssuedToken::accept_in_place_of_refresh(self, &metadata, &reply, asked).await
    }
}

impl TokenExchange {
    /// An access token.
    pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
    /// A refresh token.
    pub const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
    /// An ID token.
    pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
    /// A JWT of no particular kind.
    pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
    /// A base64url-encoded SAML 2.0 assertion.
    pub const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";
    /// Auth0's: the access token of another service that a person has connected.
    pub const CONNECTION_ACCESS_TOKEN: &str = "http://auth0.com/oauth/token-type/federated-connection-access-token";
    /// Auth0's: what takes a person's session to a web application.
    pub const SESSION_TRANSFER_TOKEN: &str = "urn:auth0:params:oauth:token-type:session_transfer_token";

    fn subject(self, token: impl Into<Secret>, token_type: impl Into<String>) -> Self {
        Self(self.0.put("subject_token", token).put("subject_token_type", token_type.into()))
    }

    /// The party that acts on the subject's behalf, if the token is to name it.
    #[must_use]
    pub fn actor(self, token: impl Into<Secret>, token_type: impl Into<String>) -> Self {
        Self(self.0.put("actor_token", token).put("actor_token_type", token_type.into()))
    }

    /// The name, at the provider, of the API that the token is for. Given again, it names one more.
    #[must_use]
    pub fn audience(self, identifier: impl Into<String>) -> Self {
        Self(self.0.audience(identifier))
    }

    /// The absolute URL of the API that the token is for. Given again, it names one more.
    #[must_use]
    pub fn resource(self, url: impl Into<String>) -> Self {
        Self(self.0.parameter("resource", url.into()))
    }

    /// The scope of the token, separated by spaces.
    #[must_use]
    pub fn scope(self, scope: impl AsRef<str>) -> Self {
        Self(self.0.scope(scope))
    }

    /// The type of token that is wanted.
    #[must_use]
    pub fn requested_token_type(self, token_type: impl Into<String>) -> Self {
        Self(self.0.put("requested_token_type", token_type.into()))
    }

    /// The organization that the token is for, at Auth0: its id (`org_…`) or its name. An ID token has to name it too.
    #[must_use]
    pub fn organization(self, id_or_name: impl AsRef<str>) -> Self {
        Self(self.0.organization(id_or_name))
    }

    /// Any other parameter. Given again, its value is replaced; `resource` may be several.
    #[must_use]
    pub fn parameter(self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        Self(self.0.put_any(name, value, &OURS))
    }

    /// Asks the provider, once.
    ///
    /// # Errors
    /// `Server`, with the provider's words and what they mean for an exchange; `IdToken`; `InvalidResponse`, `Discovery`, `Network`,
    /// `TimedOut`, `Configuration`.
    ///
    /// # Cancel safety
    /// Dropping the future may lose what the provider has given, and what was handed in may be good only once.
    pub async fn send(&self) -> Result<IssuedToken> {
        let application = self.0.application();
        let metadata = application.provider().metadata().await?;
        let reply = post(application, &metadata, self.0.form()?, &[]).await.map_err(|error| advised(error, "the subject token"))?;
        let api = self.0.api_asked();
        IssuedToken::accept(application, &metadata, &reply, self.0.asked(api.as_ref())).await
    }
}

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const FEDERATED: &str = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const OURS: [&str; 5] = ["subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type"];
