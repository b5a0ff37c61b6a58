use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth0::Auth0;
use crate::auth0::request::Call;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::json::Text;
use crate::json_form::JsonForm;
use crate::secret::Secret;

/// A person who wants an account: an identifier, a password, and attributes that Auth0 keeps.
#[derive(Clone)]
#[must_use]
pub struct NewUser {
    password: Secret,
    /// With the identifiers, of which one is enough.
    attributes: Vec<(&'static str, Value)>,
    refusal: Option<Error>,
}

/// An account, as Auth0 tells of it right after the sign-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUp {
    id: Option<String>,
    email: Option<String>,
    email_verified: bool,
    username: Option<String>,
    phone_number: Option<String>,
}

impl NewUser {
    /// An account by an email address. The password has to meet the rules of the connection.
    pub fn new(email: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::by("email", email.into(), password.into())
    }

    /// An account by a telephone number such as `+4930123456`, where the connection allows that (*flexible identifiers*).
    pub fn by_phone_number(number: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::by("phone_number", number.into(), password.into())
    }

    /// An account by a user name alone, where the connection allows that (*flexible identifiers*).
    pub fn by_username(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::by("username", username.into(), password.into())
    }

    fn by(identifier: &'static str, value: String, password: Secret) -> Self {
        Self { password, attributes: vec![(identifier, value.into())], refusal: None }
    }

    /// A user name beside another identifier.
    pub fn username(self, username: impl Into<String>) -> Self {
        self.attribute("username", username.into())
    }

    /// A telephone number beside another identifier.
    pub fn phone_number(self, number: impl Into<String>) -> Self {
        self.attribute("phone_number", number.into())
    }

    /// The person's name as a whole.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.attribute("name", name.into())
    }

    /// The first name.
    pub fn given_name(self, name: impl Into<String>) -> Self {
        self.attribute("given_name", name.into())
    }

    /// The last name.
    pub fn family_name(self, name: impl Into<String>) -> Self {
        self.attribute("family_name", name.into())
    }

    /// The name to call the person by.
    pub fn nickname(self, name: impl Into<String>) -> Self {
        self.attribute("nickname", name.into())
    }

    /// The URL of a picture of the person.
    pub fn picture(self, url: impl Into<String>) -> Self {
        self.attribute("picture", url.into())
    }

    /// Data of the application about the person (`user_metadata`), which the person may alter: an object whose values are texts.
    pub fn user_metadata(mut self, metadata: impl Serialize) -> Self {
        match serde_json::to_value(metadata) {
            Ok(metadata) => self.attribute("user_metadata", metadata),
            // Its message may quote a value.
            Err(_) => {
                self.refusal =
                    Some(Error::configuration("the user_metadata cannot be written as JSON; use maps with text as keys"));
                self
            }
        }
    }

    fn attribute(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.retain(|known| known.0 != name);
        self.attributes.push((name, value.into()));
        self
    }
}

impl SignedUp {
    /// The account's id within its connection: `auth0|` and this are the subject of its ID tokens. None where a custom database gives none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The user name, if the account has one.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The telephone number, if the account has one.
    #[must_use]
    pub fn phone_number(&self) -> Option<&str> {
        self.phone_number.as_deref()
    }

    /// The email address, if the account has one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// Returns whether the person has shown that the address is theirs; seldom right after the sign-up.
    #[must_use]
    pub fn email_verified(&self) -> bool {
        self.email_verified
    }
}

impl Auth0 {
    /// Logs a person in with their password, typed into this program (RFC 6749, section 4.3, with Auth0's `realm`).
    ///
    /// # Errors
    /// `MfaRequired`: go on with [`mfa`](Self::mfa). `Server`, of which [`is_invalid_credentials`](Error::is_invalid_credentials),
    /// [`is_too_many_attempts`](Error::is_too_many_attempts), [`is_password_leaked`](Error::is_password_leaked) and
    /// [`is_verification_required`](Error::is_verification_required) say more. `IdToken`, `InvalidResponse`, `Configuration`,
    /// `Discovery` (also when the provider is not Auth0), `Network`, `TimedOut`.
    pub async fn log_in(&self, username_or_email: &str, password: &Secret) -> Result<Credentials> {
        let form = self.login_form(PASSWORD_REALM).with("realm", &self.connection);
        self.log_in_by(form.with("username", username_or_email).with("password", password.expose())).await
    }

    /// Creates an account in the [`connection`](Self::connection). It logs no person in: call [`log_in`](Self::log_in) next, if the
    /// tenant does not want a verified address first.
    ///
    /// # Errors
    /// `Server`, of which [`is_password_not_strong_enough`](Error::is_password_not_strong_enough),
    /// [`is_password_leaked`](Error::is_password_leaked) and [`is_user_already_known`](Error::is_user_already_known) say more;
    /// `Configuration`, `InvalidResponse`, `Discovery` (also when the provider is not Auth0), `Network`, `TimedOut`.
    pub async fn sign_up(&self, user: &NewUser) -> Result<SignedUp> {
        if let Some(refusal) = &user.refusal {
            return Err(refusal.clone());
        }
        self.metadata().await?;
        let body = JsonForm::default().with("connection", &self.connection).with("password", user.password.expose());
        let body = user.attributes.iter().fold(body, |body, (name, value)| body.with_value(name, value.clone()));
        let call = Call::new(&self.application, "the sign-up", Method::POST, "dbconnections/signup")?;
        let reply = call.hiding(user.password.expose()).identified(body).send().await?;
        let Account { id, other_id, user_id, email, email_verified, username, phone_number } = reply.json()?;
        let owned = |text: Text<'_>| text.0.into_owned();
        Ok(SignedUp {
            id: id.or(other_id).or(user_id).map(owned),
            email: email.map(owned),
            email_verified: email_verified.unwrap_or(false),
            username: username.map(owned),
            phone_number: phone_number.map(owned),
        })
    }

    /// Sends the person a mail with a link to choose another password. The answer is the same for an unknown address.
    ///
    /// # Errors
    /// `Server`, `Discovery` (also when the provider is not Auth0), `Network`, `TimedOut`.
    pub async fn change_password(&self, email: &str) -> Result<()> {
        self.metadata().await?;
        let mut body = JsonForm::default().with("connection", &self.connection).with("email", email);
        if let Some(organization) = &self.demands.organization {
            body = body.with("organization", organization.as_str());
        }
        let call = Call::new(&self.application, "the request to change a password", Method::POST, "dbconnections/change_password")?;
        call.identified(body).send().await.map(drop)
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("identifier", &self.attributes.first()).finish_non_exhaustive()
    }
}

/// Auth0 calls the id `_id`; custom databases answer as they like.
#[derive(Deserialize)]
struct Account<'a> {
    #[serde(borrow, default, rename = "_id")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, rename = "id")]
    other_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(borrow, default)]
    username: Option<Text<'a>>,
    #[serde(borrow, default)]
    phone_number: Option<Text<'a>>,
}

const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
