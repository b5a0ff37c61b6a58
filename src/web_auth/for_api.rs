use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::application::Application;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::origin::{self, Reach};
use crate::protected_resource::ProtectedResource;
use crate::provider::Issuer;
use crate::transport::Transport;
use crate::web_auth::builder::WebAuth;

/// Finds out from an API who logs people in for it (RFC 9728), for programs that know nothing but the API's URL.
///
/// The API is asked without a token. What it says of itself is taken from its own origin only, has to be about this very URL, and
/// decides which provider the login is at, what the token is for and what it grants.
///
/// The operator of the API chooses the provider. The person enters their password there, and the tokens belong to that API alone.
/// Send them nowhere else: [`AuthorizedClient::base_url`](crate::AuthorizedClient::base_url) with the same URL ensures that. If the
/// API names another issuer later, nothing of the old one is sent there: credentials are kept by issuer, and a client id is valid
/// at its issuer only. A program that expects one issuer sets [`issuer`](Self::issuer).
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use hallpass::testing::{Api, TestBrowser, TestProvider};
/// # use hallpass::AuthorizedClient;
/// # let provider = TestProvider::start().await;
/// # let api = Api::start(&provider, "https://api.acme.com").await;
/// # let (url, browser) = (api.url(), TestBrowser::new());
/// use hallpass::web_auth::ApiDiscovery;
///
/// let auth = ApiDiscovery::new(url).register("Acme's command line").discover().await?;
/// println!("keep this for the next time: {}", auth.application().client_id());
/// let credentials = auth.ephemeral_port().browser(browser).start().await?;
/// let client = AuthorizedClient::new(credentials)?.base_url(url)?;
/// assert_eq!(client.get("messages").send().await?.status(), 200);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[must_use]
pub struct ApiDiscovery {
    url: String,
    client: Client,
    scope: String,
    allowed_scopes: Option<Vec<String>>,
    issuer: Option<String>,
    http_client: Option<Box<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>>,
}

/// As whom the program logs people in.
#[derive(Debug)]
enum Client {
    Missing,
    Known(String),
    #[cfg(feature = "loopback")]
    New(String),
}

impl WebAuth {
    /// A login for an API of which only the URL is known, at a provider whose answers say whose they are: see [`ApiDiscovery`]. `client_id` is what the provider that is found calls this
    /// program, or the https URL of a document that describes the program, at providers that take such.
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// # use hallpass::testing::{Api, TestBrowser, TestProvider};
    /// # let provider = TestProvider::start().await;
    /// # let api = Api::start(&provider, "https://api.acme.com").await;
    /// use hallpass::{AuthorizedClient, WebAuth};
    ///
    /// let auth = WebAuth::for_api(api.url(), provider.client_id()).await?;
    /// # let auth = auth.ephemeral_port().browser(TestBrowser::new());
    /// let client = AuthorizedClient::new(auth.start().await?)?.base_url(api.url())?;
    /// assert_eq!(client.get("messages").send().await?.status(), 200);
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`ApiDiscovery::discover`].
    pub async fn for_api(url: impl AsRef<str> + Send, client_id: impl Into<String> + Send) -> Result<Self> {
        ApiDiscovery::new(url).client_id(client_id).discover().await
    }
}

impl ApiDiscovery {
    /// `url` is how the API names itself, as a rule its root: an absolute https URL, or one of http on loopback.
    pub fn new(url: impl AsRef<str>) -> Self {
        let url = url.as_ref().to_owned();
        Self { url, client: Client::Missing, scope: "openid".to_owned(), allowed_scopes: None, issuer: None, http_client: None }
    }

