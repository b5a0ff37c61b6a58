use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{CredentialsStore, Lock, Record, RecordFilter, RecordKey, SealingKeys};
use crate::worker;

mod address;
use address::Address;
mod cluster;
mod command;
use command::Command;
mod connection;
mod failure;
mod index;
use index::Index;
mod lease;
use lease::Lease;
mod scripts;
mod sentinels;
mod servers;
use servers::Servers;
mod settings;
use settings::{Place, Settings};
mod tls;
use tls::ClientCertificate;

/// Keeps a fleet's sessions on Redis (5 or newer) or Valkey, sealed. Replicas of a program share them, and each session is renewed
/// by one replica. Redis is one server ([`new`](Self::new)), a master that sentinels name ([`sentinel`](Self::sentinel)), or a
/// cluster ([`cluster`](Self::cluster)).
///
/// The lock of a session is a lease: a key that a task extends while the lock is held, and that expires when its
/// holder dies. A holder can be stopped and go on after its lease has ended, so a lease protects no record: a record is
/// replaced only by a save that names its generation.
///
/// When Redis is down, a token that is valid serves, and a renewal fails with `Store` before anything is sent. A failover to a
/// replica that lags behind can lose a lease or a record: `WAIT` and `min-replicas-to-write` narrow that, nothing in Redis closes
/// it. Use a `maxmemory-policy` of `noeviction`: an evicted record is a login that is lost.
///
/// The keys of a session share a hash tag. Those of its indexes, by which [`list`](CredentialsStore::list) finds it, share another
/// one for each program. They hold SHA-256 hashes of the issuer and client id, of `sub` and of `sid`: these hide a name from a
/// reader of Redis, but not whether it is one that the reader can guess.
///
/// # Access control
/// The user of Redis needs the keys `~{hallpass:*` (with the [`prefix`](Self::prefix) in the place of `hallpass`) and these commands,
/// most of which run in scripts:
///
/// ```text
/// +ping +eval +evalsha +hget +hmget +hset +del +pexpire +pexpireat +persist +set +get +time
/// +zadd +zrem +zscore +zrange +zremrangebyscore
/// ```
///
/// Where the URL names another database than 0, `+select` too; behind sentinels, `+role`; on a cluster, `+cluster|slots +asking`.
/// The user of a sentinel needs `+sentinel|get-master-addr-by-name`. A command or key that is missing is a `Configuration` error.
///
/// # Defaults
/// The prefix of all keys is `hallpass`, a lease lasts 40 seconds, and a record ends 30 days after its last save.
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
    servers: Arc<OnceLock<Result<Arc<Servers>>>>,
}

impl Redis {
    /// One server. `url` is `rediss://user:password@host:port/database`, where all but the host may be left out; `redis://`, without
    /// TLS, is for loopback only. Nothing is connected before it is needed, and an unusable URL is a `Configuration` error then.
    ///
    /// With several [`SealingKey`](crate::store::SealingKey)s, the first seals and all of them open.
    #[must_use]
    pub fn new(url: &str, keys: impl Into<SealingKeys>) -> Self {
        Self::at(Place::One(Address::parse(url)), keys)
    }

    /// The master of `service` (`mymaster`, say), which the sentinels at `urls` name. It is looked up for each new connection, so
    /// that a failover costs one error at most. User, password and database of the URLs are those of the master and its replicas,
    /// and the same in each URL; [`sentinel_login`](Self::sentinel_login) is for the sentinels themselves. With `rediss://`, both
    /// speak TLS, and a certificate has to have the address that the sentinels announce.
    ///
    /// ```
    /// # use hallpass::store::{Redis, SealingKey};
    /// # let sealing_key = SealingKey::from_bytes([7; 32]);
    /// let sentinels = ["rediss://:password@one.internal:26379", "rediss://:password@two.internal:26379"];
    /// let store = Redis::sentinel(sentinels, "mymaster", sealing_key);
    /// ```
    #[must_use]
    pub fn sentinel(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        service: impl Into<String>,
        keys: impl Into<SealingKeys>,
    ) -> Self {
        Self::at(Place::Sentinels { addresses: parsed(urls), service: service.into(), login: None }, keys)
    }

