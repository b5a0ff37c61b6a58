//! Permissions of Redis, and the errors where they are missing.

use std::fs;
use std::time::Duration;

use hallpass::store::{CredentialsStore, RecordFilter, RecordKey, Redis, SealingKey};
use hallpass::testing::store_contract;
use hallpass::{Error, ErrorKind};
use hallpass_peers::{Authority, RedisCluster, RedisSentinel, RedisServer, SERVICE};
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::labelled;

/// Of the docs of `store::Redis`.
const COMMANDS: &str = "+ping +eval +evalsha +hget +hmget +hset +del +pexpire +pexpireat +persist +set +get +time \
     +zadd +zrem +zscore +zrange +zremrangebyscore";

fn key() -> RecordKey {
    RecordKey::new("issuer", "client", "session")
}

fn sealing_key() -> SealingKey {
    SealingKey::from_bytes([1; 32])
}

async fn set_user(server: &RedisServer, name: &str, rules: &str) {
    set_user_at(&mut server.connection().await, name, rules).await;
}

async fn set_user_at(server: &mut MultiplexedConnection, name: &str, rules: &str) {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(name).arg("reset").arg("on").arg(">canary");
    command.arg(rules.split_whitespace().collect::<Vec<_>>());
    () = command.query_async(server).await.unwrap();
}

fn assert_configuration(error: &Error, words: &str) {
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Configuration, false), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!error.to_string().contains("try again"), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

/// J19
#[tokio::test]
async fn a_user_with_exactly_the_documented_commands_can_do_everything() {
    let documented = include_str!("../../../../../src/store/redis/mod.rs");
    for command in COMMANDS.split_whitespace() {
        assert!(documented.contains(&format!("{command} ")) || documented.contains(&format!("{command}\n")), "{command}");
    }
    let server = RedisServer::start();
    set_user(&server, "fleet", &format!("~{{hallpass:* {COMMANDS}")).await;
    store_contract(|| Redis::new(&server.url_of("fleet", "canary"), sealing_key())).await;
    store_contract(|| Redis::new(&server.url_of("fleet", "canary"), sealing_key()).idle_lifetime(None)).await;
}

/// J19
#[tokio::test]
async fn a_cluster_and_a_sentinel_need_what_is_documented_for_them() {
    let cluster = RedisCluster::start().await;
    for node in &cluster.nodes {
        set_user(node, "fleet", &format!("~{{hallpass:* {COMMANDS} +cluster|slots +asking")).await;
    }
    let urls = || cluster.nodes.iter().map(|node| node.url_of("fleet", "canary"));
    store_contract(|| Redis::cluster(urls(), sealing_key())).await;

    let sentinel = RedisSentinel::start().await;
    for server in &sentinel.servers {
        set_user(server, "fleet", &format!("~{{hallpass:* {COMMANDS} +role")).await;
    }
    let url = sentinel.url().replace(":correct-horse@", "fleet:canary@");
    set_user_at(&mut sentinel.sentinel().await, "asks", "+sentinel|get-master-addr-by-name").await;
    let store = || Redis::sentinel([&url], SERVICE, sealing_key()).sentinel_login("asks", "canary");
    store_contract(store).await;
    set_user_at(&mut sentinel.sentinel().await, "asks", "").await;
    assert_configuration(&store().load(&key()).await.unwrap_err(), "may not run a command");
}

/// J19: each command is needed, and the lack of each is told, also in a script.
#[tokio::test]
async fn a_command_that_the_user_may_not_run_is_a_configuration_error() {
    let server = RedisServer::start();
    let listed = |store: Redis| async move {
        let key = key();
        let first = store.save(&key, None, &labelled(1, &key, "jane", "one")).await.map(drop);
        let second = store.idle_lifetime(None);
        let in_use = RecordKey::new("issuer", "client", "in use");
        let calls = [
            first,
            second.load(&key).await.map(drop),
            second.save(&key, Some(1), &labelled(2, &key, "jane", "one")).await.map(drop),
            second.list(&key, &RecordFilter::All).await.map(drop),
            second.lock(&in_use, Duration::ZERO).await.map(drop),
            second.remove(&key).await,
        ];
        let errors = calls.into_iter().filter_map(Result::err);
        errors.filter(|error| !error.to_string().contains("another replica used")).collect::<Vec<_>>()
    };
    let lease = format!("{{hallpass:{}}}:lease", RecordKey::new("issuer", "client", "in use").id());
    let mut redis = server.connection().await;
    for missing in COMMANDS.split_whitespace().filter(|command| *command != "+ping") {
        let rules: Vec<&str> = COMMANDS.split_whitespace().filter(|command| *command != missing).collect();
        set_user(&server, "fleet", &format!("~{{hallpass:* {}", rules.join(" "))).await;
        () = redis::cmd("SET").arg(&lease).arg("somebody").query_async(&mut redis).await.unwrap();
        let errors = listed(Redis::new(&server.url_of("fleet", "canary"), sealing_key())).await;
        assert!(!errors.is_empty(), "{missing} is not needed");
        for error in errors {
            assert_configuration(&error, "may not run a command or use a key");
        }
        () = redis::cmd("FLUSHALL").query_async(&mut redis).await.unwrap();
    }
    set_user(&server, "fleet", &format!("~others:* {COMMANDS}")).await;
    for error in listed(Redis::new(&server.url_of("fleet", "canary"), sealing_key())).await {
        assert_configuration(&error, "may not run a command or use a key");
    }
}

