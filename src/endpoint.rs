use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use reqwest::Request;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::application::Application;
use crate::challenge::Challenge;
use crate::client_auth::method::Addressee;
use crate::error::{Error, ErrorKind, GrantFate, Result, ServerError, beginning, excerpt, is_transient};
use crate::form::{Form, leaks_into, repeats};
use crate::json::{self, MemberNames};
use crate::mfa_required::MfaRequired;
use crate::provider::Metadata;
use crate::secret::Secret;
use crate::stock_phrases;
use crate::transport::Reply;

/// The one funnel for what the application asks of the provider: authenticated, and errors read as what they are.
/// `context` names the request in messages.
pub(crate) async fn post(application: &Application, context: &'static str, url: &Url, form: Form) -> Result<Reply> {
    post_hiding(application, context, url, form, &[]).await
}

/// Besides what the request itself holds, an error repeats nothing of `hidden`.
pub(crate) async fn post_hiding(
    application: &Application,
    context: &'static str,
    url: &Url,
    form: Form,
    hidden: &[&str],
) -> Result<Reply> {
    let metadata = application.provider().metadata().await?;
    let (request, sent) = authenticated(application, &metadata, url, form)?;
    let url = request.url().clone();
    let reply = application.provider().transport().send(context, request).await?;
    if let Some(key) = application.dpop_key() {
        key.nonces().learn(&url, &reply.headers);
    }
    unless_refused(reply, context, application, &metadata, &sent, hidden)
}

/// The same for the token endpoint: with a proof that the application has the key, if it has one.
pub(crate) async fn post_with_proof(
    deadline: Instant,
    application: &Application,
    context: &'static str,
    url: &Url,
    form: Form,
    hidden: &[&str],
) -> Result<Reply> {
    let metadata = application.provider().metadata().await?;
    let mut proofs = application.proofs();
    loop {
        let (mut request, sent) = authenticated(application, &metadata, url, form.clone())?;
        let url = request.url().clone();
        proofs.put(&mut request)?;
        let reply = application.provider().transport().send_by(deadline, context, request).await?;
        // A code or a refresh token is good once. It is sent again, once, only because the server has said that it refused
        // the proof, and with it the whole request (RFC 9449, section 8).
        if !proofs.must_repeat(&url, &reply.headers, || asks_for_nonce(&reply)) {
            return unless_grant_refused(reply, context, application, &metadata, &sent, hidden);
        }
    }
}

