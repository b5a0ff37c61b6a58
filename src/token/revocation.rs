use crate::application::Application;
use crate::endpoint;
use crate::error::Result;
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
        let url = metadata.required(metadata.revocation_endpoint.as_ref(), "revocation endpoint")?;
        let form = Form::default().with("token", refresh_token.expose()).with("token_type_hint", "refresh_token");
        endpoint::post(self, "the revocation", url, form).await.map(drop)
    }
}
