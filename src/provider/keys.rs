use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::cache::Cached;
use crate::clock::{Clock, Timestamp};
use crate::crypto::{Algorithm, VerifyingKey};
use crate::error::{Error, ErrorKind, Result};
use crate::jose::{CompactJws, Jwk, JwkRefused};
use crate::json;
use crate::transport::{Reply, Transport};

/// A provider's signing keys. They are fetched once for all tasks, kept for ten minutes, and fetched again for an unknown key.
#[derive(Debug)]
pub(crate) struct Keys {
    transport: Arc<Transport>,
    clock: Clock,
    sets: Cached<Arc<KeySet>>,
    asked_for_unknown: Mutex<Asked>,
}

/// The requests for unknown keys: their number, and the last time.
#[derive(Debug, Default)]
struct Asked {
    /// The last time on behalf of a JWT that anyone may have made.
    for_anyone: Option<Timestamp>,
    /// Since when this cooldown lasts, and how often on behalf of the provider's own answers since.
    for_provider: Option<(Timestamp, u8)>,
}

/// The sender of a JWT, before its signature is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The provider's own endpoint answered with it, and it has passed every check but its key's.
    Provider,
    /// Anyone may have made it, as a logout token.
    Anyone,
}

impl Keys {
    pub(crate) fn new(transport: Arc<Transport>, clock: Clock) -> Self {
        Self { transport, clock, sets: Cached::new(), asked_for_unknown: Mutex::default() }
    }

    /// Verifies a signature with the provider's keys. For an unknown or a rotated key, the keys are fetched once more.
    pub(crate) async fn verify(&self, jwks_uri: &Url, jws: &CompactJws<'_>, sender: Sender) -> Result<Verdict> {
        let now = self.clock.now();
        let set = self.sets.current(self.clock.reader(), FRESH_FOR, STALE_FOR, || self.fetch(jwks_uri)).await?;
        match set.verify(jws) {
            Verdict::UnknownKey => {
                let settled = |kept: &Arc<KeySet>| !Arc::ptr_eq(kept, &set) || !self.may_ask_for_unknown(now, sender);
                let newer = self.sets.refetch(self.clock.reader(), settled, || self.fetch(jwks_uri)).await?;
                Ok(newer.verify(jws))
            }
            verdict => Ok(verdict),
        }
    }

    /// Has the keys at hand when an ID token arrives, if they can be had by then.
    pub(crate) fn prepare(&self, jwks_uri: &Url) {
        self.sets.prepare(self.clock.reader(), FRESH_FOR, || self.fetch(jwks_uri));
    }

    fn fetch(&self, jwks_uri: &Url) -> impl Future<Output = Result<Arc<KeySet>>> + Send + 'static {
        let (transport, clock, url) = (Arc::clone(&self.transport), self.clock.clone(), jwks_uri.clone());
        async move {
            let reply = transport.get("the request for the provider's keys", &url).await?;
            if !reply.status.is_success() {
                return Err(reply.unexpected_status(ErrorKind::Discovery, clock.now()));
            }
            KeySet::from_reply(&reply).map(Arc::new)
        }
    }

    /// At most once in a cooldown for what anyone can send. The provider's own answers have a small budget beside that, so that keys
    /// which are rotated twice, or right after such a request, stop no login.
    fn may_ask_for_unknown(&self, now: Timestamp, sender: Sender) -> bool {
        let mut asked = self.asked_for_unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Timestamp| since > now || now.since(since) >= UNKNOWN_KEY_COOLDOWN;
        match sender {
            Sender::Anyone => {
                let may = asked.for_anyone.is_none_or(is_over);
                if may {
                    asked.for_anyone = Some(now);
                }
                may
            }
            Sender::Provider => {
                let (since, count) = asked.for_provider.filter(|(since, _)| !is_over(*since)).unwrap_or((now, 0));
                let may = count < MOST_ASKED_FOR_PROVIDER;
                asked.for_provider = Some((since, count + u8::from(may)));
                may
            }
        }
    }
}