    /// A cluster, of which `urls` name one node or more. User and password are the same in each URL and at each node, and the
    /// database is 0. With `rediss://`, a certificate has to have the address that its node announces.
    ///
    /// A save takes two round trips on a cluster, one for the indexes and one for the record, and a third one at a login.
    #[must_use]
    pub fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>, keys: impl Into<SealingKeys>) -> Self {
        Self::at(Place::Cluster(parsed(urls)), keys)
    }

    fn at(place: Place, keys: impl Into<SealingKeys>) -> Self {
        Self { settings: Settings::new(place), keys: keys.into(), servers: Arc::default() }
    }

    /// The beginning of all keys in Redis. Without braces.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|settings| settings.prefix = prefix.into())
    }

    /// The time for which replicas wait for one that was stopped or has died. It has to be longer than a request to the provider
    /// may take, 30 seconds: otherwise they give up on replicas that are only slow.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.with(|settings| settings.lease = lease)
    }

    /// The life of a record after its last save, which is a login or a renewal: 30 days by default. `None`: until it is
    /// removed. Set it to the idle lifetime of the provider's refresh tokens, or a little more. A shorter one logs people out
    /// who could have gone on; a longer one keeps records that nothing can renew.
    #[must_use]
    pub fn idle_lifetime(self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.with(|settings| settings.idle = lifetime.into())
    }

    /// The life of a record after its first save, with any number of renewals: without a limit by default, which is `None`. Set it to
    /// the absolute lifetime of the provider's refresh tokens or of a session, where there is one. A login under the name of a
    /// session that is still there counts as a renewal, so give each login another session.
    #[must_use]
    pub fn absolute_lifetime(self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.with(|settings| settings.absolute = lifetime.into())
    }

    /// Certificates in PEM, at least one: Redis has to have a certificate from them. Without them, from an authority that this
    /// system trusts.
    #[must_use]
    pub fn certificate_authority(self, pem: impl Into<Vec<u8>>) -> Self {
        self.with(|settings| settings.authorities = Some(pem.into()))
    }

    /// The certificate that this program shows (`tls-auth-clients yes`): its chain and its private key, both in PEM.
    #[must_use]
    pub fn client_certificate(self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let own = ClientCertificate { chain: chain.into(), key: Arc::new(Zeroizing::new(key.into())) };
        self.with(|settings| settings.own = Some(own))
    }

    /// The user and the password of the sentinels, where they ask for one. The user is `default` unless they have others. Only
    /// [`sentinel`](Self::sentinel) uses it.
    #[must_use]
    pub fn sentinel_login(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.with(|settings| {
            if let Place::Sentinels { login, .. } = &mut settings.place {
                *login = Some((user.into(), password.into()));
            }
        })
    }

    /// Speaks `redis://` without TLS over a network too. A listener there learns the password, and with it can destroy every
    /// session, but cannot read one.
    #[must_use]
    pub fn danger_plain_text(self) -> Self {
        self.with(|settings| settings.may_be_plain = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.servers = Arc::default();
        self
    }

    fn servers(&self) -> Result<&Arc<Servers>> {
        let made = self.servers.get_or_init(|| self.settings.servers().map(Arc::new));
        made.as_ref().map_err(Clone::clone)
    }

    fn index(&self, program: &RecordKey) -> Index {
        Index::new(&self.settings.prefix, program)
    }

    fn record_key(&self, id: &str) -> String {
        format!("{{{}:{id}}}:record", self.settings.prefix)
    }

    async fn load_by_id(&self, id: &str) -> Result<Option<Record>> {
        let load = Command::new("HMGET", self.record_key(id)).arg("generation").arg("sealed");
        let stored: (Option<u64>, Option<Vec<u8>>) = self.servers()?.run("the stored credentials were not read", load).await?;
        let (generation, Some(sealed)) = stored else { return Ok(None) };
        let record = self.keys.open_by_id(id, &sealed)?;
        // Saves compare with the generation beside the sealed record.
        if generation != Some(record.generation()) {
            let message = "the stored credentials are left as they are: their generation was changed; remove them to log in anew";
            return Err(Error::new(ErrorKind::Store, message).unreadable_record());
        }
        Ok(Some(record))
    }

    /// On a cluster, where no script spans hash slots: an entry that is there too long does no harm, since `list` reads the record.
    async fn enter(&self, index: &Index, names: &[String], id: &str) -> Result<()> {
        let Some((first, others)) = names.split_first() else { return Ok(()) };
        let enter = Command::script(&scripts::ENTER, index.key(first));
        let enter = others.iter().fold(enter, |enter, name| enter.key(index.key(name)));
        let enter = enter.arg(id).arg(self.settings.entry_life());
        self.servers()?.run("the credentials were not stored", enter).await
    }

    /// Entries are dropped only as they were before the record was: a login that follows at once adds new entries.
    async fn remove_from_cluster(&self, index: &Index, id: &str) -> Result<()> {
        const WHAT: &str = "the stored credentials were not removed";
        let servers = self.servers()?;
        let names: Option<String> = servers.run(WHAT, Command::new("HGET", self.record_key(id)).arg("index")).await?;
        let mut entries = Vec::new();
        for name in names.unwrap_or_default().split_whitespace() {
            let key = index.key(name);
            let score: Option<String> = servers.run(WHAT, Command::new("ZSCORE", &key).arg(id)).await?;
            entries.extend(score.map(|score| (key, score)));
        }
        () = servers.run(WHAT, Command::new("DEL", self.record_key(id))).await?;
        for (key, score) in entries {
            () = servers.run(WHAT, Command::script(&scripts::DROP, key).arg(id).arg(score)).await?;
        }
        Ok(())
    }

    /// Runs on the worker. The records of some entries of an index, and the entries whose record is gone or another's.
    async fn verified(
        self: &Arc<Self>,
        program: &RecordKey,
        filter: &RecordFilter,
        entries: &[(String, String)],
    ) -> Result<(Vec<RecordKey>, Vec<(String, String)>)> {
        let mut loading = JoinSet::new();
        for (id, score) in entries {
            let (store, id, score) = (Arc::clone(self), id.clone(), score.clone());
            loading.spawn(async move { (store.load_by_id(&id).await, id, score) });
        }
        let (mut keys, mut stale) = (Vec::new(), Vec::new());
        for (loaded, id, score) in loading.join_all().await {
            match loaded {
                Ok(Some(record)) if filter.matches(&record) => match program.of(&record) {
                    Some(key) => keys.push(key),
                    None => stale.push((id, score)),
                },
                Ok(_) => stale.push((id, score)),
                // Another sealing key may open it.
                Err(error) if error.is_unreadable_record() => {}
                Err(error) => return Err(error),
            }
        }
        Ok((keys, stale))
    }
}

