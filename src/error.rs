use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something did not work, and what a program can decide by.
///
/// [`kind()`](Self::kind) says what failed; [`is_login_required()`](Self::is_login_required) and
/// [`is_transient()`](Self::is_transient) say what helps. `Display` is one sentence for a person; the causes are in
/// [`source()`](StdError::source). Neither ever holds a token, a code, a password or a URL with a query.
/// Cloning is cheap: one failure answers everybody who waited for it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    /// The advice, unless the message ends with it.
    advice: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    server: Option<ServerError>,
    retry_after: Option<Duration>,
    transient: bool,
    grant: GrantFate,
    attachment: Option<Box<dyn Any + Send + Sync>>,
}

/// The effect of a failed token request on the grant that it sent: a refresh token, a code or a device code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantFate {
    /// The request was not sent, or the provider refused it.
    NotTaken,
    /// The answer is not from a token endpoint: a redirect, or the 4xx page of a firewall. It says nothing about the grant.
    NoVerdict,
    /// No answer arrived, or an answer that no token endpoint sends. The grant may be spent.
    Unknown,
    /// The provider answered with tokens, and they are refused. The grant is spent.
    Spent,
}

/// The kind of a failure. [`docs::errors`](crate::docs::errors) says what to do about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value this program was configured with cannot work: a domain, a scope, a port, a URL, an HTTP client. Correct the
    /// program; no retry helps.
    Configuration,
    /// The provider's metadata or keys could not be had, or are not acceptable. Check the domain or issuer.
    Discovery,
    /// No browser could be opened, or the loopback listener could not be bound. Show the URL with `PrintUrl`, or log in on
    /// another device.
    Browser,
    /// The person refused, a rule of the provider refused them, or the program called the login off. Offer another login.
    Cancelled,
    /// The person did not come back from the browser, or the provider did not answer in time. Try again.
    TimedOut,
    /// The request at the redirect URI is not an answer to this login. Start the login again.
    Callback,
    /// The provider answered with an error: see [`Error::server_error`], and its log.
    Server,
    /// The provider's answer is not what the protocol says it must be. It is for the provider to correct, or for what stands
    /// between it and this program.
    InvalidResponse,
    /// The ID token does not prove what it should, so no person is logged in. The message names the claim.
    IdToken,
    /// A person has to log in (again). Show a login.
    LoginRequired,
    /// The provider wants a second factor. Log in with the browser, where the person can prove it.
    MfaRequired,
    /// The API wants more than the token grants: more scope, or a stronger or fresher login. See [`Error::step_up`].
    StepUp,
    /// A token was about to go where it may not, and did not. Name the origin if it may.
    Forbidden,
    /// The network or TLS failed. Try again.
    Network,
    /// The credentials' store failed. The credentials that it was to keep are in [`Error::credentials`].
    Store,
    /// It is unknown whether the provider took the request; a refresh token may be spent. Try again, and log in if that is
    /// required.
    Ambiguous,
}

