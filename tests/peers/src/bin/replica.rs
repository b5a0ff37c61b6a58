//! One process of a program that runs in several, on one Redis. Environment: `ISSUER`, `CLIENT_ID`, `REDIS_URL`, `SEALING_KEY`
//! (a number), `LEASE_MILLIS`; `STOP` (when it waits to be stopped, in the words of `Moment`); `MIN_TTL_SECONDS`. Each line of its
//! input, `once TASKS` or `MILLISECONDS TASKS`, is answered by one of JSON; `go on` ends the wait.
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, thread};

use hallpass::store::{Redis, SealingKey};
use hallpass::{CredentialsManager, WebAuth};
use hallpass_peers::Interrupted;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let setting = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is set"));
    let lease = Duration::from_millis(setting("LEASE_MILLIS").parse().expect("milliseconds"));
    let sealing_key = SealingKey::from_bytes([setting("SEALING_KEY").parse().expect("a number"); 32]);
    let store = Redis::new(&setting("REDIS_URL"), sealing_key).lease(lease);
    let (asked, mut questions) = unbounded_channel();
    let (go_on, goes_on) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            _ = if line == "go on" { go_on.send(()).map_err(drop) } else { asked.send(line).map_err(drop) };
        }
    });
    let auth = WebAuth::new(setting("ISSUER"), setting("CLIENT_ID"));
    let session = match env::var("STOP") {
        Ok(moment) => {
            // A process does not stop at a certain point by itself: its threads go on for a moment. So this one waits there.
            let stop = move || {
                println!("stop me");
                goes_on.recv().expect("somebody says when to go on");
            };
            CredentialsManager::new(auth, Interrupted::new(store, moment.parse().expect("a moment"), stop))
        }
        Err(_) => CredentialsManager::new(auth, store),
    };
    let min_ttl = env::var("MIN_TTL_SECONDS").map_or(60, |text| text.parse().expect("seconds"));
    let session = session.min_ttl(Duration::from_secs(min_ttl));

    while let Some(line) = questions.recv().await {
        let (time, tasks) = line.split_once(' ').expect("two words");
        let end = Instant::now() + Duration::from_millis(time.parse().unwrap_or(0));
        let mut asking = JoinSet::new();
        for _ in 0..tasks.parse().expect("a number") {
            asking.spawn(ask_until(session.clone(), end));
        }
        let (mut tokens, mut errors) = (BTreeSet::new(), BTreeSet::new());
        for (of_one, failed) in asking.join_all().await {
            tokens.extend(of_one);
            errors.extend(failed);
        }
        println!("{}", json!({ "tokens": tokens, "errors": errors }));
    }
}

/// At least once.
async fn ask_until(session: CredentialsManager, end: Instant) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut tokens, mut errors) = (BTreeSet::new(), BTreeSet::new());
    loop {
        match session.credentials().await {
            Ok(credentials) => {
                tokens.insert(credentials.access_token().expose().to_owned());
            }
            Err(error) => {
                eprintln!("{error:?}");
                errors.insert(format!("{:?}", error.kind()));
            }
        }
        if Instant::now() >= end {
            return (tokens, errors);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
