use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::provider::Demands;
use crate::requested_api::RequestedApi;
use crate::token::{are_authorization_details, check_parameter, holds_scope};
use crate::web_auth::response_mode::ResponseMode;

/// The parameters of a login, without those that protect it.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) scope: Arc<str>,
    /// The API that the access token is to be for: `audience`, else each `resource`.
    pub(crate) api: Option<RequestedApi>,
    pub(crate) demands: Demands,
    pub(crate) response_mode: ResponseMode,
    /// In the order in which they were set. A name is unique, but for `resource`.
    others: Vec<Parameter>,
    /// The first thing that is wrong with them, said when the login starts.
    refusal: Option<Error>,
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: Box<str>,
    pub(crate) value: Box<str>,
    pub(crate) kind: Kind,
}

/// The type of a parameter's value in a request object. In a URL and in a form all are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Json,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            scope: Arc::from("openid profile email"),
            api: None,
            demands: Demands::default(),
            response_mode: ResponseMode::default(),
            others: Vec::new(),
            refusal: None,
        }
    }
}

impl Parameters {
    /// # Errors
    /// `Configuration` when one of them cannot work.
    pub(crate) fn checked(&self) -> Result<&Self> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        // Only the ID token says what became of these.
        if !self.ask_for_identity() && !self.demands.are_none() {
            return Err(Error::configuration(
                "organization, max_age, an essential acr and the person are proved by the ID token, which is not asked for; add openid to the scope",
            ));
        }
        Ok(self)
    }

    pub(crate) fn ask_for_identity(&self) -> bool {
        holds_scope(&self.scope, "openid")
    }

    /// Returns whether the provider may show nothing to the person.
    pub(crate) fn are_silent(&self) -> bool {
        self.others.iter().any(|other| &*other.name == "prompt" && other.value.split(' ').any(|word| word == "none"))
    }

    /// Sets the account that the login page suggests, unless the program has set one.
    pub(crate) fn hint(&mut self, person: String) {
        if !self.others.iter().any(|other| matches!(&*other.name, "login_hint" | "id_token_hint" | "login_hint_token")) {
            self.replace("login_hint", person, Kind::Text);
        }
    }

    /// The value of a parameter that was set.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.others.iter().find(|other| &*other.name == name).map(|other| &*other.value)
    }

    /// Lowers the highest age. Without an ID token it is a wish, which the caller has to check.
    pub(crate) fn limit_age(&mut self, age: Duration) {
        let wish = self.others.iter().position(|other| &*other.name == "max_age").map(|known| self.others.remove(known));
        let wish = wish.and_then(|wish| wish.value.parse().ok()).map(Duration::from_secs);
        let shortest = [self.demands.max_age, wish].into_iter().flatten().fold(age, Duration::min);
        if self.ask_for_identity() {
            self.demands.max_age = Some(shortest);
        } else {
            self.replace("max_age", shortest.as_secs().to_string(), Kind::Json);
        }
    }

    pub(crate) fn others(&self) -> &[Parameter] {
        &self.others
    }

    /// Any parameter, by its name.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        if let Err(refusal) = check_parameter(name, &value, &[]) {
            self.refusal.get_or_insert(refusal);
            return;
        }
        match name {
            "resource" => self.others.push(Parameter { name: name.into(), value: value.into(), kind: Kind::Text }),
            "claims" | "authorization_details" => match serde_json::from_str::<Json>(&value) {
                Ok(json) => self.set_json(name, &json),
                Err(_) => self.refuse(format!("the parameter {name} is no JSON; give it as JSON")),
            },
            _ => self.replace(name, value, Kind::Text),
        }
        if matches!(name, "audience" | "resource") {
            self.name_apis();
        }
    }

    /// OpenID Connect Core 1.0, section 5.5.
    pub(crate) fn set_claims(&mut self, claims: &impl Serialize) {
        self.set_json("claims", claims);
    }

    /// RFC 9396, section 2.
    pub(crate) fn set_authorization_details(&mut self, details: &impl Serialize) {
        self.set_json("authorization_details", details);
    }

    fn set_json(&mut self, name: &str, value: &impl Serialize) {
        let Ok(json) = serde_json::to_value(value) else {
            return self.refuse(format!("the parameter {name} cannot be written as JSON; use maps with text as keys"));
        };
        match name {
            "claims" if !json.is_object() => self.refuse("claims are no JSON object; give one with id_token or userinfo"),
            "authorization_details" if !are_authorization_details(&json) => {
                self.refuse("authorization_details are no JSON array of objects; give one, and each object a type");
            }
            _ => {
                if name == "claims" {
                    match Demands::acr_in(&json) {
                        Ok(acr) => self.demands.acr = acr,
                        Err(error) => {
                            self.refusal.get_or_insert(error);
                        }
                    }
                }
                self.replace(name, json.to_string(), Kind::Json);
            }
        }
    }

    fn replace(&mut self, name: &str, value: String, kind: Kind) {
        let parameter = Parameter { name: name.into(), value: value.into(), kind };
        match self.others.iter_mut().find(|known| &*known.name == name) {
            Some(known) => *known = parameter,
            None => self.others.push(parameter),
        }
    }

    fn name_apis(&mut self) {
        let named =
            |name: &str| self.others.iter().filter(|known| &*known.name == name).map(|known| &*known.value).collect::<Vec<_>>();
        self.api = Some(match named("audience").first() {
            Some(audience) => RequestedApi::Audience((*audience).into()),
            None => RequestedApi::Resources(named("resource").join(" ").into()),
        });
    }

    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        self.refusal.get_or_insert_with(|| Error::configuration(why.into()));
    }
}
