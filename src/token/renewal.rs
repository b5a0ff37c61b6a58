use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, GrantFate, Result, ServerError};
use crate::form::Form;
use crate::jose::base64url_decode;
use crate::json::{self, Text};
use crate::provider::{Flow, IdToken, Metadata};
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::spans::Span;
use crate::token::response::{TokenResponse, refresh_token_of};
use crate::token::{credentials, post_by, verify_id_token};
use crate::transport;

/// The result of a refresh. Save it before waiting for anything else, such as the keys for its ID token.
pub(crate) struct Renewed {
    /// With the new tokens, and the ID token of before.
    pub(crate) credentials: Credentials,
    metadata: Arc<Metadata>,
    unverified: Option<Secret>,
}

/// For which API, and with which part of what was granted; neither to have the same as before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    pub(crate) audience: Option<&'a str>,
    pub(crate) scope: Option<&'a str>,
}

impl Application {
    /// New credentials for a refresh token (RFC 6749, section 6). Keep what comes back at once: the refresh token may be
    /// spent now, and the credentials hold its successor. An ID token that came along and is bad is dropped:
    /// [`Credentials::id_token_refusal`] says why. A refresh token that is bound to a key takes the application's
    /// [`dpop`](Self::dpop) key, which has to be that one.
    ///
    /// # Errors
    /// `LoginRequired` when the refresh token is dead, or the new ID token names another person; `Ambiguous` when the answer was
    /// lost; `InvalidResponse` when it is refused, with the new refresh token in [`Error::refresh_token`]; `Server`, `Network`,
    /// `TimedOut`, `Discovery`.
    ///
    /// # Cancel safety
    /// Not to be dropped: the refresh token may be spent and its successor lost.
    pub async fn renew(&self, refresh_token: &Secret) -> Result<Credentials> {
        self.renew_as(refresh_token, None).await
    }

    /// New credentials for old ones, by their refresh token: the same person, the same scope. A renewal that brings no
    /// ID token, or a bad one, keeps the old; one that brings no refresh token keeps that too.
    ///
    /// # Errors
    /// As [`renew`](Self::renew); `LoginRequired` also when there is no refresh token; `Configuration` when the credentials
    /// are another issuer's or application's. In both cases nothing is sent.
    ///
    /// # Cancel safety
    /// As [`renew`](Self::renew).
    pub async fn renew_credentials(&self, old: &Credentials) -> Result<Credentials> {
        let refresh_token = old.refresh_token().ok_or_else(no_refresh_token)?;
        self.renew_as(refresh_token, Some(old)).await
    }

    async fn renew_as(&self, refresh_token: &Secret, old: Option<&Credentials>) -> Result<Credentials> {
        let redeem = self.redeem_refresh_token(transport::deadline(), refresh_token, old, Target::default());
        Span::renewal(self.client_id()).watch(async { Ok(self.verify_renewed(redeem.await?).await) }).await
    }

