use std::collections::BTreeMap;

use hallpass::auth0::NewUser;
use hallpass::testing::{Endpoint, Fault, TestProvider, TestUser};
use hallpass::{ErrorKind, Secret};
use serde_json::{Value, json};

use super::{JANE, confidential, public};
use crate::two_halves::all_of;

#[tokio::test]
async fn a_person_signs_up_and_logs_in() {
    let provider = TestProvider::start().await;
    let auth0 = public(&provider).scope("openid email offline_access").audience("https://api.acme.com");
    let password = Secret::new("correct horse");
    let jane = NewUser::new(JANE, password.clone())
        .username("jane")
        .given_name("J.")
        .given_name("Jane")
        .user_metadata(json!({ "plan": "free" }));
    let account = auth0.sign_up(&jane).await.unwrap();
    assert_eq!((account.email(), account.email_verified()), (Some(JANE), false));
    assert_eq!(account.id().map(str::len), Some(24));

    let asked = provider.requests(Endpoint::SignUp).remove(0);
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(String::from_utf8_lossy(asked.body()).matches("given_name").count(), 1, "the last word counts");
    let body: Value = serde_json::from_slice(asked.body()).unwrap();
    let expected = json!({
        "client_id": "native", "connection": "Username-Password-Authentication", "email": JANE, "password": "correct horse",
        "username": "jane", "given_name": "Jane", "user_metadata": { "plan": "free" },
    });
    assert_eq!(body, expected);

    let refused = auth0.log_in(JANE, &Secret::new("battery staple")).await.unwrap_err();
    assert!(refused.is_invalid_credentials() && refused.kind() == ErrorKind::Server, "{refused:?}");
    let credentials = auth0.log_in(JANE, &password).await.unwrap();
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some(JANE));
    assert!(credentials.refresh_token().is_some());
    let sent: BTreeMap<_, _> = provider.requests(Endpoint::Token).remove(1).fields().into_iter().collect();
    let expected = [
        ("grant_type", "http://auth0.com/oauth/grant-type/password-realm"),
        ("scope", "openid email offline_access"),
        ("audience", "https://api.acme.com"),
        ("realm", "Username-Password-Authentication"),
        ("username", JANE),
        ("password", "correct horse"),
        ("client_id", "native"),
    ];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn why_nobody_could_sign_up_is_told() {
    let provider = TestProvider::builder().user(TestUser::new(JANE)).start().await;
    let auth0 = public(&provider);
    let weak = auth0.sign_up(&NewUser::new("joe@example.com", "abc")).await.unwrap_err();
    assert!(weak.is_password_not_strong_enough() && !weak.is_password_already_used());
    let refusal = weak.server_error().unwrap();
    assert_eq!((refusal.code(), refusal.name()), ("invalid_password", Some("PasswordStrengthError")));
    assert_eq!(refusal.description(), Some("Password is too weak"));
    assert_eq!(refusal.password_rules().collect::<Vec<_>>(), ["At least 8 characters in length"]);
    let known = auth0.sign_up(&NewUser::new(JANE, "correct horse")).await.unwrap_err();
    assert_eq!(known.server_error().unwrap().code(), "invalid_signup");
    assert!(!known.is_user_already_known(), "the tenant does not say so");
}

/// K21 — signup: 3
#[tokio::test]
async fn a_person_signs_up_without_an_email_address() {
    let provider = TestProvider::start().await;
    let auth0 = public(&provider);
    let by_phone = auth0.sign_up(&NewUser::by_phone_number("+4930123456", "correct horse")).await.unwrap();
    assert_eq!((by_phone.phone_number(), by_phone.email(), by_phone.username()), (Some("+4930123456"), None, None));
    let by_name = auth0.sign_up(&NewUser::by_username("jane", "correct horse")).await.unwrap();
    assert_eq!((by_name.username(), by_name.email()), (Some("jane"), None));
    let all = NewUser::new(JANE, "correct horse").username("jane.doe").phone_number("+4930123457");
    let all = auth0.sign_up(&all).await.unwrap();
    assert_eq!((all.email(), all.username(), all.phone_number()), (Some(JANE), Some("jane.doe"), Some("+4930123457")));
    let bodies: Vec<Value> =
        provider.requests(Endpoint::SignUp).iter().map(|request| serde_json::from_slice(request.body()).unwrap()).collect();
    assert!(bodies.len() == 3 && bodies[0].get("email").is_none() && bodies[1].get("email").is_none(), "{bodies:?}");
}

/// K21: an answer as Auth0 writes it
#[tokio::test]
async fn the_rules_that_a_password_breaks_are_named() {
    let provider = TestProvider::start().await;
    let description = json!({ "verified": false, "rules": [
        { "message": "At least %d characters in length", "format": [8], "code": "lengthAtLeast", "verified": true },
        { "message": "Contain at least %d of the following %d types of characters:", "format": [3, 4], "code": "containsAtLeast",
          "items": [{ "message": "lower case letters (a-z)" }, { "message": "numbers (i.e. 0-9)" }], "verified": false },
    ]});
    let answer = json!({ "name": "PasswordStrengthError", "code": "invalid_password", "message": "Password is too weak",
                         "description": description, "policy": "* At least 8 characters in length", "statusCode": 400 });
    provider.next(Endpoint::SignUp, Fault::json(400, answer));
    let error = public(&provider).sign_up(&NewUser::new(JANE, "correct horse")).await.unwrap_err();
    let refusal = error.server_error().unwrap();
    let types = "Contain at least 3 of the following 4 types of characters: lower case letters (a-z), numbers (i.e. 0-9)";
    assert_eq!(refusal.password_rules().collect::<Vec<_>>(), ["At least 8 characters in length", types]);
    assert_eq!(refusal.broken_password_rules().collect::<Vec<_>>(), [types]);
    assert_eq!(refusal.description(), Some("Password is too weak"));
}

