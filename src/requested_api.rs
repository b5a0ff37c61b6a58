use std::sync::Arc;

use crate::form::Form;

/// The API that an access token is asked for, by the parameter that the provider knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestedApi {
    /// Auth0's, and RFC 8693's.
    Audience(Arc<str>),
    /// RFC 8707's: one or several, separated by spaces.
    Resources(Arc<str>),
}

impl RequestedApi {
    /// Another one, by the same parameter.
    pub(crate) fn another(&self, name: &str) -> Self {
        match self {
            Self::Audience(_) => Self::Audience(name.into()),
            Self::Resources(_) => Self::Resources(name.into()),
        }
    }

    pub(crate) fn audience(&self) -> Option<&str> {
        if let Self::Audience(name) = self { Some(name) } else { None }
    }

    pub(crate) fn resources(&self) -> Option<&str> {
        if let Self::Resources(names) = self { Some(names) } else { None }
    }

    /// For a login whose authorization request has named it. An audience stays as it was granted; RFC 8707, section 2.2, lets a
    /// token request name the resources that this token is for, and without any a provider may give one for none of them.
    pub(crate) fn repeat_in(&self, form: &mut Form) {
        for resource in self.resources().into_iter().flat_map(|names| names.split(' ')) {
            form.push("resource", resource);
        }
    }

    pub(crate) fn name_in(&self, form: &mut Form) {
        match self {
            Self::Audience(name) => form.push("audience", name),
            Self::Resources(_) => self.repeat_in(form),
        }
    }

    /// As two texts of which one is there at most.
    pub(crate) fn from_kept(audience: Option<&str>, resources: Option<&str>) -> Option<Self> {
        let audience = audience.map(|name| Self::Audience(name.into()));
        audience.or_else(|| resources.map(|names| Self::Resources(names.into())))
    }
}
