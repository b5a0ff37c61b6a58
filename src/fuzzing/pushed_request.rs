use super::errors;
use super::made_up::{CANARY, json_reply, read_by_another};
use crate::web_auth::read_pushed;

/// The name of a pushed request is one that a browser can be sent on with.
pub fn pushed_request(body: &[u8]) {
    let reply = json_reply(body);
    match read_pushed(&reply) {
        Ok((request_uri, life)) => {
            assert!((1..=2048).contains(&request_uri.len()) && request_uri.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(!life.is_zero(), "a request that is over before it began");
            if let Some(answer) = read_by_another(body) {
                assert_eq!(answer["request_uri"], *request_uri);
            }
        }
        Err(error) => errors::check(&error, &[CANARY]),
    }
}
