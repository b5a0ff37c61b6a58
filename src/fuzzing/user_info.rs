use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::errors;
use super::made_up::{CANARY, at_once, json_reply, read_by_another};
use super::signing::{CONFIDENTIAL, METADATA, check_envelope, signed};
use crate::json;
use crate::transport::Reply;
use crate::userinfo;

const SUBJECT: &str = "auth0|ada";

/// User info is about the person who logged in, signed or not; what is signed is also for this application.
pub fn user_info(payload: &[u8]) {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/jwt"))]);
    let replies = [json_reply(payload), Reply::made_up(StatusCode::OK, headers, signed(payload).as_bytes())];
    let [plain, signed] = replies.map(|reply| match at_once(userinfo::read(&reply, &CONFIDENTIAL, &METADATA, Some(SUBJECT))) {
        Ok(claims) => {
            assert_eq!(claims.subject(), SUBJECT);
            let _ = (claims.email(), claims.email_verified(), claims.name(), claims.to::<Value>(), format!("{claims:?}"));
            true
        }
        Err(error) => {
            errors::check(&error, &[CANARY]);
            false
        }
    });
    let claims = read_by_another(payload);
    assert!(!plain || claims.is_none_or(|claims| claims["sub"] == SUBJECT));
    if signed {
        assert!(plain, "a signature adds to what is demanded");
        json::refuse_duplicates(payload).expect("no claim stands there twice");
        if let Some(claims) = read_by_another(payload) {
            check_envelope(&claims, true);
        }
    }
}
