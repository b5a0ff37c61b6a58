//! The library beside its peers and beside the least that the work takes, in one run: `cargo run --release` prints the tables
//! of the page about performance. With the name of one, it measures that one.
//!
//! Times are this machine's, and of this moment: what is worth comparing is the ratio to the floor, of neighbouring runs.
mod authorize_url;
mod cached;
mod call;
mod endpoint;
mod expired;
mod jwt;
mod measure;
mod source;

use std::env;
use std::process::Command;

fn main() {
    match env::args().nth(1).as_deref() {
        None => {
            for (name, _) in MEASUREMENTS {
                run(name);
            }
        }
        Some(name) => {
            let (_, measure) = MEASUREMENTS.iter().find(|(known, _)| *known == name).expect("the name of a measurement");
            println!("{}", measure());
        }
    }
}

/// Each in a process of its own: what one has left behind slows no other. Those that are about one thread have one core, so
/// that client and server do not wait for a core to wake up.
fn run(name: &str) {
    let program = env::current_exe().expect("this program");
    let mut command = match name {
        "cached" | "expired" => Command::new(program),
        _ => {
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(program);
            command
        }
    };
    let ended = command.arg(name).status().expect("taskset of util-linux");
    assert!(ended.success(), "{name}");
}

type Measurement = (&'static str, fn() -> String);

const MEASUREMENTS: [Measurement; 5] = [
    ("cached", cached::measure),
    ("call", call::measure),
    ("expired", expired::measure),
    ("jwt", jwt::measure),
    ("authorize_url", authorize_url::measure),
];
