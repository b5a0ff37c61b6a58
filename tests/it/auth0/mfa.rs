use std::time::{Duration, Instant};

use hallpass::auth0::{Auth0, Factor, Mfa};
use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider, TestUser};
use hallpass::{Error, ErrorKind, Secret};
use serde_json::{Value, json};

use super::{JANE, confidential, public};
use crate::two_halves::all_of;

const TELEPHONE: &str = "+49 170 1234567";

async fn jane(user: TestUser) -> (TestProvider, Auth0) {
    let provider = TestProvider::builder().user(user).start().await;
    let auth0 = confidential(&provider).scope("openid read:messages").audience("https://api.acme.com");
    (provider, auth0)
}

async fn refused(auth0: &Auth0) -> Error {
    auth0.log_in(JANE, &Secret::new("correct horse")).await.unwrap_err()
}

async fn first_factor(auth0: &Auth0) -> Mfa {
    auth0.mfa(&refused(auth0).await).unwrap()
}

#[tokio::test]
async fn a_code_of_an_app_completes_a_login_also_after_a_wrong_one() {
    let (provider, auth0) = jane(TestUser::new(JANE).otp()).await;
    let error = refused(&auth0).await;
    assert_eq!(error.kind(), ErrorKind::MfaRequired);
    assert!(error.is_multifactor_required());
    let required = error.mfa().unwrap();
    assert_eq!((required.challenges().collect::<Vec<_>>(), required.enrolments().count()), (vec!["otp"], 0));

    // As a web application does it: the token is kept until the person's next request.
    let mfa = auth0.mfa_by_token(required.token().clone());
    let wrong = mfa.verify_otp(&Secret::new("no code")).await.unwrap_err();
    assert!(wrong.is_multifactor_code_invalid() && !wrong.is_login_required(), "{wrong:?}");
    let credentials = mfa.verify_otp(&Secret::new(provider.otp(JANE).unwrap())).await.unwrap();
    assert!(credentials.user().is_some() && credentials.has_scope("read:messages"));
    let sent = provider.requests(Endpoint::Token).pop().unwrap();
    assert_eq!(sent.field("grant_type").as_deref(), Some("http://auth0.com/oauth/grant-type/mfa-otp"));
    assert_eq!(sent.field("mfa_token").as_deref(), Some(required.token().expose()));
    assert!(sent.header("authorization").is_some_and(|header| header.starts_with("Basic ")));

    let spent = mfa.verify_otp(&Secret::new(provider.otp(JANE).unwrap())).await.unwrap_err();
    assert!(spent.is_login_required() && spent.is_multifactor_token_invalid(), "{spent:?}");
}

#[tokio::test]
async fn a_person_chooses_among_their_factors() {
    let (provider, auth0) = jane(TestUser::new(JANE).otp().sms(TELEPHONE).email_codes("jane@home.example")).await;
    let mfa = first_factor(&auth0).await;
    let list = mfa.authenticators().await.unwrap();
    let shown: Vec<_> = list.iter().map(|one| (one.authenticator_type(), one.oob_channel(), one.name(), one.is_active())).collect();
    let expected = [
        ("otp", None, None, true),
        ("oob", Some("sms"), Some("XXXXXXXX4567"), true),
        ("oob", Some("email"), Some("XXXXXXXXmple"), true),
        ("recovery-code", None, None, true),
    ];
    assert_eq!(shown, expected);
    let asked = provider.requests(Endpoint::MfaAuthenticators).remove(0);
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {}", mfa.token().expose()).as_str()));

    let app = mfa.challenge(&list[0]).await.unwrap();
    assert!(app.wants_code());
    for (number, address) in [(1, TELEPHONE), (2, "jane@home.example")] {
        let mfa = first_factor(&auth0).await;
        let challenge = mfa.challenge(&list[number]).await.unwrap();
        assert!(challenge.wants_code());
        let before = provider.count(Endpoint::Token);
        assert_eq!(mfa.verify_oob(&challenge, None).await.unwrap_err().kind(), ErrorKind::Configuration);
        assert_eq!(provider.count(Endpoint::Token), before, "nothing was sent");
        let wrong = mfa.verify_oob(&challenge, Some(&Secret::new("no code"))).await.unwrap_err();
        assert!(wrong.is_multifactor_code_invalid(), "{wrong:?}");
        let code = Secret::new(provider.sent_code(address).unwrap());
        mfa.verify_oob(&challenge, Some(&code)).await.unwrap();
    }
    let asked = provider.requests(Endpoint::MfaChallenge).pop().unwrap();
    assert_eq!(asked.header("authorization"), None, "the token is in the body");
    let fields = ["challenge_type", "authenticator_id", "client_id", "client_secret"].map(|name| asked.field(name).unwrap());
    assert_eq!(fields, ["oob", list[2].id(), "web", "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6"]);

    let any = mfa.challenge_any().await.unwrap();
    mfa.verify_oob(&any, Some(&Secret::new(provider.otp(JANE).unwrap()))).await.unwrap();
}

