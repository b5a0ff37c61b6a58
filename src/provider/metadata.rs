use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::origin;
use crate::provider::{Issuer, IssuerAlias};
use crate::transport::Reply;

/// What a provider says of itself (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2), checked.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// The document's own value: what `iss` is compared with from here on.
    pub(crate) issuer: Arc<str>,
    /// What the program also accepts for it.
    pub(crate) issuer_alias: Option<IssuerAlias>,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) revocation_endpoint: Option<Url>,
    pub(crate) introspection_endpoint: Option<Url>,
    pub(crate) device_authorization_endpoint: Option<Url>,
    pub(crate) backchannel_authentication_endpoint: Option<Url>,
    pub(crate) pushed_authorization_request_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    /// Where programs introduce themselves (RFC 7591).
    #[cfg(feature = "loopback")]
    pub(crate) registration_endpoint: Option<Url>,
    pub(crate) sends_issuer: bool,
    pub(crate) requires_pushed_requests: bool,
    pub(crate) response_modes: Option<Vec<String>>,
    pub(crate) id_token_algorithms: Option<Vec<String>>,
    pub(crate) user_info_algorithms: Option<Vec<String>>,
    pub(crate) authorization_response_algorithms: Option<Vec<String>>,
    /// What a request object may be signed by.
    pub(crate) request_object_algorithms: Option<Vec<String>>,
    /// How applications may authenticate, and by what an assertion of theirs may be signed.
    pub(crate) client_auth_methods: Option<Vec<String>>,
    pub(crate) client_auth_algorithms: Option<Vec<String>>,
    /// Where a certificate is asked for in place of the address at which none is.
    mutual_tls: Vec<(Url, Url)>,
    /// For DPoP proofs (RFC 9449, section 5.1); none when the provider says nothing of them.
    pub(crate) dpop_algorithms: Option<Vec<String>>,
    pub(crate) speaks_auth0: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    revocation_endpoint: Option<String>,
    /// RFC 8414, section 2.
    #[serde(default)]
    introspection_endpoint: Option<String>,
    /// RFC 8628, section 4.
    #[serde(default)]
    device_authorization_endpoint: Option<String>,
    /// CIBA Core 1.0, section 4.
    #[serde(default)]
    backchannel_authentication_endpoint: Option<String>,
    /// RFC 9126, section 5.
    #[serde(default)]
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    require_pushed_authorization_requests: Option<bool>,
    #[serde(default)]
    end_session_endpoint: Option<String>,
    #[cfg(feature = "loopback")]
    #[serde(default)]
    registration_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: Option<bool>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    response_modes_supported: Option<Vec<String>>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    userinfo_signing_alg_values_supported: Option<Vec<String>>,
    /// JWT Secured Authorization Response Mode, section 4.
    #[serde(default)]
    authorization_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    request_object_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// RFC 8705, section 5: other addresses of endpoints, under the endpoints' names.
    #[serde(default)]
    mtls_endpoint_aliases: Option<HashMap<String, Value>>,
    /// Auth0's own: no other provider names it.
    #[serde(default)]
    mfa_challenge_endpoint: Option<IgnoredAny>,
}

impl Metadata {
    pub(crate) fn from_reply(reply: &Reply, issuer: &Issuer) -> Result<Self> {
        let document: Document = reply.json().map_err(|error| {
            Error::new(
                ErrorKind::Discovery,
                "the provider's metadata is not a JSON document with the members that every provider has; check the issuer",
            )
            .with_source(error)
        })?;
        // OpenID Connect Discovery 1.0, section 4.3: "The issuer value returned MUST be identical to the Issuer URL that
        // was directly used to retrieve the configuration information." A root slash is forgiven, since a domain has none.
        if !issuer.accepts(&document.issuer) {
            return Err(Error::new(
                ErrorKind::Discovery,
                "the provider's metadata names another issuer than the one that was asked; configure the issuer exactly as it names itself",
            ));
        }
        // RFC 9700, section 2.1.1: a server that publishes methods without S256 has none; plain protects nothing.
        if let Some(methods) = &document.code_challenge_methods_supported
            && !methods.iter().any(|method| method == "S256")
        {
            return Err(Error::new(
                ErrorKind::Discovery,
                "the provider does not support PKCE with S256, which every login here uses; turn it on there",
            ));
        }
        let mutual_tls = document.mutual_tls(issuer)?;
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint", &document.authorization_endpoint, issuer)?,
            token_endpoint: endpoint("token_endpoint", &document.token_endpoint, issuer)?,
            jwks_uri: endpoint("jwks_uri", &document.jwks_uri, issuer)?,
            userinfo_endpoint: optional("userinfo_endpoint", document.userinfo_endpoint.as_deref(), issuer)?,
            revocation_endpoint: optional("revocation_endpoint", document.revocation_endpoint.as_deref(), issuer)?,
            introspection_endpoint: optional("introspection_endpoint", document.introspection_endpoint.as_deref(), issuer)?,
            device_authorization_endpoint: optional(
                "device_authorization_endpoint",
                document.device_authorization_endpoint.as_deref(),
                issuer,
            )?,
            backchannel_authentication_endpoint: optional(
                "backchannel_authentication_endpoint",
                document.backchannel_authentication_endpoint.as_deref(),
                issuer,
            )?,
            pushed_authorization_request_endpoint: optional(
                "pushed_authorization_request_endpoint",
                document.pushed_authorization_request_endpoint.as_deref(),
                issuer,
            )?,
            end_session_endpoint: optional("end_session_endpoint", document.end_session_endpoint.as_deref(), issuer)?,
            #[cfg(feature = "loopback")]
            registration_endpoint: optional("registration_endpoint", document.registration_endpoint.as_deref(), issuer)?,
            sends_issuer: document.authorization_response_iss_parameter_supported.unwrap_or(false),
            requires_pushed_requests: document.require_pushed_authorization_requests.unwrap_or(false),
            response_modes: document.response_modes_supported,
            id_token_algorithms: document.id_token_signing_alg_values_supported,
            user_info_algorithms: document.userinfo_signing_alg_values_supported,
            authorization_response_algorithms: document.authorization_signing_alg_values_supported,
            request_object_algorithms: document.request_object_signing_alg_values_supported,
            client_auth_methods: document.token_endpoint_auth_methods_supported,
            client_auth_algorithms: document.token_endpoint_auth_signing_alg_values_supported,
            mutual_tls,
            dpop_algorithms: document.dpop_signing_alg_values_supported,
            speaks_auth0: issuer.is_auth0_domain() || document.mfa_challenge_endpoint.is_some(),
            issuer: document.issuer.into(),
            issuer_alias: issuer.alias().cloned(),
        })
    }

    /// Where to go with a certificate (RFC 8705, section 5): "a client that is intending to do mutual TLS […] when making a request
    /// directly to the authorization server MUST use the alias URL of the endpoint within the mtls_endpoint_aliases, when present".
    pub(crate) fn for_mutual_tls<'a>(&'a self, endpoint: &'a Url) -> &'a Url {
        self.mutual_tls.iter().find(|(url, _)| url == endpoint).map_or(endpoint, |(_, alias)| alias)
    }
}