/// The answer of the token endpoint. The status decides what an error means for the grant; the body decides only for those
/// statuses with which a token endpoint answers.
fn unless_grant_refused(
    reply: Reply,
    context: &str,
    application: &Application,
    metadata: &Metadata,
    sent: &[u8],
    hidden: &[&str],
) -> Result<Reply> {
    let status = reply.status;
    let is_verdict = !status.is_redirection() && has_error_code(&reply);
    let error = match unless_refused(reply, context, application, metadata, sent, hidden) {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    if status.is_redirection() {
        let advice = "the redirect is not followed; configure the issuer by its final address";
        return Err(error.with_advice(advice).transient().with_grant_fate(GrantFate::NoVerdict));
    }
    Err(match (is_transient(status), is_verdict) {
        (true, _) | (_, true) => error,
        _ if status.is_success() => error.transient().with_grant_fate(GrantFate::Unknown),
        _ => error.transient().with_grant_fate(GrantFate::NoVerdict),
    })
}

/// Returns whether the body is an error of RFC 6749, section 5.2.
fn has_error_code(reply: &Reply) -> bool {
    let body = json::object::<ErrorBody>(reply.body()).ok();
    body.is_some_and(|body| body.error.as_ref().and_then(Value::as_str).is_some_and(|code| !code.is_empty()))
}

fn unless_refused(
    reply: Reply,
    context: &str,
    application: &Application,
    metadata: &Metadata,
    sent: &[u8],
    hidden: &[&str],
) -> Result<Reply> {
    let (client_auth, client_id) = (application.auth(), application.client_id());
    let leaks = |text: &str| {
        leaks_into(sent, text) || client_auth.leaks_into(client_id, text) || hidden.iter().any(|secret| repeats(text, secret))
    };
    let Some(error) = refusal(&reply, context, application, leaks) else { return Ok(reply) };
    // RFC 6749, section 5.2; Auth0 says access_denied.
    let is_stranger =
        reply.status == StatusCode::UNAUTHORIZED || error.server_error().is_some_and(|server| server.code() == "invalid_client");
    if !is_stranger {
        return Err(error);
    }
    let advice = client_auth.advice(metadata.client_auth_methods.as_deref(), metadata.client_auth_algorithms.as_deref());
    Err(error.with_advice(advice))
}

/// One attempt, and the form as it is sent with it. An assertion in it is good for no other.
fn authenticated(application: &Application, metadata: &Metadata, url: &Url, mut form: Form) -> Result<(Request, Bytes)> {
    let client_auth = application.auth();
    let url = if client_auth.is_mutual_tls() { metadata.for_mutual_tls(url) } else { url };
    let mut request = Request::new(Method::POST, url.clone());
    let to = Addressee {
        client_id: application.client_id(),
        issuer: &metadata.issuer,
        token_endpoint: metadata.token_endpoint.url().ok().map(Url::as_str).filter(|_| application.is_named_by_the_program()),
        algorithms: metadata.client_auth_algorithms.as_deref(),
        now: application.time().now(),
    };
    client_auth.authenticate(&to, &mut form, request.headers_mut())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let form = form.into_bytes();
    *request.body_mut() = Some(form.clone().into());
    Ok((request, form))
}

/// Returns whether the proof was refused because it lacks a nonce: as the token endpoint says it (RFC 9449, section 8), or as an
/// API does (section 9), such as the provider's user info.
pub(crate) fn asks_for_nonce(reply: &Reply) -> bool {
    if !reply.status.is_client_error() {
        return false;
    }
    let body = || json::object::<ErrorBody>(reply.body()).ok()?.error;
    Challenge::asks_for_nonce(&reply.headers)
        || body().is_some_and(|error| error == "use_dpop_nonce" || error == "invalid_dpop_nonce")
}

/// The members of an error in any of Auth0's five forms, and of RFC 6749, section 5.2.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    error_description: Option<Value>,
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    description: Option<Value>,
    #[serde(default)]
    message: Option<Value>,
    #[serde(default)]
    name: Option<Value>,
    #[serde(default)]
    policy: Option<Value>,
    #[serde(default)]
    mfa_token: Option<Secret>,
    #[serde(default)]
    mfa_requirements: Option<Value>,
}

impl ErrorBody {
    /// The data to continue with a second factor.
    fn into_mfa(self) -> Option<MfaRequired> {
        let kinds = |list: &str| -> Vec<String> {
            let listed = self.mfa_requirements.as_ref().and_then(|requirements| requirements.get(list)?.as_array());
            let kinds = listed.into_iter().flatten().filter_map(|entry| entry.get("type").unwrap_or(entry).as_str());
            kinds.map(excerpt).collect()
        };
        let (challenges, enrolments) = (kinds("challenge"), kinds("enroll"));
        self.mfa_token.filter(|token| !token.expose().is_empty()).map(|token| MfaRequired::new(token, challenges, enrolments))
    }
}

impl ErrorBody {
    /// Auth0's rules for passwords, in the order of the answer, and whether the password breaks each.
    fn password_rules(&self) -> Vec<(String, bool)> {
        let described = self.description.as_ref().and_then(|description| description.get("rules")?.as_array());
        if let Some(rules) = described {
            return rules.iter().filter_map(password_rule).collect();
        }
        let policy = self.policy.as_ref().and_then(Value::as_str).unwrap_or_default();
        let lines = policy.lines().map(|line| line.trim_start_matches([' ', '*']).trim_end()).filter(|rule| !rule.is_empty());
        lines.map(|rule| (rule.to_owned(), false)).collect()
    }
}

