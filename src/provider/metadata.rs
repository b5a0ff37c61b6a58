use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::origin;
use crate::provider::{Issuer, IssuerAlias};
use crate::transport::Reply;

/// A provider's metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2), checked.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// The document's own value: what `iss` is compared with from here on.
    pub(crate) issuer: Arc<str>,
    /// Another name that the program accepts for it.
    pub(crate) issuer_alias: Option<IssuerAlias>,
    pub(crate) authorization_endpoint: Endpoint,
    pub(crate) token_endpoint: Endpoint,
    pub(crate) jwks_uri: Endpoint,
    pub(crate) userinfo_endpoint: Endpoint,
    pub(crate) revocation_endpoint: Endpoint,
    pub(crate) introspection_endpoint: Endpoint,
    pub(crate) device_authorization_endpoint: Endpoint,
    pub(crate) backchannel_authentication_endpoint: Endpoint,
    pub(crate) pushed_authorization_request_endpoint: Endpoint,
    pub(crate) end_session_endpoint: Endpoint,
    /// The endpoint for registrations (RFC 7591).
    #[cfg(feature = "loopback")]
    pub(crate) registration_endpoint: Endpoint,
    pub(crate) sends_issuer: bool,
    pub(crate) requires_pushed_requests: bool,
    pub(crate) response_modes: Option<Vec<String>>,
    pub(crate) id_token_algorithms: Option<Vec<String>>,
    pub(crate) user_info_algorithms: Option<Vec<String>>,
    pub(crate) authorization_response_algorithms: Option<Vec<String>>,
    /// The algorithms for request objects.
    pub(crate) request_object_algorithms: Option<Vec<String>>,
    /// The methods of client authentication, and the algorithms for client assertions.
    pub(crate) client_auth_methods: Option<Vec<String>>,
    pub(crate) client_auth_algorithms: Option<Vec<String>>,
    /// The endpoints for client certificates, each beside the usual one.
    mutual_tls: Vec<(Url, Url)>,
    /// For DPoP proofs (RFC 9449, section 5.1); none when the provider says nothing of them.
    pub(crate) dpop_algorithms: Option<Vec<String>>,
    pub(crate) speaks_auth0: bool,
    /// PKCE with S256.
    pkce: Result<()>,
}

/// An endpoint of the metadata. One that is missing or cannot be used is an error where it is used, and nowhere else.
#[derive(Debug)]
pub(crate) struct Endpoint {
    name: &'static str,
    found: Result<Option<Url>>,
}

impl Endpoint {
    /// # Errors
    /// `Discovery`.
    pub(crate) fn url(&self) -> Result<&Url> {
        let found = self.found.as_ref().map_err(Clone::clone)?;
        found.as_ref().ok_or_else(|| {
            let name = self.name;
            Error::new(
                ErrorKind::Discovery,
                format!("this provider has no {name} in its metadata; turn it on at the provider, or do without"),
            )
        })
    }

    #[cfg(any(fuzzing, test))]
    pub(crate) fn at(url: Url) -> Self {
        Self { name: "endpoint", found: Ok(Some(url)) }
    }

    fn read(name: &'static str, value: Option<&Value>, issuer: &Issuer) -> Self {
        let found = match value {
            None | Some(Value::Null) => Ok(None),
            // Some providers publish an empty text for an endpoint that is turned off.
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => check_url(name, text, issuer).map(Some),
            Some(_) => Err(refused(name, "is no text")),
        };
        Self { name, found }
    }
}

