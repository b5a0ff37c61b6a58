use serde::Serialize;
use serde_json::{Map, Value, json};

use super::edit::to_value;
use super::second_factor::Factor;

/// A person whom the provider knows.
///
/// Users need no registration: every name exists, with a profile made of the typed name, and any password is right except `wrong`.
/// A `TestUser` has configured claims, a password and second factors.
///
/// ```
/// use hallpass::testing::{TestProvider, TestUser};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let jane = TestUser::new("jane@example.com").claim("https://example.com/roles", ["admin"]);
/// let provider = TestProvider::builder().user(jane).start().await;
/// # drop(provider);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TestUser {
    email: String,
    password: Option<String>,
    /// The factors that this person shows in addition to the password.
    pub(super) factors: Vec<Factor>,
    claims: Map<String, Value>,
}

impl TestUser {
    /// The address is what is typed at the login; the subject becomes `auth0|` and the address.
    #[must_use]
    pub fn new(email: impl Into<String>) -> Self {
        let email = email.into();
        let nickname = email.split('@').next().unwrap_or_default().to_owned();
        let claims = json!({
            "sub": format!("auth0|{email}"),
            "name": capitalised(&nickname),
            "nickname": nickname,
            "picture": format!("https://images.example.com/{nickname}.png"),
            "updated_at": "2026-01-02T03:04:05.678Z",
            "email": email,
            "email_verified": true,
        });
        let Value::Object(claims) = claims else { unreachable!("it is written as an object") };
        Self { email, password: None, factors: Vec::new(), claims }
    }

    /// A person who is known by a telephone number alone.
    pub(super) fn by_phone(number: &str) -> Self {
        let mut user = Self::new(number);
        user.claims.retain(|claim, _| matches!(claim.as_str(), "updated_at" | "picture"));
        for (claim, value) in [("sub", format!("sms|{number}")), ("name", number.to_owned()), ("phone_number", number.to_owned())] {
            user.claims.insert(claim.to_owned(), value.into());
        }
        user.claim("phone_number_verified", true)
    }

    /// The only password that is right.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Beside the password the person shows a code of an app: [`TestProvider::otp`](super::TestProvider::otp). This and the other
    /// factors are asked for where the password is typed into a program, not on the provider's own pages.
    #[must_use]
    pub fn otp(self) -> Self {
        self.factor(Factor::Otp)
    }

    /// Beside the password the person shows a code that comes to this number by text message:
    /// [`TestProvider::sent_code`](super::TestProvider::sent_code).
    #[must_use]
    pub fn sms(self, number: impl Into<String>) -> Self {
        self.factor(Factor::Phone("sms", number.into()))
    }

    /// Beside the password the person shows a code that comes to this address by mail.
    #[must_use]
    pub fn email_codes(self, address: impl Into<String>) -> Self {
        self.factor(Factor::Email(address.into()))
    }

    /// Beside the password the person answers on their telephone: [`TestProvider::approve_push`](super::TestProvider::approve_push).
    #[must_use]
    pub fn push(self) -> Self {
        self.factor(Factor::Push)
    }

    fn factor(mut self, factor: Factor) -> Self {
        self.factors.push(factor);
        self
    }

    /// A claim more, or another value for one. One with a URL as its name is told whatever the scope.
    ///
    /// # Panics
    /// When the value is nothing that JSON can hold.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.claims.insert(name.into(), to_value(value));
        self
    }

    pub(super) fn is(&self, email: &str) -> bool {
        self.email.eq_ignore_ascii_case(email)
    }

    pub(super) fn own_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(super) fn email(&self) -> &str {
        &self.email
    }

    pub(super) fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// The claims of a token with this scope (OpenID Connect Core 1.0, section 5.4).
    pub(super) fn claims_for(&self, scope: &str) -> Map<String, Value> {
        let granted = |name: &str| scope.split(' ').any(|word| word == name);
        let told = |claim: &str| match claim {
            "sub" => true,
            "email" | "email_verified" => granted("email"),
            "phone_number" | "phone_number_verified" => granted("phone"),
            "address" => granted("address"),
            namespaced if namespaced.contains("://") => true,
            _ => granted("profile"),
        };
        self.claims.iter().filter(|(claim, _)| told(claim)).map(|(claim, value)| (claim.clone(), value.clone())).collect()
    }
}

fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The password that is wrong for everybody.
pub(super) const WRONG_PASSWORD: &str = "wrong";
