//! A service's own token, without a person.

mod fleet;
mod service_token;
mod stored;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::backoff::Backoff;
use crate::cache::SingleFlight;
use crate::client_credentials::fleet::Fleet;
use crate::client_credentials::service_token::ServiceToken;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::spans::Span;
use crate::store::{CredentialsStore, RecordKey};
use crate::token::{self, Parameters};
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
    parameters: Arc<Parameters>,
    held: Arc<Held>,
    fleet: Option<Fleet>,
    on_store_failure: Option<Hook>,
}

/// A function that gets errors of the store.
type Hook = Arc<dyn Fn(&Error) + Send + Sync>;

/// One token in the memory of this process.
struct Held {
    token: ArcSwapOption<ServiceToken>,
    flight: SingleFlight<AccessToken>,
    backoff: Backoff,
}

impl Application {
    /// A token for this application itself, as a service uses it.
    #[must_use]
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials {
            application: self.clone(),
            parameters: Arc::default(),
            held: Arc::new(Held::new()),
            fleet: None,
            on_store_failure: None,
        }
    }
}

impl ClientCredentials {
    /// The identifier of the API that the token is for. Auth0 requires it.
    #[must_use]
    pub fn audience(self, identifier: impl Into<String>) -> Self {
        self.parameter("audience", identifier)
    }

