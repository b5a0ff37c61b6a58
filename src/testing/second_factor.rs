use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::accounts::FirstFactor;
use super::answer;
use super::client::TestClient;
use super::grants::unguessable;
use super::provider::TestProvider;
use super::seen::SeenRequest;
use super::tenant::Tenant;
use crate::clock::Timestamp;
use crate::crypto;

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Factor {
    Otp,
    /// By text message or by voice, to this number.
    Phone(&'static str, String),
    /// To this address.
    Email(String),
    Push,
}

#[derive(Debug, Default)]
pub(super) struct SecondFactors {
    people: HashMap<String, Person>,
    /// By `mfa_token`.
    logins: HashMap<String, Login>,
    /// By `oob_code`.
    challenges: HashMap<String, Challenge>,
}

#[derive(Debug, Default)]
struct Person {
    factors: Vec<Kept>,
    recovery_code: Option<String>,
}

#[derive(Debug, Clone)]
struct Kept {
    id: String,
    factor: Factor,
    /// Of an app that shows codes.
    secret: String,
    active: bool,
}

#[derive(Debug)]
struct Login {
    first: FirstFactor,
    expires_at: Timestamp,
}

#[derive(Debug)]
struct Challenge {
    email: String,
    factor_id: String,
    binding_code: Option<String>,
    approved: Option<bool>,
}

impl TestProvider {
    /// The code in this person's app for one-time codes. It does not change with the time.
    #[must_use]
    pub fn otp(&self, email: &str) -> Option<String> {
        let mut factors = self.tenant().second_factors();
        let person = factors.person(&self.tenant().user(email).factors, email);
        person.factors.iter().find(|kept| kept.factor == Factor::Otp).map(|kept| digits(&kept.secret))
    }

    /// This person's recovery code, once they have one.
    #[must_use]
    pub fn recovery_code(&self, email: &str) -> Option<String> {
        self.tenant().second_factors().people.get(email)?.recovery_code.clone()
    }

    /// The person says yes to all questions on their telephone.
    pub fn approve_push(&self, email: &str) {
        self.tenant().second_factors().answer_pushes(email, true);
    }

    /// The person says no to all questions on their telephone.
    pub fn refuse_push(&self, email: &str) {
        self.tenant().second_factors().answer_pushes(email, false);
    }
}

impl SecondFactors {
    /// With the factors that a test gave them, at first.
    fn person(&mut self, given: &[Factor], email: &str) -> &mut Person {
        self.people.entry(email.to_owned()).or_insert_with(|| Person {
            factors: given.iter().map(|factor| Kept::new(factor.clone(), true)).collect(),
            recovery_code: (!given.is_empty()).then(base32),
        })
    }

    fn answer_pushes(&mut self, email: &str, approved: bool) {
        let of_person = |challenge: &&mut Challenge| challenge.email == email && challenge.binding_code.is_none();
        self.challenges.values_mut().filter(of_person).for_each(|challenge| challenge.approved = Some(approved));
    }
}

impl Tenant {
    /// Tokens, or the question for another factor.
    pub(super) fn after_first_factor(&self, first: FirstFactor, jkt: Option<String>) -> Response<Bytes> {
        let email = first.grant.email.clone();
        let user = self.user(&email);
        let mut factors = self.second_factors();
        let active: Vec<Value> = factors
            .person(&user.factors, &email)
            .factors
            .iter()
            .filter(|kept| kept.active)
            .map(|kept| json!({ "type": kept.factor.kind() }))
            .collect();
        if active.is_empty() && !self.settings.mfa {
            drop(factors);
            return answer::json(StatusCode::OK, &self.tokens_for(first, jkt));
        }
        let requirements = if active.is_empty() {
            json!({ "enroll": KINDS.map(|kind| json!({ "type": kind })) })
        } else {
            json!({ "challenge": active })
        };
        let mfa_token = unguessable();
        factors.logins.insert(mfa_token.clone(), Login { first, expires_at: self.now().plus(LIFE) });
        let body = json!({
            "error": "mfa_required",
            "error_description": "Multifactor authentication required",
            "mfa_token": mfa_token,
            "mfa_requirements": requirements,
        });
        answer::json(StatusCode::FORBIDDEN, &body)
    }

    pub(super) fn authenticators(&self, request: &SeenRequest) -> Response<Bytes> {
        let mut factors = self.second_factors();
        let email = match self.bearer_of(&factors, request) {
            Ok(email) => email,
            Err(refusal) => return *refusal,
        };
        let person = factors.person(&self.user(&email).factors, &email);
        if request.method() == Method::DELETE {
            let id = request.path().rsplit('/').next().unwrap_or_default().replace("%7C", "|");
            person.factors.retain(|kept| kept.id != id);
            return answer::empty(StatusCode::NO_CONTENT);
        }
        let mut list: Vec<Value> = person.factors.iter().map(Kept::listed).collect();
        if person.recovery_code.is_some() {
            list.push(json!({ "id": "recovery-code|dev_1", "authenticator_type": "recovery-code", "active": true }));
        }
        answer::json(StatusCode::OK, &list.into())
    }

    pub(super) fn associate(&self, request: &SeenRequest) -> Response<Bytes> {
        if let Err(refusal) = self.authenticate(&request.without_authorization()) {
            return *refusal;
        }
        let mut factors = self.second_factors();
        let email = match self.bearer_of(&factors, request) {
            Ok(email) => email,
            Err(refusal) => return *refusal,
        };
        let person = factors.person(&self.user(&email).factors, &email);
        if person.factors.iter().any(|kept| kept.active) {
            return answer::error(StatusCode::FORBIDDEN, "access_denied", "User is already enrolled.");
        }
        let Some(factor) = asked_factor(request, &email) else {
            return answer::error(StatusCode::BAD_REQUEST, "invalid_request", "The authenticator cannot be associated");
        };
        let kept = Kept::new(factor, false);
        // The one before was never completed.
        person.factors = vec![kept.clone()];
        let mut body = json!({ "authenticator_type": kept.authenticator_type(), "id": kept.id });
        if person.recovery_code.is_none() {
            let code = base32();
            body["recovery_codes"] = json!([code]);
            person.recovery_code = Some(code);
        }
        if matches!(kept.factor, Factor::Otp | Factor::Push) {
            body["secret"] = kept.secret.clone().into();
            body["barcode_uri"] = format!("otpauth://totp/test:{email}?secret={}&issuer=test", kept.secret).into();
        }
        if kept.factor != Factor::Otp {
            self.challenge_by(&mut factors, &email, &kept, &mut body);
        }
        answer::json(StatusCode::OK, &body)
    }

    pub(super) fn challenge(&self, request: &SeenRequest) -> Response<Bytes> {
        if let Err(refusal) = self.authenticate(request) {
            return *refusal;
        }
        let mut factors = self.second_factors();
        let token = request.field("mfa_token").unwrap_or_default();
        let email = match self.login_of(&factors, &token) {
            Ok(login) => login.first.grant.email.clone(),
            Err(refusal) => return *refusal,
        };
        let person = factors.person(&self.user(&email).factors, &email);
        let mut active = person.factors.iter().filter(|kept| kept.active).peekable();
        if active.peek().is_none() {
            return answer::error(StatusCode::FORBIDDEN, "association_required", "User is not enrolled with any authenticator");
        }
        let (id, kinds) = (request.field("authenticator_id"), request.field("challenge_type").unwrap_or_default());
        let asked = |kept: &&Kept| {
            id.as_ref().is_none_or(|id| *id == kept.id) && kinds.split(' ').any(|kind| kind == kept.authenticator_type())
        };
        let Some(kept) = active.find(asked).cloned() else {
            let description = "User does not have any of the requested authenticators";
            return answer::error(StatusCode::FORBIDDEN, "unsupported_challenge_type", description);
        };
        let mut body = json!({ "challenge_type": kept.authenticator_type() });
        if kept.factor != Factor::Otp {
            self.challenge_by(&mut factors, &email, &kept, &mut body);
        }
        answer::json(StatusCode::OK, &body)
    }

    fn challenge_by(&self, factors: &mut SecondFactors, email: &str, kept: &Kept, body: &mut Value) {
        let binding_code = kept.factor.address().map(|address| self.messages().send_code(address));
        if binding_code.is_some() {
            body["binding_method"] = "prompt".into();
        }
        let oob_code = unguessable();
        body["oob_code"] = oob_code.clone().into();
        body["oob_channel"] = kept.factor.channel().into();
        let challenge = Challenge { email: email.to_owned(), factor_id: kept.id.clone(), binding_code, approved: None };
        factors.challenges.insert(oob_code, challenge);
    }

    /// `http://auth0.com/oauth/grant-type/mfa-otp`, `mfa-oob` and `mfa-recovery-code`
    pub(super) fn second_factor_grant(
        &self,
        client: &TestClient,
        request: &SeenRequest,
        kind: &str,
        jkt: Option<String>,
    ) -> Response<Bytes> {
        let value = |name: &str| request.field(name).unwrap_or_default();
        let token = value("mfa_token");
        let mut factors = self.second_factors();
        let email = match self.login_of(&factors, &token) {
            Ok(login) if login.first.grant.client_id == client.id => login.first.grant.email.clone(),
            Ok(_) => return invalid_grant("Malformed mfa_token"),
            Err(refusal) => return *refusal,
        };
        let given = self.user(&email).factors;
        let mut next_recovery_code = None;
        match kind {
            "mfa-otp" => {
                let (person, code) = (factors.person(&given, &email), value("otp"));
                let right = |kept: &&mut Kept| kept.factor == Factor::Otp && digits(&kept.secret) == code;
                let Some(kept) = person.factors.iter_mut().find(right) else { return invalid_grant("Invalid otp_code.") };
                kept.active = true;
            }
            "mfa-recovery-code" => {
                let person = factors.person(&given, &email);
                if person.recovery_code.as_deref() != Some(&*value("recovery_code")) {
                    return invalid_grant("MFA Authorization rejected.");
                }
                person.recovery_code = Some(base32());
                next_recovery_code.clone_from(&person.recovery_code);
            }
            _ => {
                let oob_code = value("oob_code");
                let challenge = factors.challenges.get(&oob_code).filter(|challenge| challenge.email == email);
                let Some(challenge) = challenge else { return invalid_grant("Malformed oob_code") };
                match (&challenge.binding_code, challenge.approved) {
                    (Some(right), _) if *right != value("binding_code") => return invalid_grant("Invalid binding_code."),
                    (Some(_), _) | (None, Some(true)) => {}
                    (None, Some(false)) => {
                        return answer::error(StatusCode::BAD_REQUEST, "access_denied", "MFA Authorization rejected.");
                    }
                    (None, None) => {
                        let description = "Authorization is pending: verification is not yet complete";
                        return answer::error(StatusCode::BAD_REQUEST, "authorization_pending", description);
                    }
                }
                let id = factors.challenges.remove(&oob_code).map(|challenge| challenge.factor_id).unwrap_or_default();
                let person = factors.person(&given, &email);
                person.factors.iter_mut().filter(|kept| kept.id == id).for_each(|kept| kept.active = true);
            }
        }
        let login = factors.logins.remove(&token).expect("it was just read");
        drop(factors);
        let mut body = self.tokens_for(login.first, jkt);
        if let Some(code) = next_recovery_code {
            body["recovery_code"] = code.into();
        }
        answer::json(StatusCode::OK, &body)
    }

    fn bearer_of(&self, factors: &SecondFactors, request: &SeenRequest) -> Result<String, Box<Response<Bytes>>> {
        let login = self.login_of(factors, request.bearer().unwrap_or_default())?;
        Ok(login.first.grant.email.clone())
    }

    fn login_of<'a>(&self, factors: &'a SecondFactors, mfa_token: &str) -> Result<&'a Login, Box<Response<Bytes>>> {
        let login = factors.logins.get(mfa_token).ok_or_else(|| Box::new(invalid_grant("Malformed mfa_token")))?;
        if login.expires_at <= self.now() {
            return Err(Box::new(answer::error(StatusCode::UNAUTHORIZED, "expired_token", "mfa_token is expired")));
        }
        Ok(login)
    }
}

