use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::error::{Error, Result, is_unprintable};
use crate::json::Text;
use crate::origin;
use crate::secret::Secret;
use crate::token::{Seconds, interval};
use crate::transport::Reply;

/// A device authorization response (RFC 8628, section 3.2), fit to be shown to a person.
pub(crate) struct Answer {
    pub(crate) device_code: Secret,
    pub(crate) user_code: String,
    pub(crate) verification_uri: Url,
    pub(crate) verification_uri_complete: Option<Url>,
    pub(crate) life: Duration,
    pub(crate) interval: Duration,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    device_code: Text<'a>,
    #[serde(borrow)]
    user_code: Text<'a>,
    #[serde(borrow, default)]
    verification_uri: Option<Text<'a>>,
    /// Google's name of it.
    #[serde(borrow, default)]
    verification_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    verification_uri_complete: Option<Text<'a>>,
    expires_in: Seconds,
    #[serde(borrow, default)]
    interval: Option<&'a RawValue>,
}

impl Answer {
    pub(crate) fn read(reply: &Reply) -> Result<Self> {
        let body: Body<'_> = reply.json()?;
        let refused = |why: &str| {
            Error::invalid_response(format!(
                "the provider's answer to the request for a device code is refused: {why}; only the provider can correct that"
            ))
        };
        if body.device_code.is_empty() {
            return Err(refused("its device_code is empty"));
        }
        let user_code = shown(&body.user_code).ok_or_else(|| refused("its user_code is nothing that a person can type"))?;
        let verification_uri = body.verification_uri.or(body.verification_url).and_then(|text| page(&text));
        Ok(Self {
            device_code: Secret::from(&*body.device_code),
            user_code,
            verification_uri: verification_uri.ok_or_else(|| refused("its verification_uri is no http or https URL"))?,
            // A convenience: without it, the code is typed.
            verification_uri_complete: body.verification_uri_complete.and_then(|text| page(&text)),
            life: Duration::from_secs(body.expires_in.0),
            interval: interval(body.interval, Duration::from_secs(body.expires_in.0)),
        })
    }
}

/// The code as it may be written to a terminal.
fn shown(code: &str) -> Option<String> {
    let code: String = code.chars().filter(|character| !is_unprintable(*character)).collect();
    let code = code.trim();
    (!code.is_empty() && code.len() <= LONGEST_CODE).then(|| code.to_owned())
}

/// Reads a page that may be shown to a person and opened. A `Url` has its control characters encoded.
fn page(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // `https://acme.com@evil.example` looks like what it is not.
    (!origin::has_user_info(&url) && url.as_str().len() <= LONGEST_URL).then_some(url)
}

/// In bytes. RFC 8628, section 6.1, has codes of eight characters.
const LONGEST_CODE: usize = 100;
/// In bytes. A QR code holds it.
const LONGEST_URL: usize = 2000;
