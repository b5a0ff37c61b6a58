use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::crypto::Algorithm;
use crate::error::excerpt;
use crate::jose::base64url_decode;
use crate::json::{self, Text};

/// A JWS in its compact form, taken apart, of which nothing is believed yet.
#[derive(Debug)]
pub(crate) struct CompactJws<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Box<str>>,
    pub(crate) signing_input: &'a [u8],
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// Why a text is no JWS that this crate looks at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwsRefused {
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    #[error("it has not the three parts of a compact JWS")]
    Parts,
    #[error("it is encrypted, which was not asked for")]
    Encrypted,
    #[error("a part of it is not strict base64url")]
    Encoding,
    #[error("its header is not a JSON object of the expected members")]
    Header,
    #[error("its algorithm {0:?} is none that is accepted")]
    Algorithm(String),
    #[error("its type {0:?} is that of another kind of token")]
    Type(String),
    #[error("it has a critical header parameter that is not understood")]
    Critical,
}

/// Keys that a header brings along or points to (jwk, jku, x5u, x5c) are not read at all.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Text<'a>,
    #[serde(borrow, default)]
    kid: Option<Text<'a>>,
    #[serde(borrow, default)]
    typ: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Whatever the value is, null too.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl<'a> CompactJws<'a> {
    /// `types` are those that the token may have if it states one, "JWT" for most.
    pub(crate) fn parse(text: &'a str, types: &[&str]) -> Result<Self, JwsRefused> {
        if text.len() > LONGEST {
            return Err(JwsRefused::TooLong);
        }
        let mut parts = text.splitn(6, '.');
        let (Some(header), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(JwsRefused::Parts);
        };
        match parts.count() {
            0 => {}
            2 => return Err(JwsRefused::Encrypted),
            _ => return Err(JwsRefused::Parts),
        }
        let signing_input = &text.as_bytes()[..header.len() + 1 + payload.len()];
        let header = base64url_decode(header.as_bytes()).ok_or(JwsRefused::Encoding)?;
        let header: Header<'_> = json::object(&header).map_err(|_| JwsRefused::Header)?;
        // RFC 7515, section 4.1.11: "If any of the listed extension Header Parameters are not understood and supported by
        // the recipient, then the JWS is invalid." None is understood here.
        if header.crit {
            return Err(JwsRefused::Critical);
        }
        if let Some(own) = &header.typ
            && !types.iter().any(|typ| is_type(own, typ))
        {
            return Err(JwsRefused::Type(excerpt(own)));
        }
        let algorithm = Algorithm::from_name(&header.alg).ok_or_else(|| JwsRefused::Algorithm(excerpt(&header.alg)))?;
        Ok(Self {
            algorithm,
            kid: header.kid.map(|kid| kid.0.into()),
            signing_input,
            payload: base64url_decode(payload.as_bytes()).ok_or(JwsRefused::Encoding)?,
            signature: base64url_decode(signature.as_bytes()).ok_or(JwsRefused::Encoding)?,
        })
    }
}

/// Media types are compared without regard to case, and a `typ` may leave out `application/` (RFC 7515, section 4.1.9).
fn is_type(own: &str, typ: &str) -> bool {
    let bare = match own.split_at_checked(PREFIX.len()) {
        Some((prefix, bare)) if prefix.eq_ignore_ascii_case(PREFIX) => bare,
        _ => own,
    };
    bare.eq_ignore_ascii_case(typ)
}

const PREFIX: &str = "application/";
/// The longest JWS that is looked at, in bytes.
const LONGEST: usize = 256 * 1024;
