use std::time::Duration;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, Response, StatusCode};

use super::authorize::consent_to;
use super::grants::{Code, Grant, Session, Ticket, Verdict, unguessable};
use super::pages;
use super::passwordless::LINK_PATH;
use super::seen::SeenRequest;
use super::tenant::Tenant;

impl Tenant {
    /// The pages between `/authorize` and the callback.
    pub(super) fn login(&self, request: &SeenRequest) -> Response<Bytes> {
        if request.path().ends_with(LINK_PATH) {
            return self.open_link(request);
        }
        let id = request.parameter("state").unwrap_or_default();
        let Some(ticket) = self.grants().tickets.get(&id).cloned() else {
            return pages::notice(StatusCode::BAD_REQUEST, "Unknown login", "This login has ended, or never was.");
        };
        let posted = request.method() == Method::POST;
        match (&ticket.person, request.path().ends_with("/consent")) {
            (Some(person), true) if posted => self.answer_consent(request, &id, &ticket, person),
            (Some(person), true) => {
                let ask = &ticket.ask;
                pages::consent(&id, &ask.client_id, &person.email, ask.audience.as_deref(), &ask.scope)
            }
            (None, true) => pages::notice(StatusCode::BAD_REQUEST, "Not logged in", "Log in first."),
            (_, false) if posted => self.answer_login(request, &id, ticket),
            (_, false) => {
                let hint = ticket.ask.login_hint.as_deref().unwrap_or_default();
                pages::login(&id, &ticket.ask.client_id, hint, None)
            }
        }
    }

    fn answer_login(&self, request: &SeenRequest, id: &str, mut ticket: Ticket) -> Response<Bytes> {
        if request.field("action").as_deref() == Some("cancel") {
            return self.decline(id, &ticket, "User cancelled the login");
        }
        let email = request.field("username").unwrap_or_default();
        let right = request.field("password").is_some_and(|password| self.is_password_of(&email, &password));
        let refused = (!right).then_some("Wrong email or password.");
        if refused.is_some() {
            return pages::login(id, &ticket.ask.client_id, &email, refused);
        }
        let session = Session { id: unguessable(), email: self.user(&email).email().to_owned(), auth_time: self.now() };
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.session_cookie(), session.id);
        {
            let mut grants = self.grants();
            grants.tickets.remove(id);
            grants.sessions.insert(session.id.clone(), session.clone());
        }
        ticket.person = Some(session);
        let mut response = self.lead_to("u/consent", ticket);
        response.headers_mut().insert(SET_COOKIE, HeaderValue::try_from(cookie).expect("a cookie of base64url is ASCII"));
        response
    }

    fn answer_consent(&self, request: &SeenRequest, id: &str, ticket: &Ticket, person: &Session) -> Response<Bytes> {
        if request.field("action").as_deref() != Some("accept") {
            return self.decline(id, ticket, "User did not authorize the request");
        }
        {
            let mut grants = self.grants();
            // Whoever presses the button twice is answered once.
            if grants.tickets.remove(id).is_none() {
                drop(grants);
                return pages::notice(StatusCode::BAD_REQUEST, "Unknown login", "This login has ended, or never was.");
            }
            grants.consents.insert(consent_to(person, &ticket.ask));
        }
        self.finish(ticket.clone())
    }

    fn decline(&self, id: &str, ticket: &Ticket, description: &str) -> Response<Bytes> {
        let mut grants = self.grants();
        grants.tickets.remove(id);
        if let Some(user_code) = &ticket.user_code {
            if let Some(device) = grants.devices.values_mut().find(|device| device.user_code == *user_code) {
                device.verdict = Verdict::Denied;
            }
            drop(grants);
            return pages::notice(StatusCode::OK, "Device denied", "The device gets nothing. You may close this window.");
        }
        drop(grants);
        self.send_error(&ticket.ask, "access_denied", description)
    }

    /// The person is known and agrees: a code for the application, or a device that may go on.
    pub(super) fn finish(&self, ticket: Ticket) -> Response<Bytes> {
        let Ticket { ask, person, user_code } = ticket;
        let Some(person) = person else { return self.send_error(&ask, "server_error", "Nobody is logged in") };
        let grant = Grant {
            client_id: ask.client_id.clone(),
            email: person.email,
            scope: self.granted(&ask.scope),
            audience: ask.audience.clone(),
            auth_time: person.auth_time,
            tell_auth_time: ask.max_age.is_some(),
            organization: ask.organization.clone(),
            authorization_details: ask.authorization_details.clone(),
            acr: ask.acr.clone(),
            session: person.id,
            jkt: None,
        };
        let mut grants = self.grants();
        if let Some(user_code) = user_code {
            if let Some(device) = grants.devices.values_mut().find(|device| device.user_code == user_code) {
                device.verdict = Verdict::Approved(Box::new(grant));
            }
            return pages::notice(StatusCode::OK, "Device connected", "You may close this window and return to the device.");
        }
        let code = unguessable();
        let expires_at = self.now().plus(CODE_LIFE);
        grants.codes.insert(code.clone(), Code { ask: ask.clone(), grant, expires_at, spent: None });
        drop(grants);
        self.send_back(&ask, &[("code", &code)])
    }

    /// The part of this scope that the provider grants.
    pub(super) fn granted(&self, scope: &str) -> String {
        let given = |word: &&str| !self.settings.withheld.iter().any(|withheld| withheld == word);
        scope.split_whitespace().filter(given).collect::<Vec<_>>().join(" ")
    }
}

/// RFC 6749, section 4.1.2: "A maximum authorization code lifetime of 10 minutes is RECOMMENDED."
const CODE_LIFE: Duration = Duration::from_secs(600);
