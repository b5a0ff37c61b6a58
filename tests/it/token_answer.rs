//! Answers of a token endpoint with 200, and those that are taken as credentials.

use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Application, Credentials, ErrorKind, Result, TokenType};
use serde_json::{Value, json};

use crate::two_halves::{TwoHalves, all_of};

/// A login at an API only, so that an answer needs no ID token.
async fn without_identity() -> TwoHalves {
    TwoHalves::start().await.scope("read:messages")
}

fn answer(body: impl Into<Vec<u8>>) -> Fault {
    Fault::answer(200, "application/json", body)
}

/// Each answer is refused as no answer, by an error that does not hold the access token.
async fn each_is_no_answer(rows: &[(&str, Fault)]) {
    let halves = without_identity().await;
    for (name, fault) in rows {
        let error = halves.answered(fault.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{name}: {error}");
        assert!(!all_of(&error).contains("CANARY"), "{name}: {error:?}");
    }
}

/// B1, B9 — token: 1 for each
#[tokio::test]
async fn an_answer_that_is_no_json_names_its_status_and_content_type() {
    let halves = without_identity().await;
    for (fault, content_type) in [
        (Fault::answer(200, "text/html; charset=utf-8", "<!doctype html><p>CANARY"), "text/html; charset=utf-8"),
        (Fault::answer(200, "application/json", ""), "application/json"),
        (Fault::answer(200, "application/json", " \r\n"), "application/json"),
        (Fault::status(200), "no content type"),
    ] {
        let error = halves.answered(fault).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(error.to_string().contains("200 OK") && error.to_string().contains(content_type), "{error}");
        assert!(!all_of(&error).contains("CANARY"), "{error:?}");
    }
    let error = halves.answered(Fault::status(204)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
}

/// B2
#[tokio::test]
async fn json_is_accepted_under_any_content_type() {
    let halves = TwoHalves::start().await;
    for content_type in ["text/html", "text/plain; charset=utf-8", "application/octet-stream", "*"] {
        halves.answered(Fault::new().header("content-type", content_type)).await.unwrap();
    }
    halves.answered(Fault::new().replace("{", " \n{")).await.expect("white space before the object is JSON");
}

/// B3
#[tokio::test]
async fn a_form_is_refused_by_an_error_that_says_so() {
    let halves = without_identity().await;
    for content_type in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded; charset=utf-8"] {
        let form = Fault::answer(200, content_type, "access_token=CANARY&token_type=bearer");
        let error = halves.answered(form).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(error.to_string().contains("a form, not with JSON"), "{error}");
        assert!(!all_of(&error).contains("CANARY"), "{error:?}");
    }
}

/// B14
#[tokio::test]
async fn what_is_no_single_json_object_is_refused() {
    let good = r#"{"access_token":"CANARY","token_type":"Bearer"}"#;
    let nested = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let member = |name: &str| format!(r#"{{"{name}":{}{},{}"#, "[".repeat(100_000), "]".repeat(100_000), &good[1..]);
    each_is_no_answer(&[
        ("trailing garbage", answer(format!("{good}x"))),
        ("two objects", answer(format!("{good}{good}"))),
        ("a byte order mark", answer(format!("\u{feff}{good}"))),
        ("an array", answer(format!("[{good}]"))),
        ("an array of the members' values", answer(r#"["CANARY","Bearer",3600,null,null,null]"#)),
        ("null", answer("null")),
        ("text", answer(r#""CANARY""#)),
        ("cut off", answer(&good[..good.len() - 1])),
        ("no UTF-8", answer([b"{\"access_token\":\"CANARY\xff\",\"token_type\":\"Bearer\"}".to_vec()].concat())),
        ("deep arrays", answer("[".repeat(100_000))),
        ("deep objects", answer(nested(100_000))),
        ("deep objects, cut off", answer(r#"{"a":"#.repeat(100_000))),
        ("a deep access token", answer(good.replace(r#""CANARY""#, &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))))),
        ("a deep error beside tokens", answer(member("error"))),
        ("a deep member beside tokens, cut off", answer(&member("other")[..150_000])),
    ])
    .await;
}

/// B15
#[tokio::test]
async fn a_member_that_stands_there_twice_is_refused() {
    let twice = |name: &str| Fault::new().duplicate(name, "CANARY");
    each_is_no_answer(&[
        ("access_token", twice("access_token")),
        ("token_type", twice("token_type")),
        ("expires_in", Fault::new().duplicate("expires_in", 1)),
        ("scope", Fault::new().set("scope", "CANARY").duplicate("scope", "CANARY openid")),
        ("in disguise", Fault::new().replace("{", r#"{"\u0061ccess_token":"CANARY","#)),
        ("one that nobody reads", Fault::new().set("other", 1).duplicate("other", 2)),
        ("error", answer(r#"{"error":null,"error":"x","access_token":"CANARY","token_type":"Bearer"}"#)),
    ])
    .await;
}

/// B16, B26
#[tokio::test]
async fn an_access_token_that_is_none_is_refused() {
    let token = |value: Value| Fault::new().set("access_token", value);
    each_is_no_answer(&[
        ("missing", Fault::new().remove("access_token")),
        ("empty", token(json!(""))),
        ("null", token(Value::Null)),
        ("a number", token(json!(12345))),
        ("an object", token(json!({"CANARY": 1}))),
        ("a carriage return", token(json!("CANARY\rx"))),
        ("a line feed", token(json!("CANARY\r\nX-Admin: 1"))),
        ("NUL", token(json!("CANARY\0"))),
        ("a space", token(json!("CANARY x"))),
        ("a space before it", token(json!(" CANARY"))),
        ("a tab", token(json!("CANARY\t"))),
        ("no ASCII", token(json!("CANARYé"))),
    ])
    .await;
}

/// B17
#[tokio::test]
async fn a_missing_token_type_is_refused_unless_the_application_opts_out() {
    each_is_no_answer(&[
        ("missing", Fault::new().remove("token_type")),
        ("null", Fault::new().set("token_type", Value::Null)),
        ("a number", Fault::new().set("token_type", 1)),
    ])
    .await;
    let provider = TestProvider::start().await;
    let lax = Application::new(provider.issuer(), provider.client_id()).danger_accept_missing_token_type();
    let halves = TwoHalves::of(provider, &lax);
    let credentials = halves.answered(Fault::new().remove("token_type")).await.unwrap();
    assert_eq!(credentials.token_type(), TokenType::Bearer);
    let error = halves.answered(Fault::new().set("token_type", "mac")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "a type that is there is read: {error}");
}

/// B18
#[tokio::test]
async fn only_the_token_type_that_was_asked_for_is_accepted() {
    let halves = TwoHalves::start().await;
    let credentials = halves.answered(Fault::new().set("token_type", "bEARER")).await.unwrap();
    assert_eq!(credentials.token_type(), TokenType::Bearer);
    assert!(credentials.access_token().header_value().to_str().unwrap().starts_with("Bearer "));
    let of = |name: &str| Fault::new().set("token_type", name);
    each_is_no_answer(&[
        ("mac", of("mac")),
        ("DPoP that was not asked for", of("DPoP")),
        ("N_A", of("N_A")),
        ("empty", of("")),
        ("with a space", of("Bearer ")),
    ])
    .await;
    let long = halves.answered(of(&"\u{1b}x".repeat(100_000))).await.unwrap_err().to_string();
    assert!(long.len() < 4096 && !long.contains('\u{1b}'), "{} bytes", long.len());
}

async fn with_scope(scope: Value) -> Result<Credentials> {
    let halves = TwoHalves::start().await.scope("openid read:messages write:messages");
    halves.answered(Fault::new().set("scope", scope)).await
}

/// B24
#[tokio::test]
async fn a_caller_can_tell_what_was_granted_from_what_was_asked_for() {
    let as_asked = TwoHalves::start().await.scope("openid  read:messages").log_in().await.unwrap();
    assert_eq!((as_asked.scope(), as_asked.missing_scopes().count()), ("openid read:messages", 0));

    let narrower = with_scope(json!("openid read:messages")).await.unwrap();
    assert_eq!(narrower.scope(), "openid read:messages");
    assert_eq!(narrower.missing_scopes().collect::<Vec<_>>(), ["write:messages"]);
    assert!(narrower.has_scope("read:messages") && !narrower.has_scope("write:messages") && !narrower.has_scope("read"));
    assert_eq!(with_scope(Value::Null).await.unwrap().missing_scopes().count(), 0, "null is as absent");
    for list in [json!(["openid", "read:messages"]), json!("openid,read:messages")] {
        assert_eq!(with_scope(list).await.unwrap().scope(), "openid read:messages");
    }
    for unreadable in [json!([1]), json!(1), json!({})] {
        assert_eq!(with_scope(unreadable.clone()).await.unwrap_err().kind(), ErrorKind::InvalidResponse, "{unreadable}");
    }
}

/// B25 — token: 1 for each
#[tokio::test]
async fn an_id_token_is_demanded_where_openid_was_asked_for() {
    let missing = [Fault::new().remove("id_token"), Fault::new().set("id_token", ""), Fault::new().set("id_token", Value::Null)];
    let halves = TwoHalves::start().await;
    for fault in &missing {
        let error = halves.answered(fault.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IdToken);
        assert!(error.to_string().contains("leave openid out of the scope"), "{error}");
    }
    for fault in &missing {
        let credentials = without_identity().await.answered(fault.clone()).await.unwrap();
        assert!(credentials.id_token().is_none());
    }
    let provider = TestProvider::start().await;
    let lax = Application::new(provider.issuer(), provider.client_id()).danger_accept_missing_id_token();
    let halves = TwoHalves::of(provider, &lax);
    assert!(halves.answered(missing[0].clone()).await.unwrap().user().is_none());
    halves.provider.next_id_token(|token| {
        token.unsigned();
    });
    assert_eq!(halves.log_in().await.unwrap_err().kind(), ErrorKind::IdToken, "one that is there is verified");
}

/// B23, B25 — token: 2 for each
#[tokio::test]
async fn a_renewal_that_brings_neither_refresh_token_nor_id_token_keeps_the_old_ones() {
    let provider = TestProvider::builder().without_rotation().start().await;
    let halves = TwoHalves::at(provider).scope("openid offline_access");
    let old = halves.log_in().await.unwrap();
    let application = halves.auth.application();
    for value in [json!(""), Value::Null] {
        let fault = Fault::new().set("refresh_token", &value).set("id_token", &value);
        halves.provider.next(Endpoint::Token, fault);
        let new = application.renew_credentials(&old).await.unwrap();
        assert_eq!(new.refresh_token().unwrap(), old.refresh_token().unwrap());
        assert_eq!(new.user().unwrap().subject(), old.user().unwrap().subject());
        assert!(new.id_token_refusal().is_none());
        assert_ne!(new.access_token(), old.access_token());

        let login = halves.answered(Fault::new().set("refresh_token", &value)).await.unwrap();
        assert!(login.refresh_token().is_none(), "{value} is no refresh token");
    }
    halves.provider.next(Endpoint::Token, Fault::new().set("refresh_token", 1));
    assert_eq!(application.renew_credentials(&old).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
}

/// B27
#[tokio::test]
async fn a_token_of_100_kilobytes_works() {
    let long = "x".repeat(100 * 1024);
    let halves = TwoHalves::start().await;
    let credentials = halves.answered(Fault::new().set("access_token", &long)).await.unwrap();
    assert_eq!(credentials.access_token().expose(), long);
    assert_eq!(credentials.access_token().header_value().len(), "Bearer ".len() + long.len());
}