impl Document {
    fn mutual_tls(&self, issuer: &Issuer) -> Result<Vec<(Url, Url)>> {
        let mut aliases = Vec::new();
        for (name, alias) in self.mtls_endpoint_aliases.iter().flatten().filter(|(name, _)| name.ends_with("_endpoint")) {
            let alias =
                endpoint(&format!("alias of {} for mutual TLS", excerpt(name)), alias.as_str().unwrap_or_default(), issuer)?;
            if let Some(url) = self.endpoint(name).and_then(|url| Url::parse(url).ok()) {
                aliases.push((url, alias));
            }
        }
        Ok(aliases)
    }

    /// What an application asks directly, by its name.
    fn endpoint(&self, name: &str) -> Option<&str> {
        match name {
            "token_endpoint" => Some(&self.token_endpoint),
            "userinfo_endpoint" => self.userinfo_endpoint.as_deref(),
            "revocation_endpoint" => self.revocation_endpoint.as_deref(),
            "introspection_endpoint" => self.introspection_endpoint.as_deref(),
            "pushed_authorization_request_endpoint" => self.pushed_authorization_request_endpoint.as_deref(),
            "device_authorization_endpoint" => self.device_authorization_endpoint.as_deref(),
            "backchannel_authentication_endpoint" => self.backchannel_authentication_endpoint.as_deref(),
            _ => None,
        }
    }
}

fn optional(name: &str, text: Option<&str>, issuer: &Issuer) -> Result<Option<Url>> {
    text.map(|text| endpoint(name, text, issuer)).transpose()
}

fn endpoint(name: &str, text: &str, issuer: &Issuer) -> Result<Url> {
    let refused = |why: &str| {
        Error::new(
            ErrorKind::Discovery,
            format!("the provider's metadata is refused: its {name} {why}; correct it at the provider"),
        )
    };
    let url = Url::parse(text).map_err(|error| refused("is no absolute URL").with_source(error))?;
    if !origin::is_confidential(&url) {
        return Err(refused("is neither https nor http on loopback"));
    }
    if url.scheme() == "http" && issuer.url().scheme() == "https" {
        return Err(refused("is http, though the issuer is https"));
    }
    if origin::has_user_info(&url) {
        return Err(refused("holds a user name or a password"));
    }
    // RFC 6749, sections 3.1 and 3.2: "The endpoint URI MUST NOT include a fragment component."
    if url.fragment().is_some() {
        return Err(refused("has a fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D5
    #[test]
    fn an_https_issuer_has_no_http_endpoint_not_even_on_loopback() {
        let issuer = Issuer::parse("acme.auth0.com", None).unwrap();
        for url in ["http://127.0.0.1/token", "http://localhost/token", "http://[::1]/token"] {
            let error = endpoint("token_endpoint", url, &issuer).unwrap_err();
            assert!(error.to_string().contains("its token_endpoint is http, though the issuer is https"), "{error}");
        }
        endpoint("token_endpoint", "https://login.example/token", &issuer).unwrap();
        let issuer = Issuer::parse("http://localhost:8080/", None).unwrap();
        endpoint("token_endpoint", "http://127.0.0.1/token", &issuer).unwrap();
    }
}
