//! Several processes of one program, with their users' sessions on one Redis.

mod access;
mod canaries;
mod cluster;
mod connections;
mod fleet;
mod full;
mod leases;
mod lifetimes;
mod listing;
mod logouts;
mod outages;
mod round_trips;
mod sealed;
mod sentinel;
mod service;
mod stopped;
mod store;
mod tls;

use std::time::Duration;

use hallpass::store::{CredentialsStore, Record, RecordKey, Redis, SealingKey};
use hallpass::testing::{Endpoint, TestBrowser, TestClock, TestProvider, TestProviderBuilder};
use hallpass::{Application, CredentialsManager};
use hallpass_peers::{Moment, RedisServer, Replica};
use serde_json::json;

const SEALING_KEY: u8 = 7;
/// Long enough for a slow machine to extend it in time, short enough to wait for its end.
const LEASE: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);

/// A provider, a Redis, and replicas that find there what a person's login gave an hour ago: it has to be renewed.
struct Fleet {
    provider: TestProvider,
    redis: RedisServer,
    clock: TestClock,
    token_requests_before: usize,
}

impl Fleet {
    async fn start() -> Self {
        Self::with(TestProvider::builder().access_token_life(HOUR)).await
    }

    async fn with(provider: TestProviderBuilder) -> Self {
        let (clock, redis) = (TestClock::new(), RedisServer::start());
        let provider = provider.clock(clock.clone()).start().await;
        let mut fleet = Self { provider, redis, clock, token_requests_before: 0 };
        fleet.clock.rewind(HOUR * 2);
        fleet.here().login_if_needed().await.unwrap();
        fleet.clock.advance(HOUR * 2);
        fleet.token_requests_before = fleet.provider.count(Endpoint::Token);
        fleet
    }

    /// This process as one of the replicas.
    fn here(&self) -> CredentialsManager {
        self.here_on(self.store())
    }

    fn here_on(&self, store: impl CredentialsStore) -> CredentialsManager {
        let application = Application::new(self.provider.issuer(), self.provider.client_id()).clock(&self.clock);
        let auth = application.web_auth().scope("openid offline_access").ephemeral_port().browser(TestBrowser::new());
        CredentialsManager::new(auth, store)
    }

    fn store(&self) -> Redis {
        Redis::new(&self.redis.url(), SealingKey::from_bytes([SEALING_KEY; 32])).lease(LEASE)
    }

    fn replica(&self, settings: &[(&str, &str)]) -> Replica {
        let (key, lease, url) = (SEALING_KEY.to_string(), LEASE.as_millis().to_string(), self.redis.url());
        let mut all = vec![("ISSUER", self.provider.issuer()), ("CLIENT_ID", self.provider.client_id())];
        all.extend([("REDIS_URL", url.as_str()), ("SEALING_KEY", key.as_str()), ("LEASE_MILLIS", lease.as_str())]);
        all.extend(settings);
        Replica::start(env!("CARGO_BIN_EXE_replica"), &all)
    }

    fn replica_that_stops(&self, moment: Moment) -> Replica {
        self.replica(&[("STOP", moment.words())])
    }

    /// The number of requests with a refresh token.
    fn renewals(&self) -> usize {
        self.provider.count(Endpoint::Token) - self.token_requests_before
    }

    /// The provider has not ended the session: what is stored can still be renewed.
    async fn family_lives(&self) {
        self.here().renew().await.expect("the refresh token is good");
    }
}

/// A record of this generation without content.
fn record(generation: u64) -> Record {
    record_with(generation, "")
}

/// A record as a login leaves it.
fn labelled(generation: u64, key: &RecordKey, sub: &str, sid: &str) -> Record {
    let content = json!({ "key": key.id(), "session": key.session(), "sub": sub, "sid": sid });
    record_with(generation, &content.to_string())
}

fn record_with(generation: u64, content: &str) -> Record {
    let head = [b"hlps\x01".as_slice(), &generation.to_be_bytes(), &(content.len() as u64).to_be_bytes()].concat();
    Record::from_bytes([&head, content.as_bytes()].concat()).unwrap()
}

/// All keys in Redis.
async fn keys(redis: &RedisServer) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis.connection().await).await.unwrap();
    keys.sort();
    keys
}
