use hallpass::auth0::Recipient;
use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider, TestUser};
use hallpass::{Application, ClientAuth, ErrorKind, Secret, WebAuth};
use serde_json::{Value, json};

use super::{JANE, confidential, public};
use crate::scripted_api::{ScriptedApi, answer};
use crate::two_halves::{all_of, parameter};

#[tokio::test]
async fn a_person_logs_in_with_a_code_that_was_mailed() {
    let provider = TestProvider::start().await;
    let (auth0, jane) = (public(&provider), Recipient::email(JANE));
    auth0.send_code(&jane).await.unwrap();
    let body: Value = serde_json::from_slice(provider.requests(Endpoint::PasswordlessStart)[0].body()).unwrap();
    assert_eq!(body, json!({ "client_id": "native", "connection": "email", "email": JANE, "send": "code" }));

    let wrong = auth0.log_in_with_code(&jane, &Secret::new("no code")).await.unwrap_err();
    assert!(wrong.is_invalid_credentials(), "{wrong:?}");
    let code = Secret::new(provider.sent_code(JANE).unwrap());
    let credentials = auth0.log_in_with_code(&jane, &code).await.unwrap();
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some(JANE));
    let sent = provider.requests(Endpoint::Token).remove(1);
    let fields = ["grant_type", "realm", "username", "otp"].map(|name| sent.field(name).unwrap());
    assert_eq!(fields, ["http://auth0.com/oauth/grant-type/passwordless/otp", "email", JANE, code.expose()]);
    auth0.log_in_with_code(&jane, &code).await.unwrap_err();
}

#[tokio::test]
async fn a_person_logs_in_with_a_code_that_was_texted() {
    let provider = TestProvider::start().await;
    let (auth0, number) = (confidential(&provider), "+49 170 1234567");
    let telephone = Recipient::sms(number);
    auth0.send_code(&telephone).await.unwrap();
    let asked = provider.requests(Endpoint::PasswordlessStart).remove(0);
    assert_eq!(asked.header("authorization"), None);
    let fields = ["client_id", "client_secret", "connection", "phone_number"].map(|name| asked.field(name).unwrap());
    assert_eq!(fields, ["web", "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6", "sms", number]);
    for _ in 0..3 {
        let wrong = auth0.log_in_with_code(&telephone, &Secret::new("no code")).await.unwrap_err();
        assert_eq!(wrong.server_error().unwrap().description(), Some("Wrong phone number or verification code."));
    }
    let code = Secret::new(provider.sent_code(number).unwrap());
    assert!(auth0.log_in_with_code(&telephone, &code).await.unwrap_err().is_invalid_credentials(), "three guesses were enough");
    auth0.send_code(&telephone).await.unwrap();
    let code = Secret::new(provider.sent_code(number).unwrap());
    let credentials = auth0.log_in_with_code(&telephone, &code).await.unwrap();
    assert_eq!(credentials.user().unwrap().subject(), "sms|+49 170 1234567");
}

#[tokio::test]
async fn a_link_logs_in_whoever_opens_it_in_the_browser_that_asked() {
    let provider = TestProvider::start().await;
    let (auth0, jane) = (public(&provider), Recipient::email(JANE));
    let web_auth = WebAuth::new(provider.issuer(), provider.client_id())
        .redirect_uri("https://app.example.com/callback")
        .scope("openid email read:messages")
        .audience("https://api.acme.com");
    let login = auth0.send_link(&jane, &web_auth).await.unwrap();
    let body: Value = serde_json::from_slice(provider.requests(Endpoint::PasswordlessStart)[0].body()).unwrap();
    assert_eq!((&body["send"], &body["connection"]), (&json!("link"), &json!("email")));
    let parameters = body["authParams"].as_object().unwrap();
    let mut names: Vec<_> = parameters.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected =
        ["audience", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_type", "scope", "state"];
    assert_eq!(names, expected);
    assert_eq!(parameters["state"], parameter(login.url().as_str(), "state"));

    let link = provider.sent_link(JANE).unwrap();
    let callback = TestBrowser::new().visit(&link).await.unwrap();
    let other = auth0.send_link(&jane, &web_auth).await.unwrap();
    assert_eq!(web_auth.finish(other, &callback).await.unwrap_err().kind(), ErrorKind::Callback, "another browser's login");
    let credentials = web_auth.finish(login, &callback).await.unwrap();
    assert!(credentials.has_scope("read:messages"));
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some(JANE));
    assert_eq!(TestBrowser::new().visit_page(&link).await.unwrap().status(), 400, "a link works once");
}