    /// The client ID, or the https URL of a document that describes the program (`draft-ietf-oauth-client-id-metadata-document`),
    /// at providers that accept one.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client = Client::Known(id.into());
        self
    }

    /// Registers the program at the provider under this name, with the redirect URIs on loopback that [`WebAuth::start`] uses (RFC
    /// 7591). Do it once: keep the resulting [`client_id`](Application::client_id), and give it the next time.
    #[cfg(feature = "loopback")]
    pub fn register(mut self, name: impl Into<String>) -> Self {
        self.client = Client::New(name.into());
        self
    }

    /// The scope to request in addition to the API's, separated by spaces, in place of `openid`: `openid offline_access`, for
    /// example.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// The scopes that the API may ask for; others that it names are left out. Without a call, all are asked for but `offline_access`:
    /// whether the login lasts is for [`scope`](Self::scope) to say. What is asked for in the end says
    /// [`WebAuth::requested_scope`], before anyone logs in.
    pub fn allow_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed_scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The only issuer that the API may name. A provider whose answers do not name their issuer (RFC 9207), as Auth0's, has to be
    /// expected by this.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Builds the HTTP clients for the API and for the provider, as in [`Application::http_client`]. It is called once for each.
    pub fn http_client(mut self, builder: impl Fn() -> reqwest::ClientBuilder + Send + Sync + 'static) -> Self {
        self.http_client = Some(Box::new(builder));
        self
    }

    /// Asks the API, and then the provider that it names; of several, the first one that answers as a provider does.
    ///
    /// # Errors
    /// `Configuration` (the URL, or neither a client id nor a name to register), `Discovery` (the API does not say who logs people in,
    /// or says what may not be believed; no provider that it names has usable metadata, or none registers programs), `Server` (the
    /// registration was refused), `InvalidResponse`, `Network`, `TimedOut`.
    pub async fn discover(self) -> Result<WebAuth> {
        let url = api_url(&self.url)?;
        if matches!(self.client, Client::Missing) {
            return Err(Error::configuration("the provider would not know this program; set client_id, or register with a name"));
        }
        let transport = Transport::new(self.http_client.as_ref().map_or_else(reqwest::Client::builder, |builder| builder()));
        let api = ProtectedResource::discover(&transport, &url, Clock::default().now()).await?;
        let application = self.application(&api, &url).await?;
        let metadata = application.provider().metadata().await?;
        // RFC 9700, section 4.4: else it could have another provider's code brought here, whose login page the person trusts.
        if self.issuer.is_none() && !metadata.sends_issuer {
            return Err(Error::new(
                ErrorKind::Discovery,
                "the API names a provider whose answers do not say whose they are (RFC 9207), so that it could be given what is another's; set the issuer that you expect",
            ));
        }
        let is_auth0 = metadata.speaks_auth0;
        let may_ask = |scope: &&str| match &self.allowed_scopes {
            Some(allowed) => allowed.iter().any(|own| own == scope),
            None => *scope != "offline_access",
        };
        let wanted = api.scope.as_deref().unwrap_or_default().split(' ').filter(may_ask).collect::<Vec<_>>().join(" ");
        let scope = format!("{} {wanted}", self.scope);
        let auth = application.web_auth().scope(scope);
        Ok(if is_auth0 { auth.audience(api.resource) } else { auth.resource(api.resource) })
    }

    /// The program at the first issuer that answers as one.
    async fn application(&self, api: &ProtectedResource, url: &Url) -> Result<Application> {
        let mut refusal = Error::new(
            ErrorKind::Discovery,
            "the API names nobody who logs people in for it; use WebAuth::new with the provider that the API's documentation names",
        );
        for issuer in &api.authorization_servers {
            if let Err(error) = self.may_be(issuer, url) {
                refusal = error;
                continue;
            }
            let application = self.at(issuer, "").reaching(Reach::of(url));
            match application.provider().metadata().await {
                Ok(_) => {
                    return match &self.client {
                        Client::Known(id) => Ok(application.with_client_id(id.clone())),
                        #[cfg(feature = "loopback")]
                        Client::New(name) => crate::web_auth::registration::register(application, name).await,
                        Client::Missing => Ok(application),
                    };
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn at(&self, issuer: &str, client_id: &str) -> Application {
        let application = Application::new(issuer, client_id);
        match &self.http_client {
            Some(builder) => application.http_client(builder()),
            None => application,
        }
    }

    /// An issuer is an absolute URL here (RFC 9728, section 2). One on this machine may not be named by an API elsewhere.
    fn may_be(&self, issuer: &str, api: &Url) -> Result<()> {
        let refused = |why: &str| {
            Error::new(ErrorKind::Discovery, format!("the API names an authorization server that {why}; ask whoever runs the API"))
        };
        if self.issuer.as_ref().is_some_and(|expected| expected != issuer) {
            return Err(refused("is not the issuer that was expected"));
        }
        // The parser that decides who is asked. It also takes a domain, which is no URL.
        if !["https://", "http://"].iter().any(|scheme| issuer.starts_with(scheme)) {
            return Err(refused("has no absolute URL"));
        }
        let parsed = Issuer::parse(issuer, None).map_err(|error| refused("has no URL of an issuer").with_source(error))?;
        let url = parsed.url();
        if !origin::is_confidential(url) || origin::has_user_info(url) {
            return Err(refused("is neither on https nor on loopback, or holds a user name"));
        }
        Reach::of(api).check(url).map_err(refused)
    }
}

fn api_url(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| {
        Error::configuration("the API's URL is no absolute URL; give one such as https://api.acme.com").with_source(error)
    })?;
    // RFC 9728, section 1.2: "an https URL that does not include a fragment component"
    if !origin::is_confidential(&url) || origin::has_user_info(&url) || url.fragment().is_some() {
        return Err(Error::configuration(
            "the API's URL is not https, or holds a user name, a password or a fragment; give one such as https://api.acme.com",
        ));
    }
    Ok(url)
}

impl fmt::Debug for ApiDiscovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url: Arc<str> = self.url.split(['?', '#']).next().and_then(|url| url.rsplit('@').next()).unwrap_or_default().into();
        f.debug_struct("ApiDiscovery").field("url", &url).field("client", &self.client).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_elsewhere_names_nobody_on_this_machine() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (here, elsewhere) = (url("http://127.0.0.1:8080/"), url("https://api.acme.com/"));
        let discovery = ApiDiscovery::new(&elsewhere);
        for issuer in ["http://127.0.0.1:9000/", "http://localhost/", "https://localhost/", "https://[::1]:8443/"] {
            assert_eq!(discovery.may_be(issuer, &elsewhere).unwrap_err().kind(), ErrorKind::Discovery, "{issuer}");
            discovery.may_be(issuer, &here).unwrap();
        }
        for host in ["0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "127.1", "localhost.", "a.localhost"] {
            let issuer = format!("https://{host}/");
            assert_eq!(discovery.may_be(&issuer, &elsewhere).unwrap_err().kind(), ErrorKind::Discovery, "{issuer}");
        }
        for host in ["10.0.0.5", "192.168.1.1", "172.16.0.1", "169.254.169.254", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.5]"] {
            let issuer = format!("https://{host}/");
            assert_eq!(discovery.may_be(&issuer, &elsewhere).unwrap_err().kind(), ErrorKind::Discovery, "{issuer}");
            discovery.may_be(&issuer, &url("https://192.168.0.7/")).unwrap();
        }
        // K1 — issuer: asked of nobody
        for issuer in
            ["https:/public.example/realm", "https:public.example", "HTTPS://public.example/", "public.example", "\thttps://a/"]
        {
            assert_eq!(discovery.may_be(issuer, &elsewhere).unwrap_err().kind(), ErrorKind::Discovery, "{issuer}");
            if issuer.starts_with("https:") {
                assert_eq!(Issuer::parse(issuer, None).unwrap_err().kind(), ErrorKind::Configuration, "{issuer}");
            }
        }
        for issuer in ["https://acme.auth0.com/", "https://mylocalhost/", "https://localhost.acme.com/", "https://[2001:db8::1]/"] {
            discovery.may_be(issuer, &elsewhere).unwrap();
        }
    }
}
