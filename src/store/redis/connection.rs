use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind as RedisErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cache::SingleFlight;
use crate::error::{Error, ErrorKind, Result};
use crate::store::redis::address::Address;
use crate::store::redis::tls::Tls;

/// One connection for all who use the store: made when it is first needed, and again after it broke.
pub(super) struct Connection {
    address: Address,
    tls: Option<Tls>,
    open: Arc<Mutex<Option<Open>>>,
    connecting: SingleFlight<Open>,
}

#[derive(Clone)]
struct Open {
    number: u64,
    connection: MultiplexedConnection,
}

impl Connection {
    pub(super) fn new(address: Address, tls: Option<Tls>) -> Self {
        Self { address, tls, open: Arc::default(), connecting: SingleFlight::new() }
    }

    /// `what` says in an error what did not happen. The command is sent again when a connection of before turns out to be
    /// broken, so it has to do the same when it is sent twice.
    pub(super) async fn run<T, F>(&self, what: &str, command: impl Fn(MultiplexedConnection) -> F + Send) -> Result<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let mut again = self.kept().is_some();
        loop {
            let open = self.connecting.run(|| self.kept(), || self.connect()).await.map_err(|error| not_done(what, &error))?;
            let error = match command(open.connection).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if is_broken(&error) {
                self.forget(open.number);
            }
            if !(again && error.is_connection_dropped()) {
                return Err(not_done(what, &failed(error)));
            }
            again = false;
        }
    }

    fn kept(&self) -> Option<Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| open.number == number) {
            *open = None;
        }
    }

    fn connect(&self) -> impl Future<Output = Result<Open>> + Send + 'static {
        let (address, tls, kept) = (self.address.clone(), self.tls.clone(), Arc::clone(&self.open));
        async move {
            let connection = timeout(CONNECTS_WITHIN, connect(&address, tls))
                .await
                .unwrap_or_else(|_| Err(unreachable("did not take a connection in time; try again").transient()))?;
            let open = Open { number: NUMBERS.fetch_add(1, Ordering::Relaxed), connection };
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(open.clone());
            Ok(open)
        }
    }
}

async fn connect(address: &Address, tls: Option<Tls>) -> Result<MultiplexedConnection> {
    let broken = |error: std::io::Error| {
        unreachable("could not be connected to; check its address, and that it runs").transient().with_source(error)
    };
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWERS_WITHIN));
    let connection = match tls {
        None => {
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&address.login, stream, config).await.map_err(failed)?;
            tokio::spawn(driver);
            connection
        }
        Some(tls) => {
            let stream = tls.connector.connect(tls.server_name, stream).await.map_err(|error| {
                unreachable("could not be connected to over TLS; check its certificate").transient().with_source(error)
            })?;
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&address.login, stream, config).await.map_err(failed)?;
            tokio::spawn(driver);
            connection
        }
    };
    Ok(connection)
}

fn unreachable(why: &str) -> Error {
    Error::new(ErrorKind::Store, format!("Redis {why}"))
}

/// The client's errors name commands, but none of their arguments.
fn failed(error: RedisError) -> Error {
    let lasting = matches!(error.kind(), RedisErrorKind::AuthenticationFailed | RedisErrorKind::InvalidClientConfig)
        || matches!(error.kind(), RedisErrorKind::Server(ServerErrorKind::NoPerm))
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
    if lasting {
        return unreachable("does not let this program in; check the password and what its user may do").with_source(error);
    }
    let why = if error.is_timeout() {
        "did not answer in time; try again"
    } else if error.is_io_error() {
        "broke the connection off; try again"
    } else {
        "refused the command; its source says why"
    };
    unreachable(why).transient().with_source(error)
}

fn not_done(what: &str, cause: &Error) -> Error {
    let is_passing = cause.is_transient() || cause.kind() == ErrorKind::Ambiguous;
    let step = if is_passing { "try again" } else { "its source says what to do" };
    let error = Error::new(ErrorKind::Store, format!("{what}, because Redis failed; {step}")).with_source(cause.clone());
    if is_passing { error.transient() } else { error }
}

/// After these, another connection may reach another server, or a server that is in order again.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(error.kind(), RedisErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