impl Factor {
    /// Its name in an error's `mfa_requirements`.
    fn kind(&self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Phone(..) => "phone",
            Self::Email(_) => "email",
            Self::Push => "push-notification",
        }
    }

    fn channel(&self) -> Option<&'static str> {
        match self {
            Self::Otp => None,
            Self::Phone(channel, _) => Some(channel),
            Self::Email(_) => Some("email"),
            Self::Push => Some("auth0"),
        }
    }

    /// The address that a code is sent to.
    fn address(&self) -> Option<&str> {
        match self {
            Self::Phone(_, address) | Self::Email(address) => Some(address),
            Self::Otp | Self::Push => None,
        }
    }
}

impl Kept {
    fn new(factor: Factor, active: bool) -> Self {
        let id = format!("{}|dev_{}", factor.channel().unwrap_or("totp"), &unguessable()[..16]);
        Self { id, factor, secret: base32(), active }
    }

    fn authenticator_type(&self) -> &'static str {
        if self.factor == Factor::Otp { "otp" } else { "oob" }
    }

    fn listed(&self) -> Value {
        let mut listed = json!({ "id": self.id, "authenticator_type": self.authenticator_type(), "active": self.active });
        if let Some(channel) = self.factor.channel() {
            listed["oob_channel"] = channel.into();
        }
        if let Some(address) = self.factor.address() {
            let shown = address.len().saturating_sub(4);
            listed["name"] = format!("XXXXXXXX{}", address.get(shown..).unwrap_or_default()).into();
        }
        listed
    }
}