/// The result of a verification with a set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Verified,
    /// The key it names is here and did not sign it.
    Forged,
    /// No key here is the one it names, or would be able to sign it.
    UnknownKey,
    /// The key it names is here, and cannot be used.
    UnusableKey(JwkRefused),
}

/// The usable keys of a JWK set (RFC 7517, section 5).
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// Several may have one id: RFC 7517, section 4.5.
    by_id: HashMap<Box<str>, Vec<usize>>,
    /// Why keys of these ids are passed over. The id of a key without one is empty.
    unusable: HashMap<Box<str>, JwkRefused>,
}

struct Key {
    key: VerifyingKey,
    limited_to: Option<Algorithm>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    pub(crate) fn from_reply(reply: &Reply) -> Result<Self> {
        let refused = || {
            Error::new(
                ErrorKind::Discovery,
                "the provider's keys are not the JSON document that they should be; check what its jwks_uri answers",
            )
        };
        let document: Document<'_> = reply.json().map_err(|error| refused().with_source(error))?;
        if document.keys.len() > MOST_KEYS {
            return Err(refused().with_source(format!("it holds more than {MOST_KEYS} keys")));
        }
        let mut set = Self { keys: Vec::new(), by_id: HashMap::new(), unusable: HashMap::new() };
        let mut entries = HashSet::new();
        for entry in document.keys {
            // One bad key among good ones is passed over; so are private and symmetric keys.
            let Ok(jwk) = json::object::<Jwk<'_>>(entry.get().as_bytes()) else { continue };
            let (key, limited_to) = match jwk.verifying_key() {
                Ok(usable) => usable,
                Err(refused) => {
                    set.unusable.entry(Box::from(jwk.kid.as_deref().unwrap_or_default())).or_insert(refused);
                    continue;
                }
            };
            if let Some(kid) = &jwk.kid {
                // The same key again counts once.
                if !entries.insert(entry.get()) {
                    continue;
                }
                set.by_id.entry(Box::from(&**kid)).or_default().push(set.keys.len());
            }
            set.keys.push(Key { key, limited_to });
        }
        Ok(set)
    }

