use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::answer;
use super::authorize::Refusal;
use super::client::TestClient;
use super::grants::{Session, Ticket, unguessable};
use super::pages;
use super::provider::TestProvider;
use super::seen::SeenRequest;
use super::tenant::Tenant;
use crate::clock::Timestamp;
use crate::crypto;

/// The mails and text messages to people.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The last code of any kind that went to an address or a number.
    last_codes: HashMap<String, String>,
    logins: HashMap<String, Login>,
    links: HashMap<String, Link>,
    last_links: HashMap<String, String>,
}

#[derive(Debug)]
struct Login {
    code: String,
    client_id: String,
    expires_at: Timestamp,
    wrong: usize,
}

#[derive(Debug)]
struct Link {
    email: String,
    parameters: Vec<(String, String)>,
    expires_at: Timestamp,
}

impl TestProvider {
    /// The code that was last sent to an address or a telephone number: of a login without a password, or of a second factor.
    #[must_use]
    pub fn sent_code(&self, to: &str) -> Option<String> {
        self.tenant().messages().last_codes.get(to).cloned()
    }

    /// The link that was last sent to an address: [`TestBrowser::visit`](super::TestBrowser::visit) opens it.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "an address on loopback and a token make a URL")]
    pub fn sent_link(&self, to: &str) -> Option<Url> {
        let messages = self.tenant().messages();
        messages.last_links.get(to).map(|link| link.parse().expect("an address on loopback and a token make a URL"))
    }
}

impl Messages {
    /// Sends a code of six digits.
    pub(super) fn send_code(&mut self, to: &str) -> String {
        let code = six_digits();
        self.last_codes.insert(to.to_owned(), code.clone());
        code
    }
}

impl Tenant {
    pub(super) fn start_passwordless(&self, request: &SeenRequest) -> Response<Bytes> {
        let client = match self.authenticate(request) {
            Ok(client) => client,
            Err(refusal) => return *refusal,
        };
        let to = match request.field("connection").as_deref() {
            Some("email") => request.field("email").filter(|email| email.contains('@')),
            Some("sms") => request.field("phone_number").filter(|number| number.starts_with('+')),
            _ => return answer::error(StatusCode::BAD_REQUEST, "bad.connection", "Connection does not exist"),
        };
        let Some(to) = to else {
            return answer::error(StatusCode::BAD_REQUEST, "bad.email", "error in email - email format validation failed");
        };
        let expires_at = self.now().plus(LIFE);
        let mut messages = self.messages();
        if request.field("send").as_deref() == Some("code") || to.starts_with('+') {
            let code = messages.send_code(&to);
            messages.logins.insert(to.clone(), Login { code, client_id: client.id.clone(), expires_at, wrong: 0 });
        } else {
            let ticket = unguessable();
            let mut parameters = authorization_parameters(request);
            parameters.push(("client_id".to_owned(), client.id.clone()));
            messages.links.insert(ticket.clone(), Link { email: to.clone(), parameters, expires_at });
            messages.last_links.insert(to.clone(), format!("{}{LINK_PATH}?ticket={ticket}", self.base));
        }
        answer::json(StatusCode::OK, &json!({ "_id": &unguessable()[..24], "email": to, "email_verified": false }))
    }

    /// `http://auth0.com/oauth/grant-type/passwordless/otp`
    pub(super) fn passwordless_grant(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Response<Bytes> {
        let value = |name: &str| request.field(name).unwrap_or_default();
        let to = value("username");
        let what = if value("realm") == "sms" { "phone number" } else { "email" };
        let wrong = || answer::error(StatusCode::FORBIDDEN, "invalid_grant", &format!("Wrong {what} or verification code."));
        let now = self.now();
        let mut messages = self.messages();
        let Some(login) = messages.logins.get_mut(&to).filter(|login| login.client_id == client.id && now < login.expires_at)
        else {
            return wrong();
        };
        if login.code != value("otp") {
            login.wrong += 1;
            if login.wrong == GUESSES {
                messages.logins.remove(&to);
            }
            return wrong();
        }
        messages.logins.remove(&to);
        drop(messages);
        self.after_first_factor(self.first_factor(client, request, &to), jkt)
    }

    /// Logs the person in who opens the link, and leads back to the application.
    pub(super) fn open_link(&self, request: &SeenRequest) -> Response<Bytes> {
        let link = self.messages().links.remove(&request.parameter("ticket").unwrap_or_default());
        let Some(link) = link.filter(|link| self.now() < link.expires_at) else {
            return pages::notice(StatusCode::BAD_REQUEST, "Unknown link", "This link was used, or has expired.");
        };
        match self.check(&link.parameters) {
            Ok(ask) => {
                let session = Session { id: unguessable(), email: link.email, auth_time: self.now() };
                self.finish(Ticket { ask, person: Some(session), user_code: None })
            }
            Err(Refusal::Page(status, title, text)) => pages::notice(status, title, &text),
            Err(Refusal::Redirect(ask, code, description)) => self.send_error(&ask, code, description),
        }
    }
}

fn authorization_parameters(request: &SeenRequest) -> Vec<(String, String)> {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let parameters = body.get("authParams").and_then(Value::as_object);
    let texts = parameters.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    texts.collect()
}

fn six_digits() -> String {
    let mut bytes = [0; 4];
    crypto::random(&mut bytes).expect("the operating system gives random bytes");
    format!("{:06}", u32::from_be_bytes(bytes) % 1_000_000)
}

/// Relative to the issuer.
pub(super) const LINK_PATH: &str = "passwordless/verify_redirect";
const LIFE: Duration = Duration::from_secs(180);
const GUESSES: usize = 3;
