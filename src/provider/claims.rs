use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use crate::error::{Error, Result};
use crate::jose::base64url_decode;
use crate::json;
use crate::secret::Secret;

/// The claims about a person: those of a verified ID token, or of user info.
///
/// The usual ones have methods; any other is read by name and comes as the type that you ask for.
#[derive(Clone)]
pub struct Claims(Arc<Inner>);

struct Inner {
    stands_in: Source,
    subject: Box<str>,
}

/// Kept once: who holds many people's ID tokens does not hold all they say a second time.
enum Source {
    Json(Box<[u8]>),
    /// A JWS in its compact form, which was found to be well-formed.
    Jws(Secret),
}

impl Claims {
    /// `json` is an object whose members were checked to be unique, `subject` its `sub`.
    pub(crate) fn new(json: Vec<u8>, subject: Box<str>) -> Self {
        Self(Arc::new(Inner { stands_in: Source::Json(json.into_boxed_slice()), subject }))
    }

    /// `jws` is well-formed, and its payload such an object.
    pub(crate) fn of_jws(jws: Secret, subject: Box<str>) -> Self {
        Self(Arc::new(Inner { stands_in: Source::Jws(jws), subject }))
    }

    fn json(&self) -> Cow<'_, [u8]> {
        match &self.0.stands_in {
            Source::Json(json) => Cow::Borrowed(json),
            Source::Jws(jws) => {
                let payload = jws.expose().split('.').nth(1).and_then(|payload| base64url_decode(payload.as_bytes()));
                Cow::Owned(payload.expect("the JWS was found to be well-formed"))
            }
        }
    }

    /// `sub`: who it is, unique and for ever at this issuer. The key for a person in a database, together with the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// `name`: the full name, as it is shown.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.get("name")
    }

    /// `nickname`.
    #[must_use]
    pub fn nickname(&self) -> Option<String> {
        self.get("nickname")
    }

    /// `email`; whether it is this person's, [`email_verified`](Self::email_verified) says.
    #[must_use]
    pub fn email(&self) -> Option<String> {
        self.get("email")
    }

    /// `email_verified`: true only if the provider claims it. Cognito and Apple send the text `true`.
    #[must_use]
    pub fn email_verified(&self) -> bool {
        self.get("email_verified").unwrap_or_else(|| self.get::<String>("email_verified").is_some_and(|text| text == "true"))
    }

    /// `picture`: a URL, which is not checked.
    #[must_use]
    pub fn picture(&self) -> Option<String> {
        self.get("picture")
    }

    /// Any claim by its name, such as `https://acme.com/roles`; none when it is absent, null or of another shape.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let json = self.json();
        let mut deserializer = serde_json::Deserializer::from_slice(&json);
        let found = serde::Deserializer::deserialize_map(&mut deserializer, Find { name, value: std::marker::PhantomData::<T> });
        found.ok().flatten()
    }

    /// All claims, read into a type of yours.
    ///
    /// # Errors
    /// `InvalidResponse` when they do not fit it.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        json::object(&self.json()).map_err(|_| {
            Error::invalid_response("the claims do not have the shape that the program asked for; ask for another type")
        })
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("subject", &self.subject()).finish_non_exhaustive()
    }
}

/// Finds one member of an object without keeping the others.
struct Find<'a, T> {
    name: &'a str,
    value: std::marker::PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Find<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = members.next_key_seed(Is(self.name))? {
            if is_it {
                found = members.next_value::<Option<T>>()?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}
