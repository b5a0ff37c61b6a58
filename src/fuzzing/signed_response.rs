use serde_json::Value;

use super::errors;
use super::made_up::{LOGIN, at_once, read_by_another};
use super::signing::{CONFIDENTIAL, METADATA, check_envelope, signed};
use crate::json;
use crate::web_auth::Callback;

/// A signed answer yields a code when it is this provider's, for this application, of this login, and not over.
pub fn signed_response(payload: &[u8]) {
    let text = format!("response={}", signed(payload));
    let parse = || Callback::parse(&text).expect("no character of a JWT is encoded");
    let code = at_once(parse().verified(&CONFIDENTIAL, &METADATA)).and_then(|callback| callback.code(&LOGIN, &METADATA));
    let secrets = &LOGIN.secrets;
    let code = match code {
        Ok(code) => code,
        Err(error) => return errors::check(&error, &[&secrets.state(), &secrets.nonce(), &secrets.code_verifier()]),
    };
    json::refuse_duplicates(payload).expect("no claim stands there twice");
    #[cfg(feature = "loopback")]
    assert!(parse().unverified().is_some_and(|callback| callback.answers(&LOGIN)), "the listener takes it for this login's, too");
    let Some(claims) = read_by_another(payload) else { return };
    check_envelope(&claims, false);
    assert!(claims["exp"].is_number());
    assert_eq!(claims["code"], code.expose());
    assert!(!code.expose().is_empty() && !code.expose().contains('\0'));
    assert_eq!(claims["state"], *secrets.state());
    let absent = |name: &str| claims.get(name).is_none_or(Value::is_null);
    assert!(["error", "access_token", "id_token"].into_iter().all(absent), "{claims}");
}
