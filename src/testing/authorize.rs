use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::Value;
use url::form_urlencoded;

use super::answer;
use super::grants::{Ask, Session, Ticket, unguessable};
use super::pages;
use super::seen::SeenRequest;
use super::tenant::{Tenant, ToApplication};
use crate::token::are_authorization_details;

/// Why a login does not begin.
pub(super) enum Refusal {
    /// RFC 6749, section 4.1.2.1: "MUST NOT automatically redirect the user-agent to the invalid redirection URI"
    Page(StatusCode, &'static str, String),
    /// An error that the application gets through the browser.
    Redirect(Box<Ask>, &'static str, &'static str),
}

impl Tenant {
    pub(super) fn authorize(&self, request: &SeenRequest) -> Response<Bytes> {
        let sent = if request.method() == Method::POST { request.fields() } else { request.parameters() };
        let ask = match self.pushed(sent).and_then(|parameters| self.check(&parameters)) {
            Ok(ask) => ask,
            Err(refusal) => return self.refuse(refusal),
        };
        let prompt = |word: &str| ask.prompt.as_deref().is_some_and(|prompt| prompt.split(' ').any(|other| other == word));
        let person = self.session(request).filter(|session| !prompt("login") && self.fresh_enough(session, &ask));
        let (silent, consent) = (prompt("none"), prompt("consent"));
        let ticket = Ticket { ask, person, user_code: None };
        match &ticket.person {
            None if silent => self.refuse(Refusal::Redirect(Box::new(ticket.ask), "login_required", "Login required")),
            None => self.lead_to("u/login", ticket),
            Some(person) if !consent && self.has_consented(person, &ticket.ask) => self.finish(ticket),
            Some(_) if silent => self.refuse(Refusal::Redirect(Box::new(ticket.ask), "consent_required", "Consent required")),
            Some(_) => self.lead_to("u/consent", ticket),
        }
    }

    /// Checks a request at `/authorize`.
    pub(super) fn check(&self, parameters: &[(String, String)]) -> Result<Ask, Refusal> {
        let value = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let page = |title, text: String| Refusal::Page(StatusCode::BAD_REQUEST, title, text);
        let client_id = value("client_id").unwrap_or_default();
        let Some(client) = self.client(&client_id) else {
            return Err(page("Unknown client", format!("There is no application with the client id “{client_id}”.")));
        };
        let redirect_uri = value("redirect_uri").unwrap_or_default();
        if !client.allows_callback(&redirect_uri) {
            let text =
                format!("The redirect URI “{redirect_uri}” is not in the list of allowed callback URLs of this application.");
            return Err(Refusal::Page(StatusCode::FORBIDDEN, "Callback URL mismatch", text));
        }
        let json = |name: &str| value(name).map(|text| serde_json::from_str::<Value>(&text).unwrap_or_default());
        let (details, claims) = (json("authorization_details"), json("claims"));
        let ask = Ask {
            acr: essential_acr(claims.as_ref()).or_else(|| value("acr_values")?.split(' ').next().map(str::to_owned)),
            client_id,
            redirect_uri,
            state: value("state"),
            response_mode: value("response_mode").filter(|mode| RESPONSE_MODES.contains(&mode.as_str())),
            nonce: value("nonce"),
            scope: value("scope").unwrap_or_default(),
            audience: value("audience").or_else(|| resources(parameters)).filter(|audience| !audience.is_empty()),
            code_challenge: value("code_challenge"),
            dpop_jkt: value("dpop_jkt"),
            max_age: value("max_age").and_then(|seconds| seconds.parse().ok()),
            prompt: value("prompt"),
            login_hint: value("login_hint"),
            organization: value("organization").filter(|organization| !organization.is_empty()),
            authorization_details: details,
        };
        let refused = |code, description| Err(Refusal::Redirect(Box::new(ask.clone()), code, description));
        if repeated(parameters).is_some() {
            return refused("invalid_request", "A parameter was given more than once");
        }
        if value("response_type").as_deref() != Some("code") {
            return refused("unsupported_response_type", "The only response type is code");
        }
        if ask.response_mode != value("response_mode") {
            return refused("invalid_request", "The response mode is not supported");
        }
        if claims.is_some_and(|claims| !claims.is_object()) {
            return refused("invalid_request", "'claims' is no JSON object");
        }
        if ask.authorization_details.as_ref().is_some_and(|details| !are_authorization_details(details)) {
            return refused("invalid_authorization_details", "'authorization_details' is no array of objects with a type");
        }
        match &ask.code_challenge {
            None if !client.is_confidential() => return refused("invalid_request", "Parameter 'code_challenge' is required"),
            None => {}
            // RFC 7636, section 4.2: the base64url of a SHA-256 hash.
            Some(challenge) if challenge.len() != 43 => return refused("invalid_request", "'code_challenge' is no S256 challenge"),
            Some(_) if value("code_challenge_method").as_deref() != Some("S256") => {
                return refused("invalid_request", "'code_challenge_method' must be S256");
            }
            Some(_) => {}
        }
        Ok(ask)
    }

