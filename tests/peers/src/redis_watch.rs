use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::redis_server::{PASSWORD, RedisServer};

/// Hears each command that a Redis is sent, as it tells by `MONITOR`: one command is one round trip.
pub struct RedisWatch {
    heard: Lines<BufReader<TcpStream>>,
    marker: MultiplexedConnection,
}

impl RedisServer {
    /// # Panics
    /// When it is not there, or takes nothing but TLS.
    pub async fn watch(&self) -> RedisWatch {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await.expect("Redis is there");
        stream.write_all(format!("AUTH {PASSWORD}\r\nMONITOR\r\n").as_bytes()).await.expect("Redis is there");
        let mut watch = RedisWatch { heard: BufReader::new(stream).lines(), marker: self.connection().await };
        for _ in 0..2 {
            assert_eq!(watch.line().await, "+OK");
        }
        watch.commands().await;
        watch
    }
}

impl RedisWatch {
    /// The commands since the last call, each with the kind of its first key: `EVALSHA lease`. The commands of a script cost no
    /// round trip and are left out.
    pub async fn commands(&mut self) -> Vec<String> {
        self.lines().await.iter().filter_map(|line| told(line)).collect()
    }

    /// The same with everything that the commands were given, also by scripts, as `MONITOR` tells it.
    pub async fn lines(&mut self) -> Vec<String> {
        () = redis::cmd("ECHO").arg(MARKER).query_async(&mut self.marker).await.expect("Redis is there");
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if line.contains(MARKER) {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Waits for so many more of one command: `HMGET record`.
    pub async fn until(&mut self, command: &str, count: usize) {
        let mut left = count;
        while left > 0 {
            let line = self.line().await;
            left -= usize::from(told(&line).is_some_and(|told| told == command));
        }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.heard.next_line()).await.expect("Redis says something");
        line.expect("Redis is there").expect("Redis is there")
    }
}

/// Of a line such as `+1700000000.123456 [0 127.0.0.1:50000] "HMGET" "{hallpass:…}:record" "generation"`.
fn told(line: &str) -> Option<String> {
    let (_, command) = line.split_once("] ").filter(|(from, _)| !from.ends_with(" lua"))?;
    let words: Vec<&str> = command.split('"').skip(1).step_by(2).collect();
    let key = words.iter().find(|word| word.starts_with('{')).and_then(|key| key.rsplit(':').next()).unwrap_or_default();
    Some(format!("{} {key}", words.first()?.to_uppercase()).trim_end().to_owned())
}

const MARKER: &str = "up to here";
const PATIENCE: Duration = Duration::from_secs(30);
