use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::application::Application;
use crate::error::{Error, ErrorKind, Result, ServerError};
use crate::form::{Form, leaks_into};
use crate::json;
use crate::transport::Reply;

/// The one funnel for what the application asks of the provider: authenticated, and errors read as what they are.
/// `context` names the request in messages.
pub(crate) async fn post(application: &Application, context: &'static str, url: &Url, mut form: Form) -> Result<Reply> {
    let mut request = reqwest::Request::new(Method::POST, url.clone());
    application.auth().authenticate(application.client_id(), &mut form, request.headers_mut())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let form = form.into_bytes();
    *request.body_mut() = Some(form.clone().into());
    let reply = application.provider().transport().send(context, request).await?;
    match refusal(&reply, context, application, |text| leaks_into(&form, text)) {
        Some(error) => Err(error),
        None => Ok(reply),
    }
}

/// What stands in an error of any of the five forms that Auth0 uses, and in RFC 6749, section 5.2.
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
}

/// The provider's error, if the answer is one: by its status, or by an `error` in spite of a 200.
/// `leaks` says of a text whether it repeats a secret of the request.
pub(crate) fn refusal(reply: &Reply, context: &str, application: &Application, leaks: impl Fn(&str) -> bool) -> Option<Error> {
    let body = json::object::<ErrorBody>(reply.body()).ok();
    let names_error = body.as_ref().is_some_and(|body| body.error.as_ref().is_some_and(|error| !error.is_null()));
    if reply.status.is_success() && !names_error {
        return None;
    }
    if let Some(error) = body.as_ref().and_then(|body| body.error.as_ref())
        && !error.is_string()
        && !error.is_null()
    {
        return Some(Error::invalid_response(format!("{context} was answered with {} and an error that is no text", reply.status)));
    }
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).filter(|text| !leaks(text)).map(str::to_owned);
    let (code, description) = match &body {
        Some(body) => (
            text(&body.error).or_else(|| text(&body.code)),
            text(&body.error_description).or_else(|| text(&body.description)).or_else(|| text(&body.message)),
        ),
        None => (None, plain_text(reply).filter(|text| !leaks(text))),
    };
    let code = code.unwrap_or_else(|| format!("http_{}", reply.status.as_u16()));
    let kind = match code.as_str() {
        "mfa_required" => ErrorKind::MfaRequired,
        _ => ErrorKind::Server,
    };
    let server = ServerError::new(&code, description.as_deref(), Some(reply.status));
    Some(Error::server(context, server).with_kind(kind).with_retry_after(delay(reply, application)))
}

fn plain_text(reply: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(reply.body());
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn delay(reply: &Reply, application: &Application) -> Option<std::time::Duration> {
    let limited = reply.status == StatusCode::TOO_MANY_REQUESTS || reply.status.is_server_error();
    limited.then(|| reply.retry_after(application.time().now())).flatten()
}
