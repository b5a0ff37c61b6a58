use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::form::{Form, repeats};
use crate::secret::Secret;

/// How the application proves to the provider that it is itself. Programs that people install have nothing to prove
/// it with: for them [`none`](Self::none), the default, is right, and PKCE protects the login.
#[derive(Debug, Clone, Default)]
pub struct ClientAuth(Method);

#[derive(Debug, Clone, Default)]
enum Method {
    #[default]
    None,
    SecretBasic(Secret),
    SecretPost(Secret),
}

impl ClientAuth {
    /// A public application: a command-line, desktop or mobile program.
    #[must_use]
    pub fn none() -> Self {
        Self(Method::None)
    }

    /// A secret in the `Authorization` header (RFC 6749, section 2.3.1).
    pub fn client_secret_basic(secret: impl Into<Secret>) -> Self {
        Self(Method::SecretBasic(secret.into()))
    }

    /// A secret in the form, which is how Auth0 registers web applications at first (RFC 6749, section 2.3.1).
    pub fn client_secret_post(secret: impl Into<Secret>) -> Self {
        Self(Method::SecretPost(secret.into()))
    }

    pub(crate) fn authenticate(&self, client_id: &str, form: &mut Form, headers: &mut HeaderMap) -> Result<()> {
        match &self.0 {
            Method::None => form.push("client_id", client_id),
            Method::SecretBasic(secret) => {
                headers.insert(AUTHORIZATION, basic(client_id, secret));
            }
            Method::SecretPost(secret) => {
                form.push("client_id", client_id);
                form.push("client_secret", secret.expose());
            }
        }
        Ok(())
    }

    /// Whether a text repeats what the application proves itself by.
    pub(crate) fn leaks_into(&self, client_id: &str, text: &str) -> bool {
        match &self.0 {
            Method::None => false,
            Method::SecretBasic(secret) => repeats(text, secret.expose()) || repeats(text, &basic_pair(client_id, secret)),
            Method::SecretPost(secret) => repeats(text, secret.expose()),
        }
    }

    pub(crate) fn client_secret(&self) -> Option<&Secret> {
        match &self.0 {
            Method::None => None,
            Method::SecretBasic(secret) | Method::SecretPost(secret) => Some(secret),
        }
    }
}

/// RFC 6749, section 2.3.1: "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding
/// algorithm per Appendix B, and the encoded value is used as the username; the client password is encoded using the same".
fn basic_pair(client_id: &str, secret: &Secret) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (client_id.len() + secret.expose().len()) + 1));
    push_encoded(&mut pair, client_id);
    pair.push(':');
    push_encoded(&mut pair, secret.expose());
    Zeroizing::new(STANDARD.encode(&*pair))
}

fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let value = Zeroizing::new(format!("Basic {}", &*basic_pair(client_id, secret)));
    // Of bytes that are wiped with the last clone of the header.
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

/// Appendix B in its strictest reading: everything but letters and digits is encoded, a space is a plus.
fn push_encoded(encoded: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
}
