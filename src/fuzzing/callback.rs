use std::sync::LazyLock;

use super::errors;
use super::made_up::{ISSUER, LOGIN, metadata};
use crate::error::Result;
use crate::provider::Metadata;
use crate::secret::Secret;
use crate::web_auth::Callback;

pub(super) static QUIET: LazyLock<Metadata> = LazyLock::new(|| metadata(false));
pub(super) static NAMES_ITSELF: LazyLock<Metadata> = LazyLock::new(|| metadata(true));

/// The parameters at the redirect URI yield a code exactly when RFC 6749, section 4.1.2, and RFC 9207 allow it, in every form.
pub fn callback(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for metadata in [&*QUIET, &*NAMES_ITSELF] {
        let code = code(text, metadata);
        let of_url = self::code(&format!("https://app.example.com/callback?{text}"), metadata);
        let of_query = self::code(&format!("?{text}"), metadata);
        assert_eq!(of_url, of_query, "a URL says what its query says");
        assert_eq!(of_url, expected(text, metadata.sends_issuer), "{text:?}");
        if text.trim_start() == text && !text.contains([':', '/', '?']) {
            assert_eq!(code, of_url, "a form's body says what a query says");
        }
    }
}

/// The code, after a look at the error that there is in its place.
fn code(text: &str, metadata: &Metadata) -> Option<String> {
    let code: Result<Secret> = Callback::parse(text).and_then(|callback| callback.code(&LOGIN, metadata));
    match code {
        Ok(code) => Some(code.expose().to_owned()),
        Err(error) => {
            let secrets = &LOGIN.secrets;
            errors::check(&error, &[&secrets.state(), &secrets.nonce(), &secrets.code_verifier()]);
            None
        }
    }
}

/// The same by another way: as the RFCs say it, one parameter after the other.
pub(super) fn expected(text: &str, sends_issuer: bool) -> Option<String> {
    let query = text.trim_end().split('#').next().unwrap_or_default();
    let mut parameters = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((decoded(name)?, value));
    }
    let values = |name: &str| parameters.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect::<Vec<_>>();
    let is_of_another_flow = ["access_token", "id_token", "response"].iter().any(|name| !values(name).is_empty());
    let undescribed = values("error").is_empty() && values("error_description").len() <= 1;
    let described = values("error_description").iter().all(|text| decoded(text).is_some());
    if is_of_another_flow || !undescribed || !described {
        return None;
    }
    if *values("state") != [&*LOGIN.secrets.state()] {
        return None;
    }
    match &*values("iss") {
        [] if !sends_issuer => {}
        [issuer] if decoded(issuer)? == ISSUER => {}
        _ => return None,
    }
    match &*values("code") {
        [code] => decoded(code).filter(|code| !code.is_empty()),
        _ => None,
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.replace('+', " ").as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part[2..].replace('+', " ").as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
