//! A token endpoint that refuses: what its errors become, and what they never hold.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hallpass::testing::{Endpoint, Fault, TestClient, TestProvider};
use hallpass::{Application, ClientAuth, Error, ErrorKind, PendingLogin, ServerError};
use serde_json::json;

use crate::growth::assert_linear;
use crate::two_halves::{TwoHalves, all_of, parameter, with};

fn server(error: &Error) -> (&str, Option<&str>, Option<u16>) {
    let server: &ServerError = error.server_error().unwrap();
    (server.code(), server.description(), server.status().map(|status| status.as_u16()))
}

/// The answer itself decides which of its texts are secret.
#[test]
fn an_error_is_read_in_linear_time() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let halves = runtime.block_on(TwoHalves::start());
    assert_linear(200 * 1024, |length| {
        let text = "a".repeat(length);
        let body =
            json!({ "error": "invalid_request", "error_description": text, "mfa_token": format!("{text}b"), "policy": text });
        let error = runtime.block_on(halves.answered(Fault::json(400, &body))).unwrap_err();
        assert_eq!(error.server_error().unwrap().password_rules().count(), 0, "a text of this length is no rule");
    });
}

/// B4 — token: 1 for each
#[tokio::test]
async fn an_error_under_200_is_an_error() {
    let halves = TwoHalves::start().await;
    let error = halves.answered(Fault::json(200, json!({"error": "invalid_grant"}))).await.unwrap_err();
    assert_eq!((error.kind(), server(&error)), (ErrorKind::Server, ("invalid_grant", None, Some(200))));
    for beside_tokens in ["invalid_grant", ""] {
        let error = halves.answered(Fault::new().set("error", beside_tokens)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert!(!server(&error).0.is_empty(), "{error}");
    }
    halves.answered(Fault::new().set("error", json!(null))).await.expect("null is no error");
}

/// B5
#[tokio::test]
async fn an_error_page_is_an_error_with_its_status_and_a_short_excerpt() {
    let halves = TwoHalves::start().await;
    for status in [400, 403, 500, 502] {
        let html = Fault::answer(status, "text/html", format!("<html>\u{1b}[2J{}", "x".repeat(500_000)));
        let error = halves.answered(html).await.unwrap_err();
        let (code, description, seen) = server(&error);
        assert_eq!((error.kind(), code, seen), (ErrorKind::Server, &*format!("http_{status}"), Some(status)));
        let description = description.unwrap();
        assert!(description.starts_with(r"<html>\u{1b}[2Jxxx") && description.ends_with('…'), "{description}");
        assert!(error.to_string().len() < 1024 && !all_of(&error).contains('\u{1b}'));
        assert!(error.is_transient(), "no verdict, or the server's trouble");

        let text = halves.answered(Fault::answer(status, "text/plain", " Bad luck \n")).await.unwrap_err();
        assert_eq!(server(&text), (&*format!("http_{status}"), Some("Bad luck"), Some(status)));
        let nothing = halves.answered(Fault::status(status)).await.unwrap_err();
        assert_eq!(server(&nothing), (&*format!("http_{status}"), None, Some(status)));
    }
}

/// B6
#[tokio::test]
async fn an_error_that_is_no_text_is_no_answer() {
    let halves = TwoHalves::start().await;
    for value in [json!(1), json!(true), json!(["invalid_grant"]), json!({"code": "invalid_grant"})] {
        for (status, kind) in [(200, ErrorKind::InvalidResponse), (400, ErrorKind::Server), (500, ErrorKind::Server)] {
            let error = halves.answered(Fault::json(status, json!({"error": &value}))).await.unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (kind, true), "{status} {value}: {error}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
        let error = halves.answered(Fault::new().set("error", &value)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "beside tokens, {value}: {error}");
    }
}

/// B7
#[tokio::test]
async fn a_body_speaks_before_a_challenge() {
    let halves = TwoHalves::start().await;
    let fault = Fault::error(401, "invalid_client", "No such client").header("www-authenticate", r#"Basic error="other""#);
    let error = halves.answered(fault).await.unwrap_err();
    assert_eq!(server(&error), ("invalid_client", Some("No such client"), Some(401)));
    assert!(!error.is_transient());
}

/// B8 — token: 1 for each
#[tokio::test]
async fn a_rate_limit_and_an_outage_are_transient_and_say_for_how_long() {
    let halves = TwoHalves::start().await;
    let day = Duration::from_secs(24 * 60 * 60);
    for status in [429, 503] {
        for (header, expected) in [
            ("7", Some(Duration::from_secs(7))),
            (" 7 ", Some(Duration::from_secs(7))),
            ("0", Some(Duration::ZERO)),
            ("99999999999999999999999", Some(day)),
            ("Fri, 31 Dec 9998 23:59:59 GMT", Some(day)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(Duration::ZERO)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let fault = Fault::error(status, "temporarily_unavailable", "Later").header("retry-after", header);
            let error = halves.answered(fault).await.unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Server, true), "{status} {header}");
            assert_eq!(error.retry_after(), expected, "{status} {header}");
        }
    }
    let limited = halves.answered(Fault::rate_limited(Duration::from_secs(60))).await.unwrap_err();
    assert!((30..=60).contains(&limited.retry_after().unwrap().as_secs()), "{limited:?}");
    let both = Fault::rate_limited(Duration::from_secs(60)).header("retry-after", "5");
    assert_eq!(halves.answered(both).await.unwrap_err().retry_after(), Some(Duration::from_secs(5)), "Retry-After comes first");
    let refused = Fault::error(400, "invalid_grant", "No").header("retry-after", "7");
    let refused = halves.answered(refused).await.unwrap_err();
    assert_eq!((refused.is_transient(), refused.retry_after()), (false, None));
}

/// B31
#[tokio::test]
async fn all_of_auth0s_error_bodies_are_understood() {
    let halves = TwoHalves::start().await;
    let json = |status, body: &serde_json::Value| Fault::json(status, body);
    let rules = json!({"rules": [{"message": "At least %d characters"}], "verified": false});
    for (fault, code, description) in [
        (
            json(
                403,
                &json!({"error": "invalid_grant", "error_description": "Invalid authorization code", "error_uri": "https://x/"}),
            ),
            "invalid_grant",
            Some("Invalid authorization code"),
        ),
        (
            json(
                401,
                &json!({"name": "BadRequestError", "code": "invalid_signup", "description": "Invalid sign up", "statusCode": 400}),
            ),
            "invalid_signup",
            Some("Invalid sign up"),
        ),
        (
            json(
                400,
                &json!({"name": "PasswordStrengthError", "code": "invalid_password", "description": rules, "message": "Password is too weak", "policy": "* a\n* b", "statusCode": 400}),
            ),
            "invalid_password",
            Some("Password is too weak"),
        ),
        (json(400, &json!({"error": "Password is too common"})), "Password is too common", None),
        (
            json(400, &json!({"statusCode": 400, "error": "Bad Request", "error_description": "Payload validation error"})),
            "Bad Request",
            Some("Payload validation error"),
        ),
        (Fault::answer(401, "text/plain", "Unauthorized"), "http_401", Some("Unauthorized")),
        (Fault::status(404), "http_404", None),
        (json(400, &json!({})), "http_400", None),
        (json(400, &json!({"error": "", "code": "invalid_password"})), "invalid_password", None),
    ] {
        let error = halves.answered(fault).await.unwrap_err();
        let (own_code, own_description, _) = server(&error);
        assert_eq!((error.kind(), own_code, own_description), (ErrorKind::Server, code, description));
        let opening = if code.starts_with("http_") {
            "the provider answered the token request with 4"
        } else {
            "the provider refused the token request: "
        };
        assert!(error.to_string().starts_with(opening), "{error}");
    }
    let mfa = json(
        403,
        &json!({"error": "mfa_required", "error_description": "Multifactor authentication required", "mfa_token": "CANARY"}),
    );
    let error = halves.answered(mfa).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MfaRequired);
    assert!(!all_of(&error).contains("CANARY"), "{error:?}");
}

/// B28, K14
#[tokio::test]
async fn basic_credentials_are_form_encoded_first() {
    let (id, secret) = ("client %&+-_.!~*'()", "s€cret:+%&");
    let client = TestClient::confidential(id, secret).callback("https://app.example.com/callback");
    let provider = TestProvider::builder().client(client).start().await;
    let application = Application::new(provider.issuer(), id).client_auth(ClientAuth::client_secret_basic(secret));
    let halves = TwoHalves::of(provider, &application);
    halves.log_in().await.unwrap();

    let request = halves.provider.requests(Endpoint::Token).remove(0);
    let basic = request.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
    let pair = BASE64_STANDARD.decode(basic).unwrap();
    let expected = "client+%25%26%2B-_.%21%7E%2A%27%28%29:s%E2%82%ACcret%3A%2B%25%26";
    assert_eq!(String::from_utf8(pair).unwrap(), expected);
    assert_eq!((request.field("client_secret"), request.field("client_id")), (None, None));
    assert_eq!(halves.provider.requests(Endpoint::Authorize)[0].parameter("client_id").as_deref(), Some(id));
}

/// I1: what an error may not say, though the provider quotes it: each value of the request that only the two of them know.
#[tokio::test]
async fn an_error_that_repeats_the_request_is_not_shown() {
    let provider = TestProvider::start().await;
    let secret = ClientAuth::client_secret_basic(provider.client_secret());
    let basic = TwoHalves::of(provider.clone(), &Application::new(provider.issuer(), "web").client_auth(secret));
    let secret = ClientAuth::client_secret_post(provider.client_secret());
    let post = TwoHalves::of(provider.clone(), &Application::new(provider.issuer(), "web").client_auth(secret));
    for halves in [basic, post] {
        let (login, callback) = halves.returned().await;
        let code = parameter(&callback, "code");
        let odd = "an+odd%2Fcode%3D";
        let sent = |name: &str| halves.provider.requests(Endpoint::Token).last().unwrap().field(name).unwrap();
        for (raw, decoded) in [(&*code, &*code), (odd, "an odd/code=")] {
            let again = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
            halves.provider.next(Endpoint::Token, Fault::status(400));
            let callback = with(&callback, "code", raw);
            halves.auth.finish(again, &callback).await.unwrap_err();
            let verifier = sent("code_verifier");
            let header = halves.provider.requests(Endpoint::Token).last().unwrap().header("authorization").map(str::to_owned);
            let basic = header.as_deref().and_then(|header| header.strip_prefix("Basic "));
            let quoted = [raw, decoded, &verifier, provider.client_secret()].into_iter().chain(basic);
            for secret in quoted {
                for fault in [
                    Fault::error(400, "invalid_request", &format!("I cannot read {secret}, sorry")),
                    Fault::error(400, &format!("no_{secret}"), "Sorry"),
                    Fault::json(400, json!({"code": format!("no_{secret}"), "description": secret, "message": secret})),
                    Fault::answer(500, "text/html", format!("<pre>POST /oauth/token\n{secret}</pre>")),
                    Fault::new().set("token_type", secret),
                ] {
                    let again = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
                    halves.provider.next(Endpoint::Token, fault);
                    let error = halves.auth.finish(again, &callback).await.unwrap_err();
                    assert!(!all_of(&error).contains(secret), "{secret} in {error:?}");
                }
            }
        }
    }
}
