use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use url::{Position, Url};

/// A text that a server wants to see in the next proof, so that proofs cannot be made ahead of time (RFC 9449, section 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nonce(Arc<str>);

/// The latest nonce of each origin that gave one. It is never shown to another.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<Vec<Known>>);

struct Known {
    origin: Box<str>,
    nonce: Nonce,
}

impl Nonces {
    /// The nonce for a proof for this URL.
    pub(crate) fn of(&self, url: &Url) -> Option<Nonce> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|known| *known.origin == *origin(url)).map(|known| known.nonce.clone())
    }

    /// Takes note of the nonce that an answer from this URL has brought, which is also returned: under concurrency
    /// another one may be the latest already, and a server may take each only once.
    pub(crate) fn learn(&self, url: &Url, headers: &HeaderMap) -> Option<Nonce> {
        let text = Nonce::read(headers)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter_mut().find(|known| *known.origin == *origin(url)) {
            if *known.nonce.0 != *text {
                known.nonce = Nonce(text.into());
            }
            return Some(known.nonce.clone());
        }
        if known.len() == MOST_ORIGINS {
            known.remove(0);
        }
        let nonce = Nonce(text.into());
        known.push(Known { origin: origin(url).into(), nonce: nonce.clone() });
        Some(nonce)
    }
}

impl Nonce {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 9449, section 8.1: `nonce = 1*NQCHAR`, which is visible ASCII but for quotes and backslashes. A nonce that is too long,
    /// or that is sent twice, is ignored.
    fn read(headers: &HeaderMap) -> Option<&str> {
        let mut values = headers.get_all(HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let is_nqchar = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        ((1..=LONGEST).contains(&text.len()) && text.bytes().all(is_nqchar)).then_some(text)
    }
}

/// Scheme, host and port: the URL's own port is left out where it is the scheme's.
fn origin(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

const HEADER: &str = "dpop-nonce";
/// In bytes.
const LONGEST: usize = 1024;
/// Beyond that the origin that was met first is forgotten: it will say its nonce again.
const MOST_ORIGINS: usize = 64;

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// F20
    #[test]
    fn a_nonce_is_kept_for_its_origin_alone() {
        let nonces = Nonces::default();
        nonces.learn(&url("https://api.acme.com:443/a?b"), &headers(&["one"]));
        nonces.learn(&url("https://api.acme.com:8443/"), &headers(&["two"]));
        let of = |text: &str| nonces.of(&url(text)).map(|nonce| nonce.as_str().to_owned());
        assert_eq!(of("https://API.acme.com/other#part").as_deref(), Some("one"));
        assert_eq!(of("https://api.acme.com:8443/x").as_deref(), Some("two"));
        for other in ["http://api.acme.com/", "https://acme.com/", "https://a.api.acme.com/", "https://api.acme.com:444/"] {
            assert_eq!(of(other), None, "{other}");
        }
        nonces.learn(&url("https://api.acme.com/"), &headers(&["three"]));
        nonces.learn(&url("https://api.acme.com/"), &HeaderMap::new());
        assert_eq!(of("https://api.acme.com/").as_deref(), Some("three"), "the latest, and an answer without one changes nothing");
    }

    #[test]
    fn what_is_no_nonce_is_not_kept() {
        let nonces = Nonces::default();
        let long = "n".repeat(LONGEST + 1);
        for values in [&["a", "b"][..], &["a", "a"], &[""], &["a b"], &["a\"b"], &["a\\b"], &["a\tb"], &[&long]] {
            assert_eq!(nonces.learn(&url("https://api.acme.com/"), &headers(values)), None, "{values:?}");
        }
        let beyond_ascii = HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_bytes(b"\xc3\xa4").unwrap())]);
        assert_eq!(nonces.learn(&url("https://api.acme.com/"), &beyond_ascii), None);
        assert!(nonces.learn(&url("https://api.acme.com/"), &headers(&[&long[1..]])).is_some());
    }

    proptest! {
        /// I4
        #[test]
        fn no_bytes_make_a_nonce_but_those_that_are_one(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value)]);
            let learnt = Nonces::default().learn(&url("https://api.acme.com/"), &headers);
            let is_nonce = |text: &str| !text.is_empty() && text.chars().all(|c| matches!(c, '!' | '#'..='[' | ']'..='~'));
            let expected = std::str::from_utf8(&bytes).ok().filter(|text| is_nonce(text));
            prop_assert_eq!(learnt.as_ref().map(Nonce::as_str), expected);
        }
    }

    #[test]
    fn the_number_of_origins_is_bounded() {
        let nonces = Nonces::default();
        for port in 1..=1000 {
            nonces.learn(&url(&format!("https://api.acme.com:{port}/")), &headers(&["n"]));
        }
        assert_eq!(nonces.0.lock().unwrap().len(), MOST_ORIGINS);
        assert!(nonces.of(&url("https://api.acme.com:1000/")).is_some());
    }
}
