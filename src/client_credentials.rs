use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::cache::SingleFlight;
use crate::clock::Timestamp;
use crate::crypto;
use crate::error::Result;
use crate::form::Form;
use crate::spans::Span;
use crate::token;
use crate::token_source::TokenSource;

/// A service's own token, without a person (RFC 6749, section 4.4): asked for once however many tasks need it, kept, and
/// renewed ahead of its end while the old one still serves.
///
/// It is a [`TokenSource`]: give it to an [`AuthorizedClient`](crate::AuthorizedClient). Clones share the token.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// use hallpass::testing::{Api, TestProvider};
/// use hallpass::{Application, AuthorizedClient, ClientAuth};
///
/// let provider = TestProvider::start().await;
/// let api = Api::start(&provider, "https://api.acme.com").await;
/// let service = Application::new(provider.issuer(), provider.confidential_client_id())
///     .client_auth(ClientAuth::client_secret_post(provider.client_secret()));
/// let token = service.client_credentials().audience("https://api.acme.com");
/// let client = AuthorizedClient::new(token)?.base_url(api.url())?;
/// assert_eq!(client.get("messages").send().await?.status(), 200);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct ClientCredentials {
    application: Application,
    parameters: Arc<Vec<(String, String)>>,
    shared: Arc<Shared>,
}

struct Shared {
    kept: RwLock<Option<Kept>>,
    flight: SingleFlight<AccessToken>,
    /// When the provider last failed to give one, in milliseconds since 1970.
    failed: AtomicI64,
}

/// A token and the moments of its life: good alone until `due`, and until its end while another is fetched.
#[derive(Clone)]
struct Kept {
    token: AccessToken,
    received: Timestamp,
    due: Timestamp,
    end: Timestamp,
}

impl Application {
    /// A token for this application itself, as a service uses it.
    #[must_use]
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials { application: self.clone(), parameters: Arc::default(), shared: Arc::new(Shared::new()) }
    }
}

impl ClientCredentials {
    /// The identifier of the API that the token is for. Auth0 requires it.
    #[must_use]
    pub fn audience(self, identifier: impl Into<String>) -> Self {
        self.parameter("audience", identifier)
    }

    /// What the token may do, separated by spaces; without it, all that the provider allows this application.
    #[must_use]
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.parameter("scope", scope)
    }

    /// The organization that the token is for, at Auth0.
    #[must_use]
    pub fn organization(self, id_or_name: impl Into<String>) -> Self {
        self.parameter("organization", id_or_name)
    }

    /// Any other parameter of the token request, such as `resource` (RFC 8707).
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        let parameters = Arc::make_mut(&mut self.parameters);
        parameters.retain(|known| known.0 != name);
        parameters.push((name, value));
        // A token for other parameters is another token.
        self.shared = Arc::new(Shared::new());
        self
    }

    /// A token that is valid now. When less than a fifth of its life is left, 60 seconds at most, another is fetched
    /// meanwhile; by chance up to a tenth of its life earlier, so that a fleet does not ask in step.
    ///
    /// # Errors
    /// `Server` (the provider refuses this application), `InvalidResponse`, `Discovery`, `Network`, `TimedOut`, `Configuration`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a request that is under way goes on for whoever asks next.
    pub async fn token(&self) -> Result<AccessToken> {
        self.obtain(None).await
    }

    async fn obtain(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        let now = self.application.time().now();
        let kept = self.shared.kept().filter(|kept| rejected.is_none_or(|rejected| *rejected != kept.token));
        let fresh = || self.shared.kept().filter(|kept| kept.is_fresh(now)).map(|kept| kept.token);
        let usable = || fresh().filter(|token| rejected.is_none_or(|rejected| rejected != token));
        match kept {
            Some(kept) if kept.is_fresh(now) => Ok(kept.token),
            Some(kept) if kept.is_valid(now) => {
                if !self.shared.failed_lately(now) {
                    self.shared.flight.start(usable, || self.fetch());
                }
                Ok(kept.token)
            }
            _ => self.shared.flight.run(usable, || self.fetch()).await,
        }
    }

    fn fetch(&self) -> impl Future<Output = Result<AccessToken>> + Send + 'static {
        let Self { application, parameters, shared } = self.clone();
        async move {
            let mut form = Form::new("client_credentials");
            for (name, value) in parameters.iter() {
                form.push(name, value);
            }
            // RFC 6749, section 4.4.3: "A refresh token SHOULD NOT be included." One that is, is not looked at.
            let fetched = Span::renewal(application.client_id()).watch(token::request_access_token(&application, form)).await;
            let Ok(token) = fetched else {
                shared.failed.store(application.time().now().unix_millis(), Ordering::Relaxed);
                return fetched;
            };
            *shared.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Kept::new(token.clone(), application.time().now()));
            Ok(token)
        }
    }
}

impl TokenSource for ClientCredentials {
    fn cached(&self) -> Option<AccessToken> {
        let now = self.application.time().now();
        let kept = self.shared.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| kept.is_fresh(now)).map(|kept| kept.token.clone())
    }

    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        self.obtain(rejected).await
    }
}

impl Shared {
    fn new() -> Self {
        Self { kept: RwLock::new(None), flight: SingleFlight::new(), failed: AtomicI64::new(i64::MIN) }
    }

    /// Then there is no hurry to ask again: the old token still serves.
    fn failed_lately(&self, now: Timestamp) -> bool {
        now.minus(PAUSE).unix_millis() < self.failed.load(Ordering::Relaxed)
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Kept {
    fn new(token: AccessToken, received: Timestamp) -> Self {
        let Some(end) = token.expiry() else {
            return Self { token, received, due: Timestamp::END, end: Timestamp::END };
        };
        let life = end.since(received);
        let ahead = (life / 5).min(LONGEST_AHEAD) + (life / 10).min(MOST_JITTER).mul_f64(crypto::chance());
        Self { token, received, due: end.minus(ahead), end }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.due && self.clock_was_not_set_back(now)
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        now < self.end && self.clock_was_not_set_back(now)
    }

    fn clock_was_not_set_back(&self, now: Timestamp) -> bool {
        now.plus(CLOCKS_DIFFER_BY) >= self.received
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("application", &self.application).finish_non_exhaustive()
    }
}

const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_AHEAD: Duration = Duration::from_secs(60);
const MOST_JITTER: Duration = Duration::from_secs(30);
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
