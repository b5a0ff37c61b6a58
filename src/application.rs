use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client_auth::method::ClientAuth;
use crate::clock::Clock;
use crate::dpop::{DpopKey, Proofs, Prover};
use crate::origin::Reach;
use crate::provider::{IssuerAlias, Metadata, Parties, Provider, Purpose, RegisteredAlgorithm, RegisteredAlgorithms, Tolerances};
use crate::requested::{OneOfEach, Requested};
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::transport::Transport;

/// This program as the provider knows it: at whose door it stands, under which client id, and how it proves to be itself.
///
/// Cheap to clone; clones share connections, the provider's metadata and its keys. Nothing is asked of the provider
/// before it is needed, and a bad value is reported by the first call that needs it, as `Configuration`.
///
/// # Defaults
/// A public application ([`ClientAuth::none`]); 60 seconds of leeway for clocks that differ; 30 seconds for each request.
#[derive(Clone)]
pub struct Application {
    settings: Arc<Settings>,
    provider: Arc<Provider>,
    clock: Clock,
    requested: Arc<OneOfEach>,
}

#[derive(Clone)]
struct Settings {
    domain: String,
    client_id: Arc<str>,
    client_auth: ClientAuth,
    issuer_alias: Option<IssuerAlias>,
    /// Of an issuer that an API named.
    reach: Option<Reach>,
    dpop_key: Option<DpopKey>,
    leeway: Duration,
    accept_hs256: bool,
    registered: RegisteredAlgorithms,
    fapi2: bool,
    accept_missing_id_token: bool,
    accept_missing_token_type: bool,
    tolerances: Tolerances,
}

impl Application {
    /// `domain` is an Auth0 domain such as `acme.eu.auth0.com`, a custom domain, or the absolute URL of any OpenID Connect
    /// issuer, with its path if it has one; `client_id` is what the provider calls this program.
    pub fn new(domain: impl Into<String>, client_id: impl Into<String>) -> Self {
        let settings = Settings {
            domain: domain.into(),
            client_id: client_id.into().into(),
            client_auth: ClientAuth::none(),
            issuer_alias: None,
            reach: None,
            dpop_key: None,
            leeway: Duration::from_secs(60),
            accept_hs256: false,
            registered: RegisteredAlgorithms::default(),
            fapi2: false,
            accept_missing_id_token: false,
            accept_missing_token_type: false,
            tolerances: Tolerances::default(),
        };
        Self::assemble(Arc::new(settings), Arc::new(Transport::new(reqwest::Client::builder())), Clock::default())
    }

    fn assemble(settings: Arc<Settings>, transport: Arc<Transport>, clock: Clock) -> Self {
        let alias = settings.issuer_alias.clone();
        let provider =
            Arc::new(Provider::new(&settings.domain, alias, settings.reach.unwrap_or(Reach::EVERYWHERE), transport, clock.clone()));
        Self { settings, provider, clock, requested: Arc::default() }
    }