#[tokio::test]
async fn a_mail_to_change_a_password_is_asked_for() {
    let provider = TestProvider::start().await;
    confidential(&provider).connection("Customers").organization("org_acme").change_password(JANE).await.unwrap();
    let asked = provider.requests(Endpoint::ChangePassword).remove(0);
    let body: Value = serde_json::from_slice(asked.body()).unwrap();
    assert_eq!(body, json!({ "client_id": "web", "connection": "Customers", "email": JANE, "organization": "org_acme" }));
    assert_eq!(asked.header("authorization"), None, "no secret is needed, and none is sent");
}

#[tokio::test]
async fn at_another_provider_nothing_is_sent() {
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().remove("mfa_challenge_endpoint"));
    let auth0 = public(&provider);
    let password = Secret::new("correct horse");
    let log_in = auth0.log_in(JANE, &password).await.unwrap_err();
    let sign_up = auth0.sign_up(&NewUser::new(JANE, password)).await.unwrap_err();
    let change = auth0.change_password(JANE).await.unwrap_err();
    for error in [log_in, sign_up, change] {
        assert_eq!(error.kind(), ErrorKind::Discovery, "{error}");
    }
    for endpoint in [Endpoint::Token, Endpoint::SignUp, Endpoint::ChangePassword] {
        assert_eq!(provider.count(endpoint), 0);
    }
}

/// C28, C40
#[tokio::test]
async fn an_id_token_for_a_password_is_checked_as_in_any_login() {
    let provider = TestProvider::start().await;
    let auth0 = public(&provider).organization("org_acme");
    let password = Secret::new("correct horse");
    auth0.log_in(JANE, &password).await.unwrap();
    for (name, value) in [("aud", "somebody-else"), ("iss", "https://evil.example/"), ("nonce", "unasked"), ("org_id", "org_evil")]
    {
        provider.next_id_token(move |token| {
            token.set(name, value);
        });
        assert_eq!(auth0.log_in(JANE, &password).await.unwrap_err().kind(), ErrorKind::IdToken, "{name}");
    }
    provider.next(Endpoint::Token, Fault::new().remove("id_token"));
    assert_eq!(auth0.log_in(JANE, &password).await.unwrap_err().kind(), ErrorKind::IdToken);
}

/// I1, I2
#[tokio::test]
async fn a_password_is_shown_nowhere() {
    let provider = TestProvider::start().await;
    let auth0 = confidential(&provider);
    let password = Secret::new("pass word+%&ü");
    let user = NewUser::new(JANE, password.clone());
    let shown = format!("{user:?} {auth0:?}");
    assert!(!shown.contains("pass word") && !shown.contains(provider.client_secret()), "{shown}");
    let echo = |code: &str| {
        Fault::json(
            400,
            json!({ "code": code, "description": "pass word+%&ü is no good, nor is web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6" }),
        )
    };
    provider.next(Endpoint::SignUp, echo("invalid_password"));
    let refused = auth0.sign_up(&user).await.unwrap_err();
    assert_eq!(refused.server_error().unwrap().code(), "invalid_password");
    assert!(!all_of(&refused).contains("pass word"), "{refused:?}");
    provider.next(Endpoint::SignUp, Fault::json(400, json!({ "code": "invalid_password", "description": "not pass word+%&ü" })));
    assert!(!all_of(&auth0.sign_up(&user).await.unwrap_err()).contains("pass word"));
    for code in ["pass word+%&ü", "pass+word%2B%25%26%C3%BC"] {
        provider.next(Endpoint::Token, echo(code));
        let refused = auth0.log_in(JANE, &password).await.unwrap_err();
        assert_eq!(refused.server_error().unwrap().code(), "http_400");
        assert!(!all_of(&refused).contains("word+") && !all_of(&refused).contains("word%2B"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_password_that_is_part_of_an_error_hides_no_error() {
    let provider = TestProvider::builder().user(TestUser::new(JANE).password("mfa_required")).start().await;
    for password in ["password", "or", "in", "grant", "Wrong"] {
        let refused = public(&provider).log_in(JANE, &Secret::new(password)).await.unwrap_err();
        assert!(refused.is_invalid_credentials(), "{password}: {refused:?}");
    }
    public(&provider).log_in(JANE, &Secret::new("mfa_required")).await.unwrap();
}

#[tokio::test]
async fn metadata_that_is_no_json_is_said_before_anything_is_sent() {
    let provider = TestProvider::start().await;
    let user = NewUser::new(JANE, "correct horse").user_metadata(BTreeMap::from([((), ())]));
    assert_eq!(public(&provider).sign_up(&user).await.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!((provider.count(Endpoint::Discovery), provider.count(Endpoint::SignUp)), (0, 0));
}
