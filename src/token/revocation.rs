use http::StatusCode;

use crate::application::Application;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::secret::Secret;

impl Application {
    /// Makes the provider forget a refresh token, and what it stands for (RFC 7009). A token it does not know counts as
    /// forgotten.
    ///
    /// # Errors
    /// `Discovery` when the provider offers no revocation; `Server`, `Network`, `TimedOut`.
    pub async fn revoke(&self, refresh_token: &Secret) -> Result<()> {
        let metadata = self.provider().metadata().await?;
        let url = metadata.revocation_endpoint.url()?;
        let form = Form::default().with("token", refresh_token.expose()).with("token_type_hint", "refresh_token");
        match endpoint::post(self, "the revocation", url, form).await {
            Err(error) if names_unknown_token(&error) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// RFC 7009, section 2.2, wants a 200 for a token that the provider does not know. Some answer with the code of RFC 6750.
fn names_unknown_token(error: &Error) -> bool {
    let Some(server) = error.server_error() else { return false };
    server.code() == "invalid_token" && matches!(server.status(), Some(StatusCode::BAD_REQUEST | StatusCode::OK))
}
