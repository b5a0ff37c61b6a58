use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto;
use crate::secret::Secret;

/// The refresh token that is not to be sent: the provider has just refused it, or may have spent it without our hearing.
#[derive(Default)]
pub(crate) struct SpentToken(Mutex<Option<Box<Spent>>>);

struct Spent {
    hash: [u8; 32],
    why: Because,
}

#[derive(Debug, Clone, Copy)]
enum Because {
    Refused { at: Timestamp },
    Lost(AnswerLost),
}

/// When a refresh token was sent whose answer did not arrive, and whether it has been sent once more since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerLost {
    pub(crate) sent: Timestamp,
    pub(crate) replayed: bool,
}

impl SpentToken {
    /// Whether this refresh token may be sent now. A refused one is tried again after a while. One whose answer was lost is
    /// taken once more at most, and only in the interval in which the provider takes a spent one: then saying so uses it up.
    pub(crate) fn may_be_sent(&self, refresh_token: &Secret, reuse_interval: Option<Duration>, now: Timestamp) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(spent) = spent.as_mut().filter(|spent| spent.hash == hash(refresh_token)) else { return true };
        // A time in the future says that the clock was set back: it counts as long ago.
        let within = |interval: Duration, since: Timestamp| since <= now && now.since(since) < interval;
        match &mut spent.why {
            Because::Refused { at } => !within(REFUSED_FOR, *at),
            Because::Lost(AnswerLost { sent, replayed }) => {
                let may_replay = !*replayed && reuse_interval.is_some_and(|interval| within(interval, *sent));
                *replayed |= may_replay;
                may_replay
            }
        }
    }

    pub(crate) fn refused(&self, refresh_token: &Secret, now: Timestamp) {
        self.remember(refresh_token, Because::Refused { at: now });
    }

    /// The provider's interval began when it took the token, so it counts from when that was sent for the first time. What is
    /// returned is for others to know.
    pub(crate) fn answer_lost(&self, refresh_token: &Secret, sent: Timestamp) -> AnswerLost {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(refresh_token);
        if let Some(Spent { hash: known, why: Because::Lost(lost) }) = spent.as_deref()
            && *known == hash
        {
            return *lost;
        }
        let lost = AnswerLost { sent, replayed: false };
        *spent = Some(Box::new(Spent { hash, why: Because::Lost(lost) }));
        lost
    }

    /// What another process has left in the record.
    pub(crate) fn heard(&self, refresh_token: &Secret, from_another: AnswerLost) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(refresh_token);
        match spent.as_deref_mut().filter(|spent| spent.hash == hash) {
            Some(Spent { why: Because::Lost(lost), .. }) => lost.replayed |= from_another.replayed,
            // The provider has refused it since.
            Some(Spent { why: Because::Refused { .. }, .. }) => {}
            None => *spent = Some(Box::new(Spent { hash, why: Because::Lost(from_another) })),
        }
    }

    /// It did not leave this machine, or the provider says that it did not take it, so that a replay is not used up.
    pub(crate) fn was_not_taken(&self) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Spent { why: Because::Lost(lost), .. }) = spent.as_deref_mut() {
            lost.replayed = false;
        }
    }

    fn remember(&self, refresh_token: &Secret, why: Because) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(Spent { hash: hash(refresh_token), why }));
    }
}

fn hash(refresh_token: &Secret) -> [u8; 32] {
    crypto::sha256(refresh_token.expose().as_bytes())
}

const REFUSED_FOR: Duration = Duration::from_secs(30);
