use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use crate::application::Application;
use crate::client_auth::PrivateKey;
use crate::credentials::Credentials;
use crate::dpop::DpopKey;
use crate::error::Result;
use crate::provider::Organization;
use crate::token::scopes;
use crate::web_auth::authorize_url::AuthorizeUrls;
use crate::web_auth::delivery::{Delivery, Way};
use crate::web_auth::parameters::Parameters;
use crate::web_auth::redirect_uri::checked_redirect_uri;
#[cfg(feature = "loopback")]
use crate::web_auth::{
    browser::{Browser, SystemBrowser, dynamic::DynBrowser},
    listener::{CallbackPage, LoopbackAddress, LoopbackHost},
};

/// Logs a person in with their browser, at Auth0 or any OpenID Connect provider.
///
/// `start` does the whole login on this machine. `begin` and `finish` are its two halves, for programs that handle the redirect URI
/// themselves. Cheap to clone; nothing is sent before a login starts, and a bad value is reported then, as `Configuration`.
///
/// # Defaults
/// The scope `openid profile email`; the redirect URIs `http://127.0.0.1:21965/callback`, then :21966 and :21967, each of
/// which has to be registered at Auth0, which compares ports exactly; the system's browser; five minutes for the person.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// use hallpass::WebAuth;
/// use hallpass::testing::{TestBrowser, TestProvider};
///
/// let provider = TestProvider::start().await;
/// let credentials = WebAuth::new(provider.issuer(), provider.client_id())
///     .audience("https://api.acme.com")
///     .scope("openid profile read:messages")
///     .ephemeral_port()
///     .browser(TestBrowser::new())
///     .start()
///     .await?;
/// assert!(credentials.has_scope("read:messages"));
/// assert_eq!(credentials.user().and_then(|user| user.email()).as_deref(), None, "the scope email was not asked for");
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct WebAuth {
    pub(super) application: Application,
    pub(super) parameters: Arc<Parameters>,
    pub(super) redirect_uri: Option<Result<Arc<str>>>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) timeout: Duration,
    pub(super) dpop_per_login: bool,
    #[cfg(feature = "loopback")]
    pub(super) browser: Arc<dyn DynBrowser>,
    #[cfg(feature = "loopback")]
    pub(super) address: LoopbackAddress,
    #[cfg(feature = "loopback")]
    pub(super) page: CallbackPage,
}

impl Application {
    /// A login in the browser for this application.
    #[must_use]
    pub fn web_auth(&self) -> WebAuth {
        WebAuth {
            application: self.clone(),
            parameters: Arc::default(),
            redirect_uri: None,
            delivery: Arc::default(),
            timeout: Duration::from_secs(5 * 60),
            dpop_per_login: false,
            #[cfg(feature = "loopback")]
            browser: Arc::new(SystemBrowser::new()),
            #[cfg(feature = "loopback")]
            address: LoopbackAddress::default(),
            #[cfg(feature = "loopback")]
            page: CallbackPage::new(),
        }
    }
}

impl From<Application> for WebAuth {
    fn from(application: Application) -> Self {
        application.web_auth()
    }
}

impl WebAuth {
    /// `domain` is an Auth0 domain such as `acme.eu.auth0.com`, a custom domain, or the absolute URL of an OpenID Connect
    /// issuer; `client_id` is what the provider calls this program. Whatever else belongs to the application, such as a
    /// client secret or a proxy, is set on [`Application`], which has `web_auth()`.
    pub fn new(domain: impl Into<String>, client_id: impl Into<String>) -> Self {
        Application::new(domain, client_id).web_auth()
    }

    /// A clone with other parameters has other login URLs, and does not replace those of this one.
    pub(super) fn parameters_mut(&mut self) -> &mut Parameters {
        Arc::make_mut(&mut self.delivery).urls = AuthorizeUrls::default();
        Arc::make_mut(&mut self.parameters)
    }

