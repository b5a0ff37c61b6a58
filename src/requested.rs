use std::sync::{Arc, Mutex, PoisonError};

use crate::requested_api::RequestedApi;

/// The request that credentials were granted for, and its provider.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) issuer: Box<str>,
    pub(crate) client_id: Box<str>,
    pub(crate) scope: Box<str>,
    pub(crate) api: Option<RequestedApi>,
}

/// A program asks the same for everybody: who holds many people's credentials holds this once.
#[derive(Debug, Default)]
pub(crate) struct OneOfEach(Mutex<Vec<Arc<Requested>>>);

impl OneOfEach {
    pub(crate) fn get(&self, issuer: &str, client_id: &str, scope: &str, api: Option<&RequestedApi>) -> Arc<Requested> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &&Arc<Requested>| {
            *known.issuer == *issuer && *known.client_id == *client_id && *known.scope == *scope && known.api.as_ref() == api
        };
        if let Some(requested) = known.iter().find(is_it) {
            return Arc::clone(requested);
        }
        if known.len() >= MOST {
            known.remove(0);
        }
        let requested =
            Arc::new(Requested { issuer: issuer.into(), client_id: client_id.into(), scope: scope.into(), api: api.cloned() });
        known.push(Arc::clone(&requested));
        requested
    }
}

/// More than a program asks for, unless it makes scopes up as it goes.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_is_held_once_and_a_bounded_number_is_remembered() {
        let all = OneOfEach::default();
        let api = RequestedApi::Audience("https://api.acme.com".into());
        let get = |scope: &str, api| all.get("https://acme.auth0.com/", "id", scope, api);
        let first = get("openid", None);
        assert!(Arc::ptr_eq(&first, &get("openid", None)));
        for other in [get("openid email", None), get("openid", Some(&api)), all.get("b", "id", "openid", None)] {
            assert_ne!(first, other);
        }
        for scope in 0..1000 {
            assert_eq!(*get(&scope.to_string(), None).scope, *scope.to_string());
        }
        assert_eq!(all.0.lock().unwrap().len(), MOST);
        assert_eq!(first, get("openid", None));
    }
}
