use std::sync::Arc;
use std::time::Duration;

use super::client::TestClient;
use super::clock::TestClock;
use super::provider::TestProvider;
use super::server::Bound;
use super::tenant::Tenant;
use super::user::TestUser;
use crate::crypto::Algorithm;

/// The settings of a [`TestProvider`], before it starts.
///
/// # Defaults
/// A free port; the issuer is the root of its origin with a slash at its end, as at Auth0; access tokens live a day; ID tokens are
/// signed by RS256; refresh tokens rotate, with no reuse interval; `iss` is part of the callback (RFC 9207); the system's time.
///
/// ```
/// use hallpass::testing::TestProvider;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let provider = TestProvider::builder().issuer_path("/tenant/a").without_trailing_slash().start().await;
/// assert!(provider.issuer().ends_with("/tenant/a"));
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TestProviderBuilder {
    settings: Settings,
    port: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) clock: TestClock,
    pub(super) clients: Vec<TestClient>,
    pub(super) users: Vec<TestUser>,
    pub(super) id_token_algorithm: Algorithm,
    pub(super) access_token_life: Duration,
    pub(super) reuse_interval: Duration,
    pub(super) device_interval: Duration,
    pub(super) withheld: Vec<String>,
    /// Type, token, and whose it is.
    pub(super) subject_tokens: Vec<(String, String, String)>,
    pub(super) rotation: bool,
    pub(super) sends_issuer: bool,
    pub(super) mfa: bool,
    pub(super) other_keys: bool,
    pub(super) requires_pushed_requests: bool,
    pub(super) signed_user_info: bool,
    trailing_slash: bool,
    /// With a slash at its beginning and its end.
    path: String,
}

impl TestProviderBuilder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            clock: TestClock::new(),
            clients: TestClient::initial(),
            users: Vec::new(),
            id_token_algorithm: Algorithm::Rs256,
            access_token_life: Duration::from_secs(24 * 60 * 60),
            reuse_interval: Duration::ZERO,
            device_interval: Duration::from_secs(5),
            withheld: Vec::new(),
            subject_tokens: Vec::new(),
            rotation: true,
            sends_issuer: true,
            mfa: false,
            other_keys: false,
            requires_pushed_requests: false,
            signed_user_info: false,
            trailing_slash: true,
            path: "/".to_owned(),
        };
        Self { settings, port: 0 }
    }

    /// This port of 127.0.0.1; 0 is any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A path that the issuer and all endpoints stand under, such as `/tenant/a`.
    pub fn issuer_path(mut self, path: &str) -> Self {
        self.settings.path = match path.trim_matches('/') {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        };
        self
    }

    /// The issuer without a slash at its end; endpoints stay where they are.
    pub fn without_trailing_slash(mut self) -> Self {
        self.settings.trailing_slash = false;
        self
    }

    /// An application more; one with the id of another takes its place.
    pub fn client(mut self, client: TestClient) -> Self {
        self.settings.clients.push(client);
        self
    }

    /// Adds a person with other claims. Other people may log in, too.
    pub fn user(mut self, user: TestUser) -> Self {
        self.settings.users.push(user);
        self
    }

    /// The life of access tokens, in whole seconds.
    pub fn access_token_life(mut self, life: Duration) -> Self {
        self.settings.access_token_life = life;
        self
    }

    /// The algorithm of ID tokens: `RS256`, `PS256`, `ES256`, `ES384`, `EdDSA` …, or `HS256` with the client's secret.
    ///
    /// # Panics
    /// When there is no such algorithm.
    pub fn id_token_algorithm(mut self, algorithm: &str) -> Self {
        self.settings.id_token_algorithm = Algorithm::from_name(algorithm).expect("the test names RS256, ES256 and so on");
        self
    }

    /// Refresh tokens that stay the same: a refresh gives no other.
    pub fn without_rotation(mut self) -> Self {
        self.settings.rotation = false;
        self
    }

    /// The time after a rotation for which the token before is still valid.
    pub fn reuse_interval(mut self, interval: Duration) -> Self {
        self.settings.reuse_interval = interval;
        self
    }

    /// A scope that is never granted. `offline_access` makes an API that allows no offline access: no refresh token comes.
    pub fn withhold_scope(mut self, scope: impl Into<String>) -> Self {
        self.settings.withheld.push(scope.into());
        self
    }

    /// A token of another system, of a type such as `urn:acme:legacy-session`, that may be exchanged for this person's. The provider's
    /// own tokens can be exchanged without it.
    pub fn subject_token(mut self, kind: impl Into<String>, token: impl Into<String>, email: impl Into<String>) -> Self {
        self.settings.subject_tokens.push((kind.into(), token.into(), email.into()));
        self
    }

    /// No `iss` in the callback, and no word of it in the metadata.
    pub fn without_issuer_parameter(mut self) -> Self {
        self.settings.sends_issuer = false;
        self
    }

    /// Requires that logins are pushed (RFC 9126): the metadata says it, and other logins are refused.
    pub fn require_pushed_requests(mut self) -> Self {
        self.settings.requires_pushed_requests = true;
        self
    }

    /// Everybody needs a second factor where their password is typed into a program: who has none has to enrol one.
    pub fn require_mfa(mut self) -> Self {
        self.settings.mfa = true;
        self
    }

    /// User info comes as a signed JWT (OpenID Connect Core 1.0, section 5.3.2).
    pub fn signed_user_info(mut self) -> Self {
        self.settings.signed_user_info = true;
        self
    }

    /// The pause that a device is told to make between two polls, in whole seconds. Polling faster has no consequence here: a
    /// `slow_down` is a [`Fault::error`](super::Fault::error).
    pub fn device_interval(mut self, interval: Duration) -> Self {
        self.settings.device_interval = interval;
        self
    }

    /// Other RSA keys than providers begin with, under the same ids: of two providers, one should have it.
    pub fn other_keys(mut self) -> Self {
        self.settings.other_keys = true;
        self
    }

    /// A clock to share with the program under test.
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// Starts it. It listens when this returns.
    ///
    /// # Panics
    /// When its port is not free.
    #[expect(clippy::unused_async, reason = "starting may need to wait one day, and callers are async anyway")]
    pub async fn start(self) -> TestProvider {
        let bound = Bound::to(self.port);
        let tenant = Arc::new(Tenant::new(self.settings, &bound.url()));
        TestProvider::new(Arc::clone(&tenant), bound.serve(tenant))
    }
}

impl Settings {
    pub(super) fn base_path(&self) -> &str {
        &self.path
    }

    pub(super) fn issuer(&self, base: &str) -> String {
        if self.trailing_slash { base.to_owned() } else { base.trim_end_matches('/').to_owned() }
    }
}
