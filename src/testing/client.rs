use serde::Serialize;
use serde_json::Value;
use url::{Host, Url};

use super::edit::to_value;

/// An application that the provider knows.
///
/// A provider begins with `native`, which is public, and `web`, which has the secret `web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6`; who registers at it becomes
/// `registered`.
///
/// ```
/// use hallpass::testing::{TestClient, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let shop = TestClient::confidential("shop", "a secret").callback("https://shop.example/callback");
/// let provider = TestProvider::builder().client(shop).start().await;
/// # drop(provider);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TestClient {
    pub(super) id: String,
    pub(super) secret: Option<String>,
    pub(super) key: Option<Value>,
    pub(super) request_key: Option<Value>,
    method: Option<ClientMethod>,
    pub(super) dpop: Dpop,
    callbacks: Vec<String>,
    logout_urls: Vec<String>,
}

/// The method of client authentication (OpenID Connect Core 1.0, section 9; RFC 8705, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientMethod {
    None,
    SecretBasic,
    SecretPost,
    SecretJwt,
    PrivateKeyJwt,
    Tls,
}

/// The binding of a client's tokens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dpop {
    /// If it shows a proof.
    Optional,
    Required,
    RequiredWithNonce,
}

impl TestClient {
    /// One without a secret: PKCE is demanded of it.
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
            key: None,
            request_key: None,
            method: None,
            dpop: Dpop::Optional,
            callbacks: Vec::new(),
            logout_urls: Vec::new(),
        }
    }

    /// A client that authenticates with a secret (by HTTP Basic, in the form, or by an assertion), and may have tokens without a
    /// person.
    #[must_use]
    pub fn confidential(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { secret: Some(secret.into()), ..Self::public(id) }
    }

    /// One that signs its assertions with the private half of this public JWK: `private_key_jwt` (OpenID Connect Core 1.0, section 9).
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    #[must_use]
    pub fn signing(id: impl Into<String>, public_jwk: impl Serialize) -> Self {
        Self { key: Some(to_value(public_jwk)), ..Self::public(id) }
    }

    /// All logins of it are signed with the private half of this public JWK (RFC 9101): no other begins.
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    #[must_use]
    pub fn signed_requests(mut self, public_jwk: impl Serialize) -> Self {
        self.request_key = Some(to_value(public_jwk));
        self
    }

    /// One that authenticates with a certificate. The provider speaks no TLS and sees none: it takes the application's word for it.
    #[must_use]
    pub fn certified(id: impl Into<String>) -> Self {
        Self { method: Some(ClientMethod::Tls), ..Self::public(id) }
    }

    /// Only in this way: `client_secret_basic`, `client_secret_post`, `client_secret_jwt` …, as at a provider that is strict about it.
    ///
    /// # Panics
    /// When there is no such way.
    #[must_use]
    pub fn auth_method(mut self, name: &str) -> Self {
        let known = ClientMethod::ALL.into_iter().find(|(known, _)| *known == name);
        self.method = Some(known.expect("the test names client_secret_basic, private_key_jwt and so on").1);
        self
    }

    /// One whose tokens are always bound to a key (`dpop_bound_access_tokens`, RFC 9449, section 5.2). Others' are when they show a
    /// proof.
    #[must_use]
    pub fn requires_dpop(mut self) -> Self {
        self.dpop = Dpop::Required;
        self
    }

    /// The same, and its proofs have to hold the provider's nonce, which every answer brings
    /// ([`TestProvider::renew_dpop_nonce`](super::TestProvider::renew_dpop_nonce)).
    #[must_use]
    pub fn requires_dpop_nonce(mut self) -> Self {
        self.dpop = Dpop::RequiredWithNonce;
        self
    }

    /// A callback URL more, compared exactly. On loopback `/callback`, with any port and query, is allowed without it.
    #[must_use]
    pub fn callback(mut self, url: impl Into<String>) -> Self {
        self.callbacks.push(url.into());
        self
    }

    /// A URL to return to after a logout, compared exactly. Any URL on loopback is allowed without it.
    #[must_use]
    pub fn logout_url(mut self, url: impl Into<String>) -> Self {
        self.logout_urls.push(url.into());
        self
    }

    /// Those that every provider begins with.
    pub(super) fn initial() -> Vec<Self> {
        let registered = |client: Self| {
            client
                .callback("https://app.example.com/callback")
                .callback("com.example.app:/callback")
                .logout_url("https://app.example.com/")
        };
        vec![registered(Self::public(NATIVE)), registered(Self::confidential(WEB, WEB_SECRET)), Self::public(REGISTERED)]
    }

    pub(super) fn wants_nonce(&self) -> bool {
        self.dpop == Dpop::RequiredWithNonce
    }

    pub(super) fn is_confidential(&self) -> bool {
        self.secret.is_some() || self.key.is_some() || self.method == Some(ClientMethod::Tls)
    }

    pub(super) fn may_use(&self, method: ClientMethod) -> bool {
        match self.method {
            Some(only) => only == method,
            None => match method {
                ClientMethod::None => !self.is_confidential(),
                ClientMethod::SecretBasic | ClientMethod::SecretPost | ClientMethod::SecretJwt => self.secret.is_some(),
                ClientMethod::PrivateKeyJwt => self.key.is_some(),
                ClientMethod::Tls => false,
            },
        }
    }

    pub(super) fn allows_callback(&self, url: &str) -> bool {
        let under_callback = |path: &str| path == "/callback" || path.starts_with("/callback/");
        self.callbacks.iter().any(|callback| callback == url) || loopback(url).is_some_and(|url| under_callback(url.path()))
    }

    pub(super) fn allows_logout(&self, url: &str) -> bool {
        self.logout_urls.iter().any(|registered| registered == url) || loopback(url).is_some()
    }
}

impl ClientMethod {
    pub(super) const ALL: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("client_secret_basic", Self::SecretBasic),
        ("client_secret_post", Self::SecretPost),
        ("client_secret_jwt", Self::SecretJwt),
        ("private_key_jwt", Self::PrivateKeyJwt),
        ("tls_client_auth", Self::Tls),
        ("self_signed_tls_client_auth", Self::Tls),
    ];
}

/// RFC 8252, section 7.3: "The authorization server MUST allow any port to be specified at the time of the request for
/// loopback IP redirect URIs"
fn loopback(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let on_loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    (on_loopback && url.scheme() == "http" && url.fragment().is_none()).then_some(url)
}

pub(super) const NATIVE: &str = "native";
/// The client ID of every registration.
pub(super) const REGISTERED: &str = "registered";
pub(super) const WEB: &str = "web";
pub(super) const WEB_SECRET: &str = "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6";
