use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// One challenge of a `WWW-Authenticate` header: its scheme and parameters (RFC 9110, section 11.6.1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) parameters: Vec<(&'a str, String)>,
}

impl<'a> Challenge<'a> {
    /// All challenges of a response, in whatever number of headers. What cannot be read ends its header's list; what was read counts.
    pub(crate) fn all(headers: &'a HeaderMap) -> Vec<Self> {
        let mut challenges = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            // Field values are ASCII but for the inside of quoted strings, where nothing beyond it is looked for.
            if let Ok(text) = std::str::from_utf8(value.as_bytes()) {
                read_list(&mut Reader { rest: text }, &mut challenges);
            }
        }
        challenges
    }

    /// Returns whether a proof was refused only because it lacks the nonce of this response (RFC 9449, section 9), or has an
    /// expired one, which Auth0 calls `invalid_dpop_nonce`.
    pub(crate) fn asks_for_nonce(headers: &HeaderMap) -> bool {
        let asks = |challenge: &Challenge<'_>| {
            challenge.is("DPoP") && matches!(challenge.parameter("error"), Some("use_dpop_nonce" | "invalid_dpop_nonce"))
        };
        Challenge::all(headers).iter().any(asks)
    }

    /// "scheme … a case-insensitive token"
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The first one of that name, in whatever case: each "MUST only occur once per challenge".
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A comma divides challenges and parameters alike: a word before `=` is a parameter, any other one a scheme.
fn read_list<'a>(reader: &mut Reader<'a>, challenges: &mut Vec<Challenge<'a>>) {
    let first = challenges.len();
    loop {
        reader.skip(|byte| matches!(byte, b' ' | b'\t' | b','));
        let word = reader.take(is_token);
        if word.is_empty() {
            return;
        }
        if reader.equals_sign() {
            let Some(value) = reader.parameter_value() else { return };
            if let Some(challenge) = challenges[first..].last_mut() {
                challenge.parameters.push((word, value));
            }
        } else {
            reader.skip_token68();
            challenges.push(Challenge { scheme: word, parameters: Vec::new() });
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The longest prefix of such bytes; all of them are ASCII, so that it ends between characters.
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let length = self.rest.bytes().take_while(|byte| byte.is_ascii() && wanted(*byte)).count();
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, unwanted: impl Fn(u8) -> bool) {
        self.take(unwanted);
    }

    /// `BWS "=" BWS`
    fn equals_sign(&mut self) -> bool {
        let Some(after) = self.rest.trim_start_matches([' ', '\t']).strip_prefix('=') else { return false };
        self.rest = after.trim_start_matches([' ', '\t']);
        true
    }

    /// `( token / quoted-string )`; none when the quotes are never closed.
    fn parameter_value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            // More than a token may hold, as some servers leave out the quotes around a URL.
            return Some(self.take(|byte| !matches!(byte, b' ' | b'\t' | b',' | b'"')).to_owned());
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next()?),
                character => value.push(character),
            }
        }
        self.rest = characters.as_str();
        Some(value)
    }

    /// `1*SP token68`: it fills its challenge, so that a comma or the end follows. Otherwise nothing is taken.
    fn skip_token68(&mut self) {
        let mut ahead = Reader { rest: self.rest };
        ahead.skip(|byte| byte == b' ');
        ahead.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'));
        ahead.skip(|byte| byte == b'=');
        ahead.skip(|byte| matches!(byte, b' ' | b'\t'));
        if ahead.rest.is_empty() || ahead.rest.starts_with(',') {
            self.rest = ahead.rest;
        }
    }
}

/// `tchar` (RFC 9110, section 5.6.2)
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Challenge::all(&headers)
            .iter()
            .map(|challenge| {
                let parameters = challenge.parameters.iter().map(|(name, value)| format!("{name}={value}"));
                format!("{}[{}]", challenge.scheme, parameters.collect::<Vec<_>>().join("|"))
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// F18
    #[test]
    fn challenges_are_read_by_their_grammar() {
        for (values, expected) in [
            (&["Bearer"][..], "Bearer[]"),
            (&["Bearer error=\"invalid_token\""], "Bearer[error=invalid_token]"),
            (&["bEaReR ERROR=invalid_token"], "bEaReR[ERROR=invalid_token]"),
            (&["Basic realm=\"x\"", "Bearer error=\"e\""], "Basic[realm=x] Bearer[error=e]"),
            (&["Basic realm=\"x\", Bearer error=\"e\", scope=\"a b\""], "Basic[realm=x] Bearer[error=e|scope=a b]"),
            (&["Bearer realm=\"a, Basic error=\\\"no\\\\\", error=e"], "Bearer[realm=a, Basic error=\"no\\|error=e]"),
            (&["Negotiate a87421000492aa874209af8bc028==, Bearer error=e"], "Negotiate[] Bearer[error=e]"),
            (&["Negotiate, Bearer error=e"], "Negotiate[] Bearer[error=e]"),
            (
                &["Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\""],
                "Newauth[realm=apps|type=1|title=Login to \"apps\"] Basic[realm=simple]",
            ),
            (&[" , ,Bearer  error = \"e\" ,, realm\t=\tx , "], "Bearer[error=e|realm=x]"),
            (&["Bearer realm=\"x\" error=\"e\""], "Bearer[realm=x|error=e]"),
            (&["Bearer uri=https://api.acme.com/x?y, error=e"], "Bearer[uri=https://api.acme.com/x?y|error=e]"),
            (&["Bearer realm=\"é\", error=e"], "Bearer[realm=é|error=e]"),
            (&["Bearer error=\"never closed", "DPoP error=e"], "Bearer[] DPoP[error=e]"),
            (&["error=e", "=", "", "\"", "é"], ""),
        ] {
            assert_eq!(read(values), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_is_read_without_a_panic(value in "([ -~éß\t]|Bearer |error=|\"|\\\\|, ){0,40}") {
            prop_assert!(read(&[&value]).len() < 4 * value.len() + 8 * value.split(',').count() + 8);
        }
    }
}
