//! The form of a secret. Every random value of this library and its test provider, and every token, is a run of at least 20
//! characters of base64url or hexadecimal digits in which upper case, lower case and digits alternate as in no text that a person
//! writes.

/// Every piece of the text that looks like a secret.
pub(crate) fn secrets_in(text: &str) -> Vec<&str> {
    let runs = text.split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_')));
    runs.filter(|run| looks_random(run)).collect()
}

fn looks_random(run: &str) -> bool {
    let kinds: Vec<Kind> = run.bytes().filter_map(Kind::of).collect();
    let has = |kind| kinds.contains(&kind);
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let mixed = has(Kind::Lower) && has(Kind::Upper);
    run.len() >= LEAST && if has(Kind::Digit) { mixed || changes * 4 > run.len() } else { mixed && changes * 3 > run.len() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lower,
    Upper,
    Digit,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'a'..=b'z' => Some(Self::Lower),
            b'A'..=b'Z' => Some(Self::Upper),
            b'0'..=b'9' => Some(Self::Digit),
            _ => None,
        }
    }
}

const LEAST: usize = 20;

#[test]
fn what_is_made_up_looks_like_a_secret_and_what_people_write_does_not() {
    let state = "yNOJ-GXeJpj7pnnnAggeJ1s_5P9qkm098Tw4V0FqpdQ";
    assert_eq!(secrets_in(&format!("https://issuer/authorize?state={state}&nonce=none")), [state]);
    assert_eq!(secrets_in("Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.x"), ["eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ"]);
    let nonce = "a8930bf3f196ecb9a51316406607907083b8f2808ab9199693512ad4423307ab";
    assert_eq!(secrets_in(nonce), [nonce]);
    let written =
        "2030-01-02T03:04:05.678901Z TRACE hyper_util::client::legacy::connect::http: Http::connect; scheme=Some(\"http\")
        an_example_of_a_long_name_with_4_digits in /tmp/hallpass-session-31159, 127.0.0.1:45119, RelativeUrlWithoutBase";
    assert_eq!(secrets_in(written), [""; 0]);
}
