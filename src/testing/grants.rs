//! Grants of people, and the tokens issued for them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::clock::Timestamp;
use crate::crypto;
use crate::jose::base64url;

/// A checked request at `/authorize`.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) response_mode: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) code_challenge: Option<String>,
    pub(super) dpop_jkt: Option<String>,
    pub(super) max_age: Option<i64>,
    pub(super) prompt: Option<String>,
    pub(super) login_hint: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) authorization_details: Option<Value>,
    /// The wanted strength of the authentication.
    pub(super) acr: Option<String>,
}

/// A person's answer to it.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) email: String,
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) auth_time: Timestamp,
    pub(super) tell_auth_time: bool,
    pub(super) organization: Option<String>,
    pub(super) authorization_details: Option<Value>,
    pub(super) acr: Option<String>,
    pub(super) session: String,
    /// The thumbprint of the key that tokens are bound to.
    pub(super) jkt: Option<String>,
}

/// A login that has begun in a browser.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) ask: Ask,
    pub(super) person: Option<Session>,
    /// The code of the device that this is about.
    pub(super) user_code: Option<String>,
}

/// A person who is logged in at the provider, in one browser.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) auth_time: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) ask: Ask,
    pub(super) grant: Grant,
    pub(super) expires_at: Timestamp,
    /// The family that it was redeemed for, once it was.
    pub(super) spent: Option<Option<usize>>,
}

#[derive(Debug, Clone)]
pub(super) struct Issued {
    /// None for what an application got for itself.
    pub(super) email: Option<String>,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) expires_at: Timestamp,
    pub(super) issued_at: Timestamp,
    /// The thumbprint of the key that it is bound to.
    pub(super) jkt: Option<String>,
}

/// All refresh tokens that descend from one login.
#[derive(Debug, Clone)]
pub(super) struct Family {
    pub(super) grant: Grant,
    pub(super) current: String,
    /// The one before, and when it was rotated.
    pub(super) previous: Option<(String, Timestamp)>,
    pub(super) revoked: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) user_code: String,
    pub(super) expires_at: Timestamp,
    pub(super) verdict: Verdict,
}

/// A question to a person on another device.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) client_id: String,
    pub(super) scope: String,
    /// The grant if they agree.
    pub(super) grant: Box<Grant>,
    pub(super) expires_at: Timestamp,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Pending,
    Approved(Box<Grant>),
    Denied,
    /// Nothing but `invalid_grant` comes any more.
    Over,
}

impl Verdict {
    /// The answer to the application. Any answer but "not yet" is given once: a grant, or an error's code.
    pub(super) fn settle(&mut self, expired: bool) -> Result<Box<Grant>, &'static str> {
        match self {
            Self::Over => return Err("invalid_grant"),
            Self::Pending if !expired => return Err("authorization_pending"),
            _ => {}
        }
        match std::mem::replace(self, Self::Over) {
            Self::Approved(grant) if !expired => Ok(grant),
            Self::Denied if !expired => Err("access_denied"),
            _ => Err("expired_token"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Grants {
    pub(super) tickets: HashMap<String, Ticket>,
    pub(super) sessions: HashMap<String, Session>,
    /// Subject, client, audience and scope that were agreed to.
    pub(super) consents: HashSet<(String, String, Option<String>, String)>,
    pub(super) pushed: HashMap<String, (Vec<(String, String)>, Timestamp)>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) issued: HashMap<String, Issued>,
    pub(super) families: Vec<Family>,
    /// Every refresh token that ever was, and its family.
    pub(super) refresh_tokens: HashMap<String, usize>,
    pub(super) devices: HashMap<String, Device>,
    pub(super) questions: HashMap<String, Question>,
    /// The ids of client assertions that were used.
    pub(super) assertions: HashSet<String>,
}

impl Grants {
    pub(super) fn begin_family(&mut self, grant: Grant) -> (usize, String) {
        let family = self.families.len();
        let current = unguessable();
        self.refresh_tokens.insert(current.clone(), family);
        self.families.push(Family { grant, current: current.clone(), previous: None, revoked: false });
        (family, current)
    }

    /// The successor of a family's current token.
    pub(super) fn rotate(&mut self, family: usize, now: Timestamp) -> String {
        let successor = unguessable();
        self.refresh_tokens.insert(successor.clone(), family);
        let family = &mut self.families[family];
        let spent = std::mem::replace(&mut family.current, successor.clone());
        family.previous = Some((spent, now));
        successor
    }
}

/// Random text: a code, a token, a name.
pub(super) fn unguessable() -> String {
    let mut bytes = [0; 32];
    crypto::random(&mut bytes).expect("the operating system gives random bytes");
    base64url(&bytes)
}
