use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{Announced, CredentialsStore, Intent, Lock, Outcome, Record, RecordKey, SealingKeys};

mod address;
use address::Address;
mod connection;
use connection::Connection;
mod lease;
use lease::{Lease, milliseconds};
mod scripts;
mod tls;
use tls::Tls;

/// Keeps a fleet's sessions on one Redis (5 or newer) or Valkey, sealed: replicas of a program share them, and renew each
/// once.
///
/// The lock of a session is a lease: a key that a task extends as long as the lock is held, and that ends by itself when its
/// holder dies. Since a holder can be stopped and wake up after its lease has ended, whoever is about to spend a
/// refresh token says so in the record first; others then wait for what comes of it, and never send the same token. A record
/// is replaced only by who knows its generation. So the worst that a stopped replica, a broken network or a Redis that is down
/// can do is to cost a login.
///
/// When Redis is down, a token that is valid serves, and a renewal fails with `Store`, before anything is sent. Redis that
/// fails over to a replica which lags behind can lose a lease, an intent or a record: `WAIT` and `min-replicas-to-write` narrow
/// that, nothing in Redis closes it.
///
/// The keys of a session share a hash tag, so that a cluster keeps them on one node; redirections between nodes are not
/// followed, so a cluster has to be behind a proxy that follows them.
///
/// A record stays until it is removed: `clear()` a session that ends by itself.
///
/// # Defaults
/// The prefix of all keys is `hallpass`, and a lease lasts 40 seconds.
///
/// ```
/// use hallpass::store::{Redis, SealingKey};
/// # let key_from_somewhere_safe = [7; 32];
/// let sealing_key = SealingKey::from_bytes(key_from_somewhere_safe);
/// let store = Redis::new("rediss://:password@redis.internal:6379/0", sealing_key).prefix("acme");
/// # assert_eq!(format!("{store:?}"), r#"Redis { prefix: "acme", .. }"#);
/// ```
#[derive(Clone)]
pub struct Redis {
    settings: Settings,
    keys: SealingKeys,
    connection: Arc<OnceLock<Result<Arc<Connection>>>>,
}

#[derive(Clone)]
struct Settings {
    address: Result<Address>,
    prefix: String,
    lease: Duration,
    authorities: Option<Vec<u8>>,
    plain_text: bool,
}

/// A record as Redis holds it.
struct Stored {
    generation: Option<u64>,
    sealed: Option<Vec<u8>>,
}

/// What Redis calls the things of one session.
struct Keys {
    record: String,
    lease: String,
}

impl Redis {
    /// `url` is `rediss://user:password@host:port/database`, where all but the host may be left out; `redis://`, without TLS,
    /// is for loopback only. Nothing is connected before it is needed, and an unusable URL is a `Configuration` error then.
    ///
    /// With several [`SealingKey`](crate::store::SealingKey)s, the first seals and all of them open.
    #[must_use]
    pub fn new(url: &str, keys: impl Into<SealingKeys>) -> Self {
        let settings = Settings {
            address: Address::parse(url),
            prefix: "hallpass".to_owned(),
            lease: Duration::from_secs(40),
            authorities: None,
            plain_text: false,
        };
        Self { settings, keys: keys.into(), connection: Arc::default() }
    }

    /// What all keys in Redis begin with. Without braces.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|settings| settings.prefix = prefix.into())
    }

    /// How long replicas wait for one that was stopped or has died. Longer than a request to the provider may take, 30 seconds,
    /// or they give up on replicas that are only slow.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.with(|settings| settings.lease = lease)
    }

    /// Certificates in PEM, at least one: only who has a certificate from them is Redis. Without them, those that this system
    /// trusts.
    #[must_use]
    pub fn certificate_authority(self, pem: impl Into<Vec<u8>>) -> Self {
        self.with(|settings| settings.authorities = Some(pem.into()))
    }

    /// Speaks `redis://` without TLS over a network too: whoever listens learns the password and with it can destroy every
    /// session, though not read one.
    #[must_use]
    pub fn danger_plain_text(self) -> Self {
        self.with(|settings| settings.plain_text = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.connection = Arc::default();
        self
    }

    fn connection(&self) -> Result<&Arc<Connection>> {
        let made = self.connection.get_or_init(|| self.settings.connection().map(Arc::new));
        made.as_ref().map_err(Clone::clone)
    }

    fn open(&self, key: &RecordKey, stored: Stored) -> Result<Option<Record>> {
        let Some(sealed) = stored.sealed else { return Ok(None) };
        let record = self.keys.open(key, &sealed)?;
        // Saves compare with the generation beside the sealed record.
        if stored.generation != Some(record.generation()) {
            let message = "the stored credentials are left as they are: their generation was changed; remove them to log in anew";
            return Err(Error::new(ErrorKind::Store, message));
        }
        Ok(Some(record))
    }

    fn keys(&self, key: &RecordKey) -> Keys {
        let session = format!("{{{}:{}}}", self.settings.prefix, key.id());
        Keys { record: format!("{session}:record"), lease: format!("{session}:lease") }
    }
}

