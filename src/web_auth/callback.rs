use zeroize::Zeroizing;

use crate::crypto::equal;
use crate::error::{Error, ErrorKind, Result, ServerError, beginning};
use crate::form::repeats;
use crate::provider::Metadata;
use crate::secret::Secret;
use crate::web_auth::pending::PendingLogin;

/// The parameters of a callback: text from outside that is not yet checked.
#[derive(Default)]
pub(crate) struct Callback {
    pub(super) code: Option<Value>,
    pub(super) state: Option<Value>,
    pub(super) issuer: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) error_description: Option<Value>,
    /// All of the others, signed.
    pub(super) response: Option<Value>,
}

pub(super) struct Value {
    pub(super) text: Zeroizing<String>,
    /// Nothing of it was encoded.
    pub(super) is_verbatim: bool,
}

impl Callback {
    /// Parses a full callback URL, its query, or a form's body. Each known parameter may be given once (RFC 6749, section 3.1:
    /// "Request and response parameters MUST NOT be included more than once.").
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut callback = Self::default();
        for pair in query_of(text.trim()).split('&').filter(|pair| !pair.is_empty()) {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            let slot = match name.as_str() {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.issuer,
                "error" => &mut callback.error,
                "error_description" => &mut callback.error_description,
                "access_token" | "id_token" => return Err(refused("it holds a token, which belongs to another kind of login")),
                "response" => &mut callback.response,
                _ => continue,
            };
            if slot.is_some() {
                return Err(refused(&format!("the parameter {} stands there twice", name.as_str())));
            }
            let text = decode(raw)?;
            let is_verbatim = *text == *raw;
            *slot = Some(Value { text, is_verbatim });
        }
        Ok(callback)
    }

    /// Compared as it stands, in constant time: the state we sent has no character that is encoded.
    pub(crate) fn answers(&self, login: &PendingLogin) -> bool {
        let is_of_login = |state: &Value| state.is_verbatim && equal(state.text.as_bytes(), login.secrets.state().as_bytes());
        self.state.as_ref().is_some_and(is_of_login)
    }

    /// An error that names no login: perhaps the provider's, perhaps anyone's. Code and description, fit to be shown.
    #[cfg(feature = "loopback")]
    pub(crate) fn error_without_state(&self, login: &PendingLogin) -> Option<String> {
        let error = self.error.as_ref().filter(|_| self.state.is_none())?;
        let description = self.error_description.as_ref().map(|description| description.text.as_str());
        let error = authorization_error(&error.text, description, self.code.as_ref().map(|code| code.text.as_str()), login);
        let server = error.server_error()?;
        Some(match server.description() {
            Some(description) => format!("{} ({description})", server.code()),
            None => server.code().to_owned(),
        })
    }

    /// Whatever the provider's metadata promises.
    pub(crate) fn must_name_issuer(&self) -> Result<()> {
        self.issuer.as_ref().map_or_else(|| Err(refused("it has no iss, which FAPI 2.0 demands")), |_| Ok(()))
    }

    /// The authorization code, if this is the provider's answer to `login` (RFC 6749, section 4.1.2; RFC 9207, section 2.4).
    pub(crate) fn code(self, login: &PendingLogin, metadata: &Metadata) -> Result<Secret> {
        if self.response.is_some() {
            return Err(refused("it holds a signed response that was not asked for"));
        }
        if !self.answers(login) {
            return Err(refused("its state is missing or not that of this login"));
        }
        if let Some(issuer) = &self.issuer
            && *issuer.text != *login.issuer
            && !metadata.issuer_alias.as_ref().is_some_and(|alias| alias.may_be(&issuer.text))
        {
            return Err(refused("its iss is another issuer than the one that was asked"));
        }
        if let Some(error) = self.error {
            return Err(authorization_error(
                &error.text,
                self.error_description.as_ref().map(|description| description.text.as_str()),
                self.code.as_ref().map(|code| code.text.as_str()),
                login,
            ));
        }
        // "If the authorization server advertises support, clients MUST reject authorization responses without iss."
        if self.issuer.is_none() && metadata.sends_issuer {
            return Err(refused("it has no iss, though the provider's metadata says that it sends one"));
        }
        match self.code {
            Some(code) if !code.text.is_empty() => Ok(Secret::new(code.text.as_str())),
            _ => Err(refused("it holds neither a code nor an error")),
        }
    }
}

fn authorization_error(error: &str, description: Option<&str>, code: Option<&str>, login: &PendingLogin) -> Error {
    // Nothing that only this login knows is shown, should the provider repeat it.
    let (state, nonce, verifier) = (login.secrets.state(), login.secrets.nonce(), login.secrets.code_verifier());
    let shown = |text: &&str| ![&*state, &*nonce, &*verifier, code.unwrap_or_default()].iter().any(|secret| repeats(text, secret));
    let description = description.map(beginning).filter(shown);
    let code = Some(beginning(error)).filter(shown).unwrap_or("unreadable");
    let server = ServerError::new(code, description, None);
    let kind = match code {
        "access_denied" => return Error::cancelled(server),
        // The person was asked, and has not agreed.
        "interaction_required" | "consent_required" if !login.is_silent => return Error::cancelled(server),
        "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => ErrorKind::LoginRequired,
        _ => ErrorKind::Server,
    };
    Error::server("the login", server).with_kind(kind)
}

/// The part of a callback that holds its parameters. A fragment never reaches a server, so nothing in it counts.
fn query_of(text: &str) -> &str {
    let is_url = text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme));
    let query = if is_url { text.split_once('?').map_or("", |(_, query)| query) } else { text.strip_prefix('?').unwrap_or(text) };
    query.split_once('#').map_or(query, |(query, _)| query)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// `application/x-www-form-urlencoded`, exactly: what is no UTF-8 or no hexadecimal is refused, and so is a NUL.
fn decode(text: &str) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (Some(high), Some(low)) = (rest.next().and_then(hex), rest.next().and_then(hex)) else {
                    return Err(refused("a parameter is not well encoded"));
                };
                high << 4 | low
            }
            byte => byte,
        });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("a parameter is no UTF-8"))?;
    if text.contains('\0') {
        return Err(refused("a parameter holds a NUL"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

pub(super) fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Callback, format!("the callback is not the answer to this login: {why}; start the login anew"))
}