    /// The answer is waited for until `deadline`.
    pub(crate) async fn redeem_refresh_token(
        &self,
        deadline: Instant,
        refresh_token: &Secret,
        old: Option<&Credentials>,
        target: Target<'_>,
    ) -> Result<Renewed> {
        let metadata = self.provider().metadata().await?;
        if let Some(old) = old {
            self.owns(old, &metadata.issuer)?;
        }
        // A refresh token may be bound to the key of its access token (RFC 9449, section 5).
        let application = self.bound_to(old.and_then(|old| old.access_token().dpop_key()));
        let mut form = Form::new("refresh_token").with("refresh_token", refresh_token.expose());
        let granted = old.and_then(|old| old.parts().requested.api.as_ref());
        let requested_api = match (target.audience, granted) {
            (Some(name), Some(granted)) => Some(granted.another(name)),
            (Some(name), None) => Some(RequestedApi::Audience(name.into())),
            (None, granted) => granted.cloned(),
        };
        match &requested_api {
            Some(api) if target.audience.is_some() => api.name_in(&mut form),
            Some(api) => api.repeat_in(&mut form),
            None => {}
        }
        if let Some(scope) = target.scope {
            form.push("scope", scope);
        }
        let reply = post_by(deadline, &application, &metadata, form, &[]).await.map_err(renewal_failure)?;
        let mut response = TokenResponse::read_renewed(&reply, &application, application.time().now()).map_err(|error| {
            let successor = refresh_token_of(&reply).filter(|_| error.grant_fate() == GrantFate::Spent);
            renewal_failure(match successor {
                Some(successor) => error.with_attachment(Successor(successor)),
                None => error,
            })
        })?;
        refuse_other_person(&response, old)?;
        if response.refresh_token.is_none() {
            response.refresh_until = response.refresh_until.or_else(|| old?.parts().refresh_until());
        }
        // RFC 6749, section 6: "The authorization server MAY issue a new refresh token"; else the old one stays.
        response.refresh_token.get_or_insert_with(|| refresh_token.clone());
        // RFC 9396, section 7: a server returns what is granted; one that says nothing has not changed it.
        if let (None, Some(old)) = (target.audience, old) {
            let known = &old.parts().authorization_details;
            response.authorization_details = response.authorization_details.or_else(|| known.clone());
        }
        let unverified = response.id_token().cloned();
        let previous = old.and_then(Credentials::id_token).cloned();
        let scope = match (target.scope, old) {
            (Some(scope), _) => scope,
            (None, Some(old)) => &old.parts().requested.scope,
            (None, None) => "",
        };
        let credentials = credentials(self, &metadata, response, previous, scope, requested_api.as_ref());
        Ok(Renewed { credentials, metadata, unverified })
    }

    /// The credentials with their new ID token, if it is good.
    pub(crate) async fn verify_renewed(&self, renewed: Renewed) -> Credentials {
        let Renewed { credentials, metadata, unverified } = renewed;
        let Some(text) = unverified else { return credentials };
        let flow = Flow::Refresh { previous: credentials.id_token() };
        let verdict = verify_id_token(self, &metadata, &text, credentials.access_token().expose(), flow).await;
        credentials.with_id_token_verdict(verdict)
    }

    /// Returns whether credentials may be this application's, before the provider's metadata is known.
    pub(crate) fn may_own(&self, issuer: &str, client_id: &str) -> bool {
        self.provider().may_be(issuer) && client_id == self.client_id()
    }

    /// Tokens of one issuer are never sent to another, nor presented by another application.
    pub(crate) fn owns(&self, credentials: &Credentials, issuer: &str) -> Result<()> {
        if credentials.issuer() == issuer && credentials.client_id() == self.client_id() {
            return Ok(());
        }
        Err(Error::configuration("these credentials belong to another issuer or client id; log in anew"))
    }
}

impl Credentials {
    fn with_id_token_verdict(&self, verdict: Result<IdToken>) -> Self {
        let mut parts = self.parts().clone();
        match verdict {
            Ok(id_token) => parts.id_token = Some(id_token),
            Err(refusal) => parts.id_token_refusal = Some(refusal),
        }
        Self::new(parts)
    }
}

pub(crate) fn no_refresh_token() -> Error {
    Error::new(
        ErrorKind::LoginRequired,
        "there is no refresh token, so a person has to log in; ask for the scope offline_access to get one (at Auth0 also online_access, whose refresh token ends with the person's session)",
    )
}

/// The refresh token of an answer that was refused.
struct Successor(Secret);

struct OtherPerson;

impl Error {
    /// The new refresh token, when the answer to a renewal was refused for another reason: keep it, since the old one is spent.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.attachment().map(|Successor(refresh_token)| refresh_token)
    }

    /// Returns whether a renewal brought the tokens of another person, or of another issuer.
    pub(crate) fn is_other_person(&self) -> bool {
        self.attachment::<OtherPerson>().is_some()
    }
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow, default)]
    iss: Option<Text<'a>>,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
}

