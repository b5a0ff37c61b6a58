use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::authorize::{repeated, resources};
use super::client::{Dpop, TestClient};
use super::exchanges::FEDERATED;
use super::grants::{Grant, Issued};
use super::proof::Expected;
use super::seen::SeenRequest;
use super::tenant::Tenant;
use crate::crypto;
use crate::jose::base64url;

/// The result of a grant: an answer, or an error.
pub(super) type Outcome = Result<Value, (StatusCode, &'static str, &'static str)>;

impl Tenant {
    pub(super) fn token(&self, request: &SeenRequest) -> Response<Bytes> {
        // RFC 8693, section 2.1, and RFC 8707, section 2, let these two stand several times.
        let once = request.fields().into_iter().filter(|(name, _)| !matches!(&**name, "audience" | "resource"));
        if repeated(&once.collect::<Vec<_>>()).is_some() {
            return answer::error(StatusCode::BAD_REQUEST, "invalid_request", "A parameter was given more than once");
        }
        let client = match self.authenticate(request) {
            Ok(client) => client,
            Err(refusal) => return *refusal,
        };
        let expected = Expected { now: self.now(), token: None, wants_nonce: client.wants_nonce() };
        let response = match self.proofs.check(request, &expected) {
            Ok(None) if client.dpop != Dpop::Optional => {
                answer::error(StatusCode::BAD_REQUEST, "invalid_request", "A DPoP proof is required of this client")
            }
            Ok(jkt) => self.grant(client, request, jkt),
            Err(refusal) => {
                let (code, description) = refusal.words();
                answer::error(StatusCode::BAD_REQUEST, code, description)
            }
        };
        if client.wants_nonce() { self.proofs.announce_nonce(response) } else { response }
    }

