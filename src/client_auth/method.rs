use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::client_auth::assertion::{Assertion, AssertionType, JWT_BEARER};
use crate::client_auth::private_key::PrivateKey;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::form::{Form, repeats};
use crate::secret::Secret;

/// The authentication of an application at the provider. Programs that people install have no secret: for them
/// [`none`](Self::none), the default, is right, and PKCE protects the login.
///
/// The same method serves every endpoint: tokens, revocation, introspection, pushed requests, devices.
#[derive(Clone, Default)]
pub struct ClientAuth {
    method: Method,
    typ: AssertionType,
    /// Assertions name the token endpoint as their audience, and not the issuer.
    names_token_endpoint: bool,
    /// The form has the client ID although the header has it.
    has_client_id_in_body: bool,
}

#[derive(Debug, Clone, Default)]
enum Method {
    #[default]
    None,
    SecretBasic(Secret),
    SecretPost(Secret),
    SecretJwt(Secret),
    PrivateKeyJwt(PrivateKey),
    Tls,
    SelfSignedTls,
}

/// The receiver of a request, and the time.
pub(crate) struct Addressee<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) issuer: &'a str,
    /// None where it may be another provider's.
    pub(crate) token_endpoint: Option<&'a str>,
    /// The algorithms by which the provider verifies assertions, if it names them.
    pub(crate) algorithms: Option<&'a [String]>,
    pub(crate) now: Timestamp,
}

impl ClientAuth {
    fn by(method: Method) -> Self {
        Self { method, ..Self::default() }
    }

    /// A public application: a command-line, desktop or mobile program.
    #[must_use]
    pub fn none() -> Self {
        Self::by(Method::None)
    }

    /// A secret in the `Authorization` header (RFC 6749, section 2.3.1).
    pub fn client_secret_basic(secret: impl Into<Secret>) -> Self {
        Self::by(Method::SecretBasic(secret.into()))
    }

    /// A secret in the form, which is how Auth0 registers web applications at first (RFC 6749, section 2.3.1).
    pub fn client_secret_post(secret: impl Into<Secret>) -> Self {
        Self::by(Method::SecretPost(secret.into()))
    }

    /// A short-lived assertion signed with the secret by HS256: the secret itself stays here (OpenID Connect Core 1.0, section 9).
    /// The secret has at least 32 bytes.
    pub fn client_secret_jwt(secret: impl Into<Secret>) -> Self {
        Self::by(Method::SecretJwt(secret.into()))
    }

    /// A short-lived assertion signed with a private key, of which the provider knows the public half (RFC 7523, section 2.2).
    ///
    /// ```
    /// # async fn example() -> hallpass::Result<()> {
    /// use hallpass::client_auth::PrivateKey;
    /// use hallpass::testing::{TestClient, TestProvider};
    /// use hallpass::{Application, ClientAuth};
    ///
    /// let key = PrivateKey::generate("ES256")?; // else PrivateKey::from_pem or from_jwk
    /// let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
    /// let service = Application::new(provider.issuer(), "service").client_auth(ClientAuth::private_key_jwt(key));
    /// let token = service.client_credentials().audience("https://api.acme.com").token().await?;
    /// assert!(token.expires_at().is_some());
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn private_key_jwt(key: PrivateKey) -> Self {
        Self::by(Method::PrivateKeyJwt(key))
    }

    /// Has assertions say `JWT` as their type, for providers that take no other. By default they say `client-authentication+jwt`, so that
    /// no server takes one for anything else (draft-ietf-oauth-rfc7523bis, section 4).
    #[must_use]
    pub fn untyped_assertions(mut self) -> Self {
        self.typ = AssertionType::Jwt;
        self
    }

    /// Has assertions name the token endpoint as their audience, for providers that refuse the issuer: Hydra 2.3, Entra ID, AD FS, WSO2, CAS.
    ///
    /// Danger: a server that names another's token endpoint as its own can use the assertion there (CVE-2025-27370). So this is
    /// `Configuration` where an API named the provider.
    #[must_use]
    pub fn danger_token_endpoint_audience(mut self) -> Self {
        self.names_token_endpoint = true;
        self
    }

    /// Puts `client_id` into the form, too, for providers that look for it there although the `Authorization` header has it.
    #[must_use]
    pub fn client_id_in_body(mut self) -> Self {
        self.has_client_id_in_body = true;
        self
    }

