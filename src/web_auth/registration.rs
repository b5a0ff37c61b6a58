use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::application::Application;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::json::Text;

#[derive(Deserialize)]
struct Registered<'a> {
    #[serde(borrow)]
    client_id: Text<'a>,
    #[serde(borrow, default)]
    client_secret: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token_endpoint_auth_method: Option<Text<'a>>,
    #[serde(borrow, default)]
    redirect_uris: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    id_token_signed_response_alg: Option<Text<'a>>,
    #[serde(borrow, default)]
    userinfo_signed_response_alg: Option<Text<'a>>,
    #[serde(borrow, default)]
    authorization_signed_response_alg: Option<Text<'a>>,
}

impl Registered<'_> {
    /// RFC 7591, section 3.2.1: the server "MAY reject or replace any of the client's requested metadata values".
    fn is_as_asked(&self, redirect_uris: &[String]) -> bool {
        let is_public =
            self.token_endpoint_auth_method.as_ref().map_or_else(|| self.client_secret.is_none(), |method| **method == *"none");
        let knows = |known: &Vec<Text<'_>>| redirect_uris.iter().all(|own| known.iter().any(|known| **known == **own));
        is_public && self.redirect_uris.as_ref().is_none_or(knows)
    }
}

/// The application with a client id for a program that people install (RFC 7591, section 3): public, with redirect URIs on loopback.
pub(super) async fn register(application: Application, name: &str) -> Result<Application> {
    let metadata = application.provider().metadata().await?;
    let url = metadata.registration_endpoint.url()?;
    let redirect_uris = application.web_auth().callback_urls()?;
    let body = json!({
        "client_name": name,
        "redirect_uris": redirect_uris,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
    });
    let mut request = reqwest::Request::new(Method::POST, url.clone());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.to_string().into());
    let reply = application.provider().transport().send(CONTEXT, request).await?;
    if let Some(refusal) = endpoint::refusal(&reply, CONTEXT, &application, |_| false) {
        return Err(refusal);
    }
    let registered: Registered<'_> = reply.json()?;
    if !registered.is_as_asked(&redirect_uris) {
        return Err(Error::invalid_response(
            "the provider registered the program otherwise than it asked for: with a secret, or without its redirect URIs; register the program by hand",
        ));
    }
    let client_id = registered.client_id.0.clone().into_owned();
    // RFC 6749, appendix A.1: visible characters and spaces.
    let is_shown = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if client_id.is_empty() || client_id.len() > LONGEST_ID || !client_id.bytes().all(is_shown) {
        return Err(Error::invalid_response(
            "the provider's answer to the registration is refused: its client_id can be none; register the program by hand",
        ));
    }
    // RFC 7591, section 3.2.1: the answer holds what the server has registered.
    let mut application = application.with_client_id(client_id);
    if let Some(algorithm) = &registered.id_token_signed_response_alg {
        application = application.id_token_algorithm(&**algorithm);
    }
    if let Some(algorithm) = &registered.userinfo_signed_response_alg {
        application = application.user_info_algorithm(&**algorithm);
    }
    if let Some(algorithm) = &registered.authorization_signed_response_alg {
        application = application.authorization_response_algorithm(&**algorithm);
    }
    Ok(application)
}

const CONTEXT: &str = "the registration of the program";
const LONGEST_ID: usize = 2048;