/// `{"message": "At least %d characters in length", "format": [8], "verified": false}`; `items` are the parts of a rule.
fn password_rule(rule: &Value) -> Option<(String, bool)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut message = rule.get("message")?.as_str()?.to_owned();
    for value in rule.get("format").and_then(Value::as_array).into_iter().flatten() {
        if let Some(place) = message.find("%d").or_else(|| message.find("%s")) {
            message.replace_range(place..place + 2, &text(value));
        }
    }
    let parts = rule.get("items").and_then(Value::as_array).into_iter().flatten();
    let parts: Vec<&str> = parts.filter_map(|part| part.get("message")?.as_str()).collect();
    if !parts.is_empty() {
        message = format!("{message} {}", parts.join(", "));
    }
    Some((message, rule.get("verified").and_then(Value::as_bool) == Some(false)))
}

/// The provider's error, if the answer is one: by its status, or by an `error` in spite of a 200. An object with a repeated member
/// is refused. `leaks` returns whether a text repeats a secret of the request.
pub(crate) fn refusal(reply: &Reply, context: &str, application: &Application, leaks: impl Fn(&str) -> bool) -> Option<Error> {
    let invalid = |why: &str| {
        Some(Error::invalid_response(format!(
            "{context} was answered with {} and {why}; only the provider can correct that",
            reply.status
        )))
    };
    if reply.status.is_success() {
        // What is no JSON object at all is refused by whoever needs one.
        let names = json::object::<MemberNames<'_>>(reply.body()).ok()?;
        if !names.are_unique() {
            return invalid("a JSON object in which a member stands twice");
        }
        if !names.hold("error") {
            return None;
        }
    }
    let body = json::object::<ErrorBody>(reply.body()).ok();
    match body.as_ref().map(|body| body.error.as_ref()) {
        Some(None | Some(Value::Null)) if reply.status.is_success() => return None,
        None if reply.status.is_success() => return invalid("an error that cannot be read"),
        Some(Some(error)) if reply.status.is_success() && !error.is_string() => return invalid("an error that is no text"),
        _ => {}
    }
    let mfa_token = body.as_ref().and_then(|body| body.mfa_token.as_ref());
    let is_secret = |text: &str| leaks(text) || mfa_token.is_some_and(|token| repeats(text, token.expose()));
    let shown = |text: &&str| !text.is_empty() && (stock_phrases::is_one(text) || !is_secret(text));
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(beginning).filter(shown).map(str::to_owned);
    let (code, name, description) = match &body {
        Some(body) => {
            let descriptions = [&body.error_description, &body.description, &body.message];
            (text(&body.error).or_else(|| text(&body.code)), text(&body.name), descriptions.into_iter().find_map(text))
        }
        None => (None, None, Some(plain_text(reply)).filter(|text| shown(&&**text))),
    };
    let code = code.unwrap_or_else(|| format!("http_{}", reply.status.as_u16()));
    let kind = match code.as_str() {
        "mfa_required" => ErrorKind::MfaRequired,
        _ => ErrorKind::Server,
    };
    let rules = body.as_ref().map(ErrorBody::password_rules).unwrap_or_default();
    // All of them are shown, so that a secret in them must not be cut short.
    let rules = rules.into_iter().filter(|(rule, _)| beginning(rule) == rule && shown(&&**rule));
    let server = ServerError::new(&code, description.as_deref(), Some(reply.status)).with_name(name.as_deref());
    let server = server.with_password_rules(rules);
    let error = Error::server(context, server).with_kind(kind).with_retry_after(delay(reply, &code, application));
    let mfa = body.filter(|_| kind == ErrorKind::MfaRequired).and_then(ErrorBody::into_mfa);
    Some(match mfa {
        Some(mfa) => error.with_attachment(mfa),
        None => error,
    })
}

fn plain_text(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(reply.body());
    beginning(text.trim()).to_owned()
}

fn delay(reply: &Reply, code: &str, application: &Application) -> Option<std::time::Duration> {
    let now = application.time().now();
    match code {
        // RFC 8628, section 3.5: poll on, whatever the status.
        "authorization_pending" | "slow_down" => reply.retry_after(now),
        _ if is_transient(reply.status) => reply.retry_after_rate_limit(now),
        _ => None,
    }
}
