use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{AsyncConnectionConfig, Cmd, RedisResult, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::cache::SingleFlight;
use crate::error::Result;
use crate::store::redis::address::Address;
use crate::store::redis::command::Command;
use crate::store::redis::failure::{self, Failure, is_broken, is_unknown_command, told, unreachable};
use crate::worker;

/// One connection to a server for all who use it. It is made when it is first needed, and again after it broke.
///
/// Everything here runs on the worker.
pub(super) struct Connection {
    open: Arc<Mutex<Option<Open>>>,
    connecting: SingleFlight<Open>,
}

#[derive(Clone)]
pub(super) struct Open {
    number: u64,
    connection: MultiplexedConnection,
    answered: Arc<Mutex<Instant>>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { open: Arc::default(), connecting: SingleFlight::new() }
    }

    /// Runs a command, and connects by `connect` if there is no connection. If an older connection turns out to be broken, the
    /// command is sent again on a new one. `asking`: the server is about to get the key's slot (`ASK` redirection).
    pub(super) async fn run<F>(
        &self,
        command: &Command,
        asking: bool,
        connect: impl Fn() -> F + Send + Sync,
    ) -> Result<Value, Failure>
    where
        F: Future<Output = Result<Open>> + Send + 'static,
    {
        let mut may_be_dead = self.kept().is_some();
        loop {
            let open = self.connecting.run(|| self.kept(), || self.keeping(connect())).await?;
            if may_be_dead && !open.answers().await {
                self.forget(open.number);
                may_be_dead = false;
                continue;
            }
            let error = match open.send(command, asking).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if is_broken(&error) {
                self.forget(open.number);
            }
            if may_be_dead && error.is_connection_dropped() {
                may_be_dead = false;
                continue;
            }
            if is_unknown_command(&error) && open.is_a_sentinels().await {
                return Err(failure::is_sentinel().into());
            }
            return Err(Failure::Command(error));
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

    fn keeping<F>(&self, connect: F) -> impl Future<Output = Result<Open>> + Send + 'static
    where
        F: Future<Output = Result<Open>> + Send + 'static,
    {
        let kept = Arc::clone(&self.open);
        async move {
            let open = connect.await?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(open.clone());
            Ok(open)
        }
    }
}

impl Open {
    pub(super) async fn new(address: &Address, tls: Option<&TlsConnector>) -> Result<Self> {
        let connection = timeout(CONNECTS_WITHIN, connect(address, tls)).await.unwrap_or_else(|_| {
            Err(unreachable("did not take a connection in time; check its address, and whether it speaks TLS at this port"))
        })?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, connection, answered: Arc::new(Mutex::new(Instant::now())) })
    }

    /// Returns whether the server answers. It is asked only after an idle time: a firewall or a load balancer may have dropped
    /// the connection silently.
    async fn answers(&self) -> bool {
        let idle = self.answered.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if idle < TRUSTED_FOR {
            return true;
        }
        match timeout(ANSWERS_A_PING_WITHIN, self.send_cmd(&redis::cmd("PING"))).await {
            Ok(Ok(_)) => true,
            // A refusal is an answer; the command gets the same.
            Ok(Err(error)) => !is_broken(&error),
            Err(_) => false,
        }
    }

    pub(super) async fn send(&self, command: &Command, asking: bool) -> RedisResult<Value> {
        let cmd = command.to_cmd();
        match self.send_once(&cmd, asking).await {
            Err(error) if error.code() == Some("NOSCRIPT") => match command.with_text() {
                Some(cmd) => self.send_once(&cmd, asking).await,
                None => Err(error),
            },
            outcome => outcome,
        }
    }

    async fn send_once(&self, cmd: &Cmd, asking: bool) -> RedisResult<Value> {
        if !asking {
            return self.send_cmd(cmd).await;
        }
        // ASKING is about the next command of the connection, which others use too: the two go together.
        let (_, value): (Value, Value) = redis::pipe()
            .add_command(redis::cmd("ASKING"))
            .add_command(cmd.clone())
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(value)
    }

    async fn send_cmd(&self, cmd: &Cmd) -> RedisResult<Value> {
        let outcome = cmd.query_async(&mut self.connection.clone()).await;
        if !outcome.as_ref().is_err_and(is_broken) {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        outcome
    }

    async fn is_a_sentinels(&self) -> bool {
        self.role().await.is_ok_and(|role| role == "sentinel")
    }

    /// `master`, `slave` or `sentinel`.
    pub(super) async fn role(&self) -> RedisResult<String> {
        let role = self.send_cmd(&redis::cmd("ROLE")).await?;
        let Value::Array(parts) = role else { return Ok(String::new()) };
        Ok(parts.into_iter().next().and_then(|role| redis::from_redis_value(role).ok()).unwrap_or_default())
    }
}

async fn connect(address: &Address, tls: Option<&TlsConnector>) -> Result<MultiplexedConnection> {
    let broken =
        |error: std::io::Error| unreachable("could not be connected to; check its address, and that it runs").with_source(error);
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EACH);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive).map_err(broken)?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWERS_WITHIN));
    match address.server_name.clone().zip(tls) {
        None => {
            let made = MultiplexedConnection::new_with_config(&address.login, stream, config).await;
            let (connection, driver) = made.map_err(told)?;
            worker::spawn(driver)?;
            Ok(connection)
        }
        Some((server_name, tls)) => {
            let stream = tls.connect(server_name, stream).await.map_err(failure::handshake)?;
            let made = MultiplexedConnection::new_with_config(&address.login, stream, config).await;
            let (connection, driver) = made.map_err(told)?;
            worker::spawn(driver)?;
            Ok(connection)
        }
    }
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const TRUSTED_FOR: Duration = Duration::from_secs(5);
const ANSWERS_A_PING_WITHIN: Duration = Duration::from_secs(1);
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
const KEEPALIVE_EACH: Duration = Duration::from_secs(5);
