use serde_json::Value;

use super::errors;
use super::made_up::{CANARY, at_once, read_by_another};
use super::signing::{CONFIDENTIAL, METADATA, check_envelope, signed};
use crate::json;
use crate::web_auth::LogoutToken;

/// A signed token ends a session only if it is a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6).
pub fn logout_token(payload: &[u8]) {
    let token = match at_once(LogoutToken::verified(&signed(payload), &CONFIDENTIAL, &METADATA)) {
        Ok(token) => token,
        Err(error) => return errors::check(&error, &[CANARY]),
    };
    json::refuse_duplicates(payload).expect("no claim stands there twice");
    let Some(claims) = read_by_another(payload) else { return };
    check_envelope(&claims, false);
    assert!(claims["exp"].is_number() && claims["iat"].is_number());
    assert!(claims.get("nonce").is_none(), "ID tokens have a nonce");
    assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    assert_eq!((token.subject(), token.session_id(), Some(token.id())), (text("sub"), text("sid"), text("jti")));
    assert!(token.subject().is_some() || token.session_id().is_some());
    assert!([token.subject(), token.session_id(), Some(token.id())].into_iter().flatten().all(|name| !name.is_empty()));
    let _ = (token.expires_at(), format!("{token:?}"));
}
