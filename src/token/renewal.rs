use std::sync::Arc;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::form::Form;
use crate::provider::Flow;
use crate::secret::Secret;
use crate::token::{credentials, request, verify_id_token};

impl Application {
    /// New credentials for a refresh token (RFC 6749, section 6). Keep what comes back at once: the refresh token may be
    /// spent now, and the credentials hold its successor. An ID token that came along and is bad is dropped:
    /// [`Credentials::id_token_refusal`] says why.
    ///
    /// # Errors
    /// `LoginRequired` when the refresh token is dead; `Server`, `InvalidResponse`, `Network`, `TimedOut`, `Discovery`.
    ///
    /// # Cancel safety
    /// Not to be dropped: the refresh token may be spent and its successor lost.
    pub async fn renew(&self, refresh_token: &Secret) -> Result<Credentials> {
        self.redeem_refresh_token(refresh_token, None).await
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
        let Some(refresh_token) = old.refresh_token() else {
            return Err(Error::new(
                ErrorKind::LoginRequired,
                "there is no refresh token, so a person has to log in; ask for the scope offline_access to get one",
            ));
        };
        self.redeem_refresh_token(refresh_token, Some(old)).await
    }

    async fn redeem_refresh_token(&self, refresh_token: &Secret, old: Option<&Credentials>) -> Result<Credentials> {
        let metadata = self.provider().metadata().await?;
        if let Some(old) = old {
            self.owns(old, &metadata.issuer)?;
        }
        let form = Form::new("refresh_token").with("refresh_token", refresh_token.expose());
        let mut response = request(self, &metadata, form, &[]).await.map_err(login_required)?;
        // RFC 6749, section 6: "The authorization server MAY issue a new refresh token"; else the old one stays.
        response.refresh_token.get_or_insert_with(|| refresh_token.clone());
        let previous = old.and_then(Credentials::id_token);
        let (id_token, refusal) = match response.id_token() {
            None => (previous.cloned(), None),
            Some(text) => match verify_id_token(self, &metadata, text, &response, Flow::Refresh { previous }).await {
                Ok(id_token) => (Some(id_token), None),
                Err(refusal) => (previous.cloned(), Some(refusal)),
            },
        };
        let requested_scope = old.map_or_else(|| Arc::from(""), |old| Arc::clone(&old.parts().requested_scope));
        Ok(credentials(self, &metadata, response, id_token, refusal, requested_scope))
    }

    /// Tokens of one issuer are never sent to another, nor presented by another application.
    pub(crate) fn owns(&self, credentials: &Credentials, issuer: &str) -> Result<()> {
        if credentials.issuer() == issuer && credentials.client_id() == self.client_id() {
            return Ok(());
        }
        Err(Error::configuration("these credentials belong to another issuer or client id; log in anew"))
    }
}

/// A refresh token that the provider does not know any more is no failure of the program: a person has to log in.
fn login_required(error: Error) -> Error {
    match error.server_error() {
        Some(server) if server.code() == "invalid_grant" => {
            Error::new(ErrorKind::LoginRequired, "the refresh token is spent, expired or revoked, so a person has to log in again")
                .with_source(error)
        }
        _ => error,
    }
}