    /// The authentication of the application at the provider.
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        Arc::make_mut(&mut self.settings).client_auth = client_auth;
        self
    }

    /// Binds all requested tokens to this key (DPoP, RFC 9449): a stolen token is of no use without the key. A provider that gives
    /// bearer tokens is refused. Renewals, and the calls of an [`AuthorizedClient`](crate::AuthorizedClient), use the key that a
    /// token is bound to: a [`CredentialsManager`](crate::CredentialsManager) keeps it with the token. See [`dpop`](crate::dpop).
    #[must_use]
    pub fn dpop(mut self, key: DpopKey) -> Self {
        Arc::make_mut(&mut self.settings).dpop_key = Some(key);
        self
    }

    /// Builds the HTTP client for the provider: a proxy, a private CA, timeouts, a client certificate. It is built at the first
    /// request, with redirects off. http on loopback goes out directly, never through a proxy. Connecting may take 10 seconds
    /// unless the builder says otherwise. An idle connection is closed after 1 second, also with this builder.
    ///
    /// A request that was sent and not answered may have spent the refresh token that was in it, so that a login is needed. Let a
    /// timeout of the builder's for a whole request be longer than that for connecting,
    /// and leave out a retry policy that sends again what may have arrived.
    #[must_use]
    pub fn http_client(self, builder: reqwest::ClientBuilder) -> Self {
        Self::assemble(self.settings, Arc::new(Transport::new(builder)), self.clock)
    }

    /// A client that is built already.
    ///
    /// Danger: unless it was built with `redirect::Policy::none()`, it hands refresh tokens and the client's secret to
    /// whatever host a redirect of the provider names, and believes the keys from there. Its proxies are also used for http
    /// on loopback.
    #[must_use]
    pub fn danger_http_client(self, client: reqwest::Client) -> Self {
        Self::assemble(self.settings, Arc::new(Transport::with_client(client)), self.clock)
    }

    /// The tolerated difference of this machine's clock and the provider's: 60 seconds unless set, and 10 minutes at most. A longer
    /// time counts as 10 minutes; see [`danger_leeway`](Self::danger_leeway).
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        self.danger_leeway(leeway.min(MAX_LEEWAY))
    }

    /// The tolerated difference of this machine's clock and the provider's, without a limit.
    ///
    /// Danger: a token is accepted for that long after it has expired, and one that was stolen with it.
    #[must_use]
    pub fn danger_leeway(mut self, leeway: Duration) -> Self {
        Arc::make_mut(&mut self.settings).leeway = leeway;
        self
    }

    /// The one algorithm that ID tokens are signed by for this application, as it is registered at the provider
    /// (`id_token_signed_response_alg`), such as `ES256`. Another one is refused, though a published key fits, and the provider's metadata
    /// need not list it. Logout tokens are signed by the same (OpenID Connect Back-Channel Logout 1.0, section 2.6), unless
    /// [`logout_token_algorithm`](Self::logout_token_algorithm) says otherwise. An unknown name is an error of kind `Configuration` when the
    /// first token comes.
    ///
    /// `HS256`, `HS384` and `HS512` are signed with the client secret, of 32, 48 or 64 bytes at least (RFC 7518, section 3.2).
    ///
    /// ```
    /// let application = hallpass::Application::new("login.example.com", "CLIENT_ID").id_token_algorithm("ES256");
    /// # assert_eq!(application.client_id(), "CLIENT_ID");
    /// ```
    #[must_use]
    pub fn id_token_algorithm(mut self, name: impl AsRef<str>) -> Self {
        Arc::make_mut(&mut self.settings).registered.id_token = Some(RegisteredAlgorithm::named(name.as_ref()));
        self
    }

    /// The same for user info (`userinfo_signed_response_alg`). Unsigned user info is still accepted.
    #[must_use]
    pub fn user_info_algorithm(mut self, name: impl AsRef<str>) -> Self {
        Arc::make_mut(&mut self.settings).registered.user_info = Some(RegisteredAlgorithm::named(name.as_ref()));
        self
    }

    /// The same for [signed responses](crate::WebAuth::signed_response) (`authorization_signed_response_alg`).
    #[must_use]
    pub fn authorization_response_algorithm(mut self, name: impl AsRef<str>) -> Self {
        Arc::make_mut(&mut self.settings).registered.authorization_response = Some(RegisteredAlgorithm::named(name.as_ref()));
        self
    }

    /// The same for logout tokens, where a provider signs them otherwise than ID tokens.
    #[must_use]
    pub fn logout_token_algorithm(mut self, name: impl AsRef<str>) -> Self {
        Arc::make_mut(&mut self.settings).registered.logout_token = Some(RegisteredAlgorithm::named(name.as_ref()));
        self
    }

    /// Also accepts ID tokens signed with HS256, HS384 or HS512 and the client secret, for a confidential application registered so. The
    /// secret has to have 32, 48 or 64 bytes at least (RFC 7518, section 3.2).
    #[must_use]
    pub fn accept_hs256(mut self) -> Self {
        Arc::make_mut(&mut self.settings).accept_hs256 = true;
        self
    }

    /// Also accepts this issuer where the provider's metadata, its callback or an ID token names it instead of the configured
    /// one. `{tenantid}` in it stands for the tenant that the ID token's claim `tid` names, as at Entra ID:
    /// `https://login.microsoftonline.com/{tenantid}/v2.0` for the domain `login.microsoftonline.com/common/v2.0`.
    ///
    /// Danger: an issuer that answers under another name is told from an impostor only by its keys, and with `{tenantid}` any
    /// tenant may log people in. Check the claim `tid` of each login.
    ///
    /// ```
    /// let google = hallpass::Application::new("accounts.google.com", "CLIENT_ID").danger_accept_issuer("accounts.google.com");
    /// # assert_eq!(google.client_id(), "CLIENT_ID");
    /// ```
    #[must_use]
    pub fn danger_accept_issuer(mut self, issuer: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings).issuer_alias = Some(IssuerAlias::new(issuer.into()));
        let transport = Arc::clone(self.provider.transport());
        Self::assemble(self.settings, transport, self.clock)
    }

    /// Accepts a login without an ID token although `openid` was asked for.
    ///
    /// Danger: then nothing proves who has logged in, and only PKCE stops an injected code. Leave `openid` out of the scope
    /// instead. The demands of an organization, `max_age` or an essential `acr` still have to be proved.
    #[must_use]
    pub fn danger_accept_missing_id_token(mut self) -> Self {
        Arc::make_mut(&mut self.settings).accept_missing_id_token = true;
        self
    }

    /// Takes an answer without `token_type` for one that holds a bearer token.
    ///
    /// Danger: RFC 6749, section 5.1, requires it, and a token of another kind would be sent as a bearer token.
    #[must_use]
    pub fn danger_accept_missing_token_type(mut self) -> Self {
        Arc::make_mut(&mut self.settings).accept_missing_token_type = true;
        self
    }

    /// Accepts an ID token without `nonce` after a login that sent one, as LinkedIn's are. Another login's nonce is refused.
    ///
    /// Danger: only PKCE then shows that an ID token belongs to this login.
    #[must_use]
    pub fn danger_accept_missing_nonce(mut self) -> Self {
        Arc::make_mut(&mut self.settings).tolerances.missing_nonce = true;
        self
    }

    /// Accepts an ID token with several audiences, this application among them, and without `azp`, as Oracle's are.
    ///
    /// Danger: the provider may have issued such a token to one of the others, which then can use it here.
    #[must_use]
    pub fn danger_accept_missing_azp(mut self) -> Self {
        Arc::make_mut(&mut self.settings).tolerances.missing_azp = true;
        self
    }

    /// Accepts a logout token without `exp`, as Ory Hydra's are, for two minutes after its `iat`.
    ///
    /// Danger: OpenID Connect Back-Channel Logout 1.0, section 2.4, requires `exp`. A token that was seen can be posted again for two
    /// minutes.
    #[must_use]
    pub fn danger_accept_endless_logout_token(mut self) -> Self {
        Arc::make_mut(&mut self.settings).tolerances.endless_logout_token = true;
        self
    }

    /// The token endpoint may be the audience of a client assertion: no API named this issuer.
    pub(crate) fn is_named_by_the_program(&self) -> bool {
        self.settings.reach.is_none()
    }

    /// The same program at an issuer that an API named.
    pub(crate) fn reaching(mut self, reach: Reach) -> Self {
        Arc::make_mut(&mut self.settings).reach = Some(reach);
        let transport = Arc::clone(self.provider.transport());
        Self::assemble(self.settings, transport, self.clock)
    }

    /// The same program, known under its id: what was found out about the provider stays.
    pub(crate) fn with_client_id(mut self, client_id: String) -> Self {
        Arc::make_mut(&mut self.settings).client_id = client_id.into();
        self
    }

    /// Tells the time by a test's clock.
    #[cfg(feature = "testing")]
    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        let transport = Arc::clone(self.provider.transport());
        Self::assemble(self.settings, transport, clock)
    }

    /// The client ID.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    /// The domain or issuer as the program names it.
    pub(crate) fn domain(&self) -> &str {
        &self.settings.domain
    }

    /// The request that credentials are for, at its provider.
    pub(crate) fn requested(&self, issuer: &str, scope: &str, api: Option<&RequestedApi>) -> Arc<Requested> {
        self.requested.get(issuer, self.client_id(), scope, api)
    }

    pub(crate) fn shared_client_id(&self) -> &Arc<str> {
        &self.settings.client_id
    }

    pub(crate) fn auth(&self) -> &ClientAuth {
        &self.settings.client_auth
    }

    pub(crate) fn dpop_key(&self) -> Option<&DpopKey> {
        self.settings.dpop_key.as_ref()
    }

    /// The same application with another key, as of a login that has its own; with none, its own stays.
    pub(crate) fn bound_to(&self, key: Option<&DpopKey>) -> Self {
        match key {
            Some(key) => self.clone().dpop(key.clone()),
            None => self.clone(),
        }
    }

    /// The same application without its key, for tokens that the provider cannot bind.
    pub(crate) fn without_dpop(&self) -> Self {
        let mut application = self.clone();
        Arc::make_mut(&mut application.settings).dpop_key = None;
        application
    }

    /// The proofs of one token request.
    pub(crate) fn proofs(&self) -> Proofs<'_> {
        Proofs::by(self.dpop_key().map(|key| Prover { key, clock: &self.clock, token: None }))
    }

    /// The secret that may verify the provider's JWTs: only where that was asked for.
    fn verifying_secret(&self, registered: Option<RegisteredAlgorithm>) -> Option<&Secret> {
        let is_registered = matches!(registered, Some(RegisteredAlgorithm::Known(algorithm)) if algorithm.is_symmetric());
        self.settings.client_auth.client_secret().filter(|_| self.settings.accept_hs256 || is_registered)
    }

    pub(crate) fn accepts_missing_id_token(&self) -> bool {
        self.settings.accept_missing_id_token
    }

    /// The same application under the FAPI 2.0 Security Profile.
    pub(crate) fn with_fapi2(mut self) -> Self {
        Arc::make_mut(&mut self.settings).fapi2 = true;
        self
    }

    pub(crate) fn is_fapi2(&self) -> bool {
        self.settings.fapi2
    }

    pub(crate) fn accepts_missing_token_type(&self) -> bool {
        self.settings.accept_missing_token_type
    }

    /// From whom a JWT of the provider has to come, and that it has to be for this application.
    pub(crate) fn parties<'a>(&'a self, metadata: &'a Metadata, purpose: Purpose) -> Parties<'a> {
        let registered = self.settings.registered.of(purpose);
        Parties {
            purpose,
            registered,
            issuer: &metadata.issuer,
            issuer_alias: metadata.issuer_alias.as_ref(),
            jwks_uri: &metadata.jwks_uri,
            algorithms: metadata.algorithms(purpose),
            client_id: &self.settings.client_id,
            client_secret: self.verifying_secret(registered),
            fapi2: self.settings.fapi2,
            tolerances: self.settings.tolerances,
            now: self.clock.now(),
            leeway: self.settings.leeway,
        }
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(crate) fn time(&self) -> &Clock {
        &self.clock
    }
}

/// Without the HTTP client: its default headers may hold secrets.
impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A user name and a password in it are refused, but not before it is needed.
        let domain = self.settings.domain.rsplit('@').next().unwrap_or_default();
        f.debug_struct("Application")
            .field("domain", &domain)
            .field("client_id", &self.settings.client_id)
            .field("client_auth", &self.settings.client_auth)
            .field("dpop_key", &self.settings.dpop_key)
            .field("leeway", &self.settings.leeway)
            .finish_non_exhaustive()
    }
}

const MAX_LEEWAY: Duration = Duration::from_secs(10 * 60);
