use serde_json::Value;

use super::errors;
use super::made_up::CANARY;
use crate::client_auth::PrivateKey;
use crate::jose::{CompactJws, Jwk};
use crate::json;

/// A private key signs so that its public half verifies, is written as it is read, and shows no part of itself.
pub fn private_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for key in [PrivateKey::from_pem(text), PrivateKey::from_jwk(text)] {
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                errors::check(&error, &[CANARY]);
                continue;
            }
        };
        let public = key.public_jwk();
        let pem = key.to_pem();
        let again = PrivateKey::from_pem(pem.expose()).expect("what is written can be read");
        // The one thing that PEM does not hold is what the key is called, and limited to.
        assert_eq!(bare(&again), bare(&key));
        let jwt = key.sign_jwt(&Value::Null).expect("it signs");
        let jws = CompactJws::parse(jwt.expose(), &["JWT"]).expect("it is a JWT");
        let (verifying, limited_to) = json::object::<Jwk<'_>>(public.to_string().as_bytes())
            .expect("it is a JWK")
            .verifying_key()
            .expect("it is a public key");
        assert!(limited_to.is_none_or(|algorithm| algorithm == jws.algorithm));
        assert!(verifying.verify(jws.algorithm, jws.signing_input, &jws.signature));
        let members: Value = serde_json::from_str(&public.to_string()).expect("it is JSON");
        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|name| members.get(name).is_none()), "{public}");
    }
}

fn bare(key: &PrivateKey) -> [Value; 5] {
    let members: Value = serde_json::from_str(&key.public_jwk().to_string()).expect("it is JSON");
    ["kty", "crv", "n", "x", "y"].map(|name| members[name].clone())
}