    /// `jkt` is the thumbprint of the key that a proof was shown of.
    fn grant(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Response<Bytes> {
        let grant_type = request.field("grant_type");
        match grant_type.as_deref().and_then(|name| name.strip_prefix("http://auth0.com/oauth/grant-type/")) {
            Some("password-realm") => return self.password_grant(client, request, jkt),
            Some("passwordless/otp") => return self.passwordless_grant(client, request, jkt),
            Some(kind @ ("mfa-otp" | "mfa-oob" | "mfa-recovery-code")) => {
                return self.second_factor_grant(client, request, kind, jkt);
            }
            _ => {}
        }
        let outcome = match grant_type.as_deref() {
            Some("authorization_code") => self.redeem_code(client, request, jkt),
            Some("refresh_token") => self.refresh(client, request, jkt),
            Some("client_credentials") => self.client_credentials(client, request, jkt),
            Some("urn:ietf:params:oauth:grant-type:device_code") => self.redeem_device_code(client, request, jkt),
            Some("urn:openid:params:grant-type:ciba") => self.redeem_question(client, request, jkt),
            Some("urn:ietf:params:oauth:grant-type:token-exchange") => self.exchange(client, request, jkt),
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => self.redeem_assertion(client, request, jkt),
            Some(FEDERATED) => self.exchange_for_connection(client, request),
            None => Err((StatusCode::BAD_REQUEST, "invalid_request", "Missing required parameter: grant_type")),
            Some(_) => Err((StatusCode::FORBIDDEN, "unsupported_grant_type", "Unsupported grant type")),
        };
        match outcome {
            Ok(body) => answer::json(StatusCode::OK, &body),
            Err((status, code, description)) => answer::error(status, code, description),
        }
    }

    fn redeem_code(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        let value = |name: &str| request.field(name).unwrap_or_default();
        let invalid = |description| Err((StatusCode::FORBIDDEN, "invalid_grant", description));
        let (code, verifier) = (value("code"), request.field("code_verifier"));
        let (now, mut grants) = (self.now(), self.grants());
        let Some(kept) = grants.codes.get(&code).cloned() else { return invalid("Invalid authorization code") };
        if kept.ask.client_id != client.id || now >= kept.expires_at {
            return invalid("Invalid authorization code");
        }
        if let Some(family) = kept.spent {
            // RFC 6749, section 4.1.2: "SHOULD revoke (when possible) all tokens previously issued based on that authorization code"
            if let Some(family) = family {
                grants.families[family].revoked = true;
            }
            return invalid("Invalid authorization code");
        }
        if value("redirect_uri") != kept.ask.redirect_uri {
            return invalid("The redirect URI is wrong");
        }
        let verified = match (&kept.ask.code_challenge, &verifier) {
            (None, None) => true,
            // RFC 7636, section 4.1: 43 to 128 unreserved characters.
            (Some(challenge), Some(verifier)) => {
                let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                (43..=128).contains(&verifier.len())
                    && verifier.bytes().all(unreserved)
                    && base64url(&crypto::sha256(verifier.as_bytes())) == *challenge
            }
            _ => false,
        };
        if !verified {
            return invalid("Failed to verify code verifier");
        }
        // RFC 9449, section 10: only the key that the login began with redeems its code.
        if kept.ask.dpop_jkt.is_some() && kept.ask.dpop_jkt != jkt {
            return invalid("The DPoP proof is by another key than dpop_jkt named");
        }
        let grant = Grant { jkt, ..kept.grant };
        let offline = grant.scope.split(' ').any(|word| word == "offline_access");
        let family = offline.then(|| grants.begin_family(grant.clone()));
        let spent = Some(family.as_ref().map(|(family, _)| *family));
        grants.codes.get_mut(&code).expect("it was just read").spent = spent;
        drop(grants);
        let refresh_token = family.map(|(_, refresh_token)| refresh_token);
        Ok(self.respond(&grant, &kept.ask.scope, refresh_token.as_deref(), kept.ask.nonce.as_deref()))
    }

    fn refresh(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        let invalid = || Err((StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token."));
        let sent = request.field("refresh_token").unwrap_or_default();
        let (now, mut grants) = (self.now(), self.grants());
        let Some(&number) = grants.refresh_tokens.get(&sent) else { return invalid() };
        let family = &mut grants.families[number];
        if family.revoked || family.grant.client_id != client.id {
            return invalid();
        }
        if family.current != sent {
            let interval = self.settings.reuse_interval;
            let in_time = |at| !interval.is_zero() && now.since(at) <= interval;
            if !family.previous.as_ref().is_some_and(|(previous, at)| *previous == sent && in_time(*at)) {
                // Somebody holds a token that is not theirs, and nobody can know who.
                family.revoked = true;
                return invalid();
            }
        }
        // RFC 9449, section 5: "Refresh tokens issued to confidential clients […] are not bound to the DPoP proof public key".
        if !client.is_confidential() && family.grant.jkt.is_some() && family.grant.jkt != jkt {
            return invalid();
        }
        family.grant.jkt = jkt;
        let mut grant = family.grant.clone();
        let refresh_token = self.settings.rotation.then(|| grants.rotate(number, now));
        drop(grants);
        if let Some(body) = self.session_transfer(&grant, request, refresh_token.as_deref()) {
            return Ok(body);
        }
        let asked = self.narrow(&mut grant, request);
        Ok(self.respond(&grant, &asked, refresh_token.as_deref(), None))
    }

    /// Another audience and scope for the access token of a refresh. What was asked for comes back.
    fn narrow(&self, grant: &mut Grant, request: &SeenRequest) -> String {
        let filled = |name: &str| request.field(name).filter(|value| !value.is_empty());
        let (audience, scope) = (filled("audience").or_else(|| resources(&request.fields())), filled("scope"));
        let elsewhere = audience.is_some() && audience != grant.audience;
        let Some(asked) = scope else {
            grant.audience = audience.or_else(|| grant.audience.take());
            return grant.scope.clone();
        };
        let granted = self.granted(&asked);
        let had = |word: &str| grant.scope.split(' ').any(|granted| granted == word);
        // For the same API a refresh gives no more than was granted; what goes beyond it is left out silently.
        grant.scope = granted.split(' ').filter(|word| elsewhere || had(word)).collect::<Vec<_>>().join(" ");
        grant.audience = audience.or_else(|| grant.audience.take());
        asked
    }

    fn client_credentials(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        if !client.is_confidential() {
            return Err((
                StatusCode::FORBIDDEN,
                "unauthorized_client",
                "Grant type 'client_credentials' not allowed for the client.",
            ));
        }
        let Some(audience) = request.field("audience").filter(|audience| !audience.is_empty()) else {
            return Err((
                StatusCode::FORBIDDEN,
                "access_denied",
                "No audience parameter was provided, and no default audience has been configured",
            ));
        };
        let asked = request.field("scope").unwrap_or_default();
        let scope = self.granted(&asked);
        let access_token = self.issue_access_token(Issued {
            email: None,
            client_id: client.id.clone(),
            scope: scope.clone(),
            audience: Some(audience),
            issued_at: self.now(),
            expires_at: self.now().plus(self.settings.access_token_life),
            jkt: jkt.clone(),
        });
        let mut body = self.token_body(&access_token, jkt.as_deref());
        if scope != asked {
            body["scope"] = scope.into();
        }
        Ok(body)
    }

    fn redeem_device_code(&self, client: &TestClient, request: &SeenRequest, jkt: Option<String>) -> Outcome {
        let refused = |code, description| Err((StatusCode::FORBIDDEN, code, description));
        let code = request.field("device_code").unwrap_or_default();
        let (now, mut grants) = (self.now(), self.grants());
        let Some(device) = grants.devices.get_mut(&code).filter(|device| device.client_id == client.id) else {
            return refused("invalid_grant", "Invalid or expired device code.");
        };
        let asked = device.scope.clone();
        let grant = match device.verdict.settle(now >= device.expires_at) {
            Ok(grant) => Grant { jkt, ..*grant },
            Err("expired_token") => return refused("expired_token", "The device code is expired."),
            Err("access_denied") => return refused("access_denied", "The end-user denied the authorization request."),
            Err("authorization_pending") => return refused("authorization_pending", "User has yet to authorize device code."),
            Err(code) => return refused(code, "Invalid or expired device code."),
        };
        let offline = grant.scope.split(' ').any(|word| word == "offline_access");
        let refresh_token = offline.then(|| grants.begin_family(grant.clone()).1);
        drop(grants);
        Ok(self.respond(&grant, &asked, refresh_token.as_deref(), None))
    }

    pub(super) fn respond(&self, grant: &Grant, asked: &str, refresh_token: Option<&str>, nonce: Option<&str>) -> Value {
        let access_token = self.issue_access_token(Issued {
            email: Some(grant.email.clone()),
            client_id: grant.client_id.clone(),
            scope: grant.scope.clone(),
            audience: grant.audience.clone(),
            issued_at: self.now(),
            expires_at: self.now().plus(self.settings.access_token_life),
            jkt: grant.jkt.clone(),
        });
        let mut body = self.token_body(&access_token, grant.jkt.as_deref());
        if let Some(refresh_token) = refresh_token {
            body["refresh_token"] = refresh_token.into();
        }
        if let Some(details) = &grant.authorization_details {
            body["authorization_details"] = details.clone();
        }
        if grant.scope.split(' ').any(|word| word == "openid") {
            body["id_token"] = self.id_token(grant, &access_token, nonce).into();
        }
        // As Auth0: only where it is not what was asked for.
        if grant.scope != asked.split_whitespace().collect::<Vec<_>>().join(" ") {
            body["scope"] = grant.scope.clone().into();
        }
        body
    }

    pub(super) fn token_body(&self, access_token: &str, jkt: Option<&str>) -> Value {
        json!({
            "access_token": access_token,
            "token_type": if jkt.is_some() { "DPoP" } else { "Bearer" },
            "expires_in": self.settings.access_token_life.as_secs(),
        })
    }
}
