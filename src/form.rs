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

    /// What it holds, decoded.
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

/// Whether a text repeats a value of a form that only the provider was meant to see. The text is encoded once more, rather
/// than the form decoded: that would leave unwiped copies of what it holds.
pub(crate) fn leaks_into(form: &[u8], text: &str) -> bool {
    let mut encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        for part in [name, value] {
            encoded.push('&');
            encoded.extend(form_urlencoded::byte_serialize(part.as_bytes()));
        }
    }
    let form = std::str::from_utf8(form).unwrap_or_default();
    let secrets = form.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| !PUBLIC.contains(name));
    secrets.map(|(_, secret)| secret).any(|secret| !secret.is_empty() && encoded.contains(secret))
}

/// Whether a text holds a secret, as it is or form-encoded.
pub(crate) fn repeats(text: &str, secret: &str) -> bool {
    if secret.is_empty() {
        return false;
    }
    let decoded = || form_urlencoded::parse(text.as_bytes()).any(|(name, value)| name.contains(secret) || value.contains(secret));
    text.contains(secret) || decoded()
}

impl Default for Form {
    fn default() -> Self {
        Self(Zeroizing::new(String::with_capacity(2048)))
    }
}

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
