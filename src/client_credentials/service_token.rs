use std::time::Duration;

use crate::access_token::AccessToken;
use crate::clock::Timestamp;
use crate::crypto;

/// A token and the moments of its life: good alone until `due`, and until its end while another is fetched.
#[derive(Clone)]
pub(super) struct ServiceToken {
    pub(super) token: AccessToken,
    pub(super) received: Timestamp,
    due: Timestamp,
    end: Timestamp,
}

impl ServiceToken {
    pub(super) fn new(token: AccessToken, received: Timestamp) -> Self {
        let Some(end) = token.expiry() else {
            return Self { token, received, due: Timestamp::END, end: Timestamp::END };
        };
        let life = end.since(received);
        let ahead = (life / 5).min(LONGEST_AHEAD) + (life / 10).min(MOST_JITTER).mul_f64(crypto::chance());
        Self { token, received, due: end.minus(ahead), end }
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.due && self.clock_was_not_set_back(now)
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        now < self.end && self.clock_was_not_set_back(now)
    }

    fn clock_was_not_set_back(&self, now: Timestamp) -> bool {
        now.plus(CLOCKS_DIFFER_BY) >= self.received
    }
}

const LONGEST_AHEAD: Duration = Duration::from_secs(60);
const MOST_JITTER: Duration = Duration::from_secs(30);
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
