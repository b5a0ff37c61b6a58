use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::access_token::AccessToken;
use crate::error::{Error, Result};

/// The header and the scheme in which an API expects a token.
#[derive(Debug, Clone)]
pub(super) struct Presentation {
    header: HeaderName,
    /// None: the token's own in `Authorization`, none at all elsewhere.
    scheme: Option<String>,
}

impl Default for Presentation {
    fn default() -> Self {
        Self { header: AUTHORIZATION, scheme: None }
    }
}

impl Presentation {
    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) fn set_header(&mut self, header: HeaderName) {
        self.header = header;
    }

    pub(super) fn set_scheme(&mut self, scheme: String) -> Result<()> {
        if !scheme.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::configuration("this is no authentication scheme; give one word of visible ASCII, such as Token"));
        }
        self.scheme = Some(scheme);
        Ok(())
    }

    /// RFC 9449, section 7.1: a token that is bound to a key has another scheme.
    pub(super) fn suits(&self, token: &AccessToken) -> bool {
        token.dpop_key().is_none() || self.scheme.is_none()
    }

    /// Puts the token on a request. The value is marked sensitive, so that Debug output and HTTP/2's tables leave it out.
    pub(super) fn put(&self, token: &AccessToken, headers: &mut HeaderMap) {
        let value = match &self.scheme {
            None if self.header == AUTHORIZATION => token.header_value().clone(),
            scheme => token
                .header_value_as(scheme.as_deref().unwrap_or_default())
                .expect("scheme and token were checked to be visible ASCII"),
        };
        headers.insert(self.header.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F10, F28
    #[test]
    fn the_header_is_marked_sensitive_under_every_scheme() {
        let token = AccessToken::bearer("abc").unwrap();
        for (header, scheme, expected) in [
            ("authorization", None, "Bearer abc"),
            ("authorization", Some("Token"), "Token abc"),
            ("authorization", Some(""), "abc"),
            ("x-api-token", None, "abc"),
            ("x-api-token", Some("Key"), "Key abc"),
        ] {
            let mut presentation = Presentation::default();
            presentation.set_header(HeaderName::from_static(header));
            if let Some(scheme) = scheme {
                presentation.set_scheme(scheme.to_owned()).unwrap();
            }
            let mut headers = HeaderMap::new();
            presentation.put(&token, &mut headers);
            assert_eq!(headers.len(), 1);
            assert_eq!(headers[header], expected);
            assert!(headers[header].is_sensitive());
        }
        let bound = AccessToken::dpop("abc", crate::dpop::DpopKey::generate().unwrap()).unwrap();
        let mut presentation = Presentation::default();
        assert!(presentation.suits(&bound));
        presentation.set_scheme("Bearer".to_owned()).unwrap();
        assert!(presentation.suits(&token) && !presentation.suits(&bound));
        assert!(Presentation::default().set_scheme("To ken\n".to_owned()).is_err());
    }
}
