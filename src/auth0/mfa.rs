use std::fmt;
use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep};

use crate::auth0::Auth0;
use crate::auth0::authenticator::{Authenticator, Challenge, Enrolment, Factor};
use crate::auth0::request::Call;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result, ServerError};
use crate::form::Form;
use crate::json_form::JsonForm;
use crate::secret::Secret;
use crate::token::{self, TokenResponse};

/// A login that waits for its second factor.
///
/// Only the right answer uses it up: after a wrong code the person can try again, until Auth0 ends it after about ten minutes. A
/// person without a factor [enrols](Self::enrol) one first; a person with several is [challenged](Self::challenge) by one of them.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use hallpass::testing::{TestProvider, TestUser};
/// # let provider = TestProvider::builder().user(TestUser::new("jane@example.com").sms("+49 170 1234567")).start().await;
/// # let (domain, client_id) = (provider.issuer(), provider.client_id());
/// # let ask_person = || provider.sent_code("+49 170 1234567").unwrap();
/// # let auth0 = hallpass::Application::new(domain, client_id).auth0();
/// # let password = hallpass::Secret::new("correct horse");
/// use hallpass::Secret;
///
/// let error = auth0.log_in("jane@example.com", &password).await.unwrap_err();
/// let mfa = auth0.mfa(&error)?;
/// let telephone = mfa.authenticators().await?.remove(0); // the person chooses, where there are several
/// let challenge = mfa.challenge(&telephone).await?; // a text message is on its way
/// let code = Secret::new(ask_person());
/// let credentials = mfa.verify_oob(&challenge, Some(&code)).await?;
/// assert!(credentials.user().is_some());
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct Mfa {
    auth0: Auth0,
    token: Secret,
}

impl Auth0 {
    /// Goes on with a login, or a renewal, that was refused for want of a second factor. The scope and the audience are to be those
    /// that were asked for.
    ///
    /// # Errors
    /// The given error itself, when it is another one.
    pub fn mfa(&self, error: &Error) -> Result<Mfa> {
        error.mfa().map(|required| self.mfa_by_token(required.token().clone())).ok_or_else(|| error.clone())
    }

    /// The same in another process, or for a later request, with an [`mfa_token`](crate::MfaRequired::token) that was kept. Its
    /// holder needs only the second factor to be that person.
    #[must_use]
    pub fn mfa_by_token(&self, mfa_token: impl Into<Secret>) -> Mfa {
        Mfa { auth0: self.clone(), token: mfa_token.into() }
    }
}

impl Mfa {
    /// The token to continue with elsewhere: see [`Auth0::mfa_by_token`].
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The factors that the person has, also those whose enrolment was begun and not completed.
    ///
    /// # Errors
    /// `LoginRequired` (the time for the second factor is over), `Server`, `InvalidResponse`, `Discovery` (also when the provider is
    /// not Auth0), `Network`, `TimedOut`.
    pub async fn authenticators(&self) -> Result<Vec<Authenticator>> {
        let call = self.call("the request for the second factors", Method::GET, "mfa/authenticators").await?;
        Authenticator::list(&call.bearing(&self.token)?.send().await.map_err(over)?)
    }

    /// Makes Auth0 forget one of the person's factors. It may want a token with the scope `remove:authenticators` for its own
    /// API `https://{domain}/mfa/` for that: see [`Auth0::mfa_by_token`].
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn remove(&self, authenticator: &Authenticator) -> Result<()> {
        let application = &self.auth0.application;
        self.auth0.metadata().await?;
        // An id such as `push|dev_x` is encoded in full: a URL parser leaves the `|` as it is.
        let id: String = url::form_urlencoded::byte_serialize(authenticator.id().as_bytes()).collect();
        if matches!(&*id, "" | "." | "..") {
            return Err(Error::invalid_response("the provider's id of the second factor is refused: it is a step of a path"));
        }
        let url = application.provider().url(&format!("mfa/authenticators/{}", id.replace('+', "%20")))?;
        let call = Call::to(application, "the removal of a second factor", Method::DELETE, url);
        call.bearing(&self.token)?.send().await.map(drop).map_err(over)
    }

