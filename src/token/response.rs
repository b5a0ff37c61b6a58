use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::clock::Timestamp;
use crate::error::{Error, GrantFate, Result};
use crate::json::Text;
use crate::secret::Secret;
use crate::transport::Reply;

/// A token endpoint's answer that is well-formed (RFC 6749, section 5.1). Its ID token is only text so far.
#[derive(Debug)]
pub(crate) struct TokenResponse {
    pub(crate) access_token: AccessToken,
    pub(crate) received: Timestamp,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) scope: Option<Box<str>>,
    /// RFC 9396, section 7, as JSON.
    pub(crate) authorization_details: Option<Box<str>>,
    /// The end of the refresh token.
    pub(crate) refresh_until: Option<Timestamp>,
    /// The time at which the provider wants the access token renewed.
    pub(crate) refresh_at: Option<Timestamp>,
    /// Auth0's own: takes the place of one that was used.
    #[cfg(feature = "auth0")]
    pub(crate) recovery_code: Option<Secret>,
    id_token: Option<Secret>,
}

/// The members as sent.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    expires_in: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refresh_in: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refresh_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refresh_token_expires_in: Option<&'a RawValue>,
    /// Keycloak's.
    #[serde(borrow, default)]
    refresh_expires_in: Option<&'a RawValue>,
    /// Intuit's.
    #[serde(borrow, default)]
    x_refresh_token_expires_in: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    scope: Option<&'a RawValue>,
    #[serde(borrow, default)]
    authorization_details: Option<&'a RawValue>,
    #[cfg(feature = "auth0")]
    #[serde(borrow, default)]
    recovery_code: Option<&'a RawValue>,
    /// RFC 8693, section 2.2.1.
    #[serde(borrow, default)]
    issued_token_type: Option<&'a RawValue>,
}

pub(super) struct Body<'a> {
    pub(super) access_token: Option<Text<'a>>,
    pub(super) token_type: Option<Text<'a>>,
    /// The life of the access token; none when the answer has no valid one.
    pub(super) life: Option<Duration>,
    refresh_in: Option<Duration>,
    pub(super) refresh_token: Option<Text<'a>>,
    refresh_token_life: Option<Duration>,
    pub(super) id_token: Option<Text<'a>>,
    pub(super) scope: Option<Cow<'a, str>>,
    authorization_details: Option<&'a RawValue>,
    #[cfg(feature = "auth0")]
    recovery_code: Option<Text<'a>>,
    pub(super) issued_token_type: Option<Text<'a>>,
}

impl<'a> Body<'a> {
    pub(super) fn read(reply: &'a Reply) -> Result<Self> {
        Self::of(Self::members(reply)?)
    }

    fn of(members: Members<'a>) -> Result<Self> {
        let refresh_life = members.refresh_token_expires_in.or(members.refresh_expires_in).or(members.x_refresh_token_expires_in);
        Ok(Self {
            access_token: text("access_token", members.access_token)?,
            token_type: text("token_type", members.token_type)?,
            life: life(members.expires_in),
            refresh_in: life(members.refresh_in),
            refresh_token: text("refresh_token", members.refresh_token)?,
            refresh_token_life: life(refresh_life),
            id_token: text("id_token", members.id_token)?,
            scope: members.scope.map(scope).transpose()?,
            authorization_details: members.authorization_details,
            #[cfg(feature = "auth0")]
            recovery_code: text("recovery_code", members.recovery_code)?,
            issued_token_type: text("issued_token_type", members.issued_token_type)?,
        })
    }

    fn members(reply: &'a Reply) -> Result<Members<'a>> {
        if reply.content_type().get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM)) {
            let message = "the token request was answered with a form, not with JSON as RFC 6749 requires; the provider has to be set to JSON";
            return Err(is_no_token_response(Error::invalid_response(message)));
        }
        reply.json().map_err(is_no_token_response)
    }
}