fn parsed(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Result<Address>> {
    urls.into_iter().map(|url| Address::parse(url.as_ref())).collect()
}

/// # Cancel safety
/// A save or removal whose future is dropped happens or not.
impl CredentialsStore for Redis {
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.load_by_id(&key.id()).await
    }

    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        let (servers, index, id) = (self.servers()?, self.index(key), key.id());
        let names = index.names_of(key, record);
        if servers.is_cluster() {
            self.enter(&index, &names, &id).await?;
        }
        let mut save = Command::script(&scripts::SAVE, self.record_key(&id));
        if !servers.is_cluster() {
            save = names.iter().fold(save, |save, name| save.key(index.key(name)));
        }
        let save = save.arg(expected.map(|generation| generation.to_string()).unwrap_or_default());
        let save = save.arg(record.generation()).arg(self.keys.seal(key, record)?).arg(names.join(" ")).arg(&id);
        let save = save.arg(self.settings.entry_life()).arg(self.settings.idle_life()).arg(self.settings.absolute_life());
        let saved: u8 = servers.run("the credentials were not stored", save).await?;
        // A removal that ran at the same time, or a list that found no record yet, may have dropped the entries.
        if saved == SAVED_AND_NEW_TO_ITS_INDEXES && servers.is_cluster() {
            self.enter(&index, &names, &id).await?;
        }
        Ok(saved > 0)
    }

    async fn remove(&self, key: &RecordKey) -> Result<()> {
        let (servers, index, id) = (self.servers()?, self.index(key), key.id());
        if servers.is_cluster() {
            return self.remove_from_cluster(&index, &id).await;
        }
        let remove = Command::script(&scripts::REMOVE, self.record_key(&id)).arg(index.tag()).arg(&id);
        servers.run("the stored credentials were not removed", remove).await
    }

    async fn lock(&self, key: &RecordKey, wait: Duration) -> Result<Lock> {
        // One waiter of each process asks Redis.
        let began = Instant::now();
        let within_this_process = worker::run(Lock::within_this_process(key.clone(), wait)).await?;
        let left = wait.saturating_sub(began.elapsed());
        let name = format!("{{{}:{}}}:lease", self.settings.prefix, key.id());
        let lease = Lease::acquire(self.servers()?, name, self.settings.lease, left, within_this_process).await?;
        Ok(Lock::with_release(lease, Lease::release))
    }

    async fn list(&self, program: &RecordKey, filter: &RecordFilter) -> Result<Vec<RecordKey>> {
        const WHAT: &str = "the stored sessions were not listed";
        let index = self.index(program);
        let key = index.key(&index.name(filter));
        let all = Command::new("ZRANGE", &key).arg(0).arg(-1).arg("WITHSCORES");
        let entries: Vec<(String, String)> = self.servers()?.run(WHAT, all).await?;
        let (mut keys, store) = (Vec::new(), Arc::new(self.clone()));
        for some in entries.chunks(LOADED_AT_ONCE) {
            let (store, program, filter, some) = (Arc::clone(&store), program.clone(), filter.clone(), some.to_vec());
            let verified = worker::run(async move { store.verified(&program, &filter, &some).await });
            let (found, stale) = verified.await?;
            keys.extend(found);
            if !stale.is_empty() {
                let drop = stale.iter().fold(Command::script(&scripts::DROP, &key), |drop, (id, score)| drop.arg(id).arg(score));
                () = self.servers()?.run(WHAT, drop).await?;
            }
        }
        Ok(keys)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.settings.prefix).finish_non_exhaustive()
    }
}

const SAVED_AND_NEW_TO_ITS_INDEXES: u8 = 2;
const LOADED_AT_ONCE: usize = 64;
