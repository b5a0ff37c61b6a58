use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::form::Form;
use crate::requested_api::RequestedApi;
use crate::secret::Secret;

/// What a program wants said in a request beside what this crate says by itself. Any value may be a secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    given: Vec<(String, Secret)>,
    refusal: Option<Error>,
}

impl Parameters {
    /// A name stands there once, but for those that RFC 8693 (section 2.1) and RFC 8707 (section 2) let stand several times.
    pub(crate) fn put(&mut self, name: impl Into<String>, value: impl Into<Secret>) {
        let name = name.into();
        if !matches!(&*name, "audience" | "resource") {
            self.given.retain(|known| known.0 != name);
        }
        self.given.push((name, value.into()));
    }

    /// The same for a name of the program's choice. `ours` have a setter of their own.
    pub(crate) fn put_any(&mut self, name: impl Into<String>, value: impl Into<Secret>, ours: &[&str]) {
        let name = name.into();
        if OURS.contains(&&*name) || ours.contains(&&*name) {
            let message =
                format!("the parameter {name} is this crate's own and cannot be set; see the other methods of the builder");
            self.refusal.get_or_insert_with(|| Error::configuration(message));
            return;
        }
        self.put(name, value);
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
        for (name, value) in &self.given {
            form.push(name, value.expose());
        }
        Ok(form)
    }
}

/// Each scope once, separated by single spaces, whatever white space separated them. There may be many: an API names them, too.
pub(crate) fn scopes(text: &str) -> Arc<str> {
    let mut known = HashSet::new();
    text.split_whitespace().filter(|scope| known.insert(*scope)).collect::<Vec<_>>().join(" ").into()
}

/// What says who the application is, or has a setter everywhere.
const OURS: [&str; 6] = ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"];

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