/// K13
#[tokio::test]
async fn a_person_answers_on_their_telephone() {
    let (provider, auth0) = jane(TestUser::new(JANE).push()).await;
    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    assert!(!challenge.wants_code());
    let pending = mfa.verify_oob(&challenge, None).await.unwrap_err();
    assert_eq!(pending.server_error().unwrap().code(), "authorization_pending");
    let undecided = provider.hold_answer(Endpoint::Token);
    let approving = async {
        undecided.reached(1).await;
        provider.approve_push(JANE);
        undecided.release();
    };
    let (credentials, ()) = tokio::join!(mfa.wait_for_approval(&challenge), approving);
    assert!(credentials.unwrap().user().is_some());
    assert_eq!(provider.count(Endpoint::Token), 4);

    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    provider.refuse_push(JANE);
    let refused = mfa.wait_for_approval(&challenge).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Cancelled);
    assert!(refused.is_access_denied() && !refused.is_multifactor_code_invalid(), "K13: {refused:?}");
}

/// H1 — token: 3
#[tokio::test]
async fn who_is_told_to_slow_down_asks_five_seconds_later() {
    let (provider, auth0) = jane(TestUser::new(JANE).push()).await;
    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    provider.next(Endpoint::Token, Fault::error(400, "slow_down", "You are polling faster than allowed"));
    provider.approve_push(JANE);
    let began = Instant::now();
    mfa.wait_for_approval(&challenge).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(provider.count(Endpoint::Token), 3);
}

#[tokio::test]
async fn nobody_waits_for_an_answer_longer_than_it_can_come() {
    let (provider, auth0) = jane(TestUser::new(JANE).push()).await;
    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    let slow = Fault::error(429, "slow_down", "You are polling faster than allowed").header("retry-after", "601");
    provider.next(Endpoint::Token, slow);
    let late = mfa.wait_for_approval(&challenge).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    assert_eq!(provider.count(Endpoint::Token), 2);
}

#[tokio::test]
async fn who_cannot_complete_a_login_any_more_hears_so_at_once() {
    let (provider, auth0) = jane(TestUser::new(JANE).push()).await;
    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    provider.next(Endpoint::Token, Fault::error(401, "expired_token", "mfa_token is expired"));
    provider.approve_push(JANE);
    let error = mfa.wait_for_approval(&challenge).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRequired);
    assert_eq!(provider.count(Endpoint::Token), 2, "nothing is asked after that");
}

#[tokio::test]
async fn tokens_that_came_are_not_asked_for_again() {
    let (provider, auth0) = jane(TestUser::new(JANE).push()).await;
    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    provider.approve_push(JANE);
    provider.always(Endpoint::Jwks, Fault::status(503));
    let error = mfa.wait_for_approval(&challenge).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(provider.count(Endpoint::Token), 2, "the challenge is spent");
}

