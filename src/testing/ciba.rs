use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::client::TestClient;
use super::grants::{Grant, Question, Verdict, unguessable};
use super::provider::TestProvider;
use super::seen::SeenRequest;
use super::tenant::Tenant;
use super::token_endpoint::Outcome;

impl TestProvider {
    /// The person whom a request of CIBA's is about agrees.
    ///
    /// # Panics
    /// When no such request waits.
    pub fn approve_ciba(&self, auth_req_id: &str) {
        self.answer(auth_req_id, |question| Verdict::Approved(question.grant.clone()));
    }

    /// They refuse.
    ///
    /// # Panics
    /// When no such request waits.
    pub fn deny_ciba(&self, auth_req_id: &str) {
        self.answer(auth_req_id, |_| Verdict::Denied);
    }

    fn answer(&self, auth_req_id: &str, verdict: impl FnOnce(&Question) -> Verdict) {
        let mut grants = self.tenant().grants();
        let waiting = grants.questions.get_mut(auth_req_id).filter(|question| matches!(question.verdict, Verdict::Pending));
        let question = waiting.expect("the test names a request that waits");
        question.verdict = verdict(question);
    }
}

impl Tenant {
    /// CIBA Core 1.0, section 7.1.
    pub(super) fn ask_person(&self, request: &SeenRequest) -> Response<Bytes> {
        let client = match self.authenticate(request) {
            Ok(client) => client,
            Err(refusal) => return *refusal,
        };
        let refused = |code, description| answer::error(StatusCode::BAD_REQUEST, code, description);
        if !client.is_confidential() {
            return refused("unauthorized_client", "Only confidential clients may ask people");
        }
        let scope = request.field("scope").unwrap_or_default();
        if !scope.split(' ').any(|word| word == "openid") {
            return refused("invalid_scope", "The scope has to hold openid");
        }
        // "It is RECOMMENDED that … exactly one of the hints" is present; more or fewer are an invalid_request.
        let hints = ["login_hint", "login_hint_token", "id_token_hint"];
        let given: Vec<_> = hints.into_iter().filter_map(|name| Some((name, request.field(name)?))).collect();
        let [(name, hint)] = &given[..] else { return refused("invalid_request", "Exactly one hint is needed") };
        let Some(email) = self.hinted(name, hint) else {
            return refused("unknown_user_id", "The hint names nobody");
        };
        let life = request.field("requested_expiry").and_then(|seconds| seconds.parse().ok());
        let life = Duration::from_secs(life.filter(|seconds| (1..=300).contains(seconds)).unwrap_or(LIFE));
        let id = unguessable();
        let question = Question {
            client_id: client.id.clone(),
            scope,
            grant: Box::new(self.granted_to(client, email, request)),
            expires_at: self.now().plus(life),
            verdict: Verdict::Pending,
        };
        self.grants().questions.insert(id.clone(), question);
        let interval = self.settings.device_interval.as_secs();
        answer::json(StatusCode::OK, &json!({ "auth_req_id": id, "expires_in": life.as_secs(), "interval": interval }))
    }

    /// Section 10.1.
    pub(super) fn redeem_question(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        let id = request.field("auth_req_id").unwrap_or_default();
        let (now, mut grants) = (self.now(), self.grants());
        let unknown = Err((StatusCode::BAD_REQUEST, "invalid_grant", "Unknown or used auth_req_id"));
        let Some(question) = grants.questions.get_mut(&id).filter(|question| question.client_id == client.id) else {
            return unknown;
        };
        let asked = question.scope.clone();
        let grant = match question.verdict.settle(now >= question.expires_at) {
            Ok(grant) => Grant { jkt, ..*grant },
            Err("invalid_grant") => return unknown,
            Err(code) => return Err((StatusCode::BAD_REQUEST, code, "The person has not agreed")),
        };
        let offline = grant.scope.split(' ').any(|word| word == "offline_access");
        let refresh_token = offline.then(|| grants.begin_family(grant.clone()).1);
        drop(grants);
        Ok(self.respond(&grant, &asked, refresh_token.as_deref(), None))
    }

    /// The email address that a hint names.
    fn hinted(&self, name: &str, hint: &str) -> Option<String> {
        match name {
            "id_token_hint" => self.email_of(self.signed_claims(hint)?.get("sub")?.as_str()?),
            "login_hint" => match serde_json::from_str::<Value>(hint) {
                // As Auth0 has it.
                Ok(hint) if hint.is_object() => {
                    let own = hint.get("iss")?.as_str()? == self.issuer && hint.get("format")?.as_str()? == "iss_sub";
                    self.email_of(hint.get("sub")?.as_str()?).filter(|_| own)
                }
                _ => hint.contains('@').then(|| hint.to_owned()),
            },
            _ => None,
        }
    }
}

/// In seconds.
const LIFE: u64 = 120;