/// The refresh token of an answer that is refused for another reason.
pub(super) fn refresh_token_of(reply: &Reply) -> Option<Secret> {
    let refresh_token = text("refresh_token", Body::members(reply).ok()?.refresh_token).ok()?;
    present(&refresh_token).map(Secret::from)
}

fn text<'a>(name: &str, member: Option<&'a RawValue>) -> Result<Option<Text<'a>>> {
    let Some(member) = member else { return Ok(None) };
    serde_json::from_str(member.get()).map(Some).map_err(|_| member_refused(name, "no text"))
}

/// RFC 6749, section 3.3: text, separated by spaces. Twitch sends a list, and GitHub separates by commas.
fn scope(member: &RawValue) -> Result<Cow<'_, str>> {
    if let Ok(Text(scope)) = serde_json::from_str(member.get()) {
        let by_commas = scope.contains(',') && !scope.contains(' ');
        return Ok(if by_commas { scope.replace(',', " ").into() } else { scope });
    }
    let list: Vec<Text<'_>> =
        serde_json::from_str(member.get()).map_err(|_| member_refused("scope", "neither text nor a list of texts"))?;
    Ok(list.iter().map(|scope| &**scope).collect::<Vec<_>>().join(" ").into())
}

/// A value that is no number of seconds above zero counts as absent: the token serves until it is refused.
fn life(member: Option<&RawValue>) -> Option<Duration> {
    let Seconds(seconds) = serde_json::from_str(member?.get()).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn member_refused(name: &str, what: &str) -> Error {
    let message =
        format!("the provider's answer to the token request is refused: its {name} is {what}; only the provider can correct that");
    Error::invalid_response(message).with_grant_fate(GrantFate::Spent)
}

impl TokenResponse {
    pub(crate) fn read(reply: &Reply, application: &Application, now: Timestamp) -> Result<Self> {
        Self::of(Body::read(reply)?, application, now)
    }

    /// The answer to a renewal. A member that is not needed is as absent when it is malformed: the old refresh token is spent.
    pub(crate) fn read_renewed(reply: &Reply, application: &Application, now: Timestamp) -> Result<Self> {
        let mut members = Body::members(reply)?;
        members.scope = members.scope.filter(|member| scope(member).is_ok());
        members.id_token = members.id_token.filter(|member| text("id_token", Some(member)).is_ok());
        members.authorization_details = members
            .authorization_details
            .filter(|json| serde_json::from_str(json.get()).is_ok_and(|json| are_authorization_details(&json)));
        Self::of(Body::of(members)?, application, now)
    }

    fn of(body: Body<'_>, application: &Application, now: Timestamp) -> Result<Self> {
        let refused = |why: &str| {
            Error::invalid_response(format!("the provider's answer to the token request is refused: {why}"))
                .with_grant_fate(GrantFate::Spent)
        };
        let Some(access_token) = present(&body.access_token) else {
            return Err(is_no_token_response(refused("it has no access_token; only the provider can correct that")));
        };
        let key = application.dpop_key();
        match (body.token_type.as_deref(), key) {
            (Some(name), None) if name.eq_ignore_ascii_case("bearer") => {}
            (Some(name), Some(_)) if name.eq_ignore_ascii_case("dpop") => {}
            // RFC 9449, section 5: "the client MUST discard the response in this case, if this protection is deemed important".
            (Some(name), Some(_)) if name.eq_ignore_ascii_case("bearer") => {
                let why = "its token_type is Bearer although a DPoP token was asked for; see that the provider binds tokens for this application";
                return Err(refused(why));
            }
            // Not quoted: it may be anything, a token among others.
            (Some(_), Some(_)) => {
                return Err(refused(
                    "its token_type is not DPoP, which was asked for; see that the provider binds tokens for this application",
                ));
            }
            (Some(_), None) => {
                return Err(refused(
                    "its token_type is not Bearer, and no other was asked for; let the provider issue bearer tokens",
                ));
            }
            (None, None) if application.accepts_missing_token_type() => {}
            (None, _) => return Err(refused("it has no token_type; danger_accept_missing_token_type() takes such answers")),
        }
        let expires_at = body.life.map(|life| now.plus(life));
        let access_token = match key {
            None => AccessToken::new(access_token, expires_at),
            Some(key) => AccessToken::bound(access_token, expires_at, key.clone(), application.time().clone()),
        };
        let access_token = access_token.ok_or_else(|| {
            refused("its access_token holds characters that no token may have; only the provider can correct that")
        })?;
        let details = body.authorization_details.map(RawValue::get);
        if details.is_some_and(|json| !serde_json::from_str(json).is_ok_and(|json| are_authorization_details(&json))) {
            return Err(refused(
                "its authorization_details are not an array of objects, each of which has a type; only the provider can correct that",
            ));
        }
        Ok(Self {
            access_token,
            received: now,
            refresh_token: present(&body.refresh_token).map(Secret::from),
            #[cfg(feature = "auth0")]
            recovery_code: present(&body.recovery_code).map(Secret::from),
            scope: body.scope.map(|text| Box::from(&*text)),
            authorization_details: details.map(Box::from),
            refresh_until: body.refresh_token_life.map(|life| now.plus(life)),
            refresh_at: body.refresh_in.map(|after| now.plus(after)),
            id_token: present(&body.id_token).map(Secret::from),
        })
    }

    pub(crate) fn id_token(&self) -> Option<&Secret> {
        self.id_token.as_ref()
    }
}

/// Nothing is known of the grant after an answer that no token endpoint sends.
fn is_no_token_response(error: Error) -> Error {
    error.transient().with_grant_fate(GrantFate::Unknown)
}

/// RFC 9396, section 2: "an array of JSON objects", in each of which `type` is "REQUIRED".
pub(crate) fn are_authorization_details(json: &Value) -> bool {
    json.as_array().is_some_and(|details| details.iter().all(|detail| detail.get("type").is_some_and(Value::is_string)))
}

/// Empty text counts as absent, as null does.
pub(super) fn present<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// `expires_in`: a number of seconds, which some providers send as text or with a fraction.
pub(crate) struct Seconds(pub(crate) u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, zero or more")
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Seconds, E> {
        Ok(Seconds(seconds))
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Seconds, E> {
        u64::try_from(seconds).map(Seconds).map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Seconds, E> {
        if seconds.is_nan() || seconds < 0.0 {
            return Err(E::invalid_value(Unexpected::Float(seconds), &self));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
        Ok(Seconds(seconds as u64))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Seconds, E> {
        match text.parse() {
            Ok(seconds) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => self.visit_f64(seconds),
            _ => Err(E::invalid_value(Unexpected::Other("text"), &self)),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Endpoint, Fault, TestProvider};
    use crate::transport::Transport;

    #[tokio::test]
    async fn an_answer_with_all_tokens_is_read_with_a_handful_of_allocations() {
        let provider = TestProvider::start().await;
        let body = r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer","expires_in":3600,"scope":"openid profile",
            "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","id_token":"e30.e30.e30","example_parameter":"example_value"}"#;
        provider.next(Endpoint::Token, Fault::answer(200, "application/json", body));
        let transport = Transport::new(reqwest::Client::builder());
        let reply = transport.get("the token request", &provider.endpoint_url(Endpoint::Token)).await.unwrap();
        let application = Application::new(provider.issuer(), provider.client_id());
        let (now, mut read) = (application.time().now(), None);
        let cost = allocation_counter::measure(|| read = TokenResponse::read(&reply, &application, now).ok());
        assert_eq!(read.unwrap().scope.as_deref(), Some("openid profile"));
        // Two for the access token, which is a header already, and one for each other text.
        assert!(cost.count_total <= 5, "{cost:?}");
    }
}