impl Settings {
    fn connection(&self) -> Result<Connection> {
        let address = self.address.clone()?;
        if !address.is_confidential() && !self.plain_text {
            return Err(Error::configuration("Redis is spoken to without TLS only on loopback; use a rediss:// URL"));
        }
        if self.prefix.contains(['{', '}']) {
            return Err(Error::configuration(
                "the prefix of keys in Redis may not have braces, which are the hash tag's; leave them out",
            ));
        }
        let tls = address.server_name.clone().map(|name| Tls::new(name, self.authorities.as_deref())).transpose()?;
        Ok(Connection::new(address, tls))
    }
}

/// # Cancel safety
/// A save or removal whose future is dropped happens or not.
impl CredentialsStore for Redis {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let record = self.keys(key).record;
        let mut command = redis::cmd("HMGET");
        command.arg(record).arg("generation").arg("sealed");
        let command = &command;
        let (generation, sealed) = self
            .connection()?
            .run("the stored credentials were not read", |mut to| async move { command.query_async(&mut to).await })
            .await?;
        self.open(key, Stored { generation, sealed })
    }

    /// The lease has brought it along.
    async fn load_locked(&self, key: &RecordKey, lock: &Lock) -> Result<Option<Record>> {
        match lock.guard::<Lease>().and_then(Lease::found) {
            Some(found) => self.open(key, found),
            None => self.load(key).await,
        }
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let expected = expected.map(|generation| generation.to_string()).unwrap_or_default();
        let mut call = scripts::SAVE.key(self.keys(key).record);
        call.arg(expected).arg(record.generation()).arg(self.keys.seal(key, record)?);
        let call = &call;
        self.connection()?.run("the credentials were not stored", |mut to| async move { call.invoke_async(&mut to).await }).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        let mut command = redis::cmd("DEL");
        command.arg(self.keys(key).record);
        let command = &command;
        self.connection()?
            .run("the stored credentials were not removed", |mut to| async move { command.query_async(&mut to).await })
            .await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        // One of each process asks Redis.
        let began = Instant::now();
        let within_this_process = Lock::within_this_process(key.clone(), wait).await?;
        let left = wait.saturating_sub(began.elapsed());
        let lease = Lease::acquire(self.connection()?, self.keys(key), self.settings.lease, left, within_this_process);
        Ok(Lock::new(lease.await?))
    }

    async fn announce(&self, key: &RecordKey, lock: &Lock, intent: &Intent) -> Result<Announced> {
        let Some(lease) = lock.guard::<Lease>() else {
            return Err(Error::new(ErrorKind::Store, "the lock is another store's; announce a renewal under one of this store"));
        };
        let keys = self.keys(key);
        let mut call = scripts::ANNOUNCE.key(keys.record);
        call.key(keys.lease).arg(&lease.holder).arg(intent.generation()).arg(intent.refresh_token().as_slice());
        call.arg(milliseconds(self.settings.lease)).arg(u8::from(intent.is_replay()));
        let call = &call;
        let announced: Result<(String, u64, u64, bool)> =
            self.connection()?.run("the renewal was not announced", |mut to| async move { call.invoke_async(&mut to).await }).await;
        match announced {
            Ok((word, ..)) if word == "alone" => Ok(Announced::Alone),
            Ok((word, since, wait, replayed)) if word == "unresolved" => {
                Ok(Announced::Unresolved { since: Duration::from_millis(since), wait: Duration::from_millis(wait), replayed })
            }
            Ok(_) => Ok(Announced::Late),
            Err(error) => {
                // It may stand there all the same, and nothing will be sent.
                lease.settle(Outcome::NotTaken);
                Err(error)
            }
        }
    }

    fn settle(&self, lock: &Lock, outcome: Outcome) -> bool {
        let lease = lock.guard::<Lease>();
        lease.inspect(|lease| lease.settle(outcome)).is_some()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.settings.prefix).finish_non_exhaustive()
    }
}
