use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, Text};

/// The organization that a login asked for, at Auth0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Organization {
    /// `org_…`: compared exactly with `org_id`.
    Id(String),
    /// Any other value: compared in lower case with `org_name`.
    Name(String),
}

impl Organization {
    pub(crate) fn parse(text: &str) -> Self {
        if text.starts_with("org_") { Self::Id(text.to_owned()) } else { Self::Name(text.to_owned()) }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Name(text) => text,
        }
    }

    /// Returns whether the claims are of a login to it.
    pub(crate) fn is_named_by(&self, claims: &[u8]) -> bool {
        let Ok(claims) = json::object::<OrganizationClaims<'_>>(claims) else { return false };
        let is = |claim: Option<&RawValue>, asked: &str| {
            claim.is_some_and(|claim| serde_json::from_str::<Text<'_>>(claim.get()).is_ok_and(|own| &*own == asked))
        };
        match self {
            Self::Id(id) => is(claims.org_id, id),
            // Auth0's names are in lower case; a program may write them otherwise.
            Self::Name(name) => is(claims.org_name, &name.to_lowercase()),
        }
    }
}

/// Auth0's claims, read only where an organization was asked for: elsewhere they may be anything.
#[derive(Deserialize)]
struct OrganizationClaims<'a> {
    #[serde(borrow, default)]
    org_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    org_name: Option<&'a RawValue>,
}
