use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::crypto;
use crate::dpop::DpopKey;
use crate::error::{Error, ErrorKind, Result};
use crate::jose::{base64url, base64url_decode};
use crate::json::{self, Text};
use crate::provider::{Demands, Organization};
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::token::holds_scope;
use crate::web_auth::response_mode::ResponseMode;

/// A login between its URL and its callback. [`WebAuth::finish`](crate::WebAuth::finish) uses it up.
///
/// It holds what only this login knows (`state`, `nonce`, the PKCE verifier), so it is not `Serialize`; see
/// [`to_secret_string`](Self::to_secret_string). `Debug` shows none of it.
pub struct PendingLogin {
    pub(crate) url: Url,
    pub(crate) url_expires_at: Option<Timestamp>,
    pub(crate) issuer: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) redirect_uri: Arc<str>,
    pub(crate) scope: Arc<str>,
    pub(crate) api: Option<RequestedApi>,
    pub(crate) demands: Demands,
    /// The login asked for `prompt=none`, so the person could not be asked anything.
    pub(crate) is_silent: bool,
    pub(crate) response_mode: ResponseMode,
    pub(crate) expires_at: Timestamp,
    pub(crate) secrets: LoginSecrets,
}

impl PendingLogin {
    /// The URL for the person's browser.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Until when the browser has to be there, where the login is [`pushed`](crate::WebAuth::pushed) or
    /// [`signed`](crate::WebAuth::signed); none where the URL is good for as long as the login. How long the person then
    /// takes is another matter.
    #[must_use]
    pub fn url_expires_at(&self) -> Option<OffsetDateTime> {
        self.url_expires_at.map(Timestamp::to_offset_date_time)
    }

    /// The login as text, to be kept until the callback comes: in an encrypted and authenticated cookie or on the server, bound to
    /// this browser either way. A holder of the text can finish the login in the person's place, and a program that can alter it
    /// decides about the checks: it is not sealed. With DPoP it holds the key, too: keep it on the server then, or use
    /// [`dpop_per_login`](crate::WebAuth::dpop_per_login), so that the key is this login's alone.
    #[must_use]
    pub fn to_secret_string(&self) -> Secret {
        let secrets = Zeroizing::new(base64url(&*self.secrets.random));
        let dpop_key = self.secrets.dpop_key.as_ref().map(DpopKey::to_stored);
        let kept = Kept {
            url: self.url.as_str().into(),
            url_expires_at: self.url_expires_at.map(Timestamp::unix_millis),
            issuer: (*self.issuer).into(),
            client_id: (*self.client_id).into(),
            redirect_uri: (*self.redirect_uri).into(),
            scope: (*self.scope).into(),
            audience: self.api.as_ref().and_then(RequestedApi::audience).map(Cow::from),
            resources: self.api.as_ref().and_then(RequestedApi::resources).map(Cow::from),
            max_age: self.demands.max_age.map(|age| age.as_secs()),
            organization: self.demands.organization.as_ref().map(|organization| organization.as_str().into()),
            person: self.demands.person.as_deref().map(Cow::from),
            acr: self.demands.acr.as_ref().map(|acr| acr.to_vec()),
            is_silent: self.is_silent,
            response_mode: self.response_mode.name().map(Cow::from),
            expires_at: self.expires_at.unix_millis(),
            secrets: (*secrets).as_str().into(),
            dpop_key: dpop_key.as_ref().map(|key| Text(key.as_str().into())),
        };
        let encoded = Zeroizing::new(base64url(&json::secret(&kept)));
        let mut text = String::with_capacity(VERSION.len() + encoded.len());
        text.push_str(VERSION);
        text.push_str(&encoded);
        Secret::new(text)
    }

