use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::application::Application;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::json::Text;
use crate::provider::Metadata;
use crate::token::Seconds;
use crate::transport::Reply;
use crate::web_auth::authorize_url::AuthorizeUrl;
use crate::web_auth::request::{Value, Written as _};

/// An authorization request that the provider knows already (RFC 9126).
pub(crate) struct Pushed {
    /// The URL that the person's browser is sent to: it only says which request it is about.
    pub(crate) url: Url,
    /// For how long the provider remembers the request.
    pub(crate) life: Duration,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    request_uri: Option<Text<'a>>,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

/// Sends the request to the provider directly, authenticated, so that no program on the way through the browser can read or alter
/// it. An error repeats nothing of `hidden`.
pub(crate) async fn push(application: &Application, metadata: &Metadata, form: Form, hidden: &[&str]) -> Result<Pushed> {
    let endpoint = metadata.pushed_authorization_request_endpoint.url()?;
    let reply = endpoint::post_hiding(application, CONTEXT, endpoint, form, hidden).await?;
    let (request_uri, life) = read(&reply)?;
    // RFC 9126, section 4: "The client uses the request_uri value returned by the authorization server to build an
    // authorization request", which is its client_id and that, and nothing else.
    let client_id = application.client_id();
    let url = AuthorizeUrl::new(metadata)?.with(|query| {
        query.put("client_id", Value::Text(client_id));
        query.put("request_uri", Value::Text(&request_uri));
    });
    Ok(Pushed { url, life })
}

/// RFC 9126, section 2.2: "the server MUST generate a request URI and provide it in the response with a 201 HTTP status
/// code". Some answer with 200.
pub(crate) fn read(reply: &Reply) -> Result<(Text<'_>, Duration)> {
    if !matches!(reply.status, StatusCode::CREATED | StatusCode::OK) {
        return Err(Error::invalid_response(format!(
            "{CONTEXT} was answered with {}, where 201 is the rule; only the provider can correct that",
            reply.status
        )));
    }
    let body: Body<'_> = reply.json()?;
    let refused = |why: &str| {
        Err(Error::invalid_response(format!(
            "the provider's answer to {CONTEXT} is refused: {why}; only the provider can correct that"
        )))
    };
    let Some(request_uri) = body.request_uri.filter(|uri| !uri.is_empty()) else { return refused("it has no request_uri") };
    if request_uri.len() > LONGEST_URI || !request_uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused("its request_uri is no URI that a browser could be sent on with");
    }
    match body.expires_in {
        Some(Seconds(seconds @ 1..)) => Ok((request_uri, Duration::from_secs(seconds))),
        // "expires_in: A JSON number that represents the lifetime of the request URI in seconds as a positive integer."
        _ => refused("its expires_in is missing or zero"),
    }
}

const CONTEXT: &str = "the pushed authorization request";
/// In bytes: a browser's URL has to hold it.
const LONGEST_URI: usize = 2048;
