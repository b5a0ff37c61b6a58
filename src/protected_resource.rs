use serde::Deserialize;
use url::Url;

use crate::challenge::Challenge;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::json::Text;
use crate::origin;
use crate::step_up::StepUp;
use crate::transport::{Reply, Transport};

/// An API's metadata (RFC 9728, section 2), checked: it is about this API, and from its own origin.
pub(crate) struct ProtectedResource {
    /// The API's URL, as it names itself. Tokens are requested for it.
    pub(crate) resource: String,
    /// The issuers that log people in for it, the preferred one first.
    pub(crate) authorization_servers: Vec<String>,
    /// The scope that it wants, separated by spaces.
    pub(crate) scope: Option<String>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    resource: Text<'a>,
    #[serde(borrow, default)]
    authorization_servers: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    scopes_supported: Option<Vec<Text<'a>>>,
}

/// The content of a refusal without a token.
#[derive(Default)]
struct Hint {
    metadata_url: Option<String>,
    scope: Option<String>,
}

impl ProtectedResource {
    pub(crate) async fn discover(transport: &Transport, url: &Url, now: Timestamp) -> Result<Self> {
        let refusal = match transport.get("the request to the API", url).await {
            Ok(reply) => Some(reply),
            // What leads elsewhere, or does not end, says nothing; the well-known address may.
            Err(error) if error.kind() == ErrorKind::Discovery => None,
            Err(error) => return Err(error),
        };
        let (address, asked_scope) = Self::address(refusal.as_ref(), url)?;
        let reply = transport.get("the request for the API's metadata", &address).await?;
        if !reply.status.is_success() {
            let error = reply.unexpected_status(ErrorKind::Discovery, now);
            let advice = "use WebAuth::new with the provider that the API's documentation names";
            return Err(if error.is_transient() { error } else { error.with_advice(advice) });
        }
        Self::read(&reply, asked_scope, url)
    }

    /// The address of its metadata, and the scope that it wants, by its answer to a request without a token.
    pub(crate) fn address(refusal: Option<&Reply>, url: &Url) -> Result<(Url, Option<String>)> {
        let hint = refusal.map(Hint::of).unwrap_or_default();
        let address = match &hint.metadata_url {
            Some(named) => own_address(named, url)?,
            None => well_known(url),
        };
        Ok((address, hint.scope))
    }

    pub(crate) fn read(reply: &Reply, asked_scope: Option<String>, url: &Url) -> Result<Self> {
        let document: Document<'_> =
            reply.json().map_err(|error| refused("it is no JSON document that names a resource").with_source(error))?;
        Self::check(document, asked_scope, url)
    }

    fn check(document: Document<'_>, asked_scope: Option<String>, url: &Url) -> Result<Self> {
        // RFC 9728, section 3.3: "The resource value returned MUST be identical to the protected resource's resource identifier value
        // […]. If these values are not identical, the data contained in the response MUST NOT be used." A root slash is forgiven.
        let own = url.as_str();
        let is_root = url.path() == "/" && url.query().is_none();
        if *document.resource != *own && !(is_root && *document.resource == own[..own.len() - 1]) {
            let other = refused(&format!("it is about another API, {}", shown(&document.resource)));
            return Err(other.with_advice("give that URL, if it is meant"));
        }
        let owned = |text: Text<'_>| text.0.into_owned();
        let scopes = document.scopes_supported.unwrap_or_default().into_iter().map(owned).collect::<Vec<_>>().join(" ");
        let scope = asked_scope.or_else(|| StepUp::new(Some(&scopes), None, None).scope().map(str::to_owned));
        let servers = document.authorization_servers.unwrap_or_default().into_iter().map(owned).take(MOST_SERVERS).collect();
        Ok(Self { resource: owned(document.resource), authorization_servers: servers, scope })
    }
}

impl Hint {
    fn of(reply: &Reply) -> Self {
        if reply.status != http::StatusCode::UNAUTHORIZED {
            return Self::default();
        }
        let challenges = Challenge::all(&reply.headers);
        let first = |name: &str| challenges.iter().find_map(|challenge| challenge.parameter(name));
        // Words of the grammar only: they become part of a request.
        let scope = StepUp::new(first("scope"), None, None).scope().map(str::to_owned);
        Self { metadata_url: first("resource_metadata").map(str::to_owned), scope }
    }
}

/// An address that the API names. Its metadata is on its own origin (RFC 9728, section 3.1); a request to anywhere else, such as a
/// machine behind this one's firewall, is not made in an API's name.
fn own_address(named: &str, api: &Url) -> Result<Url> {
    let url = Url::parse(named).map_err(|error| refused("its address is no absolute URL").with_source(error))?;
    if !origin::same_origin(&url, api) || origin::has_user_info(&url) || url.fragment().is_some() {
        return Err(refused("its address is not on the API's own origin"));
    }
    Ok(url)
}

/// RFC 9728, section 3.1: the well-known path is inserted "between the host component and the path and/or query components, if any",
/// and a slash that follows the host is left out.
fn well_known(api: &Url) -> Url {
    let mut url = api.clone();
    let path = if api.path() == "/" { "" } else { api.path() };
    url.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
    url
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Discovery, format!("the API's metadata is refused: {why}")).with_advice("ask whoever runs the API")
}

/// Without a query, which no message holds.
fn shown(resource: &str) -> String {
    excerpt(resource.split(['?', '#']).next().unwrap_or_default())
}

/// So many are tried at most: each costs a request to a host that the API chooses.
const MOST_SERVERS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_stands_before_the_apis_own() {
        for (api, expected) in [
            ("https://api.acme.com/", "https://api.acme.com/.well-known/oauth-protected-resource"),
            ("https://api.acme.com/v1", "https://api.acme.com/.well-known/oauth-protected-resource/v1"),
            ("https://api.acme.com:8443/v1/?a=b", "https://api.acme.com:8443/.well-known/oauth-protected-resource/v1/?a=b"),
        ] {
            assert_eq!(well_known(&api.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn an_address_elsewhere_is_not_the_apis() {
        let api = "https://api.acme.com/v1".parse().unwrap();
        own_address("https://api.acme.com/anywhere?x", &api).unwrap();
        for named in [
            "http://api.acme.com/",
            "https://api.acme.com:8443/",
            "https://evil.example/",
            "https://api.acme.com@evil.example/",
            "https://user:password@api.acme.com/",
            "https://api.acme.com.evil.example/",
            "http://169.254.169.254/latest",
            "http://127.0.0.1/admin",
            "file:///etc/passwd",
            "/.well-known/oauth-protected-resource",
            "//evil.example/",
            "https://api.acme.com/#x",
            "",
        ] {
            assert_eq!(own_address(named, &api).unwrap_err().kind(), ErrorKind::Discovery, "{named}");
        }
    }
}