    /// The login that [`to_secret_string`](Self::to_secret_string) kept.
    ///
    /// # Errors
    /// `Callback` when the text is no login of this version: it was cut off, garbled or kept by another release.
    pub fn from_secret_string(text: &Secret) -> Result<Self> {
        let refused = || Error::new(ErrorKind::Callback, "the kept login cannot be read; start the login anew");
        let json = text.expose().strip_prefix(VERSION).and_then(|text| base64url_decode(text.as_bytes())).ok_or_else(refused)?;
        let json = Zeroizing::new(json);
        let kept: Kept<'_> = json::object(&json).map_err(|error| refused().with_source(error))?;
        let secrets = base64url_decode(kept.secrets.as_bytes()).map(Zeroizing::new);
        let secrets = secrets.and_then(|bytes| <[u8; 96]>::try_from(bytes.as_slice()).ok()).ok_or_else(refused)?;
        let dpop_key = kept.dpop_key.map(|text| DpopKey::from_stored(&text).ok_or_else(refused)).transpose()?;
        Ok(Self {
            url: Url::parse(&kept.url).map_err(|_| refused())?,
            url_expires_at: kept.url_expires_at.map(Timestamp::from_unix_millis),
            issuer: Arc::from(&*kept.issuer),
            client_id: Arc::from(&*kept.client_id),
            redirect_uri: Arc::from(&*kept.redirect_uri),
            scope: Arc::from(&*kept.scope),
            api: RequestedApi::from_kept(kept.audience.as_deref(), kept.resources.as_deref()),
            demands: Demands {
                max_age: kept.max_age.map(Duration::from_secs),
                organization: kept.organization.map(|organization| Arc::new(Organization::parse(&organization))),
                person: kept.person.map(Arc::from),
                acr: kept.acr.map(Arc::from),
            },
            is_silent: kept.is_silent,
            response_mode: ResponseMode::from_name(kept.response_mode.as_deref()).ok_or_else(refused)?,
            expires_at: Timestamp::from_unix_millis(kept.expires_at),
            secrets: LoginSecrets { random: Zeroizing::new(secrets), dpop_key },
        })
    }
}

impl PendingLogin {
    pub(crate) fn asks_for_identity(&self) -> bool {
        holds_scope(&self.scope, "openid")
    }
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogin")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_expires_at: Option<i64>,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    #[serde(borrow)]
    redirect_uri: Cow<'a, str>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    audience: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<Cow<'a, str>>,
    max_age: Option<u64>,
    organization: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<Vec<serde_json::Value>>,
    /// `prompt=none` was sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_silent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_mode: Option<Cow<'a, str>>,
    expires_at: i64,
    #[serde(borrow)]
    secrets: Cow<'a, str>,
    #[serde(borrow, default)]
    dpop_key: Option<Text<'a>>,
}

const VERSION: &str = "hallpass1.";

/// The secrets of one login: 96 random bytes, read at once and wiped on drop, and the key that its tokens are bound to.
pub(crate) struct LoginSecrets {
    random: Zeroizing<[u8; 96]>,
    pub(crate) dpop_key: Option<DpopKey>,
}

impl LoginSecrets {
    pub(crate) fn generate(dpop_key: Option<DpopKey>) -> Result<Self> {
        let mut random = Zeroizing::new([0; 96]);
        crypto::random(&mut *random)?;
        Ok(Self { random, dpop_key })
    }

    /// In hexadecimal, which no encoder of URLs touches: what comes back is compared as it stands.
    pub(crate) fn state(&self) -> Line<64> {
        let mut line = Line::empty();
        for (position, byte) in self.random[..32].iter().enumerate() {
            line.0[2 * position] = HEX[usize::from(byte >> 4)];
            line.0[2 * position + 1] = HEX[usize::from(byte & 15)];
        }
        line
    }

    pub(crate) fn nonce(&self) -> Line<43> {
        Line::base64url(&self.random[32..64])
    }

    /// RFC 7636, section 4.1: 32 random bytes make "a 43-octet URL safe string".
    pub(crate) fn code_verifier(&self) -> Line<43> {
        Line::base64url(&self.random[64..])
    }

    /// RFC 7636, section 4.2: `BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))`.
    pub(crate) fn code_challenge(&self) -> Line<43> {
        Line::base64url(&crypto::sha256(self.code_verifier().as_bytes()))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A short ASCII text off the heap, wiped on drop.
pub(crate) struct Line<const N: usize>(Zeroizing<[u8; N]>);

impl<const N: usize> Line<N> {
    fn empty() -> Self {
        Self(Zeroizing::new([b'0'; N]))
    }

    fn base64url(bytes: &[u8]) -> Self {
        use base64::Engine as _;
        let mut line = Self::empty();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_slice(bytes, &mut *line.0).expect("32 bytes make 43 characters");
        line
    }
}

impl<const N: usize> std::ops::Deref for Line<N> {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&*self.0).expect("it is ASCII")
    }
}
