use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, Response, StatusCode};
use url::Url;

use super::answer;
use super::pages;
use super::seen::SeenRequest;
use super::tenant::Tenant;

impl Tenant {
    /// `/v2/logout` (Auth0's own) and `/oidc/logout` (OpenID Connect RP-Initiated Logout 1.0). Refresh tokens stay good.
    pub(super) fn logout(&self, request: &SeenRequest) -> Response<Bytes> {
        let sent = if request.method() == Method::POST { request.fields() } else { request.parameters() };
        let value = |name: &str| sent.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let standard = request.path().ends_with("oidc/logout");
        let hint = match value("id_token_hint").filter(|_| standard) {
            Some(hint) => match self.signed_claims(&hint) {
                Some(claims) => Some(claims),
                None => return refused("The ID token hint is none of this provider."),
            },
            None => None,
        };
        let claim = |name: &str| hint.as_ref().and_then(|claims| claims.get(name)).and_then(|claim| claim.as_str());
        let client_id = value("client_id").or_else(|| claim("aud").map(ToOwned::to_owned));
        if value("client_id").is_some() && claim("aud").is_some_and(|audience| value("client_id").as_deref() != Some(audience)) {
            return refused("The ID token hint is another application's.");
        }
        let client = client_id.and_then(|id| self.client(&id));
        let destination = value(if standard { "post_logout_redirect_uri" } else { "returnTo" });
        let mut response = match destination {
            None => pages::notice(StatusCode::OK, "Logged out", "You may close this window."),
            Some(url) if client.is_some_and(|client| client.allows_logout(&url)) => {
                let Ok(mut url) = Url::parse(&url) else { return refused("The return URL is none.") };
                if let Some(state) = value("state").filter(|_| standard) {
                    url.query_pairs_mut().append_pair("state", &state);
                }
                answer::redirect(url.as_str())
            }
            Some(_) => return refused("The return URL is not in the list of allowed logout URLs of this application."),
        };
        let session = self.session(request).map(|session| session.id).or_else(|| claim("sid").map(ToOwned::to_owned));
        if let Some(session) = session {
            self.grants().sessions.remove(&session);
        }
        let cookie = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", self.session_cookie());
        response.headers_mut().insert(SET_COOKIE, HeaderValue::try_from(cookie).expect("the cookie's name is ASCII"));
        response
    }
}

fn refused(text: &str) -> Response<Bytes> {
    pages::notice(StatusCode::BAD_REQUEST, "Logout not possible", text)
}
