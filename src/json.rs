//! JSON from outside, read strictly.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Deref;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

/// An object read into `T`, whose members may stand there only once. serde by itself would also read an array into a
/// struct, member by member, and would not look at the bytes of members that `T` does not name.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, NotAnObject> {
    let text = std::str::from_utf8(text).map_err(|_| NotAnObject::Encoding)?;
    match text.bytes().find(|byte| !byte.is_ascii_whitespace()) {
        // serde_json's message may quote a value, so only the position is kept.
        Some(b'{') => {
            serde_json::from_str(text).map_err(|error| NotAnObject::Malformed { line: error.line(), column: error.column() })
        }
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

/// No member of the object may stand there twice, known or not: with two, each reader sees its own.
pub(crate) fn refuse_duplicates(text: &[u8]) -> Result<(), NotAnObject> {
    if object::<MemberNames<'_>>(text)?.are_unique() { Ok(()) } else { Err(NotAnObject::Twice) }
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
    #[error("a member stands there twice")]
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