#[tokio::test]
async fn a_link_that_cannot_work_is_not_sent() {
    let provider = TestProvider::start().await;
    let (auth0, jane) = (public(&provider), Recipient::email(JANE));
    let web_auth = WebAuth::new(provider.issuer(), provider.client_id());
    let with_uri = web_auth.clone().redirect_uri("https://app.example.com/callback");
    let other = WebAuth::new(provider.issuer(), "web").redirect_uri("https://app.example.com/callback");
    let no_uri = auth0.send_link(&jane, &web_auth).await.unwrap_err();
    let by_text = auth0.send_link(&Recipient::sms("+49 170 1234567"), &with_uri).await.unwrap_err();
    let foreign = auth0.send_link(&jane, &other).await.unwrap_err();
    let elsewhere = TestProvider::start().await;
    let at_another = WebAuth::new(elsewhere.issuer(), provider.client_id()).redirect_uri("https://app.example.com/callback");
    let at_another = auth0.send_link(&jane, &at_another).await.unwrap_err();
    // What the mail would begin with is known to the provider alone, or cannot be read.
    let pushed = auth0.send_link(&jane, &with_uri.clone().pushed()).await.unwrap_err();
    let signed = auth0.send_link(&jane, &with_uri.signed(PrivateKey::generate("ES256").unwrap())).await.unwrap_err();
    for error in [no_uri, by_text, foreign, at_another, pushed, signed] {
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
    assert_eq!((provider.count(Endpoint::PasswordlessStart), elsewhere.count(Endpoint::PasswordlessStart)), (0, 0));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_by_its_code() {
    let provider = TestProvider::start().await;
    let refused = public(&provider).send_code(&Recipient::email("nobody")).await.unwrap_err();
    assert_eq!(refused.server_error().unwrap().code(), "bad.email");
}

#[tokio::test]
async fn a_second_factor_is_wanted_after_a_code_too() {
    let provider = TestProvider::builder().user(TestUser::new(JANE).otp()).start().await;
    let (auth0, jane) = (public(&provider), Recipient::email(JANE));
    auth0.send_code(&jane).await.unwrap();
    let code = Secret::new(provider.sent_code(JANE).unwrap());
    let error = auth0.log_in_with_code(&jane, &code).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MfaRequired);
    auth0.mfa(&error).unwrap().verify_otp(&Secret::new(provider.otp(JANE).unwrap())).await.unwrap();
}

/// I1, I3
#[tokio::test]
async fn a_code_and_what_protects_a_link_are_shown_nowhere() {
    let provider = TestProvider::start().await;
    let (auth0, jane) = (confidential(&provider), Recipient::email(JANE));
    provider.next(Endpoint::Token, Fault::error(403, "invalid_grant", "the code 123-456 is wrong"));
    let refused = auth0.log_in_with_code(&jane, &Secret::new("123-456")).await.unwrap_err();
    assert!(!all_of(&refused).contains("123-456"), "{refused:?}");
    provider
        .next(Endpoint::PasswordlessStart, Fault::error(401, "invalid_client", "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6 is wrong"));
    let refused = auth0.send_code(&jane).await.unwrap_err();
    assert_eq!(refused.server_error().unwrap().code(), "invalid_client");
    assert!(!all_of(&refused).contains("web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6"), "{refused:?}");

    let post = ClientAuth::client_secret_post(provider.client_secret());
    let post = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(post).auth0();
    provider
        .next(Endpoint::PasswordlessStart, Fault::error(401, "invalid_client", "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6 is wrong"));
    assert!(!all_of(&post.send_code(&jane).await.unwrap_err()).contains("web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6"));
}

/// I3: what protects a link stands in a request of JSON, and in no error.
#[tokio::test]
async fn a_provider_that_repeats_what_protects_a_link_is_not_quoted() {
    let tenant = ScriptedApi::start(|seen| {
        let issuer = format!("http://{}/", seen.header("host").unwrap());
        if seen.target != "/passwordless/start" {
            let mut metadata = json!({
                "issuer": issuer,
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            });
            for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "mfa_challenge_endpoint"] {
                metadata[name] = format!("{issuer}{name}").into();
            }
            return answer(200, &["Content-Type: application/json"], &metadata.to_string());
        }
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        let name = if sent["email"] == "state@example.com" { "state" } else { "nonce" };
        let refusal = json!({ "error": "bad.connection", "error_description": sent["authParams"][name] });
        answer(400, &["Content-Type: application/json"], &refusal.to_string())
    })
    .await;
    let application = Application::new(tenant.origin(), "native");
    let web_auth = application.web_auth().redirect_uri("https://app.example.com/callback");
    for address in ["state@example.com", "nonce@example.com"] {
        let error = application.auth0().send_link(&Recipient::email(address), &web_auth).await.map(drop).unwrap_err();
        let refusal = error.server_error().unwrap();
        assert_eq!((refusal.code(), refusal.description()), ("bad.connection", None), "{address}");
        let sent: Value = serde_json::from_slice(&tenant.seen().last().unwrap().body).unwrap();
        for name in ["state", "nonce"] {
            assert!(!all_of(&error).contains(sent["authParams"][name].as_str().unwrap()), "{address}");
        }
    }
}
