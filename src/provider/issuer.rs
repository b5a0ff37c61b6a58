use std::sync::Arc;

use url::Url;

use crate::error::{Error, Result};
use crate::json::{self, Text};
use crate::origin::{self, Reach};

/// The issuer that a program names: a domain, or an absolute URL.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    url: Url,
    alias: Option<IssuerAlias>,
    reach: Reach,
}

/// Another name that the program accepts for its issuer. `{tenantid}` in it stands for a tenant of the provider.
#[derive(Debug, Clone)]
pub(crate) struct IssuerAlias(Arc<str>);

impl Issuer {
    /// `acme.auth0.com`, a custom domain, or an issuer's URL, with a path or without.
    pub(crate) fn parse(text: &str, alias: Option<IssuerAlias>) -> Result<Self> {
        let text = text.trim();
        // `https:/acme.com`, whose host would be `https`.
        let before_path = text.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        if !text.contains("://") && before_path.ends_with(':') {
            return Err(Error::configuration(
                "the domain is a malformed URL; give a host name such as acme.auth0.com or an absolute URL such as https://acme.com",
            ));
        }
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
        let url = url.map_err(|error| {
            Error::configuration(
                "the domain is neither a host name such as acme.auth0.com nor an issuer's absolute URL; give one of them",
            )
            .with_source(error)
        })?;
        if !origin::is_confidential(&url) {
            return Err(Error::configuration(
                "the issuer must be https, or http on loopback for tests; correct the domain or issuer",
            ));
        }
        // OpenID Connect Discovery 1.0, section 3: "with no query or fragment components".
        if url.query().is_some() || url.fragment().is_some() || origin::has_user_info(&url) {
            return Err(Error::configuration(
                "the issuer must be a URL without query, fragment, user name and password; leave them out",
            ));
        }
        Ok(Self { url, alias, reach: Reach::EVERYWHERE })
    }

    /// An issuer that an API named.
    pub(crate) fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// # Errors
    /// The reason why its metadata may not name this URL.
    pub(crate) fn check_reach(&self, url: &Url) -> Result<(), &'static str> {
        self.reach.check(url)
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// OpenID Connect Discovery 1.0, section 4.1: "If the Issuer value contains a path component, any terminating / MUST
    /// be removed before appending /.well-known/openid-configuration."
    pub(crate) fn metadata_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/.well-known/openid-configuration", self.url.path().trim_end_matches('/')));
        url
    }

    pub(crate) fn alias(&self) -> Option<&IssuerAlias> {
        self.alias.as_ref()
    }

    /// Returns whether a document may have this issuer: exactly the configured one, but for a root slash.
    pub(crate) fn accepts(&self, named: &str) -> bool {
        let own = self.url.as_str();
        named == own
            || (self.url.path() == "/" && named == &own[..own.len() - 1])
            || self.alias.as_ref().is_some_and(|alias| *alias.0 == *named)
    }

    pub(crate) fn is_auth0_domain(&self) -> bool {
        self.url.host_str().is_some_and(|host| host.ends_with(".auth0.com"))
    }
}

impl IssuerAlias {
    pub(crate) fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Returns whether an ID token with these claims may come from an issuer called `named`: a tenant has to be the one of the
    /// claim `tid`.
    pub(crate) fn is_issuer_of(&self, claims: &[u8], named: &str) -> bool {
        match self.tenant_in(named) {
            Some(tenant) => json::object::<TenantClaim<'_>>(claims).is_ok_and(|claims| *claims.tid == *tenant),
            None => *self.0 == *named,
        }
    }

    /// Returns whether an answer without claims may come from it: with any tenant.
    pub(crate) fn may_be(&self, named: &str) -> bool {
        self.tenant_in(named).is_some() || *self.0 == *named
    }

    pub(crate) fn names_tenants(&self) -> bool {
        self.0.contains("{tenantid}")
    }

    fn tenant_in<'a>(&self, named: &'a str) -> Option<&'a str> {
        let (before, after) = self.0.split_once("{tenantid}")?;
        let tenant = named.strip_prefix(before)?.strip_suffix(after)?;
        let is_one = !tenant.is_empty() && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_one.then_some(tenant)
    }
}

#[derive(serde::Deserialize)]
struct TenantClaim<'a> {
    #[serde(borrow)]
    tid: Text<'a>,
}