/// An error that the provider (or the API) put into words: RFC 6749, sections 4.1.2.1 and 5.2, and Auth0's variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    code: String,
    name: Option<String>,
    password_rules: Vec<PasswordRule>,
    description: Option<String>,
    status: Option<StatusCode>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            advice: None,
            source: None,
            server: None,
            retry_after: None,
            transient: false,
            grant: GrantFate::NotTaken,
            attachment: None,
        }))
    }

    pub(crate) fn configuration(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    pub(crate) fn invalid_response(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidResponse, message)
    }

    pub(crate) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// The provider's own words. `context` says what it was asked, as in "the token request".
    pub(crate) fn server(context: &str, server: ServerError) -> Self {
        let step = server.next_step();
        Self::in_words_of(server, ErrorKind::Server, context, step)
    }

    /// `access_denied` where a person was asked: it was them, or a rule of the provider.
    pub(crate) fn cancelled(server: ServerError) -> Self {
        let step = "let the person start anew, or see the provider's log";
        Self::in_words_of(server, ErrorKind::Cancelled, "the login", step)
    }

    fn in_words_of(server: ServerError, kind: ErrorKind, context: &str, step: &'static str) -> Self {
        let mut message = match server.status {
            Some(status) if server.code.starts_with("http_") => format!("the provider answered {context} with {status}"),
            _ => format!("the provider refused {context}: {}", server.code),
        };
        if let Some(description) = &server.description {
            message.push_str(" (");
            message.push_str(description);
            message.push(')');
        }
        let mut error = Self::new(kind, message);
        error.unshared().advice = Some(step.into());
        error.unshared().transient = server.is_transient();
        error.unshared().server = Some(server);
        error
    }

    /// A failure of reqwest, with the URL taken out of it: it may hold a code, a token or a password.
    pub(crate) fn network(context: &str, error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            let message = format!("{context} could not be made into a request; its source says which value is wrong");
            return Self::configuration(message).with_source(error);
        }
        let (kind, what) = if error.is_timeout() {
            (ErrorKind::TimedOut, "did not finish in time; try again later")
        } else if error.is_connect() {
            (ErrorKind::Network, "could not connect; check the host, the network and its proxy, and the certificate")
        } else {
            (ErrorKind::Network, "failed on the way; try again")
        };
        let grant = if error.is_connect() { GrantFate::NotTaken } else { GrantFate::Unknown };
        Self::new(kind, format!("{context} {what}")).transient().with_grant_fate(grant).with_source(error)
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.unshared().source = Some(source.into());
        self
    }

    #[must_use]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.unshared().kind = kind;
        self
    }

    /// Replaces the advice by that of a caller, which knows more about the request.
    #[must_use]
    pub(crate) fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.unshared().advice = Some(advice.into());
        self
    }

    #[must_use]
    pub(crate) fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.unshared().retry_after = delay;
        self
    }

    #[must_use]
    pub(crate) fn transient(mut self) -> Self {
        self.unshared().transient = true;
        self
    }

    #[must_use]
    pub(crate) fn with_grant_fate(mut self, fate: GrantFate) -> Self {
        self.unshared().grant = fate;
        self
    }

    /// The provider's words of the error that became this one.
    #[must_use]
    pub(crate) fn with_server_error(mut self, server: Option<ServerError>) -> Self {
        self.unshared().server = server;
        self
    }

    /// Something of a layer above that callers ask for by a method of that layer, such as rescued credentials.
    #[must_use]
    pub(crate) fn with_attachment(mut self, attachment: impl Any + Send + Sync) -> Self {
        self.unshared().attachment = Some(Box::new(attachment));
        self
    }

    pub(crate) fn attachment<T: Any>(&self) -> Option<&T> {
        self.0.attachment.as_deref().and_then(|attachment| attachment.downcast_ref())
    }

    /// Returns whether this error, or an error of this crate among its causes, has an attachment of that type.
    pub(crate) fn is_or_is_caused_by<T: Any>(&self) -> bool {
        let mut error = Some(self);
        while let Some(this) = error {
            if this.attachment::<T>().is_some() {
                return true;
            }
            error = this.0.source.as_deref().and_then(|source| source.downcast_ref());
        }
        false
    }

    fn unshared(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("an error is built before it is shared")
    }

    /// The kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Only a person who logs in can help: show a login.
    #[must_use]
    pub fn is_login_required(&self) -> bool {
        self.0.kind == ErrorKind::LoginRequired
            || self.0.server.as_ref().filter(|_| self.0.kind != ErrorKind::Cancelled).is_some_and(|server| {
                matches!(
                    server.code.as_str(),
                    "login_required" | "interaction_required" | "consent_required" | "account_selection_required"
                )
            })
    }

    /// The same call may work later: the network, a rate limit (429) or a server's trouble (5xx).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// The time that the server asked to wait before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The provider's code, description and status, when it gave any.
    #[must_use]
    pub fn server_error(&self) -> Option<&ServerError> {
        self.0.server.as_ref()
    }

    /// Something took longer than it was allowed to.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::TimedOut || self.reqwest().is_some_and(reqwest::Error::is_timeout)
    }

    /// No connection could be made.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.reqwest().is_some_and(reqwest::Error::is_connect)
    }

    pub(crate) fn grant_fate(&self) -> GrantFate {
        self.0.grant
    }

    fn reqwest(&self) -> Option<&reqwest::Error> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        self.0.advice.as_ref().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("message", &self.to_string());
        if let Some(server) = &self.0.server {
            debug.field("server_error", server);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PasswordRule {
    text: String,
    is_broken: bool,
}

impl ServerError {
    pub(crate) fn new(code: &str, description: Option<&str>, status: Option<StatusCode>) -> Self {
        Self { code: excerpt(code), name: None, password_rules: Vec::new(), description: description.map(excerpt), status }
    }

    #[must_use]
    pub(crate) fn with_name(mut self, name: Option<&str>) -> Self {
        self.name = name.map(excerpt);
        self
    }

    #[must_use]
    pub(crate) fn with_password_rules(mut self, rules: impl Iterator<Item = (String, bool)>) -> Self {
        let rules = rules.take(MOST_RULES).map(|(text, is_broken)| PasswordRule { text: excerpt(&text), is_broken });
        self.password_rules = rules.collect();
        self
    }

    /// The error code, such as `invalid_grant`; `http_503` and the like where the answer held none.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Auth0's name of the error, an addition to its code, such as `PasswordStrengthError`; few answers have one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The provider's explanation: at most 300 characters, control characters escaped.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The rules of Auth0 for a password, when it refused one, such as `At least 8 characters in length`.
    pub fn password_rules(&self) -> impl Iterator<Item = &str> {
        self.password_rules.iter().map(|rule| rule.text.as_str())
    }

    /// The rules that the refused password breaks, if Auth0 names them.
    pub fn broken_password_rules(&self) -> impl Iterator<Item = &str> {
        self.password_rules.iter().filter(|rule| rule.is_broken).map(|rule| rule.text.as_str())
    }

    /// The HTTP status; none for an error that came through the browser.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    fn is_transient(&self) -> bool {
        self.status.is_some_and(is_transient) || matches!(self.code.as_str(), "temporarily_unavailable" | "server_error")
    }

    /// The advice for the error's code.
    fn next_step(&self) -> &'static str {
        if self.is_transient() {
            return "try again later";
        }
        match self.code.as_str() {
            "invalid_client" => "check the client id, and how this application authenticates",
            "invalid_token" => "renew the access token, or log in again",
            "access_denied" => "allow it to the application at the provider",
            "invalid_grant" => "what was given is wrong, spent or expired; give another, or start anew",
            "invalid_request" => "check what this program asks for",
            "invalid_scope" => "ask for scopes that this application may have",
            "invalid_target" => "name an audience or a resource that the provider knows and gives this application tokens for",
            "unauthorized_client" => "allow this grant in the application's settings at the provider",
            "unsupported_grant_type" => "the provider does not know this grant, or has it turned off",
            "unsupported_response_type" => "allow the code flow in the application's settings at the provider",
            "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
                "let a person log in, without prompt=none"
            }
            "mfa_required" => "the person has to prove a second factor; go on by mfa(), or log in with the browser",
            "unsupported_challenge_type" | "association_required" => "let the person enrol a second factor",
            "invalid_user_password" => "let the person try again",
            "invalid_password" | "password_leaked" => "let the person choose another password",
            "user_exists" | "username_exists" => "let the person log in",
            "too_many_attempts" => "let the person wait, or unblock them at the provider",
            "requires_verification" => "let the person confirm their address first",
            _ => "look for the cause in the provider's log",
        }
    }
}

/// Returns whether a status means that the request was not taken and may be sent again later.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS)
        || status.is_server_error()
}

/// The part of an outside text that is read: more than the part that is shown, so that a secret in the shown part begins well
/// before its end.
pub(crate) fn beginning(text: &str) -> &str {
    let mut end = text.len().min(BEGINNING_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Text from outside, fit to be shown: capped, with control characters and direction overrides escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(EXCERPT_CHARS));
    for (position, character) in text.chars().enumerate() {
        if position == EXCERPT_CHARS {
            shown.push('…');
            break;
        }
        if is_unprintable(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, and those that are not seen but alter what is: direction overrides, zero-width ones.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

const BEGINNING_BYTES: usize = 4096;
const EXCERPT_CHARS: usize = 300;
const MOST_RULES: usize = 20;
