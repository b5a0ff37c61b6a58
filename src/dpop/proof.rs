use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Request;
use serde::Serialize;
use url::{Position, Url};

use crate::clock::{Clock, Timestamp};
use crate::crypto;
use crate::dpop::{DpopKey, Nonce};
use crate::error::{Error, Result};
use crate::jose::base64url_onto;
use crate::origin;

/// The proofs of one exchange: of a request, and of its only repetition, when the server wants a nonce in the proof.
/// Each is signed afresh. Without a key there are none, and nothing is repeated.
pub(crate) struct Proofs<'a> {
    prover: Option<Prover<'a>>,
    /// Of the answer that asked for it.
    nonce: Option<Nonce>,
}

#[derive(Clone, Copy)]
pub(crate) struct Prover<'a> {
    pub(crate) key: &'a DpopKey,
    pub(crate) clock: &'a Clock,
    /// Of the access token that is shown along with the proof, if one is.
    pub(crate) token: Option<&'a TokenHash>,
}

/// `ath`: "hash of the access token … the base64url encoding of the SHA-256 hash of the ASCII encoding" (RFC 9449, section 4.2).
#[derive(Clone)]
pub(crate) struct TokenHash([u8; 43]);

/// RFC 9449, section 4.2.
#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl<'a> Proofs<'a> {
    pub(crate) fn by(prover: Option<Prover<'a>>) -> Self {
        Self { prover, nonce: None }
    }

    /// Puts a proof on a request, with the nonce that its origin wants as far as is known.
    pub(crate) fn put(&self, request: &mut Request) -> Result<()> {
        let Some(prover) = &self.prover else { return Ok(()) };
        let known = if self.nonce.is_some() { None } else { prover.key.nonces().of(request.url()) };
        let proof = prover.sign(request.method(), request.url(), self.nonce.as_ref().or(known.as_ref()))?;
        request.headers_mut().insert(HEADER, proof);
        Ok(())
    }

    /// Learns the nonce that an answer brought. True once at most, if the answer `asks_for_nonce` and brought one: then the
    /// request is to be sent again, with another proof.
    pub(crate) fn must_repeat(&mut self, url: &Url, headers: &HeaderMap, asks_for_nonce: impl FnOnce() -> bool) -> bool {
        let Some(prover) = &self.prover else { return false };
        let Some(nonce) = prover.key.nonces().learn(url, headers) else { return false };
        if self.nonce.is_some() || !asks_for_nonce() {
            return false;
        }
        self.nonce = Some(nonce);
        true
    }
}

impl Prover<'_> {
    pub(crate) fn sign(&self, method: &Method, url: &Url, nonce: Option<&Nonce>) -> Result<HeaderValue> {
        self.sign_at(method, url, nonce, self.clock.now())
    }

    fn sign_at(&self, method: &Method, url: &Url, nonce: Option<&Nonce>, now: Timestamp) -> Result<HeaderValue> {
        if !matches!(url.scheme(), "https" | "http") || origin::has_user_info(url) {
            return Err(Error::configuration(
                "no proof is made for such a URL; give one that is https or http, without user name and password",
            ));
        }
        let mut jti = [0; 22];
        let mut chance = [0; 16];
        crypto::random(&mut chance)?;
        base64url_onto(&mut jti, &chance);
        let claims = Claims {
            jti: text(&jti),
            htm: method.as_str(),
            // "without query and fragment parts"; a default port was left out when the URL was parsed.
            htu: &url[..Position::AfterPath],
            iat: now.unix_seconds(),
            ath: self.token.map(|hash| text(&hash.0)),
            nonce: nonce.map(Nonce::as_str),
        };
        let mut json = Vec::with_capacity(256 + claims.htu.len() + claims.nonce.map_or(0, str::len));
        serde_json::to_writer(&mut json, &claims).expect("text and numbers are always JSON");
        let mut proof = HeaderValue::from_maybe_shared(Bytes::from(self.key.sign(&json)?)).expect("base64url is visible ASCII");
        // It is of use once: nobody's log or table needs it.
        proof.set_sensitive(true);
        Ok(proof)
    }
}

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        let mut hash = [0; 43];
        base64url_onto(&mut hash, &crypto::sha256(token.as_bytes()));
        Self(hash)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