    /// The application that the login is for.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// The scope, separated by spaces; replaces the default. `openid` for an ID token, `offline_access` for a refresh token, and
    /// the API's own, such as `read:messages`.
    #[must_use]
    pub fn scope(mut self, scope: impl AsRef<str>) -> Self {
        self.parameters_mut().scope = scopes(scope.as_ref());
        self
    }

    /// The scope, separated by spaces, with the parts that [`ApiDiscovery`](crate::web_auth::ApiDiscovery) or
    /// [`step_up`](Self::step_up) added for an API.
    #[must_use]
    pub fn requested_scope(&self) -> &str {
        &self.parameters.scope
    }

    /// Lets only the person of these credentials log in: another person's ID token is refused (`IdToken`), so the scope has to hold
    /// `openid`. The provider gets a `login_hint` where the person's `email` or `preferred_username` is known and no other hint was
    /// set. Credentials without an ID token are an error of kind `Configuration` when the login starts.
    #[must_use]
    pub fn same_person(mut self, credentials: &Credentials) -> Self {
        let Some(person) = credentials.user() else {
            self.parameters_mut()
                .refuse("the credentials hold no ID token, so that nobody knows whose they are; log in with openid");
            return self;
        };
        let parameters = self.parameters_mut();
        parameters.demands.person = Some(person.subject().into());
        if let Some(hint) = person.email().or_else(|| person.get("preferred_username")) {
            parameters.hint(hint);
        }
        self
    }

    /// The identifier of the API that the access token is for, as registered at Auth0. Without one the token is opaque, and
    /// the API answers 401.
    #[must_use]
    pub fn audience(self, identifier: impl Into<String>) -> Self {
        self.parameter("audience", identifier)
    }

    /// The identity source at Auth0, such as `google-oauth2`, which skips the page that offers all of them.
    #[must_use]
    pub fn connection(self, name: impl Into<String>) -> Self {
        self.parameter("connection", name)
    }

    /// Scopes for the identity source itself, at Auth0, separated by commas.
    #[must_use]
    pub fn connection_scope(self, scope: impl Into<String>) -> Self {
        self.parameter("connection_scope", scope)
    }

    /// The organization that the person logs in to, at Auth0: its id (`org_…`) or its name. The ID token has to name it too, so that
    /// the scope has to hold `openid`.
    #[must_use]
    pub fn organization(mut self, id_or_name: impl AsRef<str>) -> Self {
        self.parameters_mut().demands.organization = Some(Arc::new(Organization::parse(id_or_name.as_ref())));
        self
    }

    /// The URL of an invitation that Auth0 has sent: its invitation and its organization.
    #[must_use]
    pub fn invitation(mut self, url: impl AsRef<str>) -> Self {
        let parsed = Url::parse(url.as_ref()).ok();
        let find = |name: &str| {
            parsed.as_ref().and_then(|url| url.query_pairs().find(|pair| pair.0 == name).map(|pair| pair.1.into_owned()))
        };
        match (find("invitation"), find("organization")) {
            (Some(invitation), Some(organization)) => self.parameter("invitation", invitation).organization(organization),
            _ => {
                self.parameters_mut().refuse(
                    "this is no invitation's URL, which has invitation and organization in its query; give the one that was sent",
                );
                self
            }
        }
    }

    /// The account that the login page suggests: an email address or a user name.
    #[must_use]
    pub fn login_hint(self, hint: impl Into<String>) -> Self {
        self.parameter("login_hint", hint)
    }

    /// `login` to ask again in any case, `consent`, `select_account`, or `none` to ask nothing (OpenID Connect Core 1.0,
    /// section 3.1.2.1).
    #[must_use]
    pub fn prompt(self, prompt: impl Into<String>) -> Self {
        self.parameter("prompt", prompt)
    }

    /// `signup` to show the form for new users first, at Auth0.
    #[must_use]
    pub fn screen_hint(self, hint: impl Into<String>) -> Self {
        self.parameter("screen_hint", hint)
    }