fn asked_factor(request: &SeenRequest, email: &str) -> Option<Factor> {
    let body: Value = serde_json::from_slice(request.body()).ok()?;
    let first = |list: &str| body.get(list)?.as_array()?.first()?.as_str();
    let phone = || request.field("phone_number").filter(|number| number.starts_with('+'));
    match (first("authenticator_types")?, first("oob_channels")) {
        ("otp", None) => Some(Factor::Otp),
        ("oob", Some("sms")) => Some(Factor::Phone("sms", phone()?)),
        ("oob", Some("voice")) => Some(Factor::Phone("voice", phone()?)),
        ("oob", Some("email")) => Some(Factor::Email(request.field("email").unwrap_or_else(|| email.to_owned()))),
        ("oob", Some("auth0")) => Some(Factor::Push),
        _ => None,
    }
}

fn invalid_grant(description: &str) -> Response<Bytes> {
    answer::error(StatusCode::FORBIDDEN, "invalid_grant", description)
}

/// 24 characters of base32: as recovery codes are, and the secrets of apps.
fn base32() -> String {
    let mut bytes = [0; 24];
    crypto::random(&mut bytes).expect("the operating system gives random bytes");
    bytes.into_iter().map(|byte| char::from(BASE32[usize::from(byte) % BASE32.len()])).collect()
}

/// The code that an app with this secret shows.
fn digits(secret: &str) -> String {
    let hash = crypto::sha256(secret.as_bytes());
    format!("{:06}", u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % 1_000_000)
}

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const KINDS: [&str; 4] = ["otp", "phone", "email", "push-notification"];
const LIFE: Duration = Duration::from_secs(600);
