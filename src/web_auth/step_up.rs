use crate::error::{Error, Result};
use crate::step_up::StepUp;
use crate::token::scopes;
use crate::web_auth::builder::WebAuth;

impl WebAuth {
    /// The login that an API's refusal asks for: this one with the missing scopes added, the shorter `max_age` of the two, and the
    /// API's `acr_values` (RFC 6750, section 3.1; RFC 9470, section 5). If this login has `acr_values`, those that the API names
    /// too stay, and all of them if it names none: an API weakens no demand of the program.
    ///
    /// The API decides what is asked for: [`StepUp::scope`] says it beforehand. For the session of a person,
    /// use [`CredentialsManager::step_up`](crate::CredentialsManager::step_up), or add [`same_person`](Self::same_person):
    /// otherwise another person can log in.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// # use hallpass::testing::{Api, TestBrowser, TestProvider};
    /// # use hallpass::{AuthorizedClient, WebAuth};
    /// # let provider = TestProvider::start().await;
    /// # let api = Api::start(&provider, "https://api.acme.com").await;
    /// # api.require_scope("/admin", "delete:messages");
    /// # let auth = WebAuth::new(provider.issuer(), provider.client_id()).audience("https://api.acme.com");
    /// # let auth = auth.ephemeral_port().browser(TestBrowser::new());
    /// let call = async |credentials| AuthorizedClient::new(credentials)?.base_url(api.url())?.delete("admin").send().await;
    /// let response = match call(auth.start().await?).await {
    ///     Err(error) => call(auth.step_up(&error)?.start().await?).await?,
    ///     Ok(response) => response,
    /// };
    /// assert_eq!(response.status(), 200);
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    ///
    /// # Errors
    /// The given error itself, when it is no step-up, or when the API did not say what it wants: no login could satisfy it.
    pub fn step_up(&self, error: &Error) -> Result<Self> {
        let wanted = error.step_up().filter(|wanted| **wanted != StepUp::default()).ok_or_else(|| error.clone())?;
        let mut auth = match (wanted.acr_values(), self.parameters.value("acr_values")) {
            (Some(wanted), Some(own)) => {
                let common: Vec<_> = own.split(' ').filter(|value| wanted.split(' ').any(|other| other == *value)).collect();
                if common.is_empty() { self.clone() } else { self.clone().acr_values(common.join(" ")) }
            }
            (Some(wanted), None) => self.clone().acr_values(wanted),
            (None, _) => self.clone(),
        };
        let parameters = auth.parameters_mut();
        if let Some(scope) = wanted.scope() {
            parameters.scope = scopes(&format!("{} {scope}", parameters.scope));
        }
        if let Some(age) = wanted.max_age() {
            parameters.limit_age(age);
        }
        Ok(auth)
    }
}
