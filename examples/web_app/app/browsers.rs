//! Which browser is whose: kept on the server, under names that nobody can guess.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use hallpass::Secret;
use rand::TryRng;
use rand::rngs::SysRng;

/// With replicas, all of this is in Redis, or in encrypted cookies. In a real one sessions also end by themselves, after a day, say, with
/// `clear()` of their credentials, and there is a limit to how many logins are begun.
#[derive(Default)]
pub(super) struct Browsers {
    logins: Mutex<HashMap<String, (Secret, Instant)>>,
    /// What a form of this session has to hold.
    sessions: Mutex<HashMap<String, String>>,
}

impl Browsers {
    /// A login that this browser has begun; the name is its cookie.
    pub(super) fn keep_login(&self, login: Secret) -> String {
        let id = unguessable();
        let mut logins = lock(&self.logins);
        logins.retain(|_, (_, begun)| begun.elapsed() < LOGIN_LIFE);
        logins.insert(id.clone(), (login, Instant::now()));
        id
    }

    /// It serves once, whatever comes of it.
    pub(super) fn take_login(&self, id: &str) -> Option<Secret> {
        lock(&self.logins).remove(id).map(|(login, _)| login)
    }

    /// A session begins, and the one that this browser had before ends.
    pub(super) fn welcome(&self, id: &str, before: Option<&str>) {
        let mut sessions = lock(&self.sessions);
        if let Some(before) = before {
            sessions.remove(before);
        }
        sessions.insert(id.to_owned(), unguessable());
    }

    pub(super) fn know(&self, id: &str) -> bool {
        lock(&self.sessions).contains_key(id)
    }

    pub(super) fn csrf(&self, id: &str) -> Option<String> {
        lock(&self.sessions).get(id).cloned()
    }

    pub(super) fn forget(&self, id: &str) {
        lock(&self.sessions).remove(id);
    }
}

pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .find(|pair| pair.0 == name)
        .map(|pair| pair.1)
}

/// `Lax` lets it come along when the provider leads the browser back. On https, add `Secure` and begin the name with `__Host-`.
pub(super) fn remember(name: &str, id: &str) -> String {
    format!("{name}={id}; Path=/; HttpOnly; SameSite=Lax")
}

pub(super) fn forget(name: &str) -> String {
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// 256 bits of the operating system's randomness, in hexadecimal.
pub(super) fn unguessable() -> String {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) const LOGIN: &str = "web_app_login";
pub(super) const SESSION: &str = "web_app_session";
const LOGIN_LIFE: Duration = Duration::from_secs(5 * 60);
