//! Callbacks that are nearly right, or right: random bytes would never have a login's state.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::callback::{NAMES_ITSELF, QUIET, expected};
use super::made_up::{ISSUER, LOGIN};

/// A parameter that is right, or one too many; then its change.
type Parameter = (&'static str, String, Change);

#[derive(Debug, Clone, Copy)]
enum Change {
    Nothing,
    EncodedName,
    EncodedValue,
    Plus,
    LongerByOne,
    Empty,
    NoUtf8,
}

fn written((name, value, change): &Parameter) -> String {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let raw: String = value
        .chars()
        .map(|own| if own.is_ascii_alphanumeric() { own.to_string() } else { encoded(own.encode_utf8(&mut [0; 4])) })
        .collect();
    match change {
        Change::Nothing => format!("{name}={raw}"),
        Change::EncodedName => format!("{}={raw}", encoded(name)),
        Change::EncodedValue => format!("{name}={}", encoded(value)),
        Change::Plus => format!("{name}={raw}+"),
        Change::LongerByOne => format!("{name}={raw}1"),
        Change::Empty => (*name).to_owned(),
        Change::NoUtf8 => format!("{name}={raw}%ff"),
    }
}

fn parameters() -> impl Strategy<Value = Vec<Parameter>> {
    let change = prop_oneof![
        20 => Just(Change::Nothing),
        2 => select(&[Change::EncodedName, Change::EncodedValue][..]),
        1 => select(&[Change::Plus, Change::LongerByOne, Change::Empty, Change::NoUtf8][..]),
    ];
    let right = vec![("code", "Splx/lOB".to_owned()), ("state", LOGIN.secrets.state().to_string()), ("iss", ISSUER.to_owned())];
    let other =
        select(&["code", "state", "iss", "error", "error_description", "access_token", "id_token", "response", "more", ""][..]);
    let some_of_them = (proptest::sample::subsequence(right.clone(), 2..=3), vec((other, "[a-z]{0,3}"), 0..2), 0_u8..4);
    some_of_them
        .prop_flat_map(|(right, others, odd)| {
            // One in four has something odd in it.
            let others = if odd == 0 { others } else { Vec::new() };
            Just([right, others].concat()).prop_shuffle()
        })
        .prop_flat_map(move |all| {
            let count = all.len();
            (Just(all), vec(change.clone(), count))
        })
        .prop_map(|(all, changes)| all.into_iter().zip(changes).map(|((name, value), change)| (name, value, change)).collect())
}

/// A1, A2, A4, A5, A6, A20
#[test]
fn a_callback_yields_a_code_exactly_when_the_rfcs_say_so() {
    let cases = std::env::var("PROPERTY_CASES").ok().map_or(512, |cases| cases.parse().unwrap());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let (accepted, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    proptest!(config, |(parameters in parameters())| {
        let text = parameters.iter().map(written).collect::<Vec<_>>().join("&");
        super::callback(text.as_bytes());
        for metadata in [&*QUIET, &*NAMES_ITSELF] {
            let count = if expected(&text, metadata.sends_issuer).is_some() { &accepted } else { &refused };
            count.set(count.get() + 1);
        }
    });
    assert!(accepted.get() > cases / 10 && refused.get() > cases / 10, "{} were right, {} wrong", accepted.get(), refused.get());
}
