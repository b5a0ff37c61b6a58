use std::fmt::{self, Write as _};
use std::sync::Arc;

use url::form_urlencoded;

use crate::crypto;

/// The owner of a record's credentials: an issuer, an application there, and one of its sessions.
///
/// `Debug` shows no session. The session may be the text of a cookie, which is as good as a login.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordKey {
    program: Arc<Program>,
    session: Box<str>,
}

/// The parts that all sessions of a program share.
#[derive(PartialEq, Eq, Hash)]
struct Program {
    issuer: Box<str>,
    client_id: Box<str>,
    holder: Holder,
}

/// The holder of the tokens. No session of a person has the key of a service, whatever the sessions are called.
#[derive(PartialEq, Eq, Hash)]
enum Holder {
    Person,
    /// A person, for an API beside that of the session's first login.
    PersonAt(Box<str>),
    /// Holds no record: the lock of a session while its person logs in.
    Login,
    /// The program itself.
    Service,
}

impl RecordKey {
    /// `session` tells the sessions of one program apart; it is empty where there is one only.
    #[must_use]
    pub fn new(issuer: &str, client_id: &str, session: &str) -> Self {
        Self { program: Program::new(issuer, client_id, Holder::Person), session: session.into() }
    }

    /// Another session of the same program.
    pub(crate) fn sibling(&self, session: &str) -> Self {
        Self { program: Arc::clone(&self.program), session: session.into() }
    }

    /// The same session's login for another API, where one refresh token does not serve both.
    pub(crate) fn at(&self, api: &str) -> Self {
        self.held_by(Holder::PersonAt(api.into()))
    }

    pub(crate) fn api(&self) -> Option<&str> {
        if let Holder::PersonAt(api) = &self.program.holder { Some(api) } else { None }
    }

    /// The key whose lock a process holds while a person logs in.
    pub(crate) fn of_login(&self) -> Self {
        self.held_by(Holder::Login)
    }

    fn held_by(&self, holder: Holder) -> Self {
        Self { program: Program::new(self.issuer(), self.client_id(), holder), session: self.session.clone() }
    }

    /// Of the program's own token, which it asks for with these parameters in whatever order.
    pub(crate) fn of_service<'a>(issuer: &str, client_id: &str, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sorted: Vec<_> = parameters.collect();
        sorted.sort_unstable();
        let asked = form_urlencoded::Serializer::new(String::new()).extend_pairs(&sorted).finish();
        Self { program: Program::new(issuer, client_id, Holder::Service), session: asked.into() }
    }

    /// The issuer or domain, as the program names it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.program.issuer
    }

    /// The client ID.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.program.client_id
    }

    /// Which of the program's sessions; empty where there is one only. For the program's own token, what it is asked for with.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// All of it as 64 hexadecimal digits, the same on every machine: fit for a file's name or a database's key. Each call
    /// computes them, so keys stay small.
    #[must_use]
    pub fn id(&self) -> String {
        let [issuer, client_id, session] = [self.issuer(), self.client_id(), self.session()];
        match &self.program.holder {
            Holder::Person => hash(&[issuer, client_id, session]),
            Holder::PersonAt(api) => hash(&[issuer, client_id, session, "api", api]),
            Holder::Login => hash(&[issuer, client_id, session, "login"]),
            Holder::Service => hash(&[issuer, client_id, session, "client_credentials"]),
        }
    }
}

impl Program {
    fn new(issuer: &str, client_id: &str, holder: Holder) -> Arc<Self> {
        Arc::new(Self { issuer: issuer.into(), client_id: client_id.into(), holder })
    }
}

/// Each part with its length before it, so that no two keys run together.
pub(in crate::store) fn hash(parts: &[&str]) -> String {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut id = String::with_capacity(64);
    for byte in crypto::sha256(&text) {
        write!(id, "{byte:02x}").expect("a String takes everything");
    }
    id
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordKey")
            .field("issuer", &self.issuer())
            .field("client_id", &self.client_id())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
