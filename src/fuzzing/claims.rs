use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::errors;
use super::made_up::{APPLICATION, CANARY, CLIENT_ID, ISSUER, at_once, now, read_by_another};
use super::signing::{SECRET, check_parties, signed};
use crate::clock::Timestamp;
use crate::json;
use crate::provider::{Demands, Endpoint, Expected, Flow, IdToken, Organization, Parties, Purpose, Tolerances};
use crate::secret::Secret;

const NONCE: &str = "nonce-of-this-login";
const LEEWAY: Duration = Duration::from_secs(60);
const MAX_AGE: Duration = Duration::from_secs(3600);

static JWKS_URI: LazyLock<Endpoint> = LazyLock::new(|| Endpoint::at(Url::parse(ISSUER).expect("it is a URL")));

/// Whatever a provider signs, it is an ID token only for whom, from whom and as long as OpenID Connect Core 1.0, section 3.1.3.7, says.
pub fn claims(payload: &[u8]) {
    let text = Secret::new(signed(payload));
    let demands = Demands {
        max_age: Some(MAX_AGE),
        organization: Some(Arc::new(Organization::parse("Acme"))),
        person: None,
        acr: Some(Arc::new(["mfa".into(), "phr".into()])),
    };
    let modest = Demands::default();

    let verified = verify(&text, login(&modest));
    if let Some(token) = &verified {
        assert_eq!(token.claims().get::<String>("nonce").as_deref(), Some(NONCE));
        checked(payload, token);
        let refreshed = verify(&text, Flow::Refresh { previous: Some(token) });
        assert!(refreshed.is_some(), "a refresh may bring the same ID token");
    }
    if let Some(token) = verify(&text, login(&demands)) {
        assert!(verified.is_some(), "who asks for more gets no more");
        let Some(claims) = checked(payload, &token) else { return };
        assert_eq!(claims["nonce"], NONCE);
        let auth_time = claims["auth_time"].as_f64().expect("max_age needs it");
        assert!(auth_time + (MAX_AGE + LEEWAY).as_secs_f64() + 1.0 >= seconds(now()), "{auth_time}");
        assert_eq!(claims["org_name"].as_str().map(str::to_lowercase).as_deref(), Some("acme"));
        assert!(claims["acr"] == "mfa" || claims["acr"] == "phr", "{}", claims["acr"]);
    }
    if let Some(token) = verify(&text, Flow::Refresh { previous: None }) {
        checked(payload, &token);
    }
}

fn login(demands: &Demands) -> Flow<'_> {
    Flow::Login { nonce: Some(NONCE), code: Some("code"), demands }
}

fn verify(text: &Secret, flow: Flow<'_>) -> Option<IdToken> {
    let secret = Secret::from(SECRET);
    let expected = |client_secret, flow| Expected {
        parties: Parties {
            purpose: Purpose::IdToken,
            issuer: ISSUER,
            issuer_alias: None,
            jwks_uri: &JWKS_URI,
            tolerances: Tolerances::default(),
            registered: None,
            algorithms: None,
            client_id: CLIENT_ID,
            client_secret,
            fapi2: false,
            now: now(),
            leeway: LEEWAY,
        },
        access_token: "access-token",
        flow,
    };
    let provider = APPLICATION.provider();
    let without_secret = at_once(provider.verify_id_token(text, &expected(None, Flow::Refresh { previous: None })));
    assert!(without_secret.is_err(), "HS256 is only for who asked for it");
    match at_once(provider.verify_id_token(text, &expected(Some(&secret), flow))) {
        Ok(token) => Some(token),
        Err(error) => {
            errors::check(&error, &[CANARY]);
            None
        }
    }
}

/// Checks the rules of every flow.
fn checked(payload: &[u8], token: &IdToken) -> Option<Value> {
    json::refuse_duplicates(payload).expect("no claim stands there twice");
    let claims = read_by_another(payload)?;
    check_parties(&claims, false);
    assert_eq!(claims["sub"], token.subject());
    assert!((1..=255).contains(&token.subject().len()));
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    assert!(number("exp").expect("it is required") > seconds(now().minus(LEEWAY)));
    assert!(number("iat").expect("it is required") < seconds(now().plus(LEEWAY)) + 1.0);
    assert!(number("nbf").is_none_or(|from| from < seconds(now().plus(LEEWAY)) + 1.0));
    // SHA-256, its first half, of "access-token".
    assert!(claims.get("at_hash").is_none_or(|hash| hash.is_null() || hash == AT_HASH), "{:?}", claims.get("at_hash"));

    let restored = IdToken::restore(token.raw().clone()).expect("what was verified can be restored");
    assert_eq!((restored.subject(), restored.expires_at()), (token.subject(), token.expires_at()));
    assert_eq!(token.claims().get::<String>("sub").as_deref(), Some(token.subject()));
    let _ = (token.claims().name(), token.claims().email_verified(), token.claims().to::<Value>(), format!("{token:?}"));
    Some(claims)
}

#[expect(clippy::cast_precision_loss, reason = "the seconds of this century have few digits")]
fn seconds(at: Timestamp) -> f64 {
    at.unix_seconds() as f64
}

const AT_HASH: &str = "Pxa-1wifRlPl7yG_0oJNfw";