    fn pushed(&self, sent: Vec<(String, String)>) -> Result<Vec<(String, String)>, Refusal> {
        let Some(uri) = sent.iter().find(|(key, _)| key == "request_uri").map(|(_, value)| value) else {
            return if self.settings.requires_pushed_requests {
                let text = "Logins at this provider begin with a pushed authorization request.";
                Err(Refusal::Page(StatusCode::BAD_REQUEST, "Pushed request required", text.to_owned()))
            } else {
                self.unpacked(sent)
            };
        };
        let refused =
            || Refusal::Page(StatusCode::BAD_REQUEST, "Unknown request", "This login has ended, or never was.".to_owned());
        // RFC 9126, section 7.3: "the client should only use a request_uri value once".
        let (parameters, expires_at) = self.grants().pushed.remove(uri).ok_or_else(refused)?;
        let client = |pairs: &[(String, String)]| pairs.iter().find(|(key, _)| key == "client_id").map(|(_, value)| value.clone());
        if self.now() >= expires_at || client(&parameters) != client(&sent) {
            return Err(refused());
        }
        Ok(parameters)
    }

    fn refuse(&self, refusal: Refusal) -> Response<Bytes> {
        match refusal {
            Refusal::Page(status, title, text) => pages::notice(status, title, &text),
            Refusal::Redirect(ask, code, description) => self.send_error(&ask, code, description),
        }
    }

    pub(super) fn send_error(&self, ask: &Ask, code: &str, description: &str) -> Response<Bytes> {
        self.send_back(ask, &[("error", code), ("error_description", description)])
    }

    /// The redirect to the application. Where the answer is to be posted, it becomes a form after the faults of a test.
    pub(super) fn send_back(&self, ask: &Ask, parameters: &[(&str, &str)]) -> Response<Bytes> {
        let mode = ask.response_mode.as_deref().unwrap_or("query");
        let mut query = form_urlencoded::Serializer::new(String::new());
        if mode.ends_with("jwt") {
            query.append_pair("response", &self.signed_response(ask, parameters));
        } else {
            query.extend_pairs(parameters);
            if let Some(state) = &ask.state {
                query.append_pair("state", state);
            }
            if self.settings.sends_issuer {
                query.append_pair("iss", &self.issuer);
            }
        }
        let separator = if ask.redirect_uri.contains('?') { '&' } else { '?' };
        let mut response = answer::redirect(&format!("{}{separator}{}", ask.redirect_uri, query.finish()));
        let posted_to = mode.starts_with("form_post").then(|| ask.redirect_uri.clone());
        response.extensions_mut().insert(ToApplication { posted_to });
        response
    }

    /// To one of the provider's own pages, which goes on with this ticket.
    pub(super) fn lead_to(&self, page: &str, ticket: Ticket) -> Response<Bytes> {
        let id = unguessable();
        self.grants().tickets.insert(id.clone(), ticket);
        answer::redirect(&format!("{}{page}?state={id}", self.base))
    }

    pub(super) fn session(&self, request: &SeenRequest) -> Option<Session> {
        let id = request.cookie(&self.session_cookie())?;
        self.grants().sessions.get(id).cloned()
    }

    /// Cookies know no ports: the name keeps the sessions of two providers on loopback apart.
    pub(super) fn session_cookie(&self) -> String {
        format!("session_{}", self.base.bytes().filter(u8::is_ascii_alphanumeric).map(char::from).collect::<String>())
    }

    fn fresh_enough(&self, session: &Session, ask: &Ask) -> bool {
        let age = self.now().since(session.auth_time);
        ask.max_age.is_none_or(|allowed| age <= Duration::from_secs(u64::try_from(allowed).unwrap_or(0)))
    }

    fn has_consented(&self, person: &Session, ask: &Ask) -> bool {
        self.grants().consents.contains(&consent_to(person, ask))
    }
}

/// All of them, as one text: an access token for several APIs names each.
pub(super) fn resources(parameters: &[(String, String)]) -> Option<String> {
    let uris: Vec<_> = parameters.iter().filter(|(name, _)| name == "resource").map(|(_, uri)| uri.as_str()).collect();
    (!uris.is_empty()).then(|| uris.join(" "))
}

/// The one that is asked for first where the ID token has to name one (OpenID Connect Core 1.0, section 5.5.1.1).
fn essential_acr(claims: Option<&Value>) -> Option<String> {
    let acr = claims?.get("id_token")?.get("acr")?;
    acr.get("value").or_else(|| acr.get("values")?.get(0))?.as_str().map(str::to_owned)
}

pub(super) fn consent_to(person: &Session, ask: &Ask) -> (String, String, Option<String>, String) {
    (person.email.clone(), ask.client_id.clone(), ask.audience.clone(), ask.scope.clone())
}

/// Beside `query`, which is what a code comes by anyway; `jwt` is `query.jwt` then (JARM, section 2.3.4).
const RESPONSE_MODES: [&str; 5] = ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"];

/// RFC 6749, section 3.1: "Request and response parameters MUST NOT be included more than once." (`resource` may: RFC 8707.)
pub(super) fn repeated(parameters: &[(String, String)]) -> Option<&str> {
    let twice = |(position, (name, _)): &(usize, &(String, String))| {
        name != "resource" && parameters[..*position].iter().any(|(earlier, _)| earlier == name)
    };
    parameters.iter().enumerate().find(twice).map(|(_, (name, _))| name.as_str())
}
