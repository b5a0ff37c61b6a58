//! The examples, run as a person runs them, with all logs: none shows a secret, or leaves one in a file.
//!
//! A test cannot know what a provider inside another process has made up, so there every piece of text is looked at for what a secret
//! looks like, and what may be shown is named below. `no_flow_shows_a_secret_anywhere` sees to it that real secrets do look so. Where an
//! example is told of a provider outside, that one's secrets are known, and searched for as they are.

mod at_a_provider;

mod run;

use run::{Example, Run};

use crate::looks::secrets_in;

/// Text that looks like a secret, and is meant to be seen: in which example, and in which line of what it prints.
const MEANT_TO_BE_SEEN: [(&str, &str); 2] = [
    // Public keys, and a thumbprint of one.
    ("dpop", "bound to "),
    ("machine_to_machine", "registered at the provider: "),
];

/// Secrets that a person has written, in the examples and in the test provider.
const WRITTEN: [&str; 4] = ["web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6", "session-4711", "session-0815", "PRIVATE KEY"];

/// I1
#[tokio::test]
async fn no_example_shows_a_secret_or_leaves_a_file_behind() {
    run::build();
    let examples = run::every_example();
    assert!(examples.len() >= 11, "{examples:?}");
    for name in examples {
        let example = Example::new(&name, &[]);
        let run = example.run(&[]).await;
        assert!(run.succeeded, "{name}: {}", run.shown);
        assert!(run.shown.contains(" TRACE "), "{name} shows what is logged");
        assert!(run.processes.contains("RUST_LOG=trace"), "{name} was seen from outside");
        shows_nothing(&name, &run);
        if name == "session" {
            assert!(run.processes.contains("SESSION_FOLDER="), "the processes that it starts were seen, too");
        }
        if name == "device" {
            let code = run.shown.split_once("and type  ").unwrap().1.lines().next().unwrap();
            assert_eq!(run.shown.matches(code).count(), 1, "the code that Jane types is for her eyes and in no log");
        }
        assert_eq!(example.files(), [""; 0].map(std::path::PathBuf::from), "{name} cleans up");
    }
}

fn shows_nothing(name: &str, run: &Run) {
    let meant = |line: &str| MEANT_TO_BE_SEEN.iter().any(|(example, marker)| *example == name && line.contains(marker));
    for line in run.shown.lines().chain(run.processes.lines()) {
        assert!(meant(line) || secrets_in(line).is_empty(), "{name} shows what looks like a secret: {line}");
        for secret in WRITTEN {
            assert!(!line.contains(secret), "{name} shows a secret: {line}");
        }
    }
}
