use bytes::Bytes;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// A form on its way to the provider: what it holds is wiped, also when it grows.
#[derive(Clone)]
pub(crate) struct Form(Zeroizing<String>);

impl Form {
    pub(crate) fn new(grant_type: &str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.push(name, value);
        self
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        let needed = self.0.len() + 2 + 3 * (name.len() + value.len());
        if needed > self.0.capacity() {
            // Growing in place would leave an unwiped copy behind.
            let mut larger = Zeroizing::new(String::with_capacity(2 * needed));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.0.push('=');
        self.0.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }

    /// The same, unless a parameter of that name is there already.
    pub(crate) fn push_once(&mut self, name: &str, value: &str) {
        if !self.0.split('&').any(|pair| pair.split('=').next() == Some(name)) {
            self.push(name, value);
        }
    }

    /// The fields, decoded.
    #[cfg(feature = "auth0")]
    pub(crate) fn into_fields(self) -> Vec<(String, Zeroizing<String>)> {
        let fields = form_urlencoded::parse(self.0.as_bytes());
        fields.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect()
    }

    /// The form as it is sent; the bytes are wiped with their last clone.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

/// Returns whether a text repeats a value of the form that only the provider may see.
pub(crate) fn leaks_into(form: &[u8], text: &str) -> bool {
    let form = std::str::from_utf8(form).unwrap_or_default();
    let secrets = form.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| !PUBLIC.contains(name));
    secrets.map(|(_, encoded)| encoded).any(|encoded| !encoded.is_empty() && spells(text, Decoded(encoded.as_bytes())))
}

/// Returns whether a text holds a secret, as it is or form-encoded.
pub(crate) fn repeats(text: &str, secret: &str) -> bool {
    !secret.is_empty() && spells(text, secret.bytes())
}

/// Read at every position, since what stands before the secret may look like the beginning of an encoded byte; and byte by byte,
/// since a decoded text would leave unwiped copies of what it holds. Where a secret begins, it counts as told: to compare all of
/// a long one at every position could be made to take hours.
fn spells(text: &str, secret: impl Iterator<Item = u8> + Clone) -> bool {
    let (text, secret) = (text.as_bytes(), secret.take(BEGINNING));
    (0..text.len()).any(|start| {
        let is_plain = secret.clone().enumerate().all(|(offset, byte)| text.get(start + offset) == Some(&byte));
        let is_encoded = || {
            let mut decoded = Decoded(&text[start..]);
            secret.clone().all(|byte| decoded.next() == Some(byte))
        };
        is_plain || is_encoded()
    })
}

/// The bytes of form-encoded text; what is not well encoded stands for itself.
#[derive(Clone)]
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            self.0 = rest;
            return Some(high << 4 | low);
        }
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(if *first == b'+' { b' ' } else { *first })
    }
}

impl Default for Form {
    fn default() -> Self {
        Self(Zeroizing::new(String::with_capacity(2048)))
    }
}

/// Of a secret, in bytes.
const BEGINNING: usize = 64;

/// The parameters that a provider may well quote in its explanations.
const PUBLIC: [&str; 24] = [
    "grant_type",
    "client_id",
    "redirect_uri",
    "scope",
    "audience",
    "resource",
    "realm",
    "connection",
    "connection_scope",
    "organization",
    "token_type_hint",
    "response_type",
    "response_mode",
    "code_challenge_method",
    "authorization_details",
    "claims",
    "acr_values",
    "max_age",
    "prompt",
    "screen_hint",
    "ui_locales",
    "subject_token_type",
    "actor_token_type",
    "requested_token_type",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    /// I1
    #[test]
    fn a_secret_is_found_in_whatever_encoding_and_after_whatever_it_stands() {
        let secret = "c+d/1&= %25é";
        let form = Form::new("authorization_code").with("redirect_uri", "https://app.example/").with("code", secret).into_bytes();
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let all: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for spelled in [secret, &encoded, &encoded.replace("%2B", "%2b"), &all] {
            for before in ["", "x", "%", "%3", "%c3", "+", "?code=", "\u{fffd}%", "c+d/1&= %25"] {
                let text = format!("{before}{spelled}{before}");
                assert!(leaks_into(&form, &text) && repeats(&text, secret), "{text}");
            }
        }
        for text in ["", "c+d/1&= %25", "authorization_code", "https://app.example/", "https%3A%2F%2Fapp.example%2F"] {
            assert!(!leaks_into(&form, text) && !repeats(text, secret), "{text}");
        }
        assert!(!repeats("anything", ""));
    }

    /// A14: an attacker may have written both the text and the secret.
    #[test]
    fn the_search_for_a_secret_takes_linear_time() {
        assert_linear(64 * 1024, |length| {
            let text = "a".repeat(length);
            for (same, is_found) in [(length / 2, true), (BEGINNING, true), (BEGINNING - 1, false)] {
                let secret = format!("{}b", "a".repeat(same));
                let form = Form::new("authorization_code").with("code", &secret).into_bytes();
                assert_eq!((repeats(&text, &secret), leaks_into(&form, &text)), (is_found, is_found), "{same}");
                assert!(repeats(&format!("is {secret}?"), &secret));
            }
        });
    }
}
