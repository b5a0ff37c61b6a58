//! JSON from outside, read strictly.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Deref;

use serde::de::value::{CowStrDeserializer, MapDeserializer};
use serde::de::{IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Reads an object into `T`. A member that `T` names may be repeated only with the same value, in the same bytes. serde alone would
/// also read an array into a struct, member by member, and would not check the bytes of members that `T` does not name.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, NotAnObject> {
    let text = std::str::from_utf8(text).map_err(|_| NotAnObject::Encoding)?;
    match text.bytes().find(|byte| !byte.is_ascii_whitespace()) {
        // serde_json's message may quote a value, so only the position is kept.
        Some(b'{') => serde_json::from_str(text).or_else(|error| {
            let malformed = NotAnObject::Malformed { line: error.line(), column: error.column() };
            match serde_json::from_str::<Members<'_>>(text) {
                Ok(members) if !members.names_are_unique() => members.without_repetitions()?.read().map_err(|_| malformed),
                _ => Err(malformed),
            }
        }),
        Some(_) => Err(NotAnObject::Other),
        None => Err(NotAnObject::Empty),
    }
}

/// A list of objects. A member may stand only once in each.
#[cfg(feature = "auth0")]
pub(crate) fn list<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<Vec<T>, NotAnObject> {
    let objects: Vec<&serde_json::value::RawValue> = serde_json::from_slice(text).map_err(|_| NotAnObject::Other)?;
    objects.into_iter().map(|text| object(text.get().as_bytes())).collect()
}

/// The value as JSON, in one buffer that is wiped on drop.
///
/// # Panics
/// When the value has a map whose keys are no text.
pub(crate) fn secret(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Growing would leave an unwiped copy behind, so it is measured first.
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).expect("text and numbers are always JSON");
    let mut json = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *json, value).expect("text and numbers are always JSON");
    json
}

/// Refuses an object with a member that has two values, known or not: two readers would see different values.
pub(crate) fn refuse_duplicates(text: &[u8]) -> Result<(), NotAnObject> {
    if object::<MemberNames<'_>>(text)?.are_unique() {
        Ok(())
    } else {
        object::<Members<'_>>(text)?.without_repetitions().map(drop)
    }
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn names_are_unique(&self) -> bool {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// # Errors
    /// `Twice` when a member has two values.
    fn without_repetitions(mut self) -> Result<Self, NotAnObject> {
        self.0.sort_by(|one, other| one.0.cmp(&other.0));
        let is_ambiguous = |pair: &[(Text<'a>, &RawValue)]| pair[0].0 == pair[1].0 && pair[0].1.get() != pair[1].1.get();
        if self.0.windows(2).any(is_ambiguous) {
            return Err(NotAnObject::Twice);
        }
        self.0.dedup_by(|one, other| one.0 == other.0);
        Ok(self)
    }

    fn read<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        T::deserialize(MapDeserializer::new(self.0.into_iter().map(|(name, value)| (Name(name.0), value))))
    }
}

/// A member's name, borrowed from the input where it can be.
struct Name<'a>(Cow<'a, str>);

impl<'a> IntoDeserializer<'a, serde_json::Error> for Name<'a> {
    type Deserializer = CowStrDeserializer<'a, serde_json::Error>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0.into_deserializer()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Members(all))
    }
}

/// The names of an object's members, sorted.
pub(crate) struct MemberNames<'a>(Vec<Text<'a>>);

impl MemberNames<'_> {
    pub(crate) fn are_unique(&self) -> bool {
        self.0.windows(2).all(|pair| pair[0] != pair[1])
    }

    pub(crate) fn hold(&self, name: &str) -> bool {
        self.0.binary_search_by(|own| (**own).cmp(name)).is_ok()
    }
}

/// Why bytes are not the JSON object that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAnObject {
    #[error("there is nothing")]
    Empty,
    #[error("it is not UTF-8")]
    Encoding,
    #[error("it is no JSON object")]
    Other,
    #[error("a member is malformed, missing, of another type or there twice, at line {line}, column {column}")]
    Malformed { line: usize, column: usize },
    #[error("a member stands there twice, with two values")]
    Twice,
}

/// Text that is borrowed from the input where it holds no escapes, also inside an `Option` or a `Vec`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for MemberNames<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MemberNamesVisitor)
    }
}

struct MemberNamesVisitor;

impl<'de> Visitor<'de> for MemberNamesVisitor {
    type Value = MemberNames<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut names: Vec<Text<'de>> = Vec::with_capacity(32);
        while let Some(name) = members.next_key()? {
            members.next_value::<IgnoredAny>()?;
            names.push(name);
        }
        names.sort_unstable();
        Ok(MemberNames(names))
    }
}

/// Counts what would be written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Named<'a> {
        #[serde(borrow)]
        iss: Text<'a>,
        #[serde(default)]
        exp: Option<f64>,
    }

    /// K24: a member again with its value counts once, and with another one it is refused.
    #[test]
    fn a_member_that_stands_twice_with_one_value_is_one() {
        for text in [r#"{"iss":"a","iss":"a"}"#, r#"{"iss":"a","x":[1],"exp":null,"x":[1], "iss": "a"}"#] {
            assert_eq!(&*object::<Named<'_>>(text.as_bytes()).unwrap().iss, "a", "{text}");
            refuse_duplicates(text.as_bytes()).unwrap();
        }
        for text in [r#"{"iss":"a","iss":"b"}"#, r#"{"iss":"a","iss":"a","iss":"b"}"#, r#"{"iss":"a","iss":null}"#] {
            assert_eq!(object::<Named<'_>>(text.as_bytes()).unwrap_err(), NotAnObject::Twice, "{text}");
            assert_eq!(refuse_duplicates(text.as_bytes()).unwrap_err(), NotAnObject::Twice, "{text}");
        }
        let unnamed = br#"{"iss":"a","x":{"y":1,"y":2},"x":{"y":2}}"#;
        assert_eq!(refuse_duplicates(unnamed).unwrap_err(), NotAnObject::Twice);
        let malformed = object::<Named<'_>>(br#"{"iss":"a","iss":"a","exp":"1"}"#);
        assert!(matches!(malformed, Err(NotAnObject::Malformed { .. })), "{malformed:?}");
    }
}
