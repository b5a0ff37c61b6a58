//! timer ROUNDS PROGRAM…: the time from each program's start to its first authorization URL, at a provider on this machine. The
//! programs take turns, so that what disturbs one disturbs all.
use std::env::args;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hallpass::testing::{Endpoint, TestProvider};

#[tokio::main]
async fn main() {
    let mut args = args().skip(1);
    let rounds: usize = args.next().unwrap().parse().unwrap();
    let programs: Vec<String> = args.collect();
    let provider = TestProvider::start().await;
    let url = provider.endpoint_url(Endpoint::Authorize);

    let mut times = vec![Vec::new(); programs.len()];
    for round in 0..=rounds {
        for (program, times) in programs.iter().zip(&mut times) {
            let started = (program.clone(), provider.issuer().to_owned(), provider.client_id().to_owned());
            let (time, shown) = tokio::task::spawn_blocking(move || start(&started.0, &started.1, &started.2)).await.unwrap();
            assert!(shown.starts_with(url.as_str()), "{program}: {shown}");
            // The first round warms the machine.
            if round > 0 {
                times.push(time);
            }
        }
    }
    for (program, times) in programs.iter().zip(&mut times) {
        times.sort();
        let name = Path::new(program).file_name().unwrap().to_string_lossy();
        println!("{name} {:.2} {:.2}", milliseconds(times[0]), milliseconds(times[times.len() / 2]));
    }
}

fn start(program: &str, issuer: &str, client_id: &str) -> (Duration, String) {
    let before = Instant::now();
    let mut child = Command::new(program)
        .args([issuer, client_id, "http://127.0.0.1:9/callback", "http://127.0.0.1:9/"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut shown).unwrap();
    let time = before.elapsed();
    // Its input ends, and so does it.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success(), "{program}");
    (time, shown)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