#[tokio::test]
async fn a_recovery_code_completes_a_login_and_is_replaced() {
    let (provider, auth0) = jane(TestUser::new(JANE).otp()).await;
    let mfa = first_factor(&auth0).await;
    let code = Secret::new(provider.recovery_code(JANE).unwrap());
    assert!(mfa.verify_recovery_code(&Secret::new("no code")).await.unwrap_err().is_multifactor_code_invalid());
    let (credentials, next) = mfa.verify_recovery_code(&code).await.unwrap();
    assert!(credentials.user().is_some());
    let next = next.unwrap();
    assert!(next != code && next.expose() == provider.recovery_code(JANE).unwrap());
    first_factor(&auth0).await.verify_recovery_code(&code).await.unwrap_err();
}

#[tokio::test]
async fn whoever_has_no_factor_enrols_one() {
    let provider = TestProvider::builder().require_mfa().start().await;
    let auth0 = public(&provider);
    let error = refused(&auth0).await;
    let enrolments: Vec<_> = error.mfa().unwrap().enrolments().collect();
    assert_eq!(enrolments, ["otp", "phone", "email", "push-notification"]);
    let mfa = auth0.mfa(&error).unwrap();
    assert!(mfa.challenge_any().await.unwrap_err().is_multifactor_enrolment_required());

    let app = mfa.enrol(&Factor::otp()).await.unwrap();
    assert!(app.secret().is_some() && app.barcode_uri().unwrap().expose().starts_with("otpauth://"));
    assert_eq!(app.recovery_codes().len(), 1);
    let asked = provider.requests(Endpoint::MfaAssociate).remove(0);
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {}", mfa.token().expose()).as_str()));
    let body: Value = serde_json::from_slice(asked.body()).unwrap();
    assert_eq!(body, json!({ "authenticator_types": ["otp"], "client_id": "native" }));

    // Another one in its place, since it was not completed.
    let telephone = mfa.enrol(&Factor::voice(TELEPHONE)).await.unwrap();
    let body: Value = serde_json::from_slice(provider.requests(Endpoint::MfaAssociate)[1].body()).unwrap();
    assert_eq!((&body["oob_channels"], &body["phone_number"]), (&json!(["voice"]), &json!(TELEPHONE)));
    assert!(telephone.recovery_codes().is_empty(), "they come once");
    let listed = mfa.authenticators().await.unwrap();
    assert_eq!((listed[0].oob_channel(), listed[0].is_active()), (Some("voice"), false));
    let code = Secret::new(provider.sent_code(TELEPHONE).unwrap());
    mfa.verify_oob(telephone.challenge(), Some(&code)).await.unwrap();

    let again = first_factor(&auth0).await;
    let enrolled = again.enrol(&Factor::push()).await.unwrap_err();
    assert!(enrolled.is_access_denied(), "one has to be used first: {enrolled:?}");
    let telephone = again.authenticators().await.unwrap().remove(0);
    again.remove(&telephone).await.unwrap();
    let asked = provider.requests(Endpoint::MfaAuthenticators).pop().unwrap();
    let path = format!("/mfa/authenticators/{}", telephone.id().replace('|', "%7C"));
    assert_eq!((asked.method().as_str(), asked.path()), ("DELETE", &*path));
    assert!(again.authenticators().await.unwrap().iter().all(|one| one.oob_channel().is_none()));
}

