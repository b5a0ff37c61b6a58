use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::manager::session::Session;
use crate::store::RecordKey;

/// The sessions that this process holds: a bounded number, of which those unused for longest make room.
#[derive(Default)]
pub(crate) struct Sessions {
    held: Mutex<HashSet<Held>>,
    #[cfg(feature = "tracing")]
    pub(crate) offline_access: crate::manager::offline_access::OfflineAccess,
}

impl Sessions {
    pub(crate) fn get(&self, key: RecordKey, most: usize, now: Timestamp) -> Arc<Session> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Held(session)) = held.get(&key) {
            session.touch(now);
            return Arc::clone(session);
        }
        if held.len() >= most {
            make_room(&mut held, most);
        }
        let session = Arc::new(Session::new(key));
        session.touch(now);
        held.insert(Held(Arc::clone(&session)));
        session
    }
}

/// A session, found by its key.
struct Held(Arc<Session>);

impl Borrow<RecordKey> for Held {
    fn borrow(&self) -> &RecordKey {
        &self.0.key
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Held {}

/// A tenth goes at once, so that a full house is not searched for each newcomer. Who is in use, or holds what the store
/// could not take, stays.
#[expect(clippy::mutable_key_type, reason = "a session's key never changes, and nothing else is hashed")]
fn make_room(held: &mut HashSet<Held>, most: usize) {
    let mut idle: Vec<(i64, RecordKey)> = held
        .iter()
        .filter(|Held(session)| Arc::strong_count(session) == 1 && session.known().is_none_or(|known| known.unsaved.is_none()))
        .map(|Held(session)| (session.last_used(), session.key.clone()))
        .collect();
    let leaving = (most / 10).max(1).min(idle.len());
    if leaving < idle.len() {
        idle.select_nth_unstable_by_key(leaving, |(last_used, _)| *last_used);
    }
    for (_, key) in idle.into_iter().take(leaving) {
        held.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: usize) -> RecordKey {
        RecordKey::new("acme.auth0.com", "id", &session.to_string())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn a_bounded_number_is_held_and_the_last_used_stay() {
        let sessions = Sessions::default();
        for session in 0..20_000 {
            sessions.get(key(session), 1000, at(session.try_into().unwrap()));
            // Somebody who comes again and again.
            sessions.get(key(7), 1000, at(session.try_into().unwrap()));
        }
        let held = sessions.held.lock().unwrap();
        assert!((900..=1000).contains(&held.len()), "{}", held.len());
        assert!(held.contains(&key(7)) && held.contains(&key(19_999)) && !held.contains(&key(10_000)));
    }

    #[test]
    fn who_is_in_use_stays_and_is_the_same() {
        let sessions = Sessions::default();
        let used: Vec<_> = (0..10).map(|session| sessions.get(key(session), 5, at(0))).collect();
        for other in 10..100 {
            sessions.get(key(other), 5, at(1));
        }
        for (session, used) in used.iter().enumerate() {
            assert!(Arc::ptr_eq(used, &sessions.get(key(session), 5, at(2))));
        }
        assert!(sessions.held.lock().unwrap().len() <= 11, "beside those, one at a time");
    }
}
