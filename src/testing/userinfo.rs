use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::answer;
use super::proof::{Expected, ProofRefused};
use super::seen::{SeenRequest, Shown};
use super::tenant::Tenant;

impl Tenant {
    /// OpenID Connect Core 1.0, section 5.3.
    pub(super) fn user_info(&self, request: &SeenRequest) -> Response<Bytes> {
        let now = self.now();
        let shown = request.access_token();
        let found = shown.and_then(|(token, shown)| Some((token, shown, self.grants().issued.get(token).cloned()?)));
        let Some((token, shown, issued)) = found.filter(|(_, _, issued)| now < issued.expires_at) else {
            return challenge(StatusCode::UNAUTHORIZED, "Bearer", "invalid_token", "The access token is unknown or has expired");
        };
        let wants_nonce = self.client(&issued.client_id).is_some_and(|client| client.wants_nonce());
        let respond = |response| if wants_nonce { self.proofs.announce_nonce(response) } else { response };
        let proof = self.proofs.check(request, &Expected { now, token: Some(token), wants_nonce });
        if let Err(refusal) = bound(shown, issued.jkt.as_deref(), proof) {
            let (code, description) = refusal.words();
            return respond(challenge(StatusCode::UNAUTHORIZED, "DPoP", code, description));
        }
        let allowed = issued.scope.split(' ').any(|word| word == "openid");
        let Some(email) = issued.email.filter(|_| allowed) else {
            return challenge(StatusCode::FORBIDDEN, "Bearer", "insufficient_scope", "The access token lacks the scope openid");
        };
        let mut claims = self.user(&email).claims_for(&issued.scope);
        if !self.settings.signed_user_info {
            return respond(answer::json(StatusCode::OK, &Value::Object(claims)));
        }
        claims.insert("iss".to_owned(), self.issuer.clone().into());
        claims.insert("aud".to_owned(), issued.client_id.clone().into());
        respond(answer::jwt(self.sign(claims, &issued.client_id, "", &self.user_infos)))
    }
}

/// Why a token was not shown as it has to be.
pub(super) enum Unbound {
    Proof(ProofRefused),
    /// RFC 9449, section 7.2: a token that is bound to a key, and was shown without it; or the other way round.
    Token(&'static str),
}

/// Returns whether a token was presented by its type, and with the key that it is bound to.
pub(super) fn bound(shown: Shown, jkt: Option<&str>, proof: Result<Option<String>, ProofRefused>) -> Result<(), Unbound> {
    match (shown, jkt) {
        (Shown::AsBearer, None) => Ok(()),
        (Shown::AsBearer, Some(_)) => Err(Unbound::Token("The access token is bound to a key and was shown as a bearer token")),
        (Shown::WithProof, None) => Err(Unbound::Token("The access token is bound to no key")),
        (Shown::WithProof, Some(jkt)) => match proof.map_err(Unbound::Proof)? {
            None => Err(Unbound::Proof(ProofRefused::Invalid("there is none"))),
            Some(own) if own != jkt => Err(Unbound::Token("The access token is bound to another key")),
            Some(_) => Ok(()),
        },
    }
}

impl Unbound {
    pub(super) fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Proof(refusal) => refusal.words(),
            Self::Token(why) => ("invalid_token", why),
        }
    }
}

/// RFC 6750, section 3; RFC 9449, section 7.1.
fn challenge(status: StatusCode, scheme: &str, code: &str, description: &str) -> Response<Bytes> {
    let mut response = answer::error(status, code, description);
    let challenge = format!(r#"{scheme} error="{code}", error_description="{description}""#);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::try_from(challenge).expect("the words above are ASCII"));
    response
}