    /// A client certificate that an authority known to the provider has signed (RFC 8705, section 2.1). The certificate comes with
    /// [`Application::http_client`](crate::Application::http_client), as `reqwest::Client::builder().identity(…)`; requests go to the
    /// addresses that the provider keeps for mutual TLS, if it has such.
    ///
    /// Tokens that the provider binds to the certificate are good only on connections that show it: build the client for the API
    /// of the same identity, by [`AuthorizedClient::from_builder`](crate::AuthorizedClient::from_builder). A public application whose
    /// tokens are to be bound uses this too.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use hallpass::{Application, AuthorizedClient, ClientAuth};
    ///
    /// let identity = reqwest::Identity::from_pem(&std::fs::read("certificate-and-key.pem")?)?;
    /// let service = Application::new("login.example.com", "service")
    ///     .client_auth(ClientAuth::tls_client_auth())
    ///     .http_client(reqwest::Client::builder().identity(identity.clone()));
    /// let token = service.client_credentials().scope("read:messages");
    /// let client = AuthorizedClient::from_builder(reqwest::Client::builder().identity(identity), token)?;
    /// client.get("https://api.example.com/messages").send().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn tls_client_auth() -> Self {
        Self::by(Method::Tls)
    }

    /// The same with a certificate that the application signed itself, and of which the provider knows the key (RFC 8705, section 2.2).
    #[must_use]
    pub fn self_signed_tls_client_auth() -> Self {
        Self::by(Method::SelfSignedTls)
    }

    /// To be called for every attempt: an assertion is good for one.
    pub(crate) fn authenticate(&self, to: &Addressee<'_>, form: &mut Form, headers: &mut HeaderMap) -> Result<()> {
        let client_id = to.client_id;
        let assertion = || Assertion::new(client_id, self.audience(to)?, to.now, self.typ);
        match &self.method {
            // RFC 8705, section 2: the certificate says who it is, and "client_id" for whom it speaks.
            Method::None | Method::Tls | Method::SelfSignedTls => form.push_once("client_id", client_id),
            Method::SecretJwt(secret) => push_assertion(form, client_id, &assertion()?.signed_with(secret)?),
            Method::PrivateKeyJwt(key) => push_assertion(form, client_id, &assertion()?.signed_by(key, to.algorithms)?),
            Method::SecretBasic(secret) => {
                headers.insert(AUTHORIZATION, basic(client_id, secret));
                if self.has_client_id_in_body {
                    form.push_once("client_id", client_id);
                }
            }
            Method::SecretPost(secret) => {
                form.push_once("client_id", client_id);
                form.push("client_secret", secret.expose());
            }
        }
        Ok(())
    }

    fn audience<'a>(&self, to: &Addressee<'a>) -> Result<&'a str> {
        if !self.names_token_endpoint {
            return Ok(to.issuer);
        }
        to.token_endpoint.ok_or_else(|| {
            Error::configuration(
                "an API named this provider, so its token endpoint may be another's and is no audience of an assertion; leave danger_token_endpoint_audience() out",
            )
        })
    }

    /// The same for endpoints that look for all of it in the body, since the header is another's.
    #[cfg(feature = "auth0")]
    pub(crate) fn authenticate_in_body(&self, to: &Addressee<'_>, form: &mut Form) -> Result<()> {
        match &self.method {
            Method::SecretBasic(secret) => Self::client_secret_post(secret.clone()).authenticate(to, form, &mut HeaderMap::new()),
            _ => self.authenticate(to, form, &mut HeaderMap::new()),
        }
    }

    /// Returns whether a text repeats the application's secret.
    pub(crate) fn leaks_into(&self, client_id: &str, text: &str) -> bool {
        match &self.method {
            // An assertion is part of the form.
            Method::None | Method::PrivateKeyJwt(_) | Method::Tls | Method::SelfSignedTls => false,
            Method::SecretBasic(secret) => repeats(text, secret.expose()) || repeats(text, &basic_pair(client_id, secret)),
            Method::SecretPost(secret) | Method::SecretJwt(secret) => repeats(text, secret.expose()),
        }
    }

    pub(crate) fn client_secret(&self) -> Option<&Secret> {
        match &self.method {
            Method::None | Method::PrivateKeyJwt(_) | Method::Tls | Method::SelfSignedTls => None,
            Method::SecretBasic(secret) | Method::SecretPost(secret) | Method::SecretJwt(secret) => Some(secret),
        }
    }

    /// FAPI 2.0 Security Profile, section 5.3.3.
    pub(crate) fn suits_fapi2(&self, accepted: Option<&[String]>) -> bool {
        match &self.method {
            Method::PrivateKeyJwt(key) => key.algorithm_among(accepted).suits_fapi2(),
            Method::Tls | Method::SelfSignedTls => true,
            Method::None | Method::SecretBasic(_) | Method::SecretPost(_) | Method::SecretJwt(_) => false,
        }
    }

    /// Returns whether requests go to the endpoints for client certificates.
    pub(crate) fn is_mutual_tls(&self) -> bool {
        matches!(self.method, Method::Tls | Method::SelfSignedTls)
    }

    /// The advice for a refused authentication.
    pub(crate) fn advice(&self, methods: Option<&[String]>, algorithms: Option<&[String]>) -> String {
        let (name, advice) = match &self.method {
            Method::None => ("none", "if it is registered with a secret or a key, set client_auth".to_owned()),
            Method::SecretBasic(_) => ("client_secret_basic", "check the client id and the secret".to_owned()),
            Method::SecretPost(_) => ("client_secret_post", "check the client id and the secret".to_owned()),
            Method::SecretJwt(_) => ("client_secret_jwt", "check the client id, the secret and this machine's clock".to_owned()),
            Method::PrivateKeyJwt(key) => {
                let algorithm = key.algorithm_among(algorithms).name();
                let advice = format!(
                    "check that the provider has its public key, for {algorithm}, and this machine's clock; if it takes assertions of the type JWT only, use untyped_assertions(); if it wants its token endpoint as their audience, use danger_token_endpoint_audience()"
                );
                ("private_key_jwt", advice)
            }
            Method::Tls => ("tls_client_auth", CERTIFICATE.to_owned()),
            Method::SelfSignedTls => ("self_signed_tls_client_auth", CERTIFICATE.to_owned()),
        };
        let names = |known: &&str| methods.is_some_and(|methods| methods.iter().any(|method| method == known));
        let others: Vec<_> = METHODS.into_iter().filter(names).collect();
        // "none" is often missing where it serves.
        if others.is_empty() || others.contains(&name) || matches!(self.method, Method::None) {
            return format!("the application authenticated by {name}: {advice}");
        }
        let others = others.join(", ");
        format!("the application authenticated by {name}: {advice}; the provider's metadata names {others} instead")
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientAuth").field(&self.method).finish()
    }
}

