use std::sync::Arc;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::error::Result;
use crate::form::Form;
use crate::provider::{Demands, Flow, Organization};
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::token::advice::advised;
use crate::token::parameters::{Parameters, scopes};
use crate::token::{Asked, accept, request};

/// A request to the token endpoint, for grants without a method in this crate.
///
/// # Defaults
/// No scope and no audience: what the provider gives then.
#[derive(Debug, Clone)]
pub struct Grant {
    application: Application,
    grant_type: String,
    scope: Arc<str>,
    demands: Demands,
    parameters: Parameters,
    /// The grant's specification knows no ID token.
    is_without_login: bool,
}

impl Application {
    /// Any grant of the provider's, by its name (RFC 6749, section 4.5). What comes back is checked as after a login: an ID token is
    /// verified, and has to be there when the scope holds `openid`.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// # use hallpass::testing::{Endpoint, Fault, TestProvider};
    /// # let provider = TestProvider::start().await;
    /// # let (domain, client_id) = (provider.issuer(), provider.client_id());
    /// # provider.next(Endpoint::Token, Fault::json(200, std::collections::BTreeMap::from([("access_token", "a"), ("token_type", "Bearer")])));
    /// let credentials = hallpass::Application::new(domain, client_id)
    ///     .grant("urn:acme:params:oauth:grant-type:badge")
    ///     .parameter("badge", "…")
    ///     .audience("https://api.acme.com")
    ///     .send()
    ///     .await?;
    /// assert!(credentials.refresh_token().is_none());
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn grant(&self, grant_type: impl Into<String>) -> Grant {
        Grant {
            application: self.clone(),
            grant_type: grant_type.into(),
            scope: Arc::from(""),
            demands: Demands::default(),
            parameters: Parameters::default(),
            is_without_login: false,
        }
    }

    /// A token for an assertion: a JWT of an issuer that the provider trusts, which names the subject of the token (RFC 7523,
    /// section 2.1). The holder of the key signs one by [`PrivateKey::sign_jwt`](crate::client_auth::PrivateKey::sign_jwt). An ID
    /// token in the answer is verified; there need not be one.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// use std::time::{SystemTime, UNIX_EPOCH};
    /// use hallpass::Application;
    /// use hallpass::client_auth::PrivateKey;
    /// use hallpass::testing::{TestClient, TestProvider};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Assertion<'a> {
    ///     iss: &'a str,
    ///     sub: &'a str,
    ///     aud: &'a str,
    ///     exp: u64,
    ///     jti: &'a str, // new each time
    /// }
    ///
    /// let key = PrivateKey::generate("ES256")?;
    /// let provider = TestProvider::builder().client(TestClient::signing("personnel", key.public_jwk())).start().await;
    /// let exp = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs() + 60;
    /// let claims = Assertion { iss: "personnel", sub: "jane@example.com", aud: provider.issuer(), exp, jti: "1" };
    /// let application = Application::new(provider.issuer(), provider.client_id());
    /// let credentials = application.jwt_bearer(key.sign_jwt(&claims)?).scope("read:messages").send().await?;
    /// assert!(credentials.has_scope("read:messages"));
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn jwt_bearer(&self, assertion: impl Into<Secret>) -> Grant {
        self.grant_without_login("urn:ietf:params:oauth:grant-type:jwt-bearer").parameter("assertion", assertion)
    }
}

impl Application {
    pub(super) fn grant_without_login(&self, grant_type: &str) -> Grant {
        Grant { is_without_login: true, ..self.grant(grant_type) }
    }
}

impl Grant {
    /// The scope, separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: impl AsRef<str>) -> Self {
        self.scope = scopes(scope.as_ref());
        self
    }

    /// The identifier of the API that the access token is for. Given again, it names one more.
    #[must_use]
    pub fn audience(self, identifier: impl Into<String>) -> Self {
        self.add("audience", identifier.into())
    }

    /// The organization that it is about, at Auth0: its id (`org_…`) or its name. An ID token has to name it too.
    #[must_use]
    pub fn organization(mut self, id_or_name: impl AsRef<str>) -> Self {
        let organization = Organization::parse(id_or_name.as_ref());
        self.parameters.put("organization", organization.as_str());
        self.demands.organization = Some(Arc::new(organization));
        self
    }

    /// Any other parameter. Given again, its value is replaced; `resource` may be several.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.parameters.put_any(name, value, &[]);
        self
    }

    /// Asks the provider, once.
    ///
    /// # Errors
    /// `Server`, with the provider's words and what they mean for this grant; `MfaRequired`; `IdToken`; `InvalidResponse`,
    /// `Discovery`, `Network`, `TimedOut`, `Configuration`.
    ///
    /// # Cancel safety
    /// Dropping the future may lose what the provider has given, and what was handed in may be good only once.
    pub async fn send(&self) -> Result<Credentials> {
        let metadata = self.application.provider().metadata().await?;
        let form = self.form()?;
        let answer =
            request(&self.application, &metadata, form, &[]).await.map_err(|error| advised(error, "what was handed in"))?;
        let api = self.parameters.api();
        accept(&self.application, &metadata, answer, self.asked(api.as_ref())).await
    }

    pub(super) fn application(&self) -> &Application {
        &self.application
    }

    pub(super) fn form(&self) -> Result<Form> {
        let form = self.parameters.written_to(Form::new(&self.grant_type))?;
        Ok(if self.scope.is_empty() { form } else { form.with("scope", &self.scope) })
    }

    pub(super) fn api_asked(&self) -> Option<RequestedApi> {
        self.parameters.api()
    }

    pub(super) fn asked<'a>(&'a self, api: Option<&'a RequestedApi>) -> Asked<'a> {
        // There was no redirect, so there is no nonce.
        let flow = match self.is_without_login {
            true => Flow::Exchange { demands: &self.demands },
            false => Flow::Login { nonce: None, code: None, demands: &self.demands },
        };
        Asked { scope: &self.scope, api, flow, hidden: &[] }
    }

    pub(super) fn add(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.parameters.add(name, value);
        self
    }

    /// For a builder with setters for its parameters.
    pub(super) fn put(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.parameters.put(name, value);
        self
    }

    pub(super) fn put_any(mut self, name: impl Into<String>, value: impl Into<Secret>, ours: &[&str]) -> Self {
        self.parameters.put_any(name, value, ours);
        self
    }
}
