use std::io;

use redis::{ErrorKind as RedisErrorKind, RedisError, ServerErrorKind};
use tokio_rustls::rustls;

use crate::error::{Error, ErrorKind};

/// A command that did not succeed.
pub(super) enum Failure {
    /// It was not sent, or no other attempt can help.
    Told(Error),
    /// The answer of Redis, or a broken connection.
    Command(RedisError),
}

impl Failure {
    /// Another server may do it: this one is gone, is no master any more, or is not ready.
    pub(super) fn is_of_this_server(&self) -> bool {
        match self {
            Self::Told(error) => error.is_transient(),
            Self::Command(error) => is_broken(error),
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Told(error) => error,
            Self::Command(error) => told(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

/// The errors of the `redis` crate name commands, but none of their arguments.
pub(super) fn told(error: RedisError) -> Error {
    match lasting(&error) {
        Some(why) => misconfigured(why).with_source(error),
        None if error.is_timeout() => unreachable("did not answer in time; try again").with_source(error),
        None if error.is_io_error() => unreachable("broke the connection off; try again").with_source(error),
        None => unreachable("refused the command for now; its source says why").with_source(error),
    }
}

/// Sentences for what no other attempt can change.
fn lasting(error: &RedisError) -> Option<&'static str> {
    let text = error.to_string();
    let says = |words: &str| text.contains(words);
    let selected = says("refused to switch database");
    Some(match error.kind() {
        // AUTH was refused. A sentinel and a server without a password refuse it too.
        RedisErrorKind::AuthenticationFailed => LOGIN,
        _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) || says("Authentication required") => LOGIN,
        RedisErrorKind::Server(ServerErrorKind::NoPerm) => PERMISSION,
        // SELECT's refusal arrives without its code, and so does a script's on some releases.
        _ if says("NOPERM") || says("has no permissions") || says("can't run this command") || says("can't access") => PERMISSION,
        RedisErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => CLUSTER,
        _ if selected && says("cluster mode") => CLUSTER,
        _ if selected && says("unknown command") => SENTINEL,
        _ if selected => "the database of the URL is not there; name one that Redis has, such as /0",
        _ if says("cluster support disabled") => "Redis is no cluster; use Redis::new or Redis::sentinel for it",
        _ if is_unknown_command(error) => {
            "Redis does not know a command that the store needs; use Redis 5 or newer and rename no command"
        }
        _ if says("fatal alert") => CLIENT_CERTIFICATE,
        RedisErrorKind::InvalidClientConfig => "Redis cannot be used as it is configured; its source says why",
        _ => return None,
    })
}

pub(super) fn is_unknown_command(error: &RedisError) -> bool {
    error.code() == Some("ERR") && error.detail().is_some_and(|detail| detail.contains("unknown command"))
}

/// The server is a sentinel.
pub(super) fn is_sentinel() -> Error {
    misconfigured(SENTINEL)
}

/// A TLS handshake that failed.
pub(super) fn handshake(error: io::Error) -> Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match cause {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "the certificate of Redis is not trusted; give its authority with certificate_authority, and a URL with a name that the \
             certificate has"
        }
        Some(rustls::Error::AlertReceived(_)) => CLIENT_CERTIFICATE,
        Some(rustls::Error::InvalidMessage(_)) => "Redis does not speak TLS at this port; check the port of the rediss:// URL",
        _ => return unreachable("could not be connected to over TLS; try again").with_source(error),
    };
    misconfigured(why).with_source(error)
}

/// It passes.
pub(super) fn unreachable(why: &str) -> Error {
    Error::new(ErrorKind::Store, format!("Redis {why}")).transient()
}

pub(super) fn misconfigured(why: &'static str) -> Error {
    Error::configuration(why)
}

/// `what` says in a few words what did not happen.
pub(super) fn not_done(what: &str, cause: &Error) -> Error {
    if cause.kind() == ErrorKind::Configuration {
        return Error::configuration(format!("{what}: {cause}")).with_source(cause.clone());
    }
    let is_passing = cause.is_transient() || cause.kind() == ErrorKind::Ambiguous;
    let step = if is_passing { "try again" } else { "its source says what to do" };
    let error = Error::new(ErrorKind::Store, format!("{what}, because Redis failed; {step}")).with_source(cause.clone());
    if is_passing { error.transient() } else { error }
}

/// After these, another connection may reach another server, or a server that is in order again.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(error.kind(), RedisErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

const LOGIN: &str = "Redis does not let this program in; check the user and the password of its URL";
const PERMISSION: &str =
    "the user of Redis may not run a command or use a key that the store needs; the docs of store::Redis list them";
const CLUSTER: &str = "this Redis is a node of a cluster; use Redis::cluster";
const SENTINEL: &str = "this is a sentinel and no Redis; use Redis::sentinel";
const CLIENT_CERTIFICATE: &str =
    "Redis refused this program's TLS; give a client certificate that it trusts with client_certificate";