    /// The highest age of the person's authentication. The ID token has to prove it, so the scope has to hold `openid`.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.parameters_mut().demands.max_age = Some(age);
        self
    }

    /// The languages of the login page, best first, separated by spaces: `de en`.
    #[must_use]
    pub fn ui_locales(self, tags: impl Into<String>) -> Self {
        self.parameter("ui_locales", tags)
    }

    /// The wanted strength of the authentication, best first, separated by spaces. It is a wish: the claim `acr` of the ID token
    /// has the result. A demand goes into [`claims`](Self::claims).
    #[must_use]
    pub fn acr_values(self, values: impl Into<String>) -> Self {
        self.parameter("acr_values", values)
    }

    /// The API that the access token is for, as an absolute URI, at providers that follow RFC 8707. Called again, it adds one:
    /// a token for all of them. Each token request names them again, renewals too.
    #[must_use]
    pub fn resource(mut self, uri: impl Into<String>) -> Self {
        self.parameters_mut().set("resource", uri.into());
        self
    }

    /// Single claims to be told in the ID token or in user info: a JSON object with `id_token` or `userinfo` (OpenID Connect
    /// Core 1.0, section 5.5). An `acr` of the ID token that is `essential` and has `value` or `values` is a demand: the login
    /// fails with `IdToken` when it comes back with another. Other claims are looked for by the program.
    ///
    /// ```
    /// # use hallpass::WebAuth;
    /// let auth = WebAuth::new("acme.eu.auth0.com", "CLIENT_ID")
    ///     .claims(serde_json::json!({ "id_token": { "email": { "essential": true } } }));
    /// ```
    #[must_use]
    pub fn claims(mut self, claims: impl Serialize) -> Self {
        self.parameters_mut().set_claims(&claims);
        self
    }

    /// The details of the requested grant, beyond a scope: a JSON array of objects, each with a `type` (RFC 9396, section 2).
    /// [`Credentials::authorization_details`](crate::Credentials::authorization_details) has the granted ones.
    ///
    /// ```
    /// # use hallpass::WebAuth;
    /// let auth = WebAuth::new("acme.eu.auth0.com", "CLIENT_ID")
    ///     .authorization_details(serde_json::json!([{ "type": "payment", "amount": "12.50", "currency": "EUR" }]));
    /// ```
    #[must_use]
    pub fn authorization_details(mut self, details: impl Serialize) -> Self {
        self.parameters_mut().set_authorization_details(&details);
        self
    }

    /// Sends the parameters to the provider directly, before the browser is opened: the URL then holds nothing to read or alter
    /// (RFC 9126). It is automatic where the provider's metadata requires it. The URL is valid for a short time only, half a minute
    /// at Auth0: see [`PendingLogin::url_expires_at`](crate::PendingLogin::url_expires_at).
    #[must_use]
    pub fn pushed(mut self) -> Self {
        Arc::make_mut(&mut self.delivery).way = Way::Pushed;
        self
    }

    /// Signs what the login asks for: the request becomes a JWT that only this application can have made (RFC 9101, JAR), in the
    /// URL, or [`pushed`](Self::pushed). The provider knows the public half of the key. In a URL it is good for a minute: see
    /// [`PendingLogin::url_expires_at`](crate::PendingLogin::url_expires_at).
    #[must_use]
    pub fn signed(mut self, key: PrivateKey) -> Self {
        Arc::make_mut(&mut self.delivery).key = Some(key);
        self
    }

    /// Has the provider's answer come in the body of a POST rather than in a URL, which histories and logs keep (OAuth 2.0 Form
    /// Post Response Mode). With `begin` and `finish`, hand over the body. It is posted from the provider's pages, so that a
    /// cookie which finds the [`PendingLogin`](crate::PendingLogin) again has to be `SameSite=None; Secure`.
    #[must_use]
    pub fn form_post(mut self) -> Self {
        let parameters = self.parameters_mut();
        parameters.response_mode = parameters.response_mode.posted();
        self
    }

    /// Has the provider sign its answer, and accepts no other: code, state and issuer come as one JWT, for this application and a
    /// short while (JWT Secured Authorization Response Mode for OAuth 2.0, JARM). Together with [`form_post`](Self::form_post) it
    /// is posted.
    #[must_use]
    pub fn signed_response(mut self) -> Self {
        let parameters = self.parameters_mut();
        parameters.response_mode = parameters.response_mode.signed();
        self
    }

    /// Any other parameter of the authorization request. What protects the login cannot be set.
    #[must_use]
    pub fn parameter(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.parameters_mut().set(name.as_ref(), value.into());
        self
    }

    /// The redirect URI, exactly as registered. `begin` takes any https URL, a private scheme such as `com.acme.app:/callback`, or
    /// http on loopback; `start` needs the latter, with its port.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl AsRef<str>) -> Self {
        self.redirect_uri = Some(checked_redirect_uri(uri.as_ref()));
        self
    }

    /// Other ports than 21965 to 21967 for `http://127.0.0.1:{port}/callback`, tried in this order.
    #[cfg(feature = "loopback")]
    #[must_use]
    pub fn redirect_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.address = self.address.ports(ports);
        self
    }

    /// Any free port, for providers that follow RFC 8252, section 7.3: they "MUST allow any port to be specified at the time
    /// of the request for loopback IP redirect URIs". Auth0 does not.
    #[cfg(feature = "loopback")]
    #[must_use]
    pub fn ephemeral_port(self) -> Self {
        self.redirect_ports([0])
    }

    /// `http://localhost:{port}/callback`, for providers that register nothing else. It is listened on at 127.0.0.1 and `[::1]`,
    /// since the browser decides which of them it means.
    #[cfg(feature = "loopback")]
    #[must_use]
    pub fn localhost(mut self) -> Self {
        self.address = self.address.host(LoopbackHost::Localhost);
        self
    }

    /// The callback URLs that `start` may use: register each of them at the provider.
    ///
    /// ```
    /// let urls = hallpass::WebAuth::new("acme.eu.auth0.com", "CLIENT_ID").callback_urls()?;
    /// assert_eq!(urls[0], "http://127.0.0.1:21965/callback");
    /// # Ok::<(), hallpass::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Configuration` when a [`redirect_uri`](Self::redirect_uri) is set that is not on loopback.
    #[cfg(feature = "loopback")]
    pub fn callback_urls(&self) -> Result<Vec<String>> {
        Ok(self.loopback_address()?.redirect_uris().collect())
    }

    /// Shows the login to the person, instead of the system's browser.
    #[cfg(feature = "loopback")]
    #[must_use]
    pub fn browser(mut self, browser: impl Browser) -> Self {
        self.browser = Arc::new(browser);
        self
    }

    /// Binds the tokens to this key: see [`Application::dpop`], which this sets.
    #[must_use]
    pub fn dpop(mut self, key: DpopKey) -> Self {
        self.application = self.application.dpop(key);
        self.dpop_per_login = false;
        self
    }

    /// Binds the tokens of each login to a new key, made for ES256: for programs with many users, so that no session depends on
    /// another one's key. The [`PendingLogin`](crate::PendingLogin) holds the key, and afterwards the credentials.
    #[must_use]
    pub fn dpop_per_login(mut self) -> Self {
        self.dpop_per_login = true;
        self
    }

    /// The time in which the person has to log in. Five minutes unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The page that the browser shows when the login is over.
    #[cfg(feature = "loopback")]
    #[must_use]
    pub fn callback_page(mut self, page: CallbackPage) -> Self {
        self.page = page;
        self
    }
}

impl fmt::Debug for WebAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAuth")
            .field("application", &self.application)
            .field("scope", &self.parameters.scope)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
