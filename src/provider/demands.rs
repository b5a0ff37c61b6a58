use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json;
use crate::provider::Organization;

/// The demands of a login on its ID token, beside the person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demands {
    /// The highest age of the person's authentication.
    pub(crate) max_age: Option<Duration>,
    pub(crate) organization: Option<Arc<Organization>>,
    /// `sub` of the only person who may log in.
    pub(crate) person: Option<Arc<str>>,
    /// The accepted values of `acr`.
    pub(crate) acr: Option<Arc<[Value]>>,
}

/// Read only where it was demanded: elsewhere it may be anything.
#[derive(Deserialize)]
struct AcrClaim<'a> {
    #[serde(borrow, default)]
    acr: Option<&'a RawValue>,
}

impl Demands {
    pub(crate) fn are_none(&self) -> bool {
        let Self { max_age, organization, person, acr } = self;
        max_age.is_none() && organization.is_none() && person.is_none() && acr.is_none()
    }

    /// Returns whether a login with these demands meets all of `self`.
    pub(crate) fn are_covered_by(&self, login: &Self) -> bool {
        let is_as_fresh = self.max_age.is_none_or(|own| login.max_age.is_some_and(|age| age <= own));
        let is_as_strong = |own: &Arc<[Value]>| login.acr.as_ref().is_some_and(|acr| acr.iter().all(|value| own.contains(value)));
        is_as_fresh
            && (self.organization.is_none() || self.organization == login.organization)
            && (self.person.is_none() || self.person == login.person)
            && self.acr.as_ref().is_none_or(is_as_strong)
    }

    /// OpenID Connect Core 1.0, section 5.5.1.1: with an essential `acr` and its `values`, the provider "MUST return an acr Claim
    /// Value that matches one of the requested values", or treat the login as failed.
    /// Values are compared as JSON, so that numbers are as good as text.
    ///
    /// # Errors
    /// `Configuration` when `essential` is no boolean, or `values` no list: the demand cannot be checked then.
    pub(crate) fn acr_in(claims: &Value) -> Result<Option<Arc<[Value]>>> {
        let Some(acr) = claims.get("id_token").and_then(|claims| claims.get("acr")) else { return Ok(None) };
        match acr.get("essential") {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
            Some(Value::Bool(true)) => {}
            Some(_) => return Err(Error::configuration("essential of the claim acr is neither true nor false; give one of them")),
        }
        let values = match acr.get("values") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(values)) => values.as_slice(),
            Some(_) => {
                return Err(Error::configuration("values of the claim acr are no JSON array; give one, or value for a single one"));
            }
        };
        let value = acr.get("value").filter(|value| !value.is_null());
        let values: Arc<_> = values.iter().chain(value).cloned().collect();
        Ok((!values.is_empty()).then_some(values))
    }

    /// Returns whether the claims have one of the `acr` values.
    pub(crate) fn acr_is_in(&self, claims: &[u8]) -> bool {
        let Some(demanded) = &self.acr else { return true };
        let Ok(AcrClaim { acr: Some(acr) }) = json::object(claims) else { return false };
        serde_json::from_str::<Value>(acr.get()).is_ok_and(|acr| demanded.contains(&acr))
    }
}
