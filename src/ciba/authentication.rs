use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::application::Application;
use crate::ciba::login::CibaLogin;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::json::Text;
use crate::provider::{Demands, IdToken, Organization};
use crate::secret::Secret;
use crate::token::{AwaitedGrant, Parameters, Seconds, interval, scopes};
use crate::transport::Reply;

/// A request to ask a person on another device.
///
/// # Defaults
/// The scope `openid profile email`, and no audience. Who is asked has no default.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use std::time::Duration;
/// # use hallpass::testing::TestProvider;
/// # let provider = TestProvider::builder().device_interval(Duration::from_secs(1)).start().await;
/// # let (domain, client_id, secret) = (provider.issuer(), provider.confidential_client_id(), provider.client_secret());
/// use hallpass::{Application, ClientAuth};
///
/// let bank = Application::new(domain, client_id).client_auth(ClientAuth::client_secret_post(secret));
/// let mut login = bank.ciba().login_hint("jane@example.com").binding_message("Transfer 47-11").start().await?;
/// println!("Jane, does your telephone show “Transfer 47-11” too?");
/// # provider.approve_ciba(login.auth_req_id().expose());
/// let credentials = login.wait().await?; // the ID token is verified when this returns
/// assert_eq!(credentials.user().unwrap().email().as_deref(), Some("jane@example.com"));
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct CibaAuth {
    application: Application,
    scope: Arc<str>,
    demands: Demands,
    hint: Option<Hint>,
    parameters: Parameters,
}

/// The person to ask.
#[derive(Debug, Clone)]
enum Hint {
    Login(Secret),
    /// At Auth0.
    Subject(String),
    Token(Secret),
    IdToken(IdToken),
}

/// Auth0's form of a hint.
#[derive(Serialize)]
struct SubjectHint<'a> {
    format: &'a str,
    iss: &'a str,
    sub: &'a str,
}

/// That the person is asked, and how to ask for what came of it.
pub(crate) struct Answer {
    pub(crate) auth_req_id: Secret,
    pub(crate) expires_in: Duration,
    pub(crate) interval: Duration,
}

/// CIBA Core 1.0, section 7.3.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    auth_req_id: Text<'a>,
    expires_in: Seconds,
    #[serde(borrow, default)]
    interval: Option<&'a RawValue>,
}

impl Application {
    /// Logs in a person who is asked on another device. The application has to authenticate.
    #[must_use]
    pub fn ciba(&self) -> CibaAuth {
        CibaAuth {
            application: self.clone(),
            scope: Arc::from("openid profile email"),
            demands: Demands::default(),
            hint: None,
            parameters: Parameters::default(),
        }
    }
}

impl CibaAuth {
    /// The person to ask, by a name that the provider knows: an email address, a telephone number, a user name. It replaces any
    /// other hint.
    #[must_use]
    pub fn login_hint(mut self, hint: impl Into<Secret>) -> Self {
        self.hint = Some(Hint::Login(hint.into()));
        self
    }

