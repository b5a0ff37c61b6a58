use http::Method;
use serde_json::{Map, Value};

use crate::auth0::Auth0;
use crate::auth0::request::Call;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::json_form::JsonForm;
use crate::secret::Secret;
use crate::web_auth::builder::WebAuth;
use crate::web_auth::pending::PendingLogin;

/// The address for a code or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Recipient {
    channel: Channel,
    address: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Email,
    Sms,
}

impl Recipient {
    /// A mail to this address.
    pub fn email(address: impl Into<String>) -> Self {
        Self { channel: Channel::Email, address: address.into() }
    }

    /// A text message to this number, which begins with `+` and the country's code.
    pub fn sms(phone_number: impl Into<String>) -> Self {
        Self { channel: Channel::Sms, address: phone_number.into() }
    }
}

impl Channel {
    /// Auth0's name of the connection.
    fn connection(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    fn address(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "phone_number",
        }
    }
}

impl Auth0 {
    /// Sends the person a code, which is good for a few minutes and replaces those sent before:
    /// [`log_in_with_code`](Self::log_in_with_code) takes it.
    ///
    /// # Errors
    /// `Server` (as when the address cannot be one, or the connection is off), `Discovery` (also when the provider is not Auth0),
    /// `Configuration`, `Network`, `TimedOut`.
    pub async fn send_code(&self, to: &Recipient) -> Result<()> {
        self.start_passwordless(to, JsonForm::default().with("send", "code"), &[]).await
    }

    /// Sends the person a link by mail that logs them in, in the browser that opens it: the login is `web_auth`'s, with its scope,
    /// audience and [`redirect_uri`](WebAuth::redirect_uri). Keep what comes back, bound to this browser, and
    /// [`finish`](WebAuth::finish) with the callback. The link works once, and lives as long as `web_auth`'s `timeout` and the
    /// connection allow.
    ///
    /// # Errors
    /// `Configuration` (no redirect URI, a number for text messages, or a login at another provider or for another application than
    /// this one), and as [`send_code`](Self::send_code).
    pub async fn send_link(&self, to: &Recipient, web_auth: &WebAuth) -> Result<PendingLogin> {
        if to.channel != Channel::Email {
            return Err(Error::configuration("a link can be sent only by mail; send a code"));
        }
        let (own, other) = (&self.application, web_auth.application());
        if own.domain() != other.domain() || own.client_id() != other.client_id() {
            return Err(Error::configuration(
                "the login that a link is to begin belongs to another application; begin it with this one",
            ));
        }
        self.metadata().await?;
        let login = web_auth.begin().await?;
        if login.url().query_pairs().any(|(name, _)| matches!(&*name, "request" | "request_uri")) {
            return Err(Error::configuration(
                "a link can begin only a login whose request is neither pushed nor signed; begin it without",
            ));
        }
        let parameters = login.url().query_pairs().filter(|(name, _)| name != "client_id");
        let parameters: Map<String, Value> = parameters.map(|(name, value)| (name.into(), value.into())).collect();
        let body = JsonForm::default().with("send", "link").with_value("authParams", parameters.into());
        self.start_passwordless(to, body, &[&login.secrets.state(), &login.secrets.nonce()]).await?;
        Ok(login)
    }

    /// Logs a person in with the code that was sent to them. Auth0 takes three wrong ones; then send another.
    ///
    /// # Errors
    /// As [`log_in`](Self::log_in); a wrong code is one of [`is_invalid_credentials`](Error::is_invalid_credentials).
    pub async fn log_in_with_code(&self, sent_to: &Recipient, code: &Secret) -> Result<Credentials> {
        let form = self.login_form(PASSWORDLESS_OTP).with("realm", sent_to.channel.connection());
        self.log_in_by(form.with("username", &sent_to.address).with("otp", code.expose())).await
    }

    async fn start_passwordless(&self, to: &Recipient, body: JsonForm, hidden: &[&str]) -> Result<()> {
        let metadata = self.metadata().await?;
        let body = body.with("connection", to.channel.connection()).with(to.channel.address(), &to.address);
        let call = Call::new(&self.application, "the request for a code or a link", Method::POST, "passwordless/start")?;
        let call = hidden.iter().fold(call, |call, secret| call.hiding(secret));
        call.authenticated(&metadata, body)?.send().await.map(drop)
    }
}

const PASSWORDLESS_OTP: &str = "http://auth0.com/oauth/grant-type/passwordless/otp";
