use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use url::Url;

use super::accounts::Accounts;
use super::answer;
use super::builder::Settings;
use super::client::TestClient;
use super::endpoint::Endpoint;
use super::grants::Grants;
use super::intake::Intake;
use super::keys::Keys;
use super::pages;
use super::passwordless::Messages;
use super::proof::ProofDesk;
use super::second_factor::SecondFactors;
use super::seen::SeenRequest;
use super::server::{Answer, Reply};
use super::token_draft::TokenEdits;
use super::user::TestUser;
use crate::clock::{Clock, Timestamp};

/// The provider itself: what it knows, and which of its parts answers what.
pub(super) struct Tenant {
    /// Exactly as it stands in tokens and metadata.
    pub(super) issuer: String,
    /// The same with a slash at its end: what endpoints are appended to.
    pub(super) base: String,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) keys: Keys,
    pub(super) proofs: ProofDesk,
    pub(super) id_tokens: TokenEdits,
    pub(super) responses: TokenEdits,
    pub(super) user_infos: TokenEdits,
    intakes: HashMap<Endpoint, Intake>,
    grants: Mutex<Grants>,
    accounts: Mutex<Accounts>,
    messages: Mutex<Messages>,
    second_factors: Mutex<SecondFactors>,
}

/// On an answer that leads the browser back to the application.
#[derive(Debug, Clone)]
pub(super) struct ToApplication {
    /// The redirect URI, where a form brings the answer there.
    pub(super) posted_to: Option<String>,
}

impl Tenant {
    pub(super) fn new(settings: Settings, root: &Url) -> Self {
        let base = format!("{root}{}", &settings.base_path()[1..]);
        Self {
            issuer: settings.issuer(&base),
            base,
            clock: settings.clock.clock(),
            keys: Keys::new(settings.id_token_algorithm, settings.other_keys),
            proofs: ProofDesk::new(),
            id_tokens: TokenEdits::default(),
            responses: TokenEdits::default(),
            user_infos: TokenEdits::default(),
            intakes: Endpoint::ALL.into_iter().map(|endpoint| (endpoint, Intake::new())).collect(),
            grants: Mutex::default(),
            accounts: Mutex::default(),
            messages: Mutex::default(),
            second_factors: Mutex::default(),
            settings,
        }
    }

    pub(super) fn intake(&self, endpoint: Endpoint) -> &Intake {
        self.intakes.get(&endpoint).expect("there is one for each endpoint")
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn second_factors(&self) -> MutexGuard<'_, SecondFactors> {
        self.second_factors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.base, endpoint.path())
    }

    pub(super) fn endpoint_url(&self, endpoint: Endpoint) -> Url {
        self.url(endpoint).parse().expect("an address on loopback and a known path make a URL")
    }

    pub(super) fn client(&self, id: &str) -> Option<&TestClient> {
        // The last one of an id: a test's own takes the place of one that was there.
        self.settings.clients.iter().rev().find(|client| client.id == id)
    }

    /// Every user exists.
    pub(super) fn user(&self, email: &str) -> TestUser {
        let known = self.settings.users.iter().rev().find(|user| user.is(email));
        known.cloned().unwrap_or_else(|| if email.starts_with('+') { TestUser::by_phone(email) } else { TestUser::new(email) })
    }

    /// The known user with this `sub`.
    pub(super) fn email_of(&self, subject: &str) -> Option<String> {
        let grants = self.grants();
        let named = self.settings.users.iter().map(TestUser::email);
        let here = grants.sessions.values().map(|session| &*session.email);
        let granted = grants.families.iter().map(|family| &*family.grant.email);
        let mut known = named.chain(here).chain(granted).chain(grants.issued.values().filter_map(|issued| issued.email.as_deref()));
        known.find(|email| self.user(email).subject() == subject).map(str::to_owned)
    }

    fn endpoint_of(&self, path: &str) -> Endpoint {
        let base = self.settings.base_path();
        if let Some(endpoint) = path.strip_prefix(base) {
            let endpoint = Endpoint::of_path(endpoint);
            if endpoint != Endpoint::Other {
                return endpoint;
            }
        }
        // RFC 8414, section 3.1: the well-known path stands before the issuer's own.
        let tenant = base.trim_end_matches('/');
        let inserted = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        let rest = inserted.iter().find_map(|well_known| path.strip_prefix(well_known));
        if rest.is_some_and(|rest| rest.trim_end_matches('/') == tenant) { Endpoint::Discovery } else { Endpoint::Other }
    }

    fn work(&self, endpoint: Endpoint, request: &SeenRequest) -> Response<Bytes> {
        let posted = request.method() == Method::POST;
        match endpoint {
            Endpoint::Discovery => self.discovery(),
            Endpoint::Jwks => answer::json(StatusCode::OK, &self.keys.document()),
            Endpoint::Authorize => self.authorize(request),
            Endpoint::Login => self.login(request),
            Endpoint::UserInfo => self.user_info(request),
            Endpoint::Activate => self.activate(request),
            Endpoint::Logout => self.logout(request),
            Endpoint::Token if posted => self.token(request),
            Endpoint::Revoke if posted => self.revoke(request),
            Endpoint::Introspect if posted => self.introspect(request),
            Endpoint::Par if posted => self.push(request),
            Endpoint::DeviceCode if posted => self.device_code(request),
            Endpoint::Ciba if posted => self.ask_person(request),
            Endpoint::Register if posted => self.register(request),
            Endpoint::SignUp if posted => self.sign_up(request),
            Endpoint::ChangePassword if posted => self.change_password(request),
            Endpoint::PasswordlessStart if posted => self.start_passwordless(request),
            Endpoint::MfaAuthenticators if !posted => self.authenticators(request),
            Endpoint::MfaAssociate if posted => self.associate(request),
            Endpoint::MfaChallenge if posted => self.challenge(request),
            Endpoint::Token | Endpoint::Revoke | Endpoint::Introspect | Endpoint::Par | Endpoint::DeviceCode | Endpoint::Ciba => {
                answer::empty(StatusCode::METHOD_NOT_ALLOWED)
            }
            Endpoint::Register
            | Endpoint::SignUp
            | Endpoint::ChangePassword
            | Endpoint::PasswordlessStart
            | Endpoint::MfaAuthenticators
            | Endpoint::MfaAssociate
            | Endpoint::MfaChallenge => answer::empty(StatusCode::METHOD_NOT_ALLOWED),
            Endpoint::Callback | Endpoint::Other => {
                answer::error(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
            }
        }
    }
}

impl Answer for Tenant {
    async fn answer(self: Arc<Self>, request: SeenRequest) -> Reply {
        let endpoint = self.endpoint_of(request.path());
        let intake = self.intake(endpoint);
        let reply = intake.answer(&request, &self.clock, |request| self.work(endpoint, request)).await;
        let Reply::Http(response) = reply else { return reply };
        let Some(ToApplication { posted_to }) = response.extensions().get().cloned() else { return Reply::Http(response) };
        let reply = self.intake(Endpoint::Callback).answer(&request, &self.clock, |_| response).await;
        match (reply, posted_to) {
            (Reply::Http(response), Some(action)) => Reply::Http(pages::posting(&action, response)),
            (reply, _) => reply,
        }
    }
}