/// OpenID Connect Core 1.0, section 12.2: `iss` and `sub` "MUST be the same as in the ID Token issued when the original
/// authentication occurred". The signature does not matter: by a forged ID token too, the tokens may be another person's.
fn refuse_other_person(response: &TokenResponse, old: Option<&Credentials>) -> Result<()> {
    let (Some(new), Some(old)) = (response.id_token(), old.and_then(Credentials::id_token)) else { return Ok(()) };
    let (Some(new), Some(old)) = (payload(new), payload(old.raw())) else { return Ok(()) };
    let (Ok(new), Ok(old)) = (json::object::<Identity<'_>>(&new), json::object::<Identity<'_>>(&old)) else { return Ok(()) };
    let differs = |new: Option<Text<'_>>, old: Option<Text<'_>>| new.is_some() && new != old;
    if differs(new.iss, old.iss) || differs(new.sub, old.sub) {
        let message = "the renewal brought the tokens of another person, which are not used; a person has to log in again";
        let error = Error::new(ErrorKind::LoginRequired, message);
        return Err(error.with_grant_fate(GrantFate::Spent).with_attachment(OtherPerson));
    }
    Ok(())
}

fn payload(jws: &Secret) -> Option<Vec<u8>> {
    base64url_decode(jws.expose().split('.').nth(1)?.as_bytes())
}

/// The error of a failed renewal, by its meaning for the refresh token.
pub(super) fn renewal_failure(error: Error) -> Error {
    if is_about_refresh_token(&error) {
        let message = "the refresh token is spent, expired or revoked; a person has to log in again";
        let server = error.server_error().cloned();
        return Error::new(ErrorKind::LoginRequired, message).with_server_error(server).with_source(error);
    }
    if error.grant_fate() == GrantFate::Unknown {
        let message =
            "the answer to the renewal was lost, so the refresh token may be spent; try again, and log in if that is required";
        let retry_after = error.retry_after();
        let lost = Error::new(ErrorKind::Ambiguous, message).transient().with_retry_after(retry_after);
        return lost.with_grant_fate(GrantFate::Unknown).with_source(error);
    }
    error
}

/// Returns whether the error of a renewal is about the refresh token: any error that is not known to be about something else.
fn is_about_refresh_token(error: &Error) -> bool {
    let Some(server) = verdict(error) else { return false };
    match server.code() {
        "unauthorized_client" | "access_denied" => names_refresh_token(server),
        "invalid_request" => !names_other_parameter(server),
        code => !ABOUT_SOMETHING_ELSE.contains(&code),
    }
}

impl Error {
    /// Returns whether the error names the refresh token as invalid. A renewal for another API ends the login only by such an
    /// error: any other one may be about that API.
    pub(crate) fn names_dead_refresh_token(&self) -> bool {
        verdict(self).is_some_and(|server| DEAD_REFRESH_TOKEN.contains(&server.code()) || names_refresh_token(server))
    }
}

/// An OAuth error of the provider that stands, by its status and code.
fn verdict(error: &Error) -> Option<&ServerError> {
    let server = error.server_error()?;
    let is_oauth_error = error.grant_fate() == GrantFate::NotTaken && !server.code().starts_with("http_");
    (is_oauth_error && !error.is_transient()).then_some(server)
}

fn names_refresh_token(server: &ServerError) -> bool {
    let description = server.description().unwrap_or_default().to_ascii_lowercase();
    ["refresh token", "refresh_token", "refreshtoken"].iter().any(|name| description.contains(name))
}

/// Dex says `invalid_request` of a refresh token that is spent or expired.
fn names_other_parameter(server: &ServerError) -> bool {
    let description = server.description().unwrap_or_default().to_ascii_lowercase();
    let mut words = description.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.any(|word| OTHER_PARAMETERS.contains(&word)) || (description.contains("client id") && !names_refresh_token(server))
}

const DEAD_REFRESH_TOKEN: [&str; 8] = [
    "invalid_grant",
    "invalid_token",
    "token_inactive",
    "token_expired",
    "refresh_token_reused",
    "invalid_refresh_token",
    "bad_refresh_token",
    "refresh_token_not_found",
];
const ABOUT_SOMETHING_ELSE: [&str; 11] = [
    "invalid_client",
    "invalid_scope",
    "invalid_target",
    "unsupported_grant_type",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "mfa_required",
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "authorization_pending",
];
const OTHER_PARAMETERS: [&str; 12] = [
    "dpop",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "audience",
    "resource",
    "grant_type",
    "organization",
    "authorization_details",
    "content_type",
];