    pub(crate) fn verify(&self, jws: &CompactJws<'_>) -> Verdict {
        let signed_by = |key: &Key| key.key.verify(jws.algorithm, jws.signing_input, &jws.signature);
        if let Some(kid) = &jws.kid {
            let Some(positions) = self.by_id.get(kid) else {
                return self.unusable.get(kid).map_or(Verdict::UnknownKey, |refused| Verdict::UnusableKey(*refused));
            };
            // Those of one id differ in kind, curve or algorithm; what is still ambiguous is tried.
            let fitting = positions.iter().map(|position| &self.keys[*position]).filter(|key| key.fits(jws.algorithm));
            return if fitting.take(MOST_TRIED).any(signed_by) { Verdict::Verified } else { Verdict::Forged };
        }
        // OpenID Connect Core 1.0, section 10.1: without a kid the keys that fit are tried, a few at most.
        let fitting = self.keys.iter().filter(|key| key.fits(jws.algorithm));
        if fitting.take(MOST_TRIED).any(signed_by) {
            return Verdict::Verified;
        }
        let unusable = self.unusable.values().next().filter(|_| self.keys.is_empty());
        unusable.map_or(Verdict::UnknownKey, |refused| Verdict::UnusableKey(*refused))
    }
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.fits(algorithm) && self.limited_to.is_none_or(|own| own == algorithm)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

const FRESH_FOR: Duration = Duration::from_secs(10 * 60);
/// In one cooldown.
const MOST_ASKED_FOR_PROVIDER: u8 = 3;
const UNKNOWN_KEY_COOLDOWN: Duration = Duration::from_secs(60);
/// The time for which keys serve when they cannot be fetched again.
const STALE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_TRIED: usize = 8;
const MOST_KEYS: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Endpoint, TestClock, TestProvider};

    fn keys(clock: &TestClock) -> Arc<Keys> {
        Arc::new(Keys::new(Arc::new(Transport::new(reqwest::Client::builder())), clock.clock()))
    }

    /// D15 — keys: 1 per cooldown
    #[tokio::test]
    async fn ten_thousand_unknown_key_ids_cost_one_request_per_cooldown() {
        let provider = TestProvider::start().await;
        let clock = TestClock::new();
        let (keys, url) = (keys(&clock), provider.endpoint_url(Endpoint::Jwks));
        let good = provider.access_token("https://api.example.com", "");
        let mut jws = CompactJws::parse(&good, &["at+jwt"]).unwrap();
        assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::Verified);
        for round in 1..=2 {
            for number in 0..10_000 {
                jws.kid = Some(format!("{round}-{number}").into());
                assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::UnknownKey);
            }
            assert_eq!(provider.count(Endpoint::Jwks), 1 + round);
            clock.advance(UNKNOWN_KEY_COOLDOWN);
        }
    }

    /// D15 — keys: 1 per cooldown
    #[tokio::test]
    async fn unknown_key_ids_that_never_end_do_not_put_the_next_request_off() {
        let provider = TestProvider::start().await;
        let clock = TestClock::new();
        let (keys, url) = (keys(&clock), provider.endpoint_url(Endpoint::Jwks));
        let good = provider.access_token("https://api.example.com", "");
        let mut jws = CompactJws::parse(&good, &["at+jwt"]).unwrap();
        assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::Verified);
        for third in 0..9 {
            jws.kid = Some(format!("{third}").into());
            assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::UnknownKey);
            assert_eq!(provider.count(Endpoint::Jwks), 2 + third / 3);
            clock.advance(UNKNOWN_KEY_COOLDOWN / 3);
        }
        // A request in the future was made before the clock was set back: it counts as long ago.
        clock.rewind(Duration::from_secs(5));
        jws.kid = Some("0".into());
        assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::UnknownKey);
        let before = provider.count(Endpoint::Jwks);
        clock.rewind(Duration::from_secs(3600));
        assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::UnknownKey);
        assert_eq!(provider.count(Endpoint::Jwks), before + 2, "the set is of the future, too");
    }

    /// K19 — keys: 3 more per cooldown, whatever anyone else has asked for.
    #[tokio::test]
    async fn the_providers_own_answers_have_a_budget_of_their_own() {
        let provider = TestProvider::start().await;
        let clock = TestClock::new();
        let (keys, url) = (keys(&clock), provider.endpoint_url(Endpoint::Jwks));
        let good = provider.access_token("https://api.example.com", "");
        let mut jws = CompactJws::parse(&good, &["at+jwt"]).unwrap();
        assert_eq!(keys.verify(&url, &jws, Sender::Anyone).await.unwrap(), Verdict::Verified);
        for round in 0..2 {
            for number in 0..100 {
                jws.kid = Some(format!("{round}-{number}").into());
                for sender in [Sender::Anyone, Sender::Provider] {
                    assert_eq!(keys.verify(&url, &jws, sender).await.unwrap(), Verdict::UnknownKey);
                }
            }
            assert_eq!(provider.count(Endpoint::Jwks), 1 + 4 * (round + 1));
            clock.advance(UNKNOWN_KEY_COOLDOWN);
        }
    }

    /// D16, D23 — keys: 1
    #[tokio::test]
    async fn a_thousand_verifications_on_a_cold_cache_cost_one_request() {
        let provider = TestProvider::start().await;
        let (keys, url) = (keys(&TestClock::new()), provider.endpoint_url(Endpoint::Jwks));
        let good: Arc<str> = provider.access_token("https://api.example.com", "").into();
        let gate = provider.hold(Endpoint::Jwks);
        let verifications: Vec<_> = (0..1_000)
            .map(|_| {
                let (keys, url, good) = (Arc::clone(&keys), url.clone(), Arc::clone(&good));
                tokio::spawn(
                    async move { keys.verify(&url, &CompactJws::parse(&good, &["at+jwt"]).unwrap(), Sender::Anyone).await },
                )
            })
            .collect();
        gate.reached(1).await;
        gate.release();
        for verification in verifications {
            assert_eq!(verification.await.unwrap().unwrap(), Verdict::Verified);
        }
        assert_eq!(provider.count(Endpoint::Jwks), 1);
    }
}
