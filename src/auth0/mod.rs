#![doc = include_str!("../docs/auth0.md")]

mod authenticator;
mod database;
mod mfa;
mod passwordless;
mod refusals;
mod request;

pub use authenticator::{Authenticator, Challenge, Enrolment, Factor};
pub use database::{NewUser, SignedUp};
pub use mfa::Mfa;
pub use passwordless::Recipient;

use std::fmt;
use std::sync::Arc;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::form::Form;
use crate::provider::{Demands, Flow, Metadata, Organization};
use crate::requested_api::RequestedApi;
use crate::token::{self, Asked, TokenResponse, scopes};

/// Auth0's own calls for an application, and what the logins among them ask for.
///
/// Grants and connections have to be switched on for the application at Auth0: *Password* and *MFA* among its grant types,
/// *Passwordless OTP*, and the connection itself. At another provider every call fails with `Discovery`, and nothing is sent; a custom
/// domain is told by its metadata. Cheap to clone.
///
/// # Defaults
/// The scope `openid profile email`, no audience, and the connection `Username-Password-Authentication`, with which tenants begin.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use hallpass::testing::{TestProvider, TestUser};
/// # let provider = TestProvider::builder().user(TestUser::new("jane@example.com").otp()).start().await;
/// # let (domain, client_id) = (provider.issuer(), provider.client_id());
/// # let ask_person = || provider.otp("jane@example.com").unwrap();
/// use hallpass::{Application, Secret};
///
/// let auth0 = Application::new(domain, client_id).auth0().audience("https://api.acme.com").scope("openid read:messages");
/// let credentials = match auth0.log_in("jane@example.com", &Secret::new("correct horse")).await {
///     Err(error) if error.is_multifactor_required() => {
///         let code = ask_person();
///         auth0.mfa(&error)?.verify_otp(&Secret::new(code)).await? // a wrong one may be tried again
///     }
///     login => login?,
/// };
/// assert!(credentials.has_scope("read:messages"));
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct Auth0 {
    application: Application,
    scope: Arc<str>,
    audience: Option<Arc<str>>,
    connection: Arc<str>,
    demands: Demands,
}

impl Application {
    /// Auth0's own calls.
    #[must_use]
    pub fn auth0(&self) -> Auth0 {
        Auth0 {
            application: self.clone(),
            scope: Arc::from("openid profile email"),
            audience: None,
            connection: Arc::from("Username-Password-Authentication"),
            demands: Demands::default(),
        }
    }
}

impl Auth0 {
    /// The scope of a login, separated by spaces, in place of `openid profile email`. `offline_access` gives a refresh token.
    #[must_use]
    pub fn scope(mut self, scope: impl AsRef<str>) -> Self {
        self.scope = scopes(scope.as_ref());
        self
    }

    /// The identifier of the API that a login's access token is for. Without one it is opaque, and APIs answer 401.
    #[must_use]
    pub fn audience(mut self, identifier: impl AsRef<str>) -> Self {
        self.audience = Some(identifier.as_ref().into());
        self
    }

    /// The database connection that people sign up to and log in with.
    #[must_use]
    pub fn connection(mut self, name: impl AsRef<str>) -> Self {
        self.connection = name.as_ref().into();
        self
    }

    /// The organization that the person belongs to: its id (`org_…`) or its name. The ID token of a login has to
    /// name it too: leave `openid` in the scope for that.
    #[must_use]
    pub fn organization(mut self, id_or_name: impl AsRef<str>) -> Self {
        self.demands.organization = Some(Arc::new(Organization::parse(id_or_name.as_ref())));
        self
    }

    /// Metadata of a provider that has these calls.
    async fn metadata(&self) -> Result<Arc<Metadata>> {
        let metadata = self.application.provider().metadata().await?;
        if metadata.speaks_auth0 {
            return Ok(metadata);
        }
        Err(Error::new(
            ErrorKind::Discovery,
            "this call is Auth0's own, and the provider's metadata is not Auth0's; use the tenant's own domain or its custom one",
        ))
    }

    /// A grant of one of Auth0's kinds, with what a login asks for.
    fn login_form(&self, grant_type: &str) -> Form {
        let mut form = Form::new(grant_type);
        if !self.scope.is_empty() {
            form.push("scope", &self.scope);
        }
        if let Some(audience) = &self.audience {
            form.push("audience", audience);
        }
        if let Some(organization) = &self.demands.organization {
            form.push("organization", organization.as_str());
        }
        form
    }

    async fn log_in_by(&self, form: Form) -> Result<Credentials> {
        let metadata = self.metadata().await?;
        let response = token::request(&self.application, &metadata, form, &[]).await?;
        self.accept(&metadata, response).await
    }

    async fn accept(&self, metadata: &Metadata, response: TokenResponse) -> Result<Credentials> {
        let flow = Flow::Login { nonce: None, code: None, demands: &self.demands };
        let api = self.audience.clone().map(RequestedApi::Audience);
        let asked = Asked { scope: &self.scope, api: api.as_ref(), flow, hidden: &[] };
        token::accept(&self.application, metadata, response, asked).await
    }
}

impl fmt::Debug for Auth0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth0")
            .field("application", &self.application)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
