use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{self, Text};
use crate::provider::Organization;

/// What a login wants its ID token to prove beside who has logged in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demands {
    /// How long ago the person may have proved who they are.
    pub(crate) max_age: Option<Duration>,
    pub(crate) organization: Option<Arc<Organization>>,
    /// How strongly the person has to have proved it: one of these.
    pub(crate) acr: Option<Arc<[Box<str>]>>,
}

/// Read only where it was demanded: elsewhere it may be anything.
#[derive(Deserialize)]
struct AcrClaim<'a> {
    #[serde(borrow, default)]
    acr: Option<&'a RawValue>,
}

impl Demands {
    pub(crate) fn are_none(&self) -> bool {
        let Self { max_age, organization, acr } = self;
        max_age.is_none() && organization.is_none() && acr.is_none()
    }

    /// Whether a login with these proves all that `self` wants.
    pub(crate) fn are_covered_by(&self, login: &Self) -> bool {
        let is_as_fresh = self.max_age.is_none_or(|own| login.max_age.is_some_and(|age| age <= own));
        let is_as_strong =
            |own: &Arc<[Box<str>]>| login.acr.as_ref().is_some_and(|acr| acr.iter().all(|value| own.contains(value)));
        is_as_fresh
            && (self.organization.is_none() || self.organization == login.organization)
            && self.acr.as_ref().is_none_or(is_as_strong)
    }

    /// OpenID Connect Core 1.0, section 5.5.1.1: with an essential `acr` and its `values`, the provider "MUST return an acr Claim
    /// Value that matches one of the requested values", or treat the login as failed.
    pub(crate) fn acr_in(claims: &Value) -> Option<Arc<[Box<str>]>> {
        let acr = claims.get("id_token")?.get("acr")?;
        acr.get("essential")?.as_bool().filter(|essential| *essential)?;
        let values = acr.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let values: Arc<_> = values.iter().chain(acr.get("value")).filter_map(Value::as_str).map(Box::from).collect();
        (!values.is_empty()).then_some(values)
    }

    /// Whether these claims name one of the `acr`s.
    pub(crate) fn acr_is_in(&self, claims: &[u8]) -> bool {
        let Some(demanded) = &self.acr else { return true };
        let Ok(AcrClaim { acr: Some(acr) }) = json::object(claims) else { return false };
        serde_json::from_str::<Text<'_>>(acr.get()).is_ok_and(|acr| demanded.iter().any(|own| **own == *acr))
    }
}
