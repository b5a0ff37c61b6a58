use crate::error::{Error, Result};

/// The way in which the provider sends its answer: OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1; OAuth 2.0 Form
/// Post Response Mode, section 2; JWT Secured Authorization Response Mode for OAuth 2.0 (JARM), section 2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ResponseMode {
    #[default]
    Query,
    FormPost,
    SignedQuery,
    SignedFormPost,
}

impl ResponseMode {
    /// The value of `response_mode`; none for what an authorization code comes by anyway.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Query => None,
            Self::FormPost => Some("form_post"),
            Self::SignedQuery => Some("query.jwt"),
            Self::SignedFormPost => Some("form_post.jwt"),
        }
    }

    /// # Errors
    /// `Configuration` when the provider lists the modes that it knows without this one (OpenID Connect Discovery 1.0, section 3).
    /// `jwt` is the signed mode that is usual for the response type (JARM, section 2.3.4).
    pub(crate) fn check(self, supported: Option<&[String]>) -> Result<()> {
        let (Some(name), Some(supported)) = (self.name(), supported) else { return Ok(()) };
        if supported.iter().any(|mode| mode == name || (self == Self::SignedQuery && mode == "jwt")) {
            return Ok(());
        }
        let setter = if self.is_posted() { "form_post" } else { "signed_response" };
        Err(Error::configuration(format!("the provider's metadata lists no response mode {name}; leave {setter} out")))
    }

    pub(crate) fn from_name(name: Option<&str>) -> Option<Self> {
        [Self::Query, Self::FormPost, Self::SignedQuery, Self::SignedFormPost].into_iter().find(|mode| mode.name() == name)
    }

    #[must_use]
    pub(crate) fn posted(self) -> Self {
        if self.is_signed() { Self::SignedFormPost } else { Self::FormPost }
    }

    #[must_use]
    pub(crate) fn signed(self) -> Self {
        if self.is_posted() { Self::SignedFormPost } else { Self::SignedQuery }
    }

    pub(crate) fn is_posted(self) -> bool {
        matches!(self, Self::FormPost | Self::SignedFormPost)
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::SignedQuery | Self::SignedFormPost)
    }
}
