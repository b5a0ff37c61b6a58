use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// An access token, ready to be put on a request: one wiped buffer that every clone shares.
///
/// For gRPC, WebSockets and other things that are no reqwest client, [`header_value`](Self::header_value) is the value
/// of `Authorization`.
///
/// ```
/// use hallpass::AccessToken;
/// let token = AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA")?;
/// assert_eq!(token.header_value(), "Bearer 2YotnFZFEjr1zCsicMWpAA");
/// assert!(token.header_value().is_sensitive());
/// # Ok::<(), hallpass::Error>(())
/// ```
#[derive(Clone)]
pub struct AccessToken {
    header: HeaderValue,
    token_type: TokenType,
    expires_at: Option<Timestamp>,
}

/// How an access token is presented (RFC 6750, section 2.1; RFC 9449, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenType {
    /// Whoever holds it may use it.
    Bearer,
    /// Only together with proofs signed by the key it is bound to.
    DPoP,
}

impl AccessToken {
    /// A bearer token that you have already, of unknown lifetime.
    ///
    /// # Errors
    /// `Configuration` when the text is empty or holds anything but visible ASCII: it could not be a header's value.
    pub fn bearer(token: impl Into<Secret>) -> Result<Self> {
        Self::new(TokenType::Bearer, token.into().expose(), None)
            .ok_or_else(|| Error::configuration("an access token is not empty and holds only visible ASCII characters"))
    }

    /// None when the token could not be a header's value (RFC 6750, section 2.1: it is one word of visible ASCII).
    pub(crate) fn new(token_type: TokenType, token: &str, expires_at: Option<Timestamp>) -> Option<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let header = sensitive_header(&[token_type.scheme(), " ", token])?;
        Some(Self { header, token_type, expires_at })
    }

    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The value of the `Authorization` header, marked sensitive. Cloning it copies nothing.
    #[must_use]
    pub fn header_value(&self) -> &HeaderValue {
        &self.header
    }

    /// The value under another scheme, or the bare token where `scheme` is empty. None when the scheme is no header text.
    pub(crate) fn header_value_as(&self, scheme: &str) -> Option<HeaderValue> {
        let space = if scheme.is_empty() { "" } else { " " };
        sensitive_header(&[scheme, space, self.expose()])
    }

    /// The token alone, without its scheme.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the token was checked to be ASCII when it was made")]
    pub fn expose(&self) -> &str {
        let value = &self.header.as_bytes()[self.token_type.scheme().len() + 1..];
        std::str::from_utf8(value).expect("the token was checked to be ASCII")
    }

    /// How it is presented.
    #[must_use]
    pub fn token_type(&self) -> TokenType {
        self.token_type
    }

    /// When it ends, as the provider said; none when it did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at.map(Timestamp::to_offset_date_time)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("token_type", &self.token_type)
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// The same token; compared in constant time.
impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.header.as_bytes().ct_eq(other.header.as_bytes()).into()
    }
}

impl Eq for AccessToken {}

impl TokenType {
    /// The scheme in the `Authorization` header.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::DPoP => "DPoP",
        }
    }
}

/// One buffer that is wiped with the last clone of the value.
fn sensitive_header(parts: &[&str]) -> Option<HeaderValue> {
    let mut value = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        value.extend_from_slice(part.as_bytes());
    }
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).ok()?;
    header.set_sensitive(true);
    Some(header)
}