fn text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).expect("base64url is ASCII")
}

pub(crate) const HEADER: HeaderName = HeaderName::from_static("dpop");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::jose::base64url_decode;

    fn claims(method: &Method, url: &str, token: Option<&TokenHash>, nonce: Option<&Nonce>) -> Value {
        let (key, clock) = (DpopKey::generate().unwrap(), Clock::default());
        let prover = Prover { key: &key, clock: &clock, token };
        let proof = prover.sign_at(method, &Url::parse(url).unwrap(), nonce, Timestamp::from_unix_seconds(1_562_262_616)).unwrap();
        assert!(proof.is_sensitive());
        let payload = proof.to_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&base64url_decode(payload.as_bytes()).unwrap()).unwrap()
    }

    /// H8: RFC 9449, figures 11 and 12, whose access token has the hash of figure 13.
    #[test]
    fn the_hash_of_an_access_token_is_that_of_the_rfc() {
        let hash = TokenHash::of("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let claims = claims(&Method::GET, "https://resource.example.org/protectedresource", Some(&hash), None);
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["htm"], "GET");
        assert_eq!(claims["htu"], "https://resource.example.org/protectedresource");
        assert_eq!(claims["iat"], 1_562_262_616);
        assert_eq!(claims.as_object().unwrap().len(), 5);
    }

    /// H8
    #[test]
    fn a_proof_names_the_url_without_query_fragment_and_default_port() {
        for (url, htu) in [
            ("https://api.acme.com:443/a/b?c=d#e", "https://api.acme.com/a/b"),
            ("HTTPS://API.acme.com", "https://api.acme.com/"),
            ("https://api.acme.com:8443/%7Ea%22/?", "https://api.acme.com:8443/%7Ea%22/"),
            ("http://localhost:80/x", "http://localhost/x"),
            ("http://[::1]:80/x\"y\\z", "http://[::1]/x%22y/z"),
        ] {
            assert_eq!(claims(&Method::POST, url, None, None)["htu"], htu);
        }
    }

    /// F21: of two requests on their way at once.
    #[test]
    fn a_repetition_holds_the_nonce_of_its_own_answer() {
        let (key, clock) = (DpopKey::generate().unwrap(), Clock::default());
        let url = Url::parse("https://api.acme.com/").unwrap();
        let answer = |nonce: &str| HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), nonce.parse().unwrap())]);
        let nonce_of = |proofs: &Proofs<'_>| {
            let mut request = Request::new(Method::GET, url.clone());
            proofs.put(&mut request).unwrap();
            let payload = request.headers()[HEADER].to_str().unwrap().split('.').nth(1).unwrap().to_owned();
            let claims: Value = serde_json::from_slice(&base64url_decode(payload.as_bytes()).unwrap()).unwrap();
            claims["nonce"].as_str().unwrap_or_default().to_owned()
        };
        let [mut one, mut other] = [(); 2].map(|()| Proofs::by(Some(Prover { key: &key, clock: &clock, token: None })));
        assert_eq!((nonce_of(&one), nonce_of(&other)), (String::new(), String::new()));
        assert!(one.must_repeat(&url, &answer("one"), || true) && other.must_repeat(&url, &answer("other"), || true));
        assert_eq!((nonce_of(&one), nonce_of(&other)), ("one".to_owned(), "other".to_owned()));
        assert!(!one.must_repeat(&url, &answer("next"), || true), "once");
        assert_eq!(nonce_of(&Proofs::by(Some(Prover { key: &key, clock: &clock, token: None }))), "next");
    }

    #[test]
    fn there_is_no_proof_for_what_is_no_request_over_http() {
        let (key, clock) = (DpopKey::generate().unwrap(), Clock::default());
        let prover = Prover { key: &key, clock: &clock, token: None };
        for url in ["wss://api.acme.com/", "data:,x", "https://jane@api.acme.com/", "https://:secret@api.acme.com/"] {
            let error = prover.sign(&Method::GET, &Url::parse(url).unwrap(), None).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
