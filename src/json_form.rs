use std::borrow::Cow;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::form::Form;
use crate::json;

/// A form on its way to the provider as a JSON object: what it holds is wiped.
#[derive(Default)]
pub(crate) struct JsonForm(Vec<(Cow<'static, str>, Member)>);

enum Member {
    Text(Zeroizing<String>),
    Other(Value),
}

impl JsonForm {
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, text: &str) -> Self {
        self.0.push((name.into(), Member::Text(Zeroizing::new(text.to_owned()))));
        self
    }

    /// Adds a value that is neither text nor a secret.
    #[must_use]
    pub(crate) fn with_value(mut self, name: &'static str, value: Value) -> Self {
        self.0.push((name.into(), Member::Other(value)));
        self
    }

    #[must_use]
    pub(crate) fn with_fields(mut self, form: Form) -> Self {
        self.0.extend(form.into_fields().into_iter().map(|(name, value)| (name.into(), Member::Text(value))));
        self
    }

    /// The object as it is sent; the bytes are wiped with their last clone.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(json::secret(&self))
    }
}

impl Serialize for JsonForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, member)| (name, member)))
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_written_in_one_piece() {
        let fields = Form::default().with("client_id", "x y&z").with("client_secret", "ü\"");
        let form = JsonForm::default().with("email", "a\"b").with_value("types", vec!["otp"].into());
        let json = form.with_fields(fields).into_bytes();
        assert_eq!(json, r#"{"email":"a\"b","types":["otp"],"client_id":"x y&z","client_secret":"ü\""}"#);
    }
}
