use serde_json::Value;

use super::errors;
use super::made_up::{CANARY, json_reply, read_by_another};
use crate::json;
use crate::token::Introspection;

/// A token is active only where the provider says it once and as a boolean, and its description is readable.
pub fn introspection(body: &[u8]) {
    let token = match Introspection::read(&json_reply(body)) {
        Ok(token) => token,
        Err(error) => return errors::check(&error, &[CANARY]),
    };
    let Some(answer) = read_by_another(body) else { return };
    assert_eq!(answer["active"], Value::Bool(token.is_active()));
    if token.is_active() {
        json::refuse_duplicates(body).expect("no member stands there twice");
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|_| token.is_active());
    assert_eq!(token.subject(), text("sub").filter(|subject| !subject.is_empty()));
    assert_eq!(token.client_id().as_deref(), text("client_id"));
    assert_eq!(token.scope().as_deref(), text("scope"));
    for scope in ["read", "", "a b"] {
        assert_eq!(token.has_scope(scope), text("scope").is_some_and(|own| own.split(' ').any(|own| own == scope)));
    }
    assert!(token.audience().is_empty() || answer.get("aud").is_some());
    let _ =
        (token.username(), token.issuer(), token.token_type(), token.expires_at(), token.issued_at(), token.get::<Value>("cnf"));
}