/// Each member may be of any type: it is read where it is needed, so that its error can name it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    issuer: Option<Value>,
    authorization_endpoint: Option<Value>,
    token_endpoint: Option<Value>,
    jwks_uri: Option<Value>,
    userinfo_endpoint: Option<Value>,
    revocation_endpoint: Option<Value>,
    /// RFC 8414, section 2.
    introspection_endpoint: Option<Value>,
    /// RFC 8628, section 4.
    device_authorization_endpoint: Option<Value>,
    /// CIBA Core 1.0, section 4.
    backchannel_authentication_endpoint: Option<Value>,
    /// RFC 9126, section 5.
    pushed_authorization_request_endpoint: Option<Value>,
    require_pushed_authorization_requests: Option<Value>,
    end_session_endpoint: Option<Value>,
    #[cfg(feature = "loopback")]
    registration_endpoint: Option<Value>,
    authorization_response_iss_parameter_supported: Option<Value>,
    code_challenge_methods_supported: Option<Value>,
    response_modes_supported: Option<Value>,
    id_token_signing_alg_values_supported: Option<Value>,
    userinfo_signing_alg_values_supported: Option<Value>,
    /// JWT Secured Authorization Response Mode, section 4.
    authorization_signing_alg_values_supported: Option<Value>,
    request_object_signing_alg_values_supported: Option<Value>,
    token_endpoint_auth_methods_supported: Option<Value>,
    token_endpoint_auth_signing_alg_values_supported: Option<Value>,
    dpop_signing_alg_values_supported: Option<Value>,
    /// RFC 8705, section 5: other addresses of endpoints, under the endpoints' names.
    mtls_endpoint_aliases: Option<Value>,
    /// Auth0's own: no other provider names it.
    mfa_challenge_endpoint: Option<IgnoredAny>,
}