    /// Begins to give the person a factor, the first one as a rule: show them what comes back, then verify it as a
    /// [`challenge`](Enrolment::challenge) is, or an app's code by [`verify_otp`](Self::verify_otp).
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators). `Server` also where the person has a factor: it has to be used first.
    pub async fn enrol(&self, factor: &Factor) -> Result<Enrolment> {
        let call = self.call("the enrolment of a second factor", Method::POST, "mfa/associate").await?.bearing(&self.token)?;
        let metadata = self.auth0.metadata().await?;
        Enrolment::read(&call.authenticated(&metadata, factor.body())?.send().await.map_err(over)?)
    }

    /// Sends the person a code, or a question to their telephone, by this factor. An app that shows codes needs none of that.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators);
    /// [`is_multifactor_enrolment_required`](Error::is_multifactor_enrolment_required) where the person has no such factor.
    pub async fn challenge(&self, authenticator: &Authenticator) -> Result<Challenge> {
        let kinds = if authenticator.authenticator_type() == "otp" { "otp" } else { "oob" };
        let body = JsonForm::default().with("challenge_type", kinds).with("authenticator_id", authenticator.id());
        self.challenge_by(body).await
    }

    /// The same by whatever factor Auth0 chooses among those that the person has.
    ///
    /// # Errors
    /// As [`challenge`](Self::challenge).
    pub async fn challenge_any(&self) -> Result<Challenge> {
        self.challenge_by(JsonForm::default().with("challenge_type", "otp oob")).await
    }

    async fn challenge_by(&self, body: JsonForm) -> Result<Challenge> {
        let call = self.call("the challenge of a second factor", Method::POST, "mfa/challenge").await?;
        let metadata = self.auth0.metadata().await?;
        let body = body.with("mfa_token", self.token.expose());
        let call = call.hiding(self.token.expose()).authenticated(&metadata, body)?;
        Challenge::read(&call.send().await.map_err(over)?)
    }

    /// Completes the login by the code that an app shows.
    ///
    /// # Errors
    /// `Server`, of which [`is_multifactor_code_invalid`](Error::is_multifactor_code_invalid) says whether to ask for another code;
    /// `LoginRequired` (the time for the second factor is over); else as [`Auth0::log_in`].
    ///
    /// # Cancel safety
    /// The code may be spent when the future is dropped.
    pub async fn verify_otp(&self, code: &Secret) -> Result<Credentials> {
        self.accept(self.redeem(self.form("mfa-otp").with("otp", code.expose())).await?).await
    }

    /// Completes the login by the code of a message, or by what the person answered on their telephone, to which no code belongs.
    /// Where the challenge was an app's, this is [`verify_otp`](Self::verify_otp).
    ///
    /// # Errors
    /// As [`verify_otp`](Self::verify_otp). `authorization_pending` is the code of the [`ServerError`] while the person has not answered:
    /// [`wait_for_approval`](Self::wait_for_approval) asks until they have. `Configuration` without a code where one is needed; then nothing is sent.
    ///
    /// # Cancel safety
    /// As [`verify_otp`](Self::verify_otp).
    pub async fn verify_oob(&self, challenge: &Challenge, code: Option<&Secret>) -> Result<Credentials> {
        self.accept(self.redeem(self.answer(challenge, code)?).await?).await
    }

    /// Waits until the person has answered on their telephone. Auth0 is asked every five seconds, more seldom if it wants that.
    ///
    /// # Errors
    /// `Cancelled` (the person refused), `TimedOut` (they did not answer within ten minutes), else as [`verify_otp`](Self::verify_otp).
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting, and another call continues it. An approval whose answer was on its way is lost.
    pub async fn wait_for_approval(&self, challenge: &Challenge) -> Result<Credentials> {
        let end = Instant::now() + LONGEST_WAIT;
        let mut interval = INTERVAL;
        loop {
            let error = match self.redeem(self.answer(challenge, None)?).await {
                Ok(response) => return self.accept(response).await,
                Err(error) => error,
            };
            match error.server_error().map_or("", ServerError::code) {
                "authorization_pending" => {}
                "slow_down" => interval += INTERVAL,
                "access_denied" => return Err(error.with_kind(ErrorKind::Cancelled)),
                _ if error.is_transient() => {}
                _ => return Err(error),
            }
            let pause = interval.max(error.retry_after().unwrap_or_default());
            if Instant::now() + pause > end {
                let message = "nobody answered on the telephone in time; start the login anew";
                return Err(Error::new(ErrorKind::TimedOut, message).with_source(error));
            }
            sleep(pause).await;
        }
    }

    /// Completes the login by a recovery code, of which there is a new one afterwards: show it to the person, to be kept in the
    /// place of the old one.
    ///
    /// # Errors
    /// As [`verify_otp`](Self::verify_otp).
    ///
    /// # Cancel safety
    /// As [`verify_otp`](Self::verify_otp); the new recovery code is lost then.
    pub async fn verify_recovery_code(&self, code: &Secret) -> Result<(Credentials, Option<Secret>)> {
        let response = self.redeem(self.form("mfa-recovery-code").with("recovery_code", code.expose())).await?;
        let next = response.recovery_code.clone();
        Ok((self.accept(response).await?, next))
    }

    async fn call<'a>(&'a self, context: &'static str, method: Method, path: &str) -> Result<Call<'a>> {
        self.auth0.metadata().await?;
        Call::new(&self.auth0.application, context, method, path)
    }

    /// The scope and the audience are those of the first factor's request: Auth0 keeps them with the token.
    fn form(&self, kind: &str) -> Form {
        Form::new(&format!("http://auth0.com/oauth/grant-type/{kind}")).with("mfa_token", self.token.expose())
    }

    fn answer(&self, challenge: &Challenge, code: Option<&Secret>) -> Result<Form> {
        let missing = || Error::configuration("this challenge is answered with the code that the person got; give it");
        let Some(oob_code) = challenge.oob_code() else {
            return Ok(self.form("mfa-otp").with("otp", code.ok_or_else(missing)?.expose()));
        };
        let form = self.form("mfa-oob").with("oob_code", oob_code.expose());
        match code {
            Some(code) => Ok(form.with("binding_code", code.expose())),
            None if challenge.wants_code() => Err(missing()),
            None => Ok(form),
        }
    }

    async fn redeem(&self, form: Form) -> Result<TokenResponse> {
        let metadata = self.auth0.metadata().await?;
        token::request(&self.auth0.application, &metadata, form, &[]).await.map_err(over)
    }

    async fn accept(&self, response: TokenResponse) -> Result<Credentials> {
        let metadata = self.auth0.metadata().await?;
        self.auth0.accept(&metadata, response).await
    }
}

impl fmt::Debug for Mfa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mfa").field("auth0", &self.auth0).finish_non_exhaustive()
    }
}

/// Marks the errors after which only a new first factor helps.
fn over(error: Error) -> Error {
    if !error.is_multifactor_token_invalid() {
        return error;
    }
    let message = "the time for the second factor is over, so the person has to log in again from the start";
    Error::new(ErrorKind::LoginRequired, message).with_source(error)
}

const INTERVAL: Duration = Duration::from_secs(5);
/// As long as Auth0's `mfa_token` lives.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