/// J19
#[tokio::test]
async fn a_login_that_redis_refuses_is_a_configuration_error() {
    let server = RedisServer::start();
    for url in [
        server.url_with("canary"),
        server.url_of("nobody", "canary"),
        server.url().replace(":correct-horse@", ""),
        server.url().replace(":correct-horse@", "").replace("/0", "/1"),
    ] {
        let error = Redis::new(&url, sealing_key()).load(&key()).await.unwrap_err();
        assert_configuration(&error, "check the user and the password");
    }
}

/// J19
#[tokio::test]
async fn a_database_that_is_not_there_is_a_configuration_error() {
    let server = RedisServer::start();
    let error = Redis::new(&server.url().replace("/0", "/16"), sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "the database of the URL is not there");
    set_user(&server, "fleet", &format!("~{{hallpass:* {COMMANDS}")).await;
    let error = Redis::new(&server.url_of("fleet", "canary").replace("/0", "/1"), sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "may not run a command");
}

/// J19
#[tokio::test]
async fn a_node_of_a_cluster_is_no_single_server_and_the_reverse() {
    let cluster = RedisCluster::start().await;
    let node = cluster.node_of(&format!("{{hallpass:{}}}:record", key().id())).await;
    let another = &cluster.nodes[(node + 1) % cluster.nodes.len()];
    let error = Redis::new(&another.url(), sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "use Redis::cluster");
    let error = Redis::new(&another.url().replace("/0", "/1"), sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "use Redis::cluster");
    // A script with the keys of two slots.
    let store = Redis::new(&cluster.nodes[node].url(), sealing_key());
    let error = store.save(&key(), None, &labelled(1, &key(), "jane", "one")).await.unwrap_err();
    assert_configuration(&error, "use Redis::cluster");

    let single = RedisServer::start();
    let error = Redis::cluster([single.url()], sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "is no cluster");
    let error = Redis::cluster([single.url().replace("/0", "/1")], sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "database 0 only");
    let error = Redis::cluster([single.url(), another.url_with("canary")], sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "differ in more than host and port");
    let error = Redis::cluster(Vec::<String>::new(), sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "no Redis URL is given");
}

/// J19
#[tokio::test]
async fn a_sentinel_is_no_server_and_the_reverse() {
    let fleet = RedisSentinel::start().await;
    let without_login = fleet.url().replace(":correct-horse@", "");
    let error = Redis::new(&without_login, sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "use Redis::sentinel");
    let error = Redis::new(&without_login.replace("/0", "/1"), sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "use Redis::sentinel");
    let error = Redis::sentinel([fleet.url()], "another", sealing_key()).load(&key()).await.unwrap_err();
    assert_configuration(&error, "no sentinel knows a service \"another\"");
    let server = RedisServer::start();
    let store = Redis::sentinel([server.url()], "sessions", sealing_key()).sentinel_login("default", "correct-horse");
    assert_configuration(&store.load(&key()).await.unwrap_err(), "no sentinel");
}

/// J19
#[tokio::test]
async fn what_tls_refuses_is_a_configuration_error() {
    let (own, stranger) = (Authority::new(), Authority::new());
    let authority = fs::read(own.certificate()).unwrap();
    let server = RedisServer::with_tls(&own, own.server("IP:127.0.0.1"));
    let of_another_name = RedisServer::with_tls(&own, own.server("DNS:other.example"));
    for (server, authority) in
        [(&server, None), (&server, Some(fs::read(stranger.certificate()).unwrap())), (&of_another_name, Some(authority.clone()))]
    {
        let store = Redis::new(&server.url(), sealing_key());
        let store = if let Some(authority) = authority { store.certificate_authority(authority) } else { store };
        assert_configuration(&store.load(&key()).await.unwrap_err(), "is not trusted");
    }
    // A server that answers in plain text.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.write_all(b"-ERR no TLS\r\n").await;
            tokio::spawn(async move { stream.read(&mut [0; 4096]).await });
        }
    });
    let error = Redis::new(&url, sealing_key()).certificate_authority(authority).load(&key()).await.unwrap_err();
    assert_configuration(&error, "does not speak TLS");
}

/// J19: these pass.
#[tokio::test]
async fn what_another_moment_may_change_is_no_configuration_error() {
    let mut server = RedisServer::start();
    let store = Redis::new(&server.url(), sealing_key());
    store.load(&key()).await.unwrap();
    let mut redis = server.connection().await;
    () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query_async(&mut redis).await.unwrap();
    let full = store.save(&key(), None, &labelled(1, &key(), "jane", "one")).await.unwrap_err();
    () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).query_async(&mut redis).await.unwrap();
    () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query_async(&mut redis).await.unwrap();
    let read_only = store.save(&key(), None, &labelled(1, &key(), "jane", "one")).await.unwrap_err();
    server.kill();
    let down = store.load(&key()).await.unwrap_err();
    for error in [full, read_only, down] {
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true), "{error:?}");
    }
}