fn push_assertion(form: &mut Form, client_id: &str, assertion: &str) {
    form.push_once("client_id", client_id);
    form.push("client_assertion_type", JWT_BEARER);
    form.push("client_assertion", assertion);
}

/// RFC 6749, section 2.3.1: "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding
/// algorithm per Appendix B, and the encoded value is used as the username; the client password is encoded using the same".
fn basic_pair(client_id: &str, secret: &Secret) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (client_id.len() + secret.expose().len()) + 1));
    push_encoded(&mut pair, client_id);
    pair.push(':');
    push_encoded(&mut pair, secret.expose());
    Zeroizing::new(STANDARD.encode(&*pair))
}

fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let value = Zeroizing::new(format!("Basic {}", &*basic_pair(client_id, secret)));
    // Of bytes that are wiped with the last clone of the header.
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

/// Appendix B: a space is a plus, and letters, digits, `-`, `.` and `_` stand as they are. Servers that do not decode know ids and
/// secrets of these, UUIDs among them.
fn push_encoded(encoded: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') => encoded.push(char::from(byte)),
            byte => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
}

const CERTIFICATE: &str = "check that http_client brings the certificate it is registered with";
const METHODS: [&str; 7] = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// I1: programs that log headers leave out sensitive ones.
    #[test]
    fn the_header_with_the_secret_is_marked_sensitive() {
        let to = Addressee {
            client_id: "id",
            issuer: "https://acme.auth0.com/",
            token_endpoint: None,
            algorithms: None,
            now: Timestamp::END,
        };
        let mut headers = HeaderMap::new();
        ClientAuth::client_secret_basic("secret").authenticate(&to, &mut Form::default(), &mut headers).unwrap();
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
}
