use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use url::Url;

use super::builder::TestProviderBuilder;
use super::client;
use super::edit::to_value;
use super::endpoint::Endpoint;
use super::fault::Fault;
use super::grants::Issued;
use super::intake::{Gate, Stage};
use super::seen::SeenRequest;
use super::server::Server;
use super::tenant::Tenant;
use super::token_draft::TokenDraft;
use crate::crypto::Algorithm;
use crate::provider::Claims;

/// An identity provider inside the process, which behaves as an Auth0 tenant does: over real HTTP, on loopback.
///
/// It runs on another thread and ends with its last clone. It notes every request, and requests can be counted, held and answered
/// wrongly. Every user exists: any name, with any password but `wrong`. Any audience is an API it knows, and every scope is
/// granted.
///
/// ```
/// use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = TestProvider::start().await;
/// let mut url = provider.endpoint_url(Endpoint::Authorize);
/// url.query_pairs_mut()
///     .append_pair("response_type", "code")
///     .append_pair("client_id", provider.client_id())
///     .append_pair("redirect_uri", "http://127.0.0.1:21965/callback")
///     .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
///     .append_pair("code_challenge_method", "S256")
///     .append_pair("state", "abc");
/// let callback = TestBrowser::new().visit(&url).await?;
/// assert!(callback.starts_with("http://127.0.0.1:21965/callback?code="));
/// assert_eq!(provider.count(Endpoint::Authorize), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TestProvider {
    tenant: Arc<Tenant>,
    server: Arc<Server>,
}

impl TestProvider {
    /// One with the defaults of [`TestProviderBuilder`], on a free port.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One that is to be different.
    pub fn builder() -> TestProviderBuilder {
        TestProviderBuilder::new()
    }

    pub(super) fn new(tenant: Arc<Tenant>, server: Server) -> Self {
        Self { tenant, server: Arc::new(server) }
    }

