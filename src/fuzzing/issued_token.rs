use serde_json::Value;

use super::errors;
use super::made_up::{CANARY, at_once, json_reply, read_by_another};
use super::signing::{CONFIDENTIAL, METADATA};
use crate::endpoint;
use crate::provider::Flow;
use crate::token::{Asked, IssuedToken};

/// An exchange's answer is a key to an API only where nothing in it says otherwise (RFC 8693, section 2.2.1).
pub fn issued_token(body: &[u8]) {
    let reply = json_reply(body);
    // The provider's own words are for `error_body`.
    if endpoint::refusal(&reply, "the token request", &CONFIDENTIAL, |_| false).is_some() {
        return;
    }
    let asked = Asked { scope: &"".into(), api: None, flow: Flow::Refresh { previous: None }, hidden: &[] };
    let issued = match at_once(IssuedToken::accept(&CONFIDENTIAL, &METADATA, &reply, asked)) {
        Ok(issued) => issued,
        Err(error) => return errors::check(&error, &[CANARY]),
    };
    let Some(answer) = read_by_another(body) else { return };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    assert_eq!(text("access_token"), Some(issued.token().expose()));
    assert_eq!(text("issued_token_type"), issued.issued_token_type());
    assert_eq!(text("refresh_token"), issued.refresh_token().map(|token| token.expose()));
    if let Some(token) = issued.access_token() {
        assert!(token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(text("token_type").is_some_and(|name| name.eq_ignore_ascii_case("bearer")));
        let kind = issued.issued_token_type().unwrap_or_default();
        // Another name is one of the provider's own, which says nothing.
        let is_of = |owner: &str, kinds: &[&str]| {
            kinds.iter().any(|other| kind.eq_ignore_ascii_case(&format!("urn:{owner}:params:oauth:token-type:{other}")))
        };
        assert!(!is_of("ietf", &["refresh_token", "id_token", "saml1", "saml2"]), "{kind}");
        assert!(!is_of("auth0", &["session_transfer_token"]), "{kind}");
    }
    let shown = format!("{:?}{:?}", issued.scope(), issued.issued_token_type());
    if !shown.contains(CANARY) {
        assert!(!format!("{issued:?}").contains(CANARY), "Debug shows no token");
    }
}
