//! Whatever Redis was told, holds and writes to its disk while sessions live there, and a search of it for what only their owners may know.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hallpass::dpop::DpopKey;
use hallpass::store::{Redis, SealingKey};
use hallpass::testing::{Fault, TestBrowser};
use hallpass::{Application, ClientAuth, Credentials, CredentialsManager};

use super::{Endpoint, Fleet, HOUR};

const AUDIENCE: &str = "https://api.acme.com";
const KEY: &[u8; 32] = b"CANARY-a-key-that-seals-records!";

/// The secrets that must not be found, and their names.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn of(&mut self, credentials: &Credentials) {
        self.0.push(("an access token", credentials.access_token().expose().to_owned()));
        let more = [("a refresh token", credentials.refresh_token()), ("an ID token", credentials.id_token().map(|id| id.raw()))];
        for (name, token) in more {
            self.0.extend(token.map(|token| (name, token.expose().to_owned())));
        }
        if let Some(key) = credentials.access_token().dpop_key() {
            self.0.push(("a private key", key.to_pem().expose().lines().nth(1).expect("a line of the key").to_owned()));
        }
    }

    /// Neither as they are nor as bytes behind them, nor in base64.
    fn are_not_in(&self, what: &str, bytes: &[u8]) {
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        for (name, secret) in &self.0 {
            assert!(!holds(secret.as_bytes()), "{what} holds {name}");
            // Whatever stands before it, two characters of its end are all that depends on its place.
            for shift in 0..3 {
                let shifted = [&b"xxx"[..shift], secret.as_bytes()].concat();
                for encoded in [BASE64_STANDARD.encode(&shifted), BASE64_URL_SAFE_NO_PAD.encode(&shifted)] {
                    assert!(!holds(&encoded.as_bytes()[4..encoded.len() - 4]), "{what} holds {name} in base64");
                }
            }
            if let Some(raw) = BASE64_URL_SAFE_NO_PAD.decode(secret).ok().filter(|raw| raw.len() >= 16) {
                assert!(!holds(&raw), "{what} holds {name} decoded");
            }
        }
    }
}

/// I1: a login, renewals, one that fails, another API's token, a key, a service's own token, a logout.
#[tokio::test]
async fn redis_learns_no_secret() {
    let fleet = Fleet::start().await;
    let mut watch = fleet.redis.watch().await;
    let (url, mut secrets) = (fleet.redis.url(), Secrets::default());
    secrets.0.push(("the sealing key", String::from_utf8(KEY.to_vec()).unwrap()));
    secrets.0.push(("the client's secret", fleet.provider.client_secret().to_owned()));
    let store = || Redis::new(&url, SealingKey::from_bytes(*KEY)).prefix("acme");

    let application = Application::new(fleet.provider.issuer(), fleet.provider.confidential_client_id()).clock(&fleet.clock);
    let application = application.client_auth(ClientAuth::client_secret_post(fleet.provider.client_secret()));
    for key in [None, Some(DpopKey::generate().unwrap())] {
        let auth = application.web_auth().scope("openid offline_access").audience(AUDIENCE).ephemeral_port();
        let auth = auth.browser(TestBrowser::new());
        let (auth, name) = match key {
            None => (auth, "CANARY-name-of-a-session"),
            Some(key) => (auth.dpop(key), "CANARY-name-of-a-bound-session"),
        };
        let session = CredentialsManager::new(auth, store()).session(name);
        secrets.0.push(("a session's name", name.to_owned()));
        secrets.of(&session.login_if_needed().await.unwrap());
        fleet.clock.advance(HOUR * 2);
        secrets.of(&session.credentials().await.unwrap());
        secrets.of(&session.credentials_for("https://billing.acme.com", "read:invoices").await.unwrap());
        fleet.clock.advance(HOUR * 2);
        fleet.provider.next(Endpoint::Token, Fault::status(503));
        session.credentials().await.unwrap_err();
        // Until then the provider is not asked again.
        fleet.clock.advance(Duration::from_secs(60));
        secrets.of(&session.credentials().await.unwrap());
        if name.contains("bound") {
            session.revoke().await.unwrap();
        }
    }
    let service = application.client_credentials().audience(AUDIENCE).shared(store());
    secrets.0.push(("a service's token", service.token().await.unwrap().expose().to_owned()));
    for request in fleet.provider.requests(Endpoint::Token) {
        for name in ["code", "code_verifier", "refresh_token"] {
            secrets.0.extend(request.field(name).map(|value| (name, value)));
        }
    }
    assert!(secrets.0.len() > 20, "{} secrets were met", secrets.0.len());

    let heard = watch.lines().await;
    assert!(heard.iter().any(|line| line.contains("sealed")) && heard.len() > 30, "{} commands were heard", heard.len());
    secrets.are_not_in("what Redis was told", heard.join("\n").as_bytes());
    let mut redis = fleet.redis.connection().await;
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*:record").query_async(&mut redis).await.unwrap();
    assert_eq!(keys.len(), 3, "a session, a service, and the fleet's own; the other session is over: {keys:?}");
    for key in keys {
        secrets.are_not_in("the name of a key", &key);
        let value: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(&key).query_async(&mut redis).await.unwrap();
        secrets.are_not_in("a value", &value.concat());
        let dumped: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
        secrets.are_not_in("a dumped value", &dumped);
    }
    let written = fleet.redis.written();
    assert!(written.len() > 10_000, "{} bytes were written", written.len());
    secrets.are_not_in("Redis's disk", &written);
}
