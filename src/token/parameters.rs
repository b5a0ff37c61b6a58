use std::collections::HashSet;
use std::sync::Arc;

use url::Url;

use crate::error::{Error, Result};
use crate::form::Form;
use crate::requested_api::RequestedApi;
use crate::secret::Secret;

/// The parameters of a request that a program chose. Any value may be a secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    given: Vec<(String, Secret)>,
    refusal: Option<Error>,
}

impl Parameters {
    /// Sets a parameter: its value replaces an earlier one.
    pub(crate) fn put(&mut self, name: impl Into<String>, value: impl Into<Secret>) {
        let name = name.into();
        self.given.retain(|known| known.0 != name);
        self.given.push((name, value.into()));
    }

    /// Adds a parameter that may be repeated: `audience` of a token exchange (RFC 8693, section 2.1), `resource`.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<Secret>) {
        self.given.push((name.to_owned(), value.into()));
    }

    /// Sets a parameter that the program names. `own` have a setter of the builder. A `resource` is added.
    pub(crate) fn put_any(&mut self, name: impl Into<String>, value: impl Into<Secret>, own: &[&str]) {
        let (name, value) = (name.into(), value.into());
        if let Err(refusal) = check_parameter(&name, value.expose(), own) {
            self.refusal.get_or_insert(refusal);
        } else if name == "resource" {
            self.add(&name, value);
        } else {
            self.put(name, value);
        }
    }

    /// The first of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|known| known.0 == name).map(|(_, value)| value.expose())
    }

    pub(crate) fn api(&self) -> Option<RequestedApi> {
        let named = self.given.iter().filter(|known| known.0 == "resource");
        let resources = named.map(|(_, value)| value.expose()).collect::<Vec<_>>().join(" ");
        RequestedApi::from_kept(self.get("audience"), Some(&*resources).filter(|resources| !resources.is_empty()))
    }

    pub(crate) fn written_to(&self, mut form: Form) -> Result<Form> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        for (name, value) in self.pairs() {
            form.push(name, value);
        }
        Ok(form)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (&**name, value.expose()))
    }
}

/// Checks a parameter that a program names, in any request. `own` have a setter of the builder.
///
/// # Errors
/// `Configuration`.
pub(crate) fn check_parameter(name: &str, value: &str, own: &[&str]) -> Result<()> {
    if RESERVED.contains(&name) || own.contains(&name) {
        return Err(Error::configuration(format!(
            "the parameter {name} is this crate's own and cannot be set; see the other methods of the builder"
        )));
    }
    // RFC 8707, section 2: "Its value MUST be an absolute URI […]. The URI MUST NOT include a fragment component."
    if name == "resource" && (value.contains(' ') || !Url::parse(value).is_ok_and(|uri| uri.fragment().is_none())) {
        return Err(Error::configuration("resource is no absolute URI without a fragment; give one such as https://api.acme.com"));
    }
    Ok(())
}

/// Each scope once, separated by single spaces, whatever white space separated them. There may be many: an API names them, too.
pub(crate) fn scopes(text: &str) -> Arc<str> {
    let mut known = HashSet::new();
    text.split_whitespace().filter(|scope| known.insert(*scope)).collect::<Vec<_>>().join(" ").into()
}

/// The parameters that identify the application, name the grant, or protect the login. All builders have a setter for the scope
/// and the organization.
const RESERVED: [&str; 18] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "organization",
    "response_type",
    "response_mode",
    "redirect_uri",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "max_age",
    // A request object overrides all parameters beside it (OpenID Connect Core 1.0, section 6.1).
    "request",
    "request_uri",
];

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn a_scope_is_named_once_and_many_of_them_take_linear_time() {
        assert_eq!(&*scopes(" openid\tread:messages  openid\nread read:messages "), "openid read:messages read");
        assert_linear(100_000, |length| {
            let mut many = String::new();
            for number in 0..length {
                write!(many, "{number} ").unwrap();
            }
            assert_eq!(*scopes(&many.repeat(2)), *many.trim_end());
        });
    }
}