    pub(super) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The issuer, exactly as it stands in tokens: `http://127.0.0.1:{port}/`. It is what `WebAuth::new` takes as the domain.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.tenant.issuer
    }

    /// The URL of this endpoint. For [`Endpoint::Callback`] and [`Endpoint::Other`], a URL that answers 404.
    #[must_use]
    pub fn endpoint_url(&self, endpoint: Endpoint) -> Url {
        self.tenant.endpoint_url(endpoint)
    }

    /// The public client: `native`. It may use any loopback port under `/callback`, `https://app.example.com/callback` and
    /// `com.example.app:/callback`.
    #[must_use]
    pub fn client_id(&self) -> &'static str {
        client::NATIVE
    }

    /// The confidential client: `web`. It may use the same callbacks.
    #[must_use]
    pub fn confidential_client_id(&self) -> &'static str {
        client::WEB
    }

    /// The confidential client's secret.
    #[must_use]
    pub fn client_secret(&self) -> &'static str {
        client::WEB_SECRET
    }

    /// The number of requests to this endpoint.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.tenant.intake(endpoint).count()
    }

    /// The requests that this endpoint has seen, in their order.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> Vec<SeenRequest> {
        self.tenant.intake(endpoint).seen()
    }

    /// Until this endpoint has seen so many requests; at once when it has.
    pub async fn asked(&self, endpoint: Endpoint, requests: usize) {
        self.tenant.intake(endpoint).asked(requests).await;
    }

    /// A fault for the next request that meets none; those given before come first.
    pub fn next(&self, endpoint: Endpoint, fault: Fault) {
        self.tenant.intake(endpoint).next(fault);
    }

    /// A fault for every request, once those of [`next`](Self::next) are used up.
    pub fn always(&self, endpoint: Endpoint, fault: Fault) {
        self.tenant.intake(endpoint).always(fault);
    }

    /// No faults any more at this endpoint.
    pub fn clear(&self, endpoint: Endpoint) {
        self.tenant.intake(endpoint).clear();
    }

    /// Requests to this endpoint wait, and the provider does nothing about them, until the gate is released.
    #[must_use]
    pub fn hold(&self, endpoint: Endpoint) -> Gate {
        self.tenant.intake(endpoint).hold(Stage::Request)
    }

    /// The provider does what it is asked, and its answer waits until the gate is released.
    #[must_use]
    pub fn hold_answer(&self, endpoint: Endpoint) -> Gate {
        self.tenant.intake(endpoint).hold(Stage::Answer)
    }

    /// Alters the next ID token for which nothing else was given before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let provider = hallpass::testing::TestProvider::start().await;
    /// provider.next_id_token(|token| {
    ///     token.set("aud", "somebody-else");
    /// });
    /// provider.next_id_token(|token| {
    ///     token.unsigned();
    /// });
    /// # }
    /// ```
    pub fn next_id_token(&self, alter: impl Fn(&mut TokenDraft) + Send + Sync + 'static) {
        self.tenant.id_tokens.next(Arc::new(alter));
    }

    /// Alters every ID token, once those of [`next_id_token`](Self::next_id_token) are used up.
    pub fn always_id_token(&self, alter: impl Fn(&mut TokenDraft) + Send + Sync + 'static) {
        self.tenant.id_tokens.always(Arc::new(alter));
    }

    /// ID tokens are right again.
    pub fn clear_id_tokens(&self) {
        self.tenant.id_tokens.clear();
    }

    /// Alters the next signed response (JARM) that no other call altered. For other changes than those of its claims, such as an
    /// added parameter, use a [`Fault`] at [`Endpoint::Callback`].
    pub fn next_signed_response(&self, alter: impl Fn(&mut TokenDraft) + Send + Sync + 'static) {
        self.tenant.responses.next(Arc::new(alter));
    }

    /// Alters the next signed user info, of a provider that
    /// [signs it](super::TestProviderBuilder::signed_user_info), for which nothing else was given before.
    pub fn next_user_info(&self, alter: impl Fn(&mut TokenDraft) + Send + Sync + 'static) {
        self.tenant.user_infos.next(Arc::new(alter));
    }

    /// The token that the provider posts to an application's back-channel logout URI when this person, by the claims of their ID
    /// token, logs out there (OpenID Connect Back-Channel Logout 1.0); altered by `alter`.
    pub fn logout_token(&self, person: &Claims, alter: impl FnOnce(&mut TokenDraft)) -> String {
        self.tenant.logout_token(person, alter)
    }

    /// New keys sign from now on, under new ids; the old ones stay published.
    pub fn rotate_keys(&self) {
        self.tenant.keys.rotate();
    }

    /// Publishes only the keys that sign.
    pub fn forget_old_keys(&self) {
        self.tenant.keys.forget_old();
    }

    /// Publishes a JWK more, whatever it is, before the provider's own.
    ///
    /// # Panics
    /// When it is nothing that JSON can hold.
    pub fn publish_key(&self, jwk: impl Serialize) {
        self.tenant.keys.plant(to_value(jwk));
    }

    /// The JWK set, as it would be answered now.
    #[must_use]
    pub fn key_set(&self) -> String {
        self.tenant.keys.document().to_string()
    }

    /// The public RSA key that signs now, as `-----BEGIN PUBLIC KEY-----`, for a validator that takes no JWK set.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.tenant.keys.signing(Algorithm::Rs256).public_pem()
    }

    /// An access token for Jane, as a login would give it, without the login.
    #[must_use]
    pub fn access_token(&self, audience: &str, scope: &str) -> String {
        self.issue(audience, scope, None)
    }

    /// The same, bound to the key of this thumbprint (RFC 9449, section 6): [`DpopKey::thumbprint`](crate::dpop::DpopKey::thumbprint).
    #[must_use]
    pub fn dpop_access_token(&self, audience: &str, scope: &str, thumbprint: &str) -> String {
        self.issue(audience, scope, Some(thumbprint.to_owned()))
    }

    fn issue(&self, audience: &str, scope: &str, jkt: Option<String>) -> String {
        let now = self.tenant.now();
        self.tenant.issue_access_token(Issued {
            email: Some("jane@example.com".to_owned()),
            client_id: client::NATIVE.to_owned(),
            scope: scope.to_owned(),
            audience: Some(audience.to_owned()),
            issued_at: now,
            expires_at: now.plus(self.tenant.settings.access_token_life),
            jkt,
        })
    }

    /// The nonce that DPoP proofs of some clients have to hold ([`TestClient::requires_dpop_nonce`](super::TestClient::requires_dpop_nonce))
    /// is another from now on.
    pub fn renew_dpop_nonce(&self) {
        self.tenant.proofs.renew_nonce();
    }

    /// Ends every session: all refresh tokens are revoked, and no browser is logged in at the provider.
    pub fn revoke_everything(&self) {
        let mut grants = self.tenant.grants();
        grants.families.iter_mut().for_each(|family| family.revoked = true);
        grants.sessions.clear();
    }
}

impl fmt::Debug for TestProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestProvider").field("issuer", &self.tenant.issuer).field("server", &self.server).finish_non_exhaustive()
    }
}
