use hallpass::auth0::{Factor, Recipient};
use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Application, ClientAuth, Error, Secret};
use serde_json::{Value, json};

use super::{JANE, public};
use crate::scripted_api::{ScriptedApi, answer};
use crate::two_halves::all_of;

type Question = fn(&Error) -> bool;

/// I1: what would be good for another minute.
#[tokio::test]
async fn a_call_that_repeats_an_assertion_is_not_quoted() {
    let echo = ScriptedApi::start(|seen| {
        let own = format!("http://{}/", seen.header("host").unwrap());
        if seen.method == "GET" {
            let endpoints = ["authorization_endpoint", "token_endpoint", "jwks_uri", "mfa_challenge_endpoint"]
                .map(|name| (name, format!("{own}{name}")));
            let mut metadata = json!({ "issuer": own });
            metadata.as_object_mut().unwrap().extend(endpoints.map(|(name, url)| (name.to_owned(), url.into())));
            return answer(200, &[], &metadata.to_string());
        }
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        let said = format!("what is {}?", sent["client_assertion"].as_str().unwrap());
        answer(400, &[], &json!({ "error": "invalid_request", "error_description": said }).to_string())
    });
    let echo = echo.await;
    let key = PrivateKey::generate("ES256").unwrap();
    for auth in [ClientAuth::private_key_jwt(key), ClientAuth::client_secret_jwt("a secret of at least 32 bytes, so it is")] {
        let auth0 = Application::new(echo.url("/"), "service").client_auth(auth).auth0();
        let mfa = auth0.mfa_by_token("pending");
        for error in [
            mfa.challenge_any().await.unwrap_err(),
            mfa.enrol(&Factor::otp()).await.unwrap_err(),
            auth0.send_code(&Recipient::email("jane@acme.com")).await.unwrap_err(),
        ] {
            let said = error.server_error().map(|server| (server.code(), server.description()));
            assert_eq!(said, Some(("invalid_request", None)), "{error:?}");
            assert!(!all_of(&error).contains("eyJ"), "{}", all_of(&error));
        }
    }
    assert_eq!(echo.seen().iter().filter(|seen| seen.method == "POST").count(), 6);
}

