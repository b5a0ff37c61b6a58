//! JWTs that say what was made up, signed by the secret that the provider and the application share: so that what stands behind the
//! signature is looked at.

use std::sync::LazyLock;

use serde_json::Value;

use super::made_up::{CLIENT_ID, ISSUER, json_reply};
use crate::application::Application;
use crate::client_auth::method::ClientAuth;
use crate::crypto::{Algorithm, SigningKey};
use crate::jose::compact;
use crate::provider::{Issuer, Metadata};

pub(super) const SECRET: &str = "a secret that the provider and the application share";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::shared_secret(SECRET.as_bytes()));

pub(super) static CONFIDENTIAL: LazyLock<Application> =
    LazyLock::new(|| Application::new(ISSUER, CLIENT_ID).client_auth(ClientAuth::client_secret_post(SECRET)).accept_hs256());

/// Of a provider that signs by nothing else, so that no key has to be fetched.
pub(super) static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let document = format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{ISSUER}authorize","token_endpoint":"{ISSUER}token",
            "jwks_uri":"{ISSUER}keys","id_token_signing_alg_values_supported":["HS256"],
            "userinfo_signing_alg_values_supported":["HS256"],"authorization_signing_alg_values_supported":["HS256"]}}"#
    );
    let issuer = Issuer::parse(ISSUER, None).expect("it is an issuer");
    Metadata::from_reply(&json_reply(document.as_bytes()), &issuer).expect("it is the metadata of that issuer")
});

pub(super) fn signed(payload: &[u8]) -> String {
    compact(br#"{"alg":"HS256"}"#, payload, |message| KEY.sign(Algorithm::Hs256, message))
        .expect("a shared secret signs everything")
}

/// The rules for every JWT: its issuer, its audience and its times.
pub(super) fn check_envelope(claims: &Value, is_for_several: bool) {
    check_parties(claims, is_for_several);
    // The clock is the machine's: years of leeway tell what is over from what is not.
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    assert!(number("exp").is_none_or(|exp| exp > 1.7e9), "{:?}", claims.get("exp"));
    assert!([number("iat"), number("nbf")].into_iter().flatten().all(|from| from < 4.1e9), "it is of the next century");
}

pub(super) fn check_parties(claims: &Value, is_for_several: bool) {
    assert_eq!(claims["iss"], ISSUER);
    let audiences: Vec<&Value> = match &claims["aud"] {
        Value::Array(audiences) => audiences.iter().collect(),
        audience => vec![audience],
    };
    assert!(audiences.iter().any(|audience| *audience == CLIENT_ID), "{audiences:?}");
    match claims.get("azp").filter(|azp| !azp.is_null()) {
        Some(azp) => assert_eq!(azp, CLIENT_ID),
        None => assert!(is_for_several || audiences.len() == 1, "several audiences, and none that it is for"),
    }
}
