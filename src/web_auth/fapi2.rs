use url::Url;

use crate::error::{Error, Result};
use crate::origin;
use crate::provider::Metadata;
use crate::web_auth::builder::WebAuth;

impl WebAuth {
    /// The FAPI 2.0 Security Profile, as banks and health services demand it. It turns on [`pushed`](Self::pushed) requests, demands
    /// `iss` in the provider's answer, and takes only what is signed by PS256, ES256 or EdDSA. What else the profile wants is the
    /// program's to bring: [`ClientAuth::private_key_jwt`](crate::ClientAuth::private_key_jwt) with such a key and
    /// [`dpop`](Self::dpop), or a client certificate for both ([`ClientAuth::tls_client_auth`](crate::ClientAuth::tls_client_auth)).
    /// A login without it does not begin: `Configuration`, before anything is sent but the request for the provider's metadata.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// use hallpass::client_auth::PrivateKey;
    /// use hallpass::{Application, ClientAuth};
    /// # use hallpass::testing::{TestBrowser, TestClient, TestProvider};
    ///
    /// let key = PrivateKey::generate("ES256")?;
    /// # let client = TestClient::signing("bank-app", key.public_jwk());
    /// # let provider = TestProvider::builder().client(client).id_token_algorithm("ES256").start().await;
    /// # let issuer = provider.issuer();
    /// let login = Application::new(issuer, "bank-app")
    ///     .client_auth(ClientAuth::private_key_jwt(key))
    ///     .web_auth()
    ///     .dpop_per_login()
    ///     .fapi2();
    /// # let login = login.ephemeral_port().browser(TestBrowser::new());
    /// let credentials = login.start().await?;
    /// assert!(credentials.id_token().is_some());
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn fapi2(mut self) -> Self {
        self.application = self.application.with_fapi2();
        self
    }

    /// FAPI 2.0 Security Profile, sections 5.3.3 and 5.4, as far as it is the program's to keep.
    pub(super) fn check_fapi2(&self, metadata: &Metadata, redirect_uri: &str) -> Result<()> {
        if !self.application.is_fapi2() {
            return Ok(());
        }
        let refused = |why: &str| Err(Error::configuration(format!("the profile FAPI 2.0 {why}")));
        let client_auth = self.application.auth();
        if !client_auth.suits_fapi2(metadata.client_auth_algorithms.as_deref()) {
            return refused(
                "does not take how this application authenticates; use private_key_jwt with a key for PS256, ES256 or EdDSA, or a client certificate",
            );
        }
        if !self.wants_dpop() && !client_auth.is_mutual_tls() {
            return refused("takes only tokens that are bound to a key; set dpop, or authenticate by a client certificate");
        }
        let signs_weakly = |key: &crate::client_auth::PrivateKey| {
            !key.algorithm_among(metadata.request_object_algorithms.as_deref()).suits_fapi2()
        };
        if self.delivery.key.as_ref().is_some_and(signs_weakly) {
            return refused("does not take what this key signs; requests are signed by PS256, ES256 or EdDSA");
        }
        if self.application.accepts_missing_token_type() {
            return refused("takes no tokens without a type; leave danger_accept_missing_token_type out");
        }
        if metadata.issuer_alias.is_some() {
            return refused("knows each provider by one name; leave danger_accept_issuer out");
        }
        // https, or loopback: another program may have a private scheme as well.
        if !Url::parse(redirect_uri).is_ok_and(|uri| origin::is_confidential(&uri)) {
            return refused("does not take a redirect URI of a private scheme; use one that is https, or on loopback");
        }
        Ok(())
    }
}
