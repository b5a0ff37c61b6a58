use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

/// One alteration of an answer that is otherwise right.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    Status(StatusCode),
    Header(HeaderName, HeaderValue),
    Set(String, Value),
    Remove(String),
    Duplicate(String, Value),
    Body(Bytes),
    Replace(String, String),
    Query(String),
}

impl Edit {
    /// Returns whether it edits text that is no JSON afterwards; such edits come last.
    pub(super) fn is_textual(&self) -> bool {
        matches!(self, Self::Duplicate(..) | Self::Replace(..))
    }

    pub(super) fn apply(self, response: &mut Response<Bytes>) {
        match self {
            Self::Status(status) => *response.status_mut() = status,
            Self::Header(name, value) if name == CONTENT_TYPE || name == LOCATION => {
                response.headers_mut().insert(name, value);
            }
            Self::Header(name, value) => {
                response.headers_mut().append(name, value);
            }
            Self::Body(body) => *response.body_mut() = body,
            on_content => match Location::of(response) {
                Some(mut location) => {
                    on_content.apply_to_location(&mut location);
                    location.write(response);
                }
                None => on_content.apply_to_body(response),
            },
        }
    }

    fn apply_to_location(self, location: &mut Location) {
        match self {
            Self::Set(name, value) => {
                let value = parameter_text(&value);
                location.alter(|pairs| match pairs.iter_mut().find(|(key, _)| *key == name) {
                    Some(pair) => pair.1 = value,
                    None => pairs.push((name, value)),
                });
            }
            Self::Remove(name) => location.alter(|pairs| pairs.retain(|(key, _)| *key != name)),
            Self::Duplicate(name, value) => location.alter(|pairs| pairs.push((name, parameter_text(&value)))),
            Self::Query(query) => location.query = Some(query),
            Self::Replace(text, by) => {
                location.base = location.base.replace(&text, &by);
                location.query = location.query.take().map(|query| query.replace(&text, &by));
            }
            Self::Status(_) | Self::Header(..) | Self::Body(_) => {}
        }
    }

    fn apply_to_body(self, response: &mut Response<Bytes>) {
        let text = String::from_utf8_lossy(response.body()).into_owned();
        let altered = match self {
            Self::Replace(text_of_body, by) => text.replace(&text_of_body, &by),
            Self::Duplicate(name, value) => {
                let Some(rest) = text.strip_prefix('{') else { return };
                let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
                format!("{{{}:{value}{comma}{rest}", Value::from(name))
            }
            Self::Set(name, value) => return alter_object(response, |object| drop(object.insert(name, value))),
            Self::Remove(name) => return alter_object(response, |object| drop(object.remove(&name))),
            _ => return,
        };
        *response.body_mut() = altered.into();
    }
}

fn alter_object(response: &mut Response<Bytes>, alter: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let mut body: Value = serde_json::from_slice(response.body()).expect("only JSON has members to set or remove");
    alter(body.as_object_mut().expect("only an object has members to set or remove"));
    *response.body_mut() = body.to_string().into();
}

/// The target of a redirect, in the parts that edits change.
struct Location {
    base: String,
    query: Option<String>,
}

impl Location {
    fn of(response: &Response<Bytes>) -> Option<Self> {
        if !response.status().is_redirection() {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        Some(match location.split_once('?') {
            Some((base, query)) => Self { base: base.to_owned(), query: Some(query.to_owned()) },
            None => Self { base: location.to_owned(), query: None },
        })
    }

    fn alter(&mut self, alter: impl FnOnce(&mut Vec<(String, String)>)) {
        let mut pairs = form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes()).into_owned().collect();
        alter(&mut pairs);
        self.query = Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    }

    fn write(self, response: &mut Response<Bytes>) {
        let location = match self.query {
            Some(query) => format!("{}?{query}", self.base),
            None => self.base,
        };
        let location = HeaderValue::from_str(&location).expect("the test gives a query that a header can hold");
        response.headers_mut().insert(LOCATION, location);
    }
}

fn parameter_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

pub(super) fn to_value(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("the test gives what JSON can hold")
}
