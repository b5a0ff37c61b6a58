use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::json::Text;
use crate::json_form::JsonForm;
use crate::secret::Secret;
use crate::transport::Reply;

/// A second factor that a person has: an app that shows codes, a telephone, a mailbox, recovery codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator {
    id: String,
    authenticator_type: String,
    oob_channel: Option<String>,
    name: Option<String>,
    active: bool,
}

impl Authenticator {
    /// Auth0's id of it, such as `sms|dev_NU1Ofuw3Cw0XCt5x`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `otp`, `oob` or `recovery-code`.
    #[must_use]
    pub fn authenticator_type(&self) -> &str {
        &self.authenticator_type
    }

    /// The channel of an `oob` one: `sms`, `voice`, `email`, or `auth0` for a push to Auth0's app.
    #[must_use]
    pub fn oob_channel(&self) -> Option<&str> {
        self.oob_channel.as_deref()
    }

    /// The name to show to a person who chooses among several, such as `XXXXXXXX4730`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns whether its enrolment was completed.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active
    }

    pub(super) fn list(reply: &Reply) -> Result<Vec<Self>> {
        let listed: Vec<Listed> = reply.json_list()?;
        let listed = listed.into_iter().map(|listed| Self {
            id: listed.id,
            authenticator_type: listed.authenticator_type,
            oob_channel: listed.oob_channel,
            name: listed.name,
            active: listed.active.unwrap_or(true),
        });
        Ok(listed.collect())
    }
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    authenticator_type: String,
    #[serde(default)]
    oob_channel: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    active: Option<bool>,
}

/// A kind of second factor that a person is to get.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Factor {
    channel: Option<&'static str>,
    phone_number: Option<String>,
    email: Option<String>,
}

impl Factor {
    /// An app that shows one-time codes, such as Google Authenticator.
    pub fn otp() -> Self {
        Self { channel: None, phone_number: None, email: None }
    }

    /// Codes by text message to this number, which begins with `+` and the country's code.
    pub fn sms(phone_number: impl Into<String>) -> Self {
        Self { channel: Some("sms"), phone_number: Some(phone_number.into()), email: None }
    }

    /// Codes that a voice reads out over this telephone.
    pub fn voice(phone_number: impl Into<String>) -> Self {
        Self { channel: Some("voice"), ..Self::sms(phone_number) }
    }

    /// Codes by mail to this address.
    pub fn email(address: impl Into<String>) -> Self {
        Self { channel: Some("email"), phone_number: None, email: Some(address.into()) }
    }

    /// A question on the screen of a telephone that has Auth0's app, Guardian.
    pub fn push() -> Self {
        Self { channel: Some("auth0"), phone_number: None, email: None }
    }

    pub(super) fn body(&self) -> JsonForm {
        let Some(channel) = self.channel else {
            return JsonForm::default().with_value("authenticator_types", json!(["otp"]));
        };
        let mut body = JsonForm::default().with_value("authenticator_types", json!(["oob"]));
        body = body.with_value("oob_channels", Value::Array(vec![channel.into()]));
        for (name, value) in [("phone_number", &self.phone_number), ("email", &self.email)] {
            if let Some(value) = value {
                body = body.with(name, value);
            }
        }
        body
    }
}

/// A code that is on its way to the person, or a question on their telephone.
#[derive(Clone)]
pub struct Challenge {
    oob_code: Option<Secret>,
    wants_code: bool,
}

impl Challenge {
    /// Returns whether the person types a code, from a message or from an app. Otherwise they answer on the telephone.
    #[must_use]
    pub fn wants_code(&self) -> bool {
        self.wants_code
    }

    /// The code that stands for the sent message; none where the person looks at an app.
    pub(super) fn oob_code(&self) -> Option<&Secret> {
        self.oob_code.as_ref()
    }

    pub(super) fn read(reply: &Reply) -> Result<Self> {
        let answer: Answer<'_> = reply.json()?;
        Ok(Self::new(answer.oob_code.as_deref(), answer.binding_method.as_deref()))
    }

    fn new(oob_code: Option<&str>, binding_method: Option<&str>) -> Self {
        let oob_code = oob_code.filter(|code| !code.is_empty()).map(Secret::from);
        let wants_code = oob_code.is_none() || binding_method == Some("prompt");
        Self { oob_code, wants_code }
    }
}

/// A second factor that the person has begun to get. It is theirs once it was used: verify it as a challenge is.
#[derive(Clone)]
pub struct Enrolment {
    challenge: Challenge,
    secret: Option<Secret>,
    barcode_uri: Option<Secret>,
    recovery_codes: Vec<Secret>,
}

impl Enrolment {
    /// The challenge that completes it.
    #[must_use]
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// For apps that show codes: the secret to be typed in there, in base32.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// The same as a URI that begins with `otpauth:`, to be shown as a QR code; also for a push.
    #[must_use]
    pub fn barcode_uri(&self) -> Option<&Secret> {
        self.barcode_uri.as_ref()
    }

    /// To be kept by the person for the day when the factor is lost. They come with the first factor only.
    #[must_use]
    pub fn recovery_codes(&self) -> &[Secret] {
        &self.recovery_codes
    }

    pub(super) fn read(reply: &Reply) -> Result<Self> {
        let answer: Answer<'_> = reply.json()?;
        let secret = |text: Option<Text<'_>>| text.filter(|text| !text.is_empty()).map(|text| Secret::from(&*text));
        Ok(Self {
            challenge: Challenge::new(answer.oob_code.as_deref(), answer.binding_method.as_deref()),
            secret: secret(answer.secret),
            barcode_uri: secret(answer.barcode_uri),
            recovery_codes: answer.recovery_codes.unwrap_or_default(),
        })
    }
}

/// To `/mfa/challenge` and `/mfa/associate`.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    oob_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    binding_method: Option<Text<'a>>,
    #[serde(borrow, default)]
    secret: Option<Text<'a>>,
    #[serde(borrow, default)]
    barcode_uri: Option<Text<'a>>,
    #[serde(default)]
    recovery_codes: Option<Vec<Secret>>,
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("wants_code", &self.wants_code).finish_non_exhaustive()
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}