impl Metadata {
    pub(crate) fn from_reply(reply: &Reply, issuer: &Issuer) -> Result<Self> {
        let document: Document = reply.json().map_err(|error| {
            Error::new(ErrorKind::Discovery, "the provider's metadata is no JSON object; check the issuer").with_source(error)
        })?;
        let Some(Value::String(named)) = &document.issuer else {
            let why = if document.issuer.is_none() { "is missing" } else { "is no text" };
            return Err(refused("issuer", why));
        };
        // OpenID Connect Discovery 1.0, section 4.3: "The issuer value returned MUST be identical to the Issuer URL that
        // was directly used to retrieve the configuration information." A root slash is forgiven, since a domain has none.
        if !issuer.accepts(named) {
            return Err(Error::new(
                ErrorKind::Discovery,
                "the provider's metadata names another issuer than the one that was asked; configure the issuer exactly as it names itself",
            ));
        }
        // RFC 9700, section 2.1.1: a server that publishes methods without S256 has none; plain protects nothing.
        let pkce = match list("code_challenge_methods_supported", document.code_challenge_methods_supported.as_ref())? {
            Some(methods) if !methods.iter().any(|method| method == "S256") => Err(Error::new(
                ErrorKind::Discovery,
                "the provider does not support PKCE with S256, which every login here uses; turn it on there",
            )),
            _ => Ok(()),
        };
        let mutual_tls = document.mutual_tls(issuer)?;
        let endpoint = |name, value: &Option<Value>| Endpoint::read(name, value.as_ref(), issuer);
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint", &document.authorization_endpoint),
            token_endpoint: endpoint("token_endpoint", &document.token_endpoint),
            jwks_uri: endpoint("jwks_uri", &document.jwks_uri),
            userinfo_endpoint: endpoint("userinfo_endpoint", &document.userinfo_endpoint),
            revocation_endpoint: endpoint("revocation_endpoint", &document.revocation_endpoint),
            introspection_endpoint: endpoint("introspection_endpoint", &document.introspection_endpoint),
            device_authorization_endpoint: endpoint("device_authorization_endpoint", &document.device_authorization_endpoint),
            backchannel_authentication_endpoint: endpoint(
                "backchannel_authentication_endpoint",
                &document.backchannel_authentication_endpoint,
            ),
            pushed_authorization_request_endpoint: endpoint(
                "pushed_authorization_request_endpoint",
                &document.pushed_authorization_request_endpoint,
            ),
            end_session_endpoint: endpoint("end_session_endpoint", &document.end_session_endpoint),
            #[cfg(feature = "loopback")]
            registration_endpoint: endpoint("registration_endpoint", &document.registration_endpoint),
            sends_issuer: flag(
                "authorization_response_iss_parameter_supported",
                document.authorization_response_iss_parameter_supported.as_ref(),
            )?,
            requires_pushed_requests: flag(
                "require_pushed_authorization_requests",
                document.require_pushed_authorization_requests.as_ref(),
            )?,
            response_modes: list("response_modes_supported", document.response_modes_supported.as_ref())?,
            id_token_algorithms: list(
                "id_token_signing_alg_values_supported",
                document.id_token_signing_alg_values_supported.as_ref(),
            )?,
            user_info_algorithms: list(
                "userinfo_signing_alg_values_supported",
                document.userinfo_signing_alg_values_supported.as_ref(),
            )?,
            authorization_response_algorithms: list(
                "authorization_signing_alg_values_supported",
                document.authorization_signing_alg_values_supported.as_ref(),
            )?,
            request_object_algorithms: list(
                "request_object_signing_alg_values_supported",
                document.request_object_signing_alg_values_supported.as_ref(),
            )?,
            client_auth_methods: list(
                "token_endpoint_auth_methods_supported",
                document.token_endpoint_auth_methods_supported.as_ref(),
            )?,
            client_auth_algorithms: list(
                "token_endpoint_auth_signing_alg_values_supported",
                document.token_endpoint_auth_signing_alg_values_supported.as_ref(),
            )?,
            mutual_tls,
            dpop_algorithms: list("dpop_signing_alg_values_supported", document.dpop_signing_alg_values_supported.as_ref())?,
            speaks_auth0: issuer.is_auth0_domain() || document.mfa_challenge_endpoint.is_some(),
            issuer: named.as_str().into(),
            issuer_alias: issuer.alias().cloned(),
            pkce,
        })
    }

    /// Checks, before a person logs in, all that the login needs.
    pub(crate) fn check_login(&self, asks_for_id_token: bool) -> Result<()> {
        self.login_endpoint()?;
        self.token_endpoint.url()?;
        if asks_for_id_token {
            self.jwks_uri.url()?;
        }
        Ok(())
    }

    /// The authorization endpoint, for a login: each uses PKCE with S256.
    pub(crate) fn login_endpoint(&self) -> Result<&Url> {
        self.pkce.clone()?;
        self.authorization_endpoint.url()
    }

    /// The endpoint for a client certificate (RFC 8705, section 5): "a client that is intending to do mutual TLS […] when making a
    /// request directly to the authorization server MUST use the alias URL of the endpoint within the mtls_endpoint_aliases, when
    /// present".
    pub(crate) fn for_mutual_tls<'a>(&'a self, endpoint: &'a Url) -> &'a Url {
        self.mutual_tls.iter().find(|(url, _)| url == endpoint).map_or(endpoint, |(_, alias)| alias)
    }
}

impl Document {
    fn mutual_tls(&self, issuer: &Issuer) -> Result<Vec<(Url, Url)>> {
        let mut aliases = Vec::new();
        let Some(published) = &self.mtls_endpoint_aliases else { return Ok(aliases) };
        let published = published.as_object().ok_or_else(|| refused("mtls_endpoint_aliases", "is no object"))?;
        for (name, alias) in published.iter().filter(|(name, _)| name.ends_with("_endpoint")) {
            let shown = format!("alias of {} for mutual TLS", excerpt(name));
            let alias = check_url(&shown, alias.as_str().unwrap_or_default(), issuer)?;
            if let Some(url) = self.endpoint(name).and_then(|url| Url::parse(url).ok()) {
                aliases.push((url, alias));
            }
        }
        Ok(aliases)
    }

    /// The URL of an endpoint that an application sends requests to, by its name.
    fn endpoint(&self, name: &str) -> Option<&str> {
        let value = match name {
            "token_endpoint" => &self.token_endpoint,
            "userinfo_endpoint" => &self.userinfo_endpoint,
            "revocation_endpoint" => &self.revocation_endpoint,
            "introspection_endpoint" => &self.introspection_endpoint,
            "pushed_authorization_request_endpoint" => &self.pushed_authorization_request_endpoint,
            "device_authorization_endpoint" => &self.device_authorization_endpoint,
            "backchannel_authentication_endpoint" => &self.backchannel_authentication_endpoint,
            _ => &None,
        };
        value.as_ref().and_then(Value::as_str)
    }
}