/// B31
#[tokio::test]
async fn each_error_of_auth0_is_known_by_a_question_and_by_no_other() {
    let provider = TestProvider::start().await;
    let auth0 = public(&provider);
    let questions: [(&str, Question); 16] = [
        ("multifactor_required", Error::is_multifactor_required),
        ("multifactor_enrolment_required", Error::is_multifactor_enrolment_required),
        ("multifactor_code_invalid", Error::is_multifactor_code_invalid),
        ("multifactor_token_invalid", Error::is_multifactor_token_invalid),
        ("invalid_credentials", Error::is_invalid_credentials),
        ("refresh_token_dead", Error::is_refresh_token_dead),
        ("password_not_strong_enough", Error::is_password_not_strong_enough),
        ("password_already_used", Error::is_password_already_used),
        ("password_leaked", Error::is_password_leaked),
        ("user_already_known", Error::is_user_already_known),
        ("unauthorized", Error::is_unauthorized),
        ("access_denied", Error::is_access_denied),
        ("too_many_attempts", Error::is_too_many_attempts),
        ("verification_required", Error::is_verification_required),
        ("consent_required", Error::is_consent_required),
        ("interaction_required", Error::is_interaction_required),
    ];
    let oauth = |code: &str, description: &str| json!({ "error": code, "error_description": description });
    let grant = |description: &str| oauth("invalid_grant", description);
    let database =
        |code: &str, name: &str| json!({ "name": name, "code": code, "description": { "rules": [] }, "statusCode": 400 });
    let table: [(Value, &[&str]); 31] = [
        (oauth("mfa_required", "Multifactor authentication required"), &["multifactor_required"]),
        (oauth("unsupported_challenge_type", "x"), &["multifactor_enrolment_required"]),
        (oauth("association_required", "x"), &["multifactor_enrolment_required"]),
        (grant("Invalid otp_code."), &["multifactor_code_invalid"]),
        (grant("Invalid binding_code."), &["multifactor_code_invalid"]),
        (grant("MFA Authorization rejected."), &["multifactor_code_invalid"]),
        (oauth("expired_token", "mfa_token is expired"), &["multifactor_token_invalid"]),
        (grant("Malformed mfa_token"), &["multifactor_token_invalid"]),
        (oauth("invalid_user_password", "Wrong email or password."), &["invalid_credentials"]),
        (json!({ "code": "invalid_user_password", "description": "Wrong" }), &["invalid_credentials"]),
        (grant("Wrong email or password."), &["invalid_credentials"]),
        (grant("Wrong email or verification code."), &["invalid_credentials"]),
        (grant("Wrong phone number or verification code."), &["invalid_credentials"]),
        (grant("Unknown or invalid refresh token."), &["refresh_token_dead"]),
        (grant("The refresh_token was generated for a user who doesn't exist anymore."), &["refresh_token_dead"]),
        (database("invalid_password", "PasswordStrengthError"), &["password_not_strong_enough"]),
        (database("invalid_password", "PasswordHistoryError"), &["password_already_used"]),
        (database("password_leaked", "Error"), &["password_leaked"]),
        (database("user_exists", "BadRequestError"), &["user_already_known"]),
        (oauth("unauthorized", "user is blocked"), &["unauthorized"]),
        (oauth("access_denied", "Unauthorized"), &["access_denied"]),
        (json!({ "statusCode": 429, "error": "too_many_attempts", "error_description": "x" }), &["too_many_attempts"]),
        (oauth("requires_verification", "Suspicious request"), &["verification_required"]),
        (oauth("consent_required", "x"), &["consent_required"]),
        (oauth("interaction_required", "x"), &["interaction_required"]),
        (oauth("expired_token", "The device code is expired."), &[]),
        (grant("Invalid authorization code"), &[]),
        (oauth("invalid_request", "Invalid otp_code."), &[]),
        (oauth("server_error", "Unknown or invalid refresh token."), &[]),
        (database("invalid_password", "Error"), &[]),
        (json!({ "error": "something happened" }), &[]),
    ];
    for (body, expected) in table {
        provider.next(Endpoint::Token, Fault::json(403, &body));
        let error = auth0.log_in(JANE, &Secret::new("correct horse")).await.unwrap_err();
        let answers: Vec<_> = questions.iter().filter(|(_, holds)| holds(&error)).map(|(name, _)| *name).collect();
        assert_eq!(answers, expected, "{body}");
    }
}

#[tokio::test]
async fn what_an_error_came_of_answers_too() {
    let provider = TestProvider::start().await;
    let application = Application::new(provider.issuer(), provider.client_id());
    let error = application.renew(&Secret::new("spent")).await.unwrap_err();
    assert!(error.is_refresh_token_dead() && error.is_login_required(), "{error:?}");
    assert_eq!(error.server_error().map(|server| server.code()), Some("invalid_grant"));
}

#[tokio::test]
async fn a_renewal_that_wants_a_second_factor_leads_on_to_it() {
    let provider = TestProvider::start().await;
    let auth0 = public(&provider);
    let refused = json!({ "error": "mfa_required", "error_description": "x", "mfa_token": "for later" });
    provider.next(Endpoint::Token, Fault::json(403, refused));
    let error = Application::new(provider.issuer(), provider.client_id()).renew(&Secret::new("good")).await.unwrap_err();
    assert!(error.is_multifactor_required());
    assert_eq!(auth0.mfa(&error).unwrap().token().expose(), "for later");
}

#[tokio::test]
async fn only_a_demand_for_a_second_factor_leads_on_to_it() {
    let provider = TestProvider::start().await;
    let auth0 = public(&provider);
    let refused = json!({ "error": "access_denied", "error_description": "x", "mfa_token": "for later" });
    provider.next(Endpoint::Token, Fault::json(403, refused));
    let error = auth0.log_in(JANE, &Secret::new("correct horse")).await.unwrap_err();
    assert!(error.is_access_denied() && error.mfa().is_none() && auth0.mfa(&error).is_err(), "{error:?}");
}
