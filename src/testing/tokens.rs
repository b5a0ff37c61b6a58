use std::time::Duration;

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::grants::{Ask, Grant, Issued, unguessable};
use super::tenant::Tenant;
use super::token_draft::{TokenDraft, TokenEdits};
use crate::crypto::Algorithm;
use crate::jose::{self, Header};
use crate::provider::Claims;

impl Tenant {
    /// A JWT for an API (RFC 9068), or something opaque where none was named.
    pub(super) fn issue_access_token(&self, issued: Issued) -> String {
        let token = match &issued.audience {
            None => unguessable(),
            Some(audience) => self.access_token_jwt(&issued, audience),
        };
        self.grants().issued.insert(token.clone(), issued);
        token
    }

    fn access_token_jwt(&self, issued: &Issued, audience: &str) -> String {
        let subject = match &issued.email {
            Some(email) => self.user(email).subject().to_owned(),
            None => format!("{}@clients", issued.client_id),
        };
        let for_userinfo = issued.scope.split(' ').any(|word| word == "openid");
        let user_info = for_userinfo.then(|| self.url(Endpoint::UserInfo));
        let audiences: Vec<_> = audience.split(' ').chain(user_info.as_deref()).collect();
        let audience = if let [only] = audiences.as_slice() { json!(only) } else { json!(audiences) };
        let mut claims = json!({
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "iat": issued.issued_at.unix_seconds(),
            "exp": issued.expires_at.unix_seconds(),
            "jti": unguessable(),
            "client_id": issued.client_id,
            "azp": issued.client_id,
            "scope": issued.scope,
        });
        if let Some(jkt) = &issued.jkt {
            // RFC 9449, section 6.1.
            claims["cnf"] = json!({ "jkt": jkt });
        }
        let key = self.keys.signing(Algorithm::Rs256);
        let header = Header { typ: "at+jwt", kid: Some(&key.id), ..Header::default() };
        jose::sign(&key.key, key.algorithm, &header, &claims).expect("the provider's own keys sign")
    }

    /// An answer to a login as a JWT (JARM, section 2.1); altered where a test wants it.
    pub(super) fn signed_response(&self, ask: &Ask, parameters: &[(&str, &str)]) -> String {
        let mut claims: Map<String, Value> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", self.issuer.clone().into());
        set("aud", ask.client_id.clone().into());
        set("exp", self.now().plus(RESPONSE_LIFE).unix_seconds().into());
        if let Some(state) = &ask.state {
            set("state", state.clone().into());
        }
        self.sign(claims, &ask.client_id, "", &self.responses)
    }

    /// OpenID Connect Core 1.0, section 2; altered where a test wants it.
    pub(super) fn id_token(&self, grant: &Grant, access_token: &str, nonce: Option<&str>) -> String {
        let now = self.now();
        let mut claims = self.user(&grant.email).claims_for(&grant.scope);
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", self.issuer.clone().into());
        set("aud", grant.client_id.clone().into());
        set("iat", now.unix_seconds().into());
        set("exp", now.plus(ID_TOKEN_LIFE).unix_seconds().into());
        set("sid", grant.session.clone().into());
        if let Some(nonce) = nonce {
            set("nonce", nonce.into());
        }
        if grant.tell_auth_time {
            set("auth_time", grant.auth_time.unix_seconds().into());
        }
        if let Some(acr) = &grant.acr {
            set("acr", acr.clone().into());
        }
        if let Some(organization) = &grant.organization {
            name_organization(&mut claims, organization);
        }
        self.sign(claims, &grant.client_id, access_token, &self.id_tokens)
    }

    /// OpenID Connect Back-Channel Logout 1.0, section 2.4.
    pub(super) fn logout_token(&self, of: &Claims, alter: impl FnOnce(&mut TokenDraft)) -> String {
        let now = self.now();
        let (audience, session): (Option<String>, Option<String>) = (of.get("aud"), of.get("sid"));
        let claims = json!({
            "iss": self.issuer,
            "aud": audience,
            "sub": of.subject(),
            "sid": session,
            "iat": now.unix_seconds(),
            "exp": now.plus(LOGOUT_TOKEN_LIFE).unix_seconds(),
            "jti": unguessable(),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        let Value::Object(claims) = claims else { unreachable!("it is written as an object") };
        let secret = audience.and_then(|id| self.client(&id)?.secret.as_deref());
        let mut draft = TokenDraft::new(claims, self.settings.id_token_algorithm, secret, "");
        draft.set_header("typ", "logout+jwt");
        alter(&mut draft);
        draft.finish(&self.keys)
    }

    /// As ID tokens are signed.
    pub(super) fn sign(&self, claims: Map<String, Value>, client_id: &str, access_token: &str, edits: &TokenEdits) -> String {
        let secret = self.client(client_id).and_then(|client| client.secret.as_deref());
        let mut draft = TokenDraft::new(claims, self.settings.id_token_algorithm, secret, access_token);
        if let Some(alter) = edits.take() {
            alter(&mut draft);
        }
        draft.finish(&self.keys)
    }
}

/// An organization is asked for by its id or its name; the name is told in lower case.
fn name_organization(claims: &mut Map<String, Value>, organization: &str) {
    if organization.starts_with("org_") {
        claims.insert("org_id".to_owned(), organization.into());
    } else {
        let name = organization.to_lowercase();
        claims.insert("org_id".to_owned(), format!("org_{name}").into());
        claims.insert("org_name".to_owned(), name.into());
    }
}

/// JARM, section 2.1: "A maximum JWT lifetime of 10 minutes is RECOMMENDED."
const RESPONSE_LIFE: Duration = Duration::from_secs(600);
/// "preferably at most two minutes in the future"
const LOGOUT_TOKEN_LIFE: Duration = Duration::from_secs(120);
const ID_TOKEN_LIFE: Duration = Duration::from_secs(36_000);
