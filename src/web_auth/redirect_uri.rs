use std::sync::Arc;

use url::{Position, Url};

use crate::error::{Error, Result};
use crate::origin;

/// RFC 8252, section 8.10: the URI that the response was received on "exactly matches" the one that was sent. What a web server is
/// called by depends on the proxies before it; a program on this machine is told it as it was.
pub(super) fn is_where_it_came(redirect_uri: &str, callback: &str) -> bool {
    let (Ok(sent), Ok(came)) = (Url::parse(redirect_uri), Url::parse(callback.trim())) else { return true };
    let place = |uri: &Url| uri[..Position::AfterPath].to_owned();
    sent.scheme() == "https" || place(&sent) == place(&came)
}

/// RFC 8252, section 7: a private scheme, a claimed https URL, or loopback. Anything else could be read by others.
pub(super) fn checked_redirect_uri(text: &str) -> Result<Arc<str>> {
    let refused = |why: &str| Error::configuration(format!("the redirect URI {why}; give it as it is registered at the provider"));
    let uri = Url::parse(text).map_err(|error| refused("is no absolute URI").with_source(error))?;
    // RFC 6749, section 3.1.2: "The endpoint URI MUST NOT include a fragment component."
    if uri.fragment().is_some() {
        return Err(refused("has a fragment"));
    }
    // RFC 8252, section 7.1: private schemes are "based on a domain name under their control", so they hold a dot.
    if origin::is_confidential(&uri) || uri.scheme().contains('.') {
        Ok(text.into())
    } else {
        Err(refused("is neither https, nor http on loopback, nor of a private scheme such as com.acme.app:/callback"))
    }
}
