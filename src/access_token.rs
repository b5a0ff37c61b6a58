use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::dpop::{DpopKey, Proofs, Prover, TokenHash};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// An access token, ready to be put on a request: one wiped buffer that every clone shares.
///
/// For gRPC, WebSockets and other things that are no reqwest client, [`header_value`](Self::header_value) is the value
/// of `Authorization`. A token that is bound to a key (DPoP) also needs a [`proof`](Self::proof) for each request.
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
    expires_at: Option<Timestamp>,
    /// The key that it is bound to, which makes it a DPoP token.
    binding: Option<Arc<Binding>>,
}

struct Binding {
    key: DpopKey,
    clock: Clock,
    hash: TokenHash,
}

/// The way in which an access token is presented (RFC 6750, section 2.1; RFC 9449, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenType {
    /// Any holder may use it.
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
        Self::new(token.into().expose(), None).ok_or_else(no_token)
    }

    /// A token that you have already, of unknown lifetime, which is bound to this key.
    ///
    /// # Errors
    /// As [`bearer`](Self::bearer).
    pub fn dpop(token: impl Into<Secret>, key: DpopKey) -> Result<Self> {
        Self::bound(token.into().expose(), None, key, Clock::default()).ok_or_else(no_token)
    }

    pub(crate) fn new(token: &str, expires_at: Option<Timestamp>) -> Option<Self> {
        Some(Self { header: authorization(TokenType::Bearer, token)?, expires_at, binding: None })
    }

    /// The same for a token that is shown only with proofs by this key, made at this clock's time.
    pub(crate) fn bound(token: &str, expires_at: Option<Timestamp>, key: DpopKey, clock: Clock) -> Option<Self> {
        let header = authorization(TokenType::DPoP, token)?;
        let binding = Arc::new(Binding { key, clock, hash: TokenHash::of(token) });
        Some(Self { header, expires_at, binding: Some(binding) })
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
        let value = &self.header.as_bytes()[self.token_type().scheme().len() + 1..];
        std::str::from_utf8(value).expect("the token was checked to be ASCII")
    }

    /// The way in which it is presented.
    #[must_use]
    pub fn token_type(&self) -> TokenType {
        if self.binding.is_some() { TokenType::DPoP } else { TokenType::Bearer }
    }

    /// The key that it is bound to; none for a bearer token.
    #[must_use]
    pub fn dpop_key(&self) -> Option<&DpopKey> {
        self.binding.as_ref().map(|binding| &binding.key)
    }

    /// The value of the `DPoP` header for one request, which goes beside [`header_value`](Self::header_value): it is good for this
    /// method and URL, once and now. None for a bearer token, which needs no proof.
    ///
    /// [`AuthorizedClient`](crate::AuthorizedClient) adds proofs without this. For a WebSocket the URL is the `https` one. Hand
    /// each response to [`learn_nonce`](Self::learn_nonce).
    ///
    /// # Errors
    /// `Configuration` when the URL is not an `https` or `http` one, or holds a user name.
    pub fn proof(&self, method: &Method, url: &Url) -> Result<Option<HeaderValue>> {
        let Some(prover) = self.prover() else { return Ok(None) };
        prover.sign(method, url, prover.key.nonces().of(url).as_ref()).map(Some)
    }

    /// Keeps the nonce of a response from this URL for further proofs for this origin. Returns true if the response had one: after
    /// a 401 with `use_dpop_nonce`, send the request once more with a new [`proof`](Self::proof).
    pub fn learn_nonce(&self, url: &Url, headers: &HeaderMap) -> bool {
        self.dpop_key().is_some_and(|key| key.nonces().learn(url, headers).is_some())
    }

    /// The proofs of one exchange with this token.
    pub(crate) fn proofs(&self) -> Proofs<'_> {
        Proofs::by(self.prover())
    }

    fn prover(&self) -> Option<Prover<'_>> {
        let Binding { key, clock, hash } = &**self.binding.as_ref()?;
        Some(Prover { key, clock, token: Some(hash) })
    }

    /// The end of the token, as the provider said; none when it did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at.map(Timestamp::to_offset_date_time)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("token_type", &self.token_type())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// The value of `Authorization`, for another HTTP client. A DPoP token needs a proof, too.
impl From<AccessToken> for HeaderValue {
    fn from(token: AccessToken) -> Self {
        token.header
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

fn no_token() -> Error {
    Error::configuration("an access token is not empty and holds only visible ASCII; give it without scheme or line break")
}

/// None when the token could not be a header's value (RFC 6750, section 2.1: it is one word of visible ASCII).
fn authorization(token_type: TokenType, token: &str) -> Option<HeaderValue> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    sensitive_header(&[token_type.scheme(), " ", token])
}

/// One buffer that is wiped with the last clone of the value.
fn sensitive_header(parts: &[&str]) -> Option<HeaderValue> {
    let value = Zeroizing::new(parts.concat().into_bytes().into_boxed_slice());
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).ok()?;
    header.set_sensitive(true);
    Some(header)
}
