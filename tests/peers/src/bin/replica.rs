//! One process of a program that runs in several, on one Redis. Environment: `ISSUER`, `CLIENT_ID`, `REDIS_URL`, `SEALING_KEY`
//! (a number), `LEASE_MILLIS`; `STOP` (when it waits to be stopped, in the words of `Moment`); `MIN_TTL_SECONDS`. With `CLIENT_SECRET`
//! it asks for tokens of its own, and without it for a person's. Each line of its input, `once TASKS`, `MILLISECONDS TASKS` or
//! `rounds TASKS ROUNDS`, is answered by one of JSON; after the answer to `last TASKS` it ends at once; `go on` ends the wait.
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};
use std::{env, thread};

use hallpass::store::{Redis, SealingKey};
use hallpass::{Application, ClientAuth, CredentialsManager, TokenSource};
use hallpass_peers::Interrupted;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let setting = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is set"));
    let lease = Duration::from_millis(setting("LEASE_MILLIS").parse().expect("milliseconds"));
    let sealing_key = SealingKey::from_bytes([setting("SEALING_KEY").parse().expect("a number"); 32]);
    let store = Redis::new(&setting("REDIS_URL"), sealing_key).lease(lease);
    let (asked, questions) = unbounded_channel();
    let (go_on, goes_on) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            _ = if line == "go on" { go_on.send(()).map_err(drop) } else { asked.send(line).map_err(drop) };
        }
    });
    let application = Application::new(setting("ISSUER"), setting("CLIENT_ID"));
    if let Ok(secret) = env::var("CLIENT_SECRET") {
        let service = application.client_auth(ClientAuth::client_secret_post(secret));
        return answer(questions, service.client_credentials().audience("https://api.acme.com").shared(store)).await;
    }
    let auth = application.web_auth();
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
    answer(questions, session.min_ttl(Duration::from_secs(min_ttl))).await;
}

async fn answer(mut questions: UnboundedReceiver<String>, source: impl TokenSource + Clone) {
    while let Some(line) = questions.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse().expect("a number");
        let got = match words[0] {
            "once" | "last" => ask(&source, number(1), Duration::ZERO).await,
            "rounds" => ask_at_each_end(&source, number(1), number(2)).await,
            _ => ask(&source, number(1), Duration::from_millis(number(0) as u64)).await,
        };
        println!("{}", json!({ "tokens": got.tokens, "errors": got.errors }));
        if words[0] == "last" {
            std::process::exit(0);
        }
    }
}

#[derive(Default)]
struct Got {
    tokens: BTreeSet<String>,
    errors: BTreeSet<String>,
    /// The end of the last token.
    end: Option<SystemTime>,
}

impl Got {
    fn and(&mut self, more: Self) {
        self.tokens.extend(more.tokens);
        self.errors.extend(more.errors);
        self.end = self.end.max(more.end);
    }
}

/// So many tasks at once, for so long.
async fn ask(source: &(impl TokenSource + Clone), tasks: usize, time: Duration) -> Got {
    let (end, mut asking, mut got) = (Instant::now() + time, JoinSet::new(), Got::default());
    for _ in 0..tasks {
        asking.spawn(ask_until(source.clone(), end));
    }
    for of_one in asking.join_all().await {
        got.and(of_one);
    }
    got
}

/// So many tasks at once; and again when what they got has ended.
async fn ask_at_each_end(source: &(impl TokenSource + Clone), tasks: usize, rounds: usize) -> Got {
    let mut got = Got::default();
    for _ in 0..rounds {
        got.and(ask(source, tasks, Duration::ZERO).await);
        let left = got.end.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        tokio::time::sleep(left.unwrap_or_default()).await;
    }
    got
}

/// At least once.
async fn ask_until(source: impl TokenSource, end: Instant) -> Got {
    let mut got = Got::default();
    loop {
        match source.token(None).await {
            Ok(token) => {
                got.tokens.insert(token.expose().to_owned());
                got.end = token.expires_at().map(SystemTime::from);
            }
            Err(error) => {
                eprintln!("{error:?}");
                got.errors.insert(format!("{:?}", error.kind()));
            }
        }
        if Instant::now() >= end {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
