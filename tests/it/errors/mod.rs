//! Every kind of error on one page, as a person reads it: what happened, and what to do about it.

mod api_calls;
mod logins;
mod sessions;
mod settings;

use std::collections::BTreeMap;

use hallpass::testing::TestBrowser;
use hallpass::{Error, ErrorKind};

use crate::looks::secrets_in;
use crate::panics::unwrapped;

/// A situation and its error.
#[derive(Default)]
struct Page {
    rows: BTreeMap<usize, Vec<(&'static str, String)>>,
    /// The output of `unwrap` in each situation.
    panics: Vec<(&'static str, String)>,
}

impl Page {
    /// # Panics
    /// When nothing went wrong.
    fn note<T>(&mut self, situation: &'static str, outcome: Result<T, Error>) {
        self.note_without(&[], situation, outcome);
    }

    /// Without what is another one each time.
    fn note_without<T>(&mut self, changing: &[&str], situation: &'static str, outcome: Result<T, Error>) {
        let Err(error) = outcome else { panic!("{situation} went well") };
        let kind = KINDS.iter().position(|kind| *kind == error.kind()).expect("every kind is on the list");
        let message = changing.iter().fold(without_ports(&error.to_string()), |message, value| message.replace(value, "[…]"));
        self.panics.push((situation, unwrapped(&error)));
        self.rows.entry(kind).or_default().push((situation, message));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (kind, rows) in &self.rows {
            text.push_str(&format!("{:?}\n", KINDS[*kind]));
            for (situation, message) in rows {
                text.push_str(&format!("  {situation}\n    {message}\n"));
            }
            text.push('\n');
        }
        text
    }
}

/// I1
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_error_says_what_happened_and_what_to_do() {
    let mut page = Page::default();
    settings::go_wrong(&mut page).await;
    logins::go_wrong(&mut page).await;
    sessions::go_wrong(&mut page).await;
    api_calls::go_wrong(&mut page).await;

    let missing: Vec<_> = (0..KINDS.len()).filter(|kind| !page.rows.contains_key(kind)).map(|kind| KINDS[kind]).collect();
    assert_eq!(missing, [], "no error of these kinds is on the page");
    insta::assert_snapshot!("errors", page.text());
    for (situation, message) in page.rows.values().flatten() {
        assert!(!message.starts_with(char::is_uppercase) || message.starts_with("Redis"), "{situation}: {message}");
        assert!(message.contains("; "), "{situation}: what happened, a semicolon, what to do: {message}");
        assert!(!message.ends_with('.') && !message.contains('\n'), "{situation}: one sentence: {message}");
        assert!(!message.contains('?') && !message.contains("%2"), "{situation}: a URL with a query: {message}");
        assert!(!message.contains(CANARY), "{situation}: a secret: {message}");
    }
    for (situation, panic) in &page.panics {
        assert!(!panic.contains(CANARY) && secrets_in(panic).is_empty(), "{situation}: a panic shows a secret: {panic}");
    }
}

#[test]
fn the_guide_has_every_kind() {
    let guide = include_str!("../../../src/docs/errors.md");
    for kind in KINDS {
        assert!(guide.contains(&format!("](crate::ErrorKind::{kind:?})")), "src/docs/errors.md says what to do about {kind:?}");
    }
}

/// In the order in which they are declared.
const KINDS: [ErrorKind; 16] = [
    ErrorKind::Configuration,
    ErrorKind::Discovery,
    ErrorKind::Browser,
    ErrorKind::Cancelled,
    ErrorKind::TimedOut,
    ErrorKind::Callback,
    ErrorKind::Server,
    ErrorKind::InvalidResponse,
    ErrorKind::IdToken,
    ErrorKind::LoginRequired,
    ErrorKind::MfaRequired,
    ErrorKind::StepUp,
    ErrorKind::Forbidden,
    ErrorKind::Network,
    ErrorKind::Store,
    ErrorKind::Ambiguous,
];

/// Part of every secret here.
const CANARY: &str = "canary";

/// Free ports are other ones each time.
fn without_ports(message: &str) -> String {
    let mut parts = message.split("http://127.0.0.1:");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("http://127.0.0.1:PORT");
        text.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    text
}

fn jane() -> TestBrowser {
    TestBrowser::new()
}