fn list(name: &str, value: Option<&Value>) -> Result<Option<Vec<String>>> {
    let Some(value) = value else { return Ok(None) };
    let texts = value.as_array().map(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>());
    texts.flatten().map(Some).ok_or_else(|| refused(name, "is no list of texts"))
}

fn flag(name: &str, value: Option<&Value>) -> Result<bool> {
    value.map_or(Ok(false), |value| value.as_bool().ok_or_else(|| refused(name, "is neither true nor false")))
}

fn check_url(name: &str, text: &str, issuer: &Issuer) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| refused(name, "is no absolute URL").with_source(error))?;
    if !origin::is_confidential(&url) {
        return Err(refused(name, "is neither https nor http on loopback"));
    }
    if url.scheme() == "http" && issuer.url().scheme() == "https" {
        return Err(refused(name, "is http, though the issuer is https"));
    }
    if origin::has_user_info(&url) {
        return Err(refused(name, "holds a user name or a password"));
    }
    // RFC 6749, sections 3.1 and 3.2: "The endpoint URI MUST NOT include a fragment component."
    if url.fragment().is_some() {
        return Err(refused(name, "has a fragment"));
    }
    issuer.check_reach(&url).map_err(|why| refused(name, why))?;
    Ok(url)
}

fn refused(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Discovery, format!("the provider's metadata is refused: its {name} {why}; correct it at the provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Reach;

    /// D5
    #[test]
    fn an_https_issuer_has_no_http_endpoint_not_even_on_loopback() {
        let issuer = Issuer::parse("acme.auth0.com", None).unwrap();
        for url in ["http://127.0.0.1/token", "http://localhost/token", "http://[::1]/token"] {
            let error = check_url("token_endpoint", url, &issuer).unwrap_err();
            assert!(error.to_string().contains("its token_endpoint is http, though the issuer is https"), "{error}");
        }
        check_url("token_endpoint", "https://login.example/token", &issuer).unwrap();
        let issuer = Issuer::parse("http://localhost:8080/", None).unwrap();
        check_url("token_endpoint", "http://127.0.0.1/token", &issuer).unwrap();
    }

    /// K6 — registration: 0, token: 0
    #[test]
    fn an_issuer_that_an_api_named_leads_to_no_address_inside() {
        let api = Url::parse("https://api.acme.com/").unwrap();
        let issuer = Issuer::parse("https://login.acme.com", None).unwrap().reaching(Reach::of(&api));
        let read = |issuer: &Issuer, url: &str| {
            let document = format!(
                r#"{{"issuer":"https://login.acme.com","token_endpoint":"{url}","registration_endpoint":"{url}","jwks_uri":"{url}"}}"#
            );
            let reply = Reply::made_up(http::StatusCode::OK, http::HeaderMap::new(), document.as_bytes());
            Metadata::from_reply(&reply, issuer).unwrap()
        };
        for host in ["127.0.0.1:8443", "[::1]", "localhost", "a.localhost.", "10.0.0.5", "[fd00::1]", "169.254.169.254", "0.0.0.0"]
        {
            let metadata = read(&issuer, &format!("https://{host}/x"));
            for endpoint in [&metadata.token_endpoint, &metadata.registration_endpoint, &metadata.jwks_uri] {
                assert!(endpoint.url().unwrap_err().to_string().contains("though the API is not"), "{host}");
            }
        }
        read(&issuer, "https://keys.acme.com/x").jwks_uri.url().unwrap();
        let named_by_the_program = Issuer::parse("https://login.acme.com", None).unwrap();
        read(&named_by_the_program, "https://10.0.0.5/x").jwks_uri.url().unwrap();
    }
}