    /// The scope of the token, separated by spaces; without it, all that the provider allows this application.
    #[must_use]
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.put("scope", scope)
    }

    /// The organization that the token is for, at Auth0.
    #[must_use]
    pub fn organization(self, id_or_name: impl Into<String>) -> Self {
        self.put("organization", id_or_name)
    }

    /// Any other parameter of the token request, such as `resource` (RFC 8707). Given again, its value is replaced; `resource` may
    /// be several.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters_mut().put_any(name, value.into(), &[]);
        self
    }

    fn put(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters_mut().put(name, value.into());
        self
    }

    /// A token for other parameters is another token.
    fn parameters_mut(&mut self) -> &mut Parameters {
        self.held = Arc::new(Held::new());
        Arc::make_mut(&mut self.parameters)
    }

    /// Shares the token with all processes that use the store: a fleet asks the provider once for each token. A reader of the store
    /// can act as this service, so use [`Redis`](crate::store::Redis) or a sealed [`File`](crate::store::File).
    ///
    /// A store that fails stops no service: each process then asks the provider itself, once for the life of a token, as
    /// without a store. [`on_store_failure`](Self::on_store_failure) is told.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// use hallpass::store::Memory;
    /// use hallpass::testing::{Endpoint, TestProvider};
    /// use hallpass::{Application, ClientAuth};
    ///
    /// let (provider, store) = (TestProvider::start().await, Memory::new());
    /// for _machine in 0..3 {
    ///     let service = Application::new(provider.issuer(), provider.confidential_client_id())
    ///         .client_auth(ClientAuth::client_secret_post(provider.client_secret()));
    ///     let token = service.client_credentials().audience("https://api.acme.com").shared(store.clone());
    ///     token.token().await?;
    /// }
    /// assert_eq!(provider.count(Endpoint::Token), 1);
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn shared(mut self, store: impl CredentialsStore) -> Self {
        self.fleet = Some(Fleet::new(store));
        self
    }

    /// Called when the store of [`shared`](Self::shared) failed. The token then comes from the provider.
    #[must_use]
    pub fn on_store_failure(mut self, hook: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_store_failure = Some(Arc::new(hook));
        self
    }

    /// A valid token. When less than a fifth of its life is left, 60 seconds at most, another one is fetched in the background; up
    /// to a tenth of its life earlier, at random, so that a fleet does not ask in step.
    ///
    /// After a failure the provider is asked again after its `Retry-After`, else after 1 second, doubling to 60; after a refusal
    /// that is not transient, after 10 seconds. Until then a valid token is returned if there is one, else the same error.
    ///
    /// # Errors
    /// `Server` (the provider refuses this application), `InvalidResponse`, `Discovery`, `Network`, `TimedOut`, `Configuration`
    /// (also of a store that cannot work).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a request that was sent completes for the next caller.
    pub async fn token(&self) -> Result<AccessToken> {
        self.obtain(None).await
    }

    async fn obtain(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        let now = self.application.time().now();
        let is_refused = |held: &ServiceToken| rejected.is_some_and(|rejected| *rejected == held.token);
        let usable = || self.held.token().filter(|held| held.is_fresh(now) && !is_refused(held)).map(|held| held.token);
        match self.held.token().filter(|held| !is_refused(held)) {
            Some(held) if held.is_fresh(now) => Ok(held.token),
            Some(held) if held.is_valid(now) => {
                if self.held.backoff.check(now).is_none() {
                    self.held.flight.start(usable, || self.renewal(rejected));
                }
                Ok(held.token)
            }
            _ => {
                if let Some(error) = self.held.backoff.check(now) {
                    return Err(error);
                }
                let token = self.held.flight.run(usable, || self.renewal(rejected)).await?;
                if self.fleet.is_some() && rejected == Some(&token) {
                    // From a run that took it from the store, not knowing that it is refused.
                    return self.held.flight.run(usable, || self.renewal(rejected)).await;
                }
                Ok(token)
            }
        }
    }

    /// Another token than the one that is held, or was rejected: the fleet's, or a new one.
    fn renewal(&self, rejected: Option<&AccessToken>) -> impl Future<Output = Result<AccessToken>> + Send + 'static {
        let (source, rejected) = (self.clone(), rejected.cloned());
        async move {
            let clock = source.application.time();
            let renewed = match &source.fleet {
                None => source.fetch().await,
                Some(fleet) => {
                    // Another process's key is as good as this one's, and a token that is bound to none is not.
                    let is_bound = |token: &AccessToken| source.application.dpop_key().is_none() || token.dpop_key().is_some();
                    let will_do = |shared: &ServiceToken| {
                        shared.is_fresh(clock.now()) && rejected.as_ref() != Some(&shared.token) && is_bound(&shared.token)
                    };
                    fleet.obtain(&source.key(), clock, will_do, || source.fetch(), |error| source.tell(error)).await
                }
            };
            match renewed {
                Ok(renewed) => {
                    source.held.keep(renewed.clone());
                    source.held.backoff.succeeded();
                    Ok(renewed.token)
                }
                Err(error) => {
                    source.held.backoff.failed(&error, clock.now());
                    Err(error)
                }
            }
        }
    }

    async fn fetch(&self) -> Result<ServiceToken> {
        let form = self.parameters.written_to(Form::new("client_credentials"))?;
        // RFC 6749, section 4.4.3: "A refresh token SHOULD NOT be included." One that is, is not looked at.
        let span = Span::renewal(self.application.client_id());
        let token = span.watch(token::request_access_token(&self.application, form)).await?;
        Ok(ServiceToken::new(token, self.application.time().now()))
    }

    fn tell(&self, error: &Error) {
        let Some(hook) = &self.on_store_failure else { return };
        // Whatever the hook left half-done is its own, and the token is good.
        _ = catch_unwind(AssertUnwindSafe(|| hook(error)));
    }

    /// The key of the token in a store.
    fn key(&self) -> RecordKey {
        RecordKey::of_service(self.application.domain(), self.application.client_id(), self.parameters.pairs())
    }
}

impl TokenSource for ClientCredentials {
    fn cached(&self) -> Option<AccessToken> {
        let now = self.application.time().now();
        let held = self.held.token.load();
        held.as_ref().filter(|held| held.is_fresh(now)).map(|held| held.token.clone())
    }

    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        self.obtain(rejected).await
    }
}

impl Held {
    fn new() -> Self {
        Self { token: ArcSwapOption::empty(), flight: SingleFlight::new(), backoff: Backoff::new() }
    }

    fn token(&self) -> Option<ServiceToken> {
        self.token.load().as_deref().cloned()
    }

    fn keep(&self, token: ServiceToken) {
        self.token.store(Some(Arc::new(token)));
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("application", &self.application).finish_non_exhaustive()
    }
}
