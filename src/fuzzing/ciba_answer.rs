use std::time::Duration;

use super::errors;
use super::made_up::{CANARY, json_reply, read_by_another};
use crate::ciba::Answer;

/// The answer to a request to ask a person: what it is polled by, and at what pace.
pub fn ciba_answer(body: &[u8]) {
    match Answer::read(&json_reply(body)) {
        Ok(answer) => {
            assert!(!answer.auth_req_id.expose().is_empty());
            assert!(
                (Duration::from_secs(1)..=answer.expires_in.max(Duration::from_secs(5))).contains(&answer.interval),
                "{:?}",
                answer.interval
            );
            if let Some(said) = read_by_another(body) {
                assert_eq!(said["auth_req_id"], answer.auth_req_id.expose());
                assert!(said["expires_in"].is_number() || said["expires_in"].is_string());
            }
        }
        Err(error) => errors::check(&error, &[CANARY]),
    }
}