    /// The person to ask, by `sub`, such as `auth0|4711`. Auth0 needs this hint.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.hint = Some(Hint::Subject(subject.into()));
        self
    }

    /// The person to ask, in a token that the provider defines.
    #[must_use]
    pub fn login_hint_token(mut self, token: impl Into<Secret>) -> Self {
        self.hint = Some(Hint::Token(token.into()));
        self
    }

    /// The person to ask: the one of an earlier login. Another person's answer is refused.
    #[must_use]
    pub fn id_token_hint(mut self, id_token: &IdToken) -> Self {
        self.hint = Some(Hint::IdToken(id_token.clone()));
        self
    }

    /// A short text that is shown here and on the person's device, so that they know what they confirm: plain letters, digits and
    /// spaces.
    #[must_use]
    pub fn binding_message(mut self, message: impl Into<String>) -> Self {
        self.parameters.put("binding_message", message.into());
        self
    }

    /// The scope, separated by spaces, in place of `openid profile email`. It has to hold `openid`; `offline_access` gives a
    /// refresh token.
    #[must_use]
    pub fn scope(mut self, scope: impl AsRef<str>) -> Self {
        self.scope = scopes(scope.as_ref());
        self
    }

    /// The identifier of the API that the access token is for.
    #[must_use]
    pub fn audience(mut self, identifier: impl Into<String>) -> Self {
        self.parameters.put("audience", identifier.into());
        self
    }

    /// The organization that the person logs in to, at Auth0: its id (`org_…`) or its name. The ID token has to name it too.
    #[must_use]
    pub fn organization(mut self, id_or_name: impl AsRef<str>) -> Self {
        let organization = Organization::parse(id_or_name.as_ref());
        self.parameters.put("organization", organization.as_str());
        self.demands.organization = Some(Arc::new(organization));
        self
    }

    /// A code that only the person knows, where the provider wants one so that strangers cannot have them asked.
    #[must_use]
    pub fn user_code(mut self, code: impl Into<Secret>) -> Self {
        self.parameters.put("user_code", code.into());
        self
    }

    /// The time in which the person has to answer, in whole seconds. The provider may set another.
    #[must_use]
    pub fn requested_expiry(mut self, life: Duration) -> Self {
        self.parameters.put("requested_expiry", life.as_secs().to_string());
        self
    }

    /// Any other parameter of the request, such as `acr_values`.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.parameters.put_any(name, value, &OURS);
        self
    }

    /// Has the provider ask the person (CIBA Core 1.0, section 7.1). Nothing is known of their answer yet:
    /// [`wait`](CibaLogin::wait) for it.
    ///
    /// # Errors
    /// `Configuration` (also when no person was named, or the scope lacks `openid`), `Discovery` (also when the provider has no
    /// such login), `Server`, with the provider's words and what they mean, `InvalidResponse`, `Network`, `TimedOut`.
    pub async fn start(&self) -> Result<CibaLogin> {
        // CIBA Core 1.0, section 7.1: "CIBA authentication requests MUST therefore contain the openid scope value."
        if !self.scope.split(' ').any(|scope| scope == "openid") {
            return Err(Error::configuration(
                "a login on a person's device proves by openid who answered; put openid into the scope",
            ));
        }
        let metadata = self.application.provider().metadata().await?;
        let url = metadata.backchannel_authentication_endpoint.url()?;
        let form = self.form(&metadata.issuer)?;
        let reply = endpoint::post(&self.application, "the request to ask a person", url, form).await.map_err(advised)?;
        let Answer { auth_req_id, expires_in, interval } = Answer::read(&reply)?;
        let grant = AwaitedGrant {
            scope: Arc::clone(&self.scope),
            api: self.parameters.api(),
            demands: self.demands.clone(),
            grant_type: "urn:openid:params:grant-type:ciba",
            code: ("auth_req_id", auth_req_id),
            subject: self.subject_asked(),
            expired: "the person has not answered in time; ask again",
            given_out: "this login has given out its credentials; start another",
            metadata,
        };
        Ok(CibaLogin::new(&self.application, grant, expires_in, interval))
    }

    fn form(&self, issuer: &str) -> Result<Form> {
        let mut form = self.parameters.written_to(Form::default().with("scope", &self.scope))?;
        match &self.hint {
            None => {
                return Err(Error::configuration("nobody was named who is to be asked; set login_hint, subject or another hint"));
            }
            Some(Hint::Login(hint)) => form.push("login_hint", hint.expose()),
            Some(Hint::Subject(sub)) => {
                let hint = serde_json::to_string(&SubjectHint { format: "iss_sub", iss: issuer, sub }).expect("texts are JSON");
                form.push("login_hint", &hint);
            }
            Some(Hint::Token(token)) => form.push("login_hint_token", token.expose()),
            Some(Hint::IdToken(id_token)) => form.push("id_token_hint", id_token.raw().expose()),
        }
        Ok(form)
    }

    /// The only `sub` that may answer. Of another kind of hint only the provider knows the person.
    fn subject_asked(&self) -> Option<Box<str>> {
        match &self.hint {
            Some(Hint::Subject(subject)) => Some(subject.as_str().into()),
            Some(Hint::IdToken(id_token)) => Some(id_token.claims().subject().into()),
            _ => None,
        }
    }
}

impl Answer {
    pub(crate) fn read(reply: &Reply) -> Result<Self> {
        let body: Body<'_> = reply.json()?;
        if body.auth_req_id.is_empty() {
            return Err(Error::invalid_response(
                "the provider's answer to the request to ask a person is refused: its auth_req_id is empty; only the provider can correct that",
            ));
        }
        Ok(Self {
            auth_req_id: Secret::from(&*body.auth_req_id),
            expires_in: Duration::from_secs(body.expires_in.0),
            interval: interval(body.interval, Duration::from_secs(body.expires_in.0)),
        })
    }
}

/// Adds advice to CIBA's own errors (section 13).
fn advised(error: Error) -> Error {
    let advice = match error.server_error().map_or("", |server| server.code()) {
        "unknown_user_id" => "the hint names nobody whom the provider can ask",
        "expired_login_hint_token" => "get another login_hint_token",
        "missing_user_code" | "invalid_user_code" => {
            "ask the person for the code that they agreed with the provider, and set user_code"
        }
        "invalid_binding_message" => "make the binding message shorter and plainer",
        "unauthorized_client" => "allow this kind of login in the application's settings at the provider",
        "access_denied" => "the provider does not let this application ask this person",
        _ => return error,
    };
    error.with_advice(advice)
}

const OURS: [&str; 8] = [
    "login_hint",
    "login_hint_token",
    "id_token_hint",
    "binding_message",
    "user_code",
    "requested_expiry",
    "auth_req_id",
    "client_notification_token",
];
