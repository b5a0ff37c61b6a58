use std::sync::Arc;

use crate::application::Application;
use crate::device::answer::Answer;
use crate::device::login::DeviceLogin;
use crate::endpoint;
use crate::error::Result;
use crate::form::Form;
use crate::provider::{Demands, Organization};
use crate::token::{AwaitedGrant, Parameters, scopes};

/// A request for a login on another device.
///
/// # Defaults
/// The scope `openid profile email`, and no audience.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use hallpass::testing::{TestBrowser, TestProvider};
/// # let provider = TestProvider::builder().device_interval(std::time::Duration::from_secs(1)).start().await;
/// # let (domain, client_id) = (provider.issuer(), provider.client_id());
/// use hallpass::Application;
///
/// let mut login = Application::new(domain, client_id).device().audience("https://api.acme.com").start().await?;
/// println!("Open {} and type {}", login.verification_uri(), login.user_code());
/// # TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await?;
/// let credentials = login.wait().await?; // the ID token is verified when this returns
/// assert_eq!(credentials.user().unwrap().email().as_deref(), Some("jane@example.com"));
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct DeviceAuth {
    application: Application,
    scope: Arc<str>,
    demands: Demands,
    parameters: Parameters,
}

impl Application {
    /// The login of a person in a browser on another device.
    #[must_use]
    pub fn device(&self) -> DeviceAuth {
        DeviceAuth {
            application: self.clone(),
            scope: Arc::from("openid profile email"),
            demands: Demands::default(),
            parameters: Parameters::default(),
        }
    }
}

impl DeviceAuth {
    /// The scope, separated by spaces, in place of `openid profile email`. `offline_access` gives a refresh token.
    #[must_use]
    pub fn scope(mut self, scope: impl AsRef<str>) -> Self {
        self.scope = scopes(scope.as_ref());
        self
    }

    /// The identifier of the API that the access token is for. Without one, Auth0's access tokens are opaque, and APIs answer 401.
    #[must_use]
    pub fn audience(self, identifier: impl Into<String>) -> Self {
        self.parameter("audience", identifier)
    }

    /// The organization that the person logs in to, at Auth0: its id (`org_…`) or its name. The ID token has to name it
    /// too: leave `openid` in the scope for that.
    #[must_use]
    pub fn organization(mut self, id_or_name: impl AsRef<str>) -> Self {
        self.demands.organization = Some(Arc::new(Organization::parse(id_or_name.as_ref())));
        self
    }

    /// Any other parameter of the request for a code. Given again, its value is replaced; `resource` may be several.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.put_any(name, value.into(), &["device_code"]);
        self
    }

    /// Asks the provider for a code to show (RFC 8628, section 3.1). Nothing is known of a person yet: show
    /// [`user_code`](DeviceLogin::user_code) and [`verification_uri`](DeviceLogin::verification_uri), then
    /// [`wait`](DeviceLogin::wait).
    ///
    /// # Errors
    /// `Configuration`, `Discovery` (also when the provider has no device login), `Server` (as when the application may
    /// not use it), `InvalidResponse`, `Network`, `TimedOut`.
    pub async fn start(&self) -> Result<DeviceLogin> {
        let form = self.form()?;
        let metadata = self.application.provider().metadata().await?;
        let url = metadata.device_authorization_endpoint.url()?;
        let reply = endpoint::post(&self.application, "the request for a device code", url, form).await?;
        let answer = Answer::read(&reply)?;
        let grant = AwaitedGrant {
            metadata,
            scope: Arc::clone(&self.scope),
            api: self.parameters.api(),
            demands: self.demands.clone(),
            grant_type: "urn:ietf:params:oauth:grant-type:device_code",
            code: ("device_code", answer.device_code.clone()),
            subject: None,
            expired: "nobody confirmed the code before it expired; start the device login anew",
            given_out: "this device login has given out its credentials; start another",
        };
        Ok(DeviceLogin::new(&self.application, grant, answer))
    }

    fn form(&self) -> Result<Form> {
        let mut form = Form::default();
        if !self.scope.is_empty() {
            form.push("scope", &self.scope);
        }
        if let Some(organization) = &self.demands.organization {
            form.push("organization", organization.as_str());
        }
        self.parameters.written_to(form)
    }
}
