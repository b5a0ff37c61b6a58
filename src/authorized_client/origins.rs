use url::Url;

use crate::error::{Error, Result};
use crate::origin::{self, same_origin};

/// The origins that a token may go to: https, or http to this machine. Once an origin is named, only the named ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    /// A directory: its path ends with a slash, and it has no query.
    base: Option<Url>,
    named: Vec<Url>,
}

impl Origins {
    /// Sets the base of relative URLs. Its origin is a named one.
    pub(super) fn set_base(&mut self, text: &str) -> Result<()> {
        let mut base = parse_configured("base_url", text)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        self.base = Some(base);
        Ok(())
    }

    pub(super) fn name(&mut self, text: &str) -> Result<()> {
        let origin = parse_configured("allow_origin", text)?;
        if origin.path() != "/" {
            // A path would promise a limit that is none.
            return Err(Error::configuration("allow_origin has a path; give an origin such as https://files.acme.com"));
        }
        self.named.push(origin);
        Ok(())
    }

    /// The URL that a caller means; where it leads is checked later, and on its parsed form.
    pub(super) fn resolve(&self, text: &str) -> Result<Url> {
        match &self.base {
            Some(base) => base.join(text),
            None => Url::parse(text),
        }
        .map_err(|error| {
            let message = match self.base {
                Some(_) => "the request's URL cannot be parsed",
                None => "the request's URL cannot be parsed; give an absolute one, or set base_url",
            };
            Error::configuration(message).with_source(error)
        })
    }

    /// Before a token is so much as read for it.
    pub(super) fn check(&self, url: &Url) -> Result<()> {
        if let Some(reason) = unfit(url) {
            return Err(Error::forbidden(format!("no token goes there: {reason}")));
        }
        if self.is_open() || self.iter().any(|named| same_origin(named, url)) {
            return Ok(());
        }
        Err(Error::forbidden(format!(
            "no token goes to {}, which is no origin that base_url or allow_origin named; name it if the token may go there",
            url.origin().ascii_serialization()
        )))
    }

    /// With nothing named, the token stays on the origin that the caller chose.
    pub(super) fn may_redirect(&self, from: &Url, to: &Url) -> bool {
        self.check(to).is_ok() && (!self.is_open() || same_origin(from, to))
    }

    /// Every named origin is http on this machine, and there is one.
    pub(super) fn are_plain_loopback(&self) -> bool {
        !self.is_open() && self.iter().all(is_plain_loopback)
    }

    /// No origin is named: the caller's URL decides.
    pub(super) fn is_open(&self) -> bool {
        self.base.is_none() && self.named.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = &Url> {
        self.base.iter().chain(&self.named)
    }
}

/// Http to this machine, which goes out directly: a proxy would be another machine, or another user's process.
pub(super) fn is_plain_loopback(url: &Url) -> bool {
    url.scheme() == "http" && origin::is_loopback(url)
}

fn unfit(url: &Url) -> Option<&'static str> {
    if !origin::is_confidential(url) {
        Some("the URL is neither https, nor http on 127.0.0.1, [::1] or localhost; use https")
    } else if origin::has_user_info(url) {
        Some("the URL holds a user name or password; leave them out")
    } else {
        None
    }
}

fn parse_configured(setter: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| {
        Error::configuration(format!("{setter} is no absolute URL; give one such as https://api.acme.com")).with_source(error)
    })?;
    if let Some(reason) = unfit(&url) {
        return Err(Error::configuration(format!("{setter} cannot work: {reason}")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::configuration(format!("{setter} has a query or a fragment; leave them out")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// F5, F7, F8
    #[test]
    fn only_https_and_loopback_are_fit_for_a_token() {
        let open = Origins::default();
        for fit in ["https://api.acme.com/x", "http://127.0.0.1:80/", "http://127.9.9.9/", "http://[::1]:1/", "http://localhost/"] {
            assert!(open.check(&url(fit)).is_ok(), "{fit}");
        }
        for unfit in [
            "http://api.acme.com/",
            "http://localhost.evil.com/",
            "http://localhost./",
            "http://a.localhost/",
            "http://0.0.0.0/",
            "http://[::ffff:127.0.0.1]/",
            "http://127.0.0.1.evil.com/",
            "https://user:password@api.acme.com/",
            "https://user@api.acme.com/",
            "https://:password@api.acme.com/",
            "ftp://api.acme.com/",
            "wss://api.acme.com/",
            "data:text/plain,x",
            "file:///etc/passwd",
        ] {
            assert!(open.check(&url(unfit)).is_err(), "{unfit}");
        }
    }

    /// F2, F5
    #[test]
    fn a_redirect_stays_on_its_origin_or_on_the_named_ones() {
        let api = url("https://api.acme.com/v1/messages");
        let open = Origins::default();
        assert!(open.may_redirect(&api, &url("https://API.acme.com:443/v2")));
        for elsewhere in
            ["http://api.acme.com/v1/messages", "https://api.acme.com:444/", "https://a.api.acme.com/", "http://localhost/"]
        {
            assert!(!open.may_redirect(&api, &url(elsewhere)), "{elsewhere}");
        }
        let mut named = Origins::default();
        named.set_base("https://api.acme.com/v1").unwrap();
        named.name("https://files.acme.com").unwrap();
        assert!(named.may_redirect(&api, &url("https://files.acme.com/x")));
        assert!(!named.may_redirect(&api, &url("https://acme.com/")));
        assert!(!named.may_redirect(&api, &url("https://user@files.acme.com/x")));
    }
}
