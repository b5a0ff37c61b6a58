use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use redis::aio::MultiplexedConnection;

use crate::authority::{Authority, Certificate};
use crate::process::Process;
use crate::redis_server::{PASSWORD, RedisServer, free_port};

/// The name of the master for sentinels.
pub const SERVICE: &str = "sessions";

/// A master, a replica of it, and a sentinel of theirs that asks for no password.
pub struct RedisSentinel {
    pub servers: [RedisServer; 2],
    port: u16,
    tls: bool,
    folder: std::path::PathBuf,
    _process: Process,
}

impl RedisSentinel {
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// All three take nothing but TLS.
    pub async fn with_tls(authority: &Authority, certificate: &Certificate) -> Self {
        Self::with(Some((authority, certificate))).await
    }

    async fn with(tls: Option<(&Authority, &Certificate)>) -> Self {
        let server = |arguments: &[&str]| match tls {
            None => RedisServer::start_with(arguments),
            Some((authority, certificate)) => {
                let arguments = [&["--tls-replication", "yes"], arguments].concat();
                RedisServer::with_tls_and(authority, certificate.clone(), &arguments)
            }
        };
        let fast = ["--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"];
        let master = server(&fast);
        let replica = server(&[&fast[..], &["--replicaof", "127.0.0.1", &master.port().to_string()]].concat());
        let port = free_port();
        let folder = env::temp_dir().join(format!("hallpass-sentinel-{}-{port}", process::id()));
        _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        let (plain, with_tls) = if tls.is_some() { (0, port) } else { (port, 0) };
        let mut configuration = format!(
            "bind 127.0.0.1\nport {plain}\ntls-port {with_tls}\ndir {}\nsentinel monitor {SERVICE} 127.0.0.1 {} 1\n\
             sentinel auth-pass {SERVICE} {PASSWORD}\nsentinel down-after-milliseconds {SERVICE} 500\n\
             sentinel failover-timeout {SERVICE} 5000\n",
            folder.display(),
            master.port(),
        );
        if let Some((authority, own)) = tls {
            configuration += &format!(
                "tls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients no\ntls-replication yes\n",
                authority.certificate().display(),
                own.certificate.display(),
                own.key.display(),
            );
        }
        let file = folder.join("sentinel.conf");
        fs::write(&file, configuration).expect("the folder is there");
        let mut command = Command::new("./redis.sh");
        command.arg(&file).arg("--sentinel");
        let process = Process::start(".", &mut command, "+monitor master").0;
        let fleet = Self { servers: [master, replica], port, tls: tls.is_some(), folder, _process: process };
        if !fleet.tls {
            fleet.until_the_replica_is_known().await;
        }
        fleet
    }

    /// With the login at the servers.
    pub fn url(&self) -> String {
        format!("{}://:{PASSWORD}@127.0.0.1:{}/0", if self.tls { "rediss" } else { "redis" }, self.port)
    }

    /// Has the replica take the place of the master.
    pub async fn fails_over(&self) {
        let before = self.master_port().await;
        let mut sentinel = self.sentinel().await;
        () = redis::cmd("SENTINEL").arg("FAILOVER").arg(SERVICE).query_async(&mut sentinel).await.expect("a replica is ready");
        until("the sentinel names another master", async || self.master_port().await != before).await;
    }

    pub async fn master_port(&self) -> u16 {
        let mut sentinel = self.sentinel().await;
        let master: (String, u16) =
            redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(SERVICE).query_async(&mut sentinel).await.expect("a master");
        master.1
    }

    async fn until_the_replica_is_known(&self) {
        let mut sentinel = self.sentinel().await;
        until("the sentinel knows a replica that is connected", async || {
            let replicas: Vec<HashMap<String, String>> =
                redis::cmd("SENTINEL").arg("replicas").arg(SERVICE).query_async(&mut sentinel).await.expect("a service");
            replicas.iter().any(|replica| replica["master-link-status"] == "ok" && replica["flags"] == "slave")
        })
        .await;
    }

    /// A connection to the sentinel besides the library's, without TLS.
    pub async fn sentinel(&self) -> MultiplexedConnection {
        connect(&format!("redis://127.0.0.1:{}", self.port)).await
    }
}

impl Drop for RedisSentinel {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Three masters that share the hash slots.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10_922), (10_923, 16_383)];

impl RedisCluster {
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::with(RedisServer::start_with).await
    }

    /// All nodes take nothing but TLS, and speak it with each other.
    pub async fn with_tls(authority: &Authority, certificate: &Certificate) -> Self {
        let tls = |arguments: &[&str]| {
            RedisServer::with_tls_and(authority, certificate.clone(), &[&["--tls-cluster", "yes"], arguments].concat())
        };
        Self::with(tls).await
    }

    async fn with(server: impl Fn(&[&str]) -> RedisServer) -> Self {
        let buses = SLOTS.map(|_| free_port().to_string());
        let nodes = buses.iter().map(|bus| server(&["--cluster-enabled", "yes", "--cluster-port", bus])).collect();
        let cluster = Self { nodes };
        let first_port = cluster.nodes[0].port().to_string();
        for (node, (first, last)) in cluster.nodes.iter().zip(SLOTS) {
            node.cli(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            node.cli(&["CLUSTER", "MEET", "127.0.0.1", &first_port, &buses[0]]);
        }
        for node in &cluster.nodes {
            until("all nodes know of all slots", async || {
                let info = node.cli(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
        cluster
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// All keys that match, at all nodes.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys = Vec::new();
        for node in &self.nodes {
            let mut connection = node.connection().await;
            let of_node: Vec<String> =
                redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.expect("the node is there");
            keys.extend(of_node);
        }
        keys.sort();
        keys
    }

    /// The node that has the slot of the key.
    pub async fn node_of(&self, key: &str) -> usize {
        let mut connection = self.nodes[0].connection().await;
        let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(&mut connection).await.expect("a number");
        SLOTS.iter().position(|(first, last)| (*first..=*last).contains(&slot)).expect("each slot has a node")
    }
}

async fn connect(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("a good URL");
    client.get_multiplexed_async_connection().await.expect("it is there")
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