/// K21
#[tokio::test]
async fn an_id_that_would_lead_elsewhere_stays_within_its_path() {
    let (provider, auth0) = jane(TestUser::new(JANE).otp()).await;
    let mfa = first_factor(&auth0).await;
    let body = json!([{ "id": "../../oauth/token?x=1#", "authenticator_type": "otp" }]);
    provider.next(Endpoint::MfaAuthenticators, Fault::json(200, body));
    let listed = mfa.authenticators().await.unwrap();
    mfa.remove(&listed[0]).await.unwrap();
    let asked = provider.requests(Endpoint::MfaAuthenticators).pop().unwrap();
    assert_eq!(asked.path(), "/mfa/authenticators/..%2F..%2Foauth%2Ftoken%3Fx%3D1%23");
    let asked = provider.count(Endpoint::MfaAuthenticators);
    let body = json!([{ "id": "..", "authenticator_type": "otp" }]);
    provider.next(Endpoint::MfaAuthenticators, Fault::json(200, body));
    let listed = mfa.authenticators().await.unwrap();
    assert_eq!(mfa.remove(&listed[0]).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    assert_eq!(provider.count(Endpoint::MfaAuthenticators), asked + 1, "it was listed, and nothing was removed");
}

#[tokio::test]
async fn a_second_factor_has_its_time() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().user(TestUser::new(JANE).otp()).clock(clock.clone()).start().await;
    let auth0 = public(&provider);
    let mfa = first_factor(&auth0).await;
    clock.advance(Duration::from_secs(601));
    let code = Secret::new(provider.otp(JANE).unwrap());
    for error in [mfa.authenticators().await.unwrap_err(), mfa.verify_otp(&code).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::LoginRequired);
        assert!(error.is_multifactor_token_invalid());
    }
}

#[tokio::test]
async fn a_list_that_is_none_is_refused() {
    let (provider, auth0) = jane(TestUser::new(JANE).otp()).await;
    let mfa = first_factor(&auth0).await;
    let deep = "[".repeat(100_000);
    for body in ["{}", "", "[1]", "[{}]", "<html>", r#"[{"id":"a","id":"b","authenticator_type":"otp"}]"#, "[[]]", &deep] {
        provider.next(Endpoint::MfaAuthenticators, Fault::answer(200, "application/json", body));
        let error = mfa.authenticators().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body:.40}");
    }
}

#[tokio::test]
async fn only_an_error_that_asks_for_a_second_factor_leads_on() {
    let (provider, auth0) = jane(TestUser::new(JANE).password("right")).await;
    let error = refused(&auth0).await;
    assert_eq!(auth0.mfa(&error).unwrap_err().to_string(), error.to_string());
    for body in [json!({ "error": "mfa_required" }), json!({ "error": "mfa_required", "mfa_token": "" })] {
        provider.next(Endpoint::Token, Fault::json(403, body));
        let error = refused(&auth0).await;
        assert_eq!((error.kind(), error.mfa()), (ErrorKind::MfaRequired, None));
    }
}

/// I1
#[tokio::test]
async fn nothing_of_a_second_factor_is_shown() {
    let (provider, auth0) = jane(TestUser::new(JANE).sms(TELEPHONE)).await;
    let echo = json!({ "error": "mfa_required", "error_description": "canary-token is waiting", "mfa_token": "canary-token" });
    provider.next(Endpoint::Token, Fault::json(403, echo));
    let error = refused(&auth0).await;
    let mfa = auth0.mfa(&error).unwrap();
    let required = error.mfa().unwrap();
    let mut shown = format!("{} {required:?} {mfa:?}", all_of(&error));

    let mfa = first_factor(&auth0).await;
    let challenge = mfa.challenge_any().await.unwrap();
    let said = format!("{} canary-code", mfa.token().expose());
    provider.next(Endpoint::Token, Fault::error(403, "invalid_grant", &said));
    let error = mfa.verify_oob(&challenge, Some(&Secret::new("canary-code"))).await.unwrap_err();
    shown.push_str(&all_of(&error));
    for endpoint in [Endpoint::MfaAuthenticators, Endpoint::MfaChallenge, Endpoint::MfaAssociate] {
        provider.next(endpoint, Fault::error(403, "invalid_grant", &said));
    }
    shown.push_str(&all_of(&mfa.authenticators().await.unwrap_err()));
    shown.push_str(&all_of(&mfa.challenge_any().await.unwrap_err()));
    shown.push_str(&all_of(&mfa.enrol(&Factor::otp()).await.unwrap_err()));
    let oob_code = provider.requests(Endpoint::Token).pop().unwrap().field("oob_code").unwrap();
    shown.push_str(&format!("{challenge:?}"));
    for secret in ["canary", mfa.token().expose(), &oob_code, "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
