//! Answers of the user info endpoint, and the endpoints that a token is sent to.

use hallpass::testing::{Endpoint, Fault, PublicKeyForm, TestProvider};
use hallpass::{Application, ErrorKind};
use serde_json::json;

use crate::altered_login::{Alteration, application, login, told, web_auth};

/// C37, C38
#[tokio::test]
async fn user_info_is_about_the_person_who_logged_in_or_refused() {
    let provider = TestProvider::start().await;
    let application = application(&provider);
    let credentials = login(&web_auth(&application)).await.unwrap();
    let token = credentials.access_token().expose().to_owned();
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhdXRoMHxqYW5lQGV4YW1wbGUuY29tIn0.";
    let rows = [
        ("another sub", Fault::new().set("sub", "auth0|john@example.com")),
        ("sub in capitals", Fault::new().set("sub", "AUTH0|JANE@EXAMPLE.COM")),
        ("sub empty", Fault::new().set("sub", "")),
        ("no sub", Fault::new().remove("sub")),
        ("sub a number", Fault::new().set("sub", 7)),
        ("sub null", Fault::new().set("sub", json!(null))),
        ("sub twice", Fault::new().duplicate("sub", "auth0|john@example.com")),
        ("a claim twice", Fault::new().duplicate("email", "john@example.com")),
        ("an array", Fault::json(200, ["auth0|jane@example.com"])),
        ("an array of an object", Fault::json(200, [json!({ "sub": "auth0|jane@example.com" })])),
        ("a text", Fault::json(200, "auth0|jane@example.com")),
        ("an unsigned JWT", Fault::answer(200, "application/jwt", unsigned)),
        ("an unsigned JWT as JSON", Fault::answer(200, "application/json", unsigned)),
        ("HTML", Fault::answer(200, "text/html", "<p>Jane</p>")),
        ("nothing", Fault::status(204)),
        ("a redirect", Fault::redirect("/other")),
        ("not UTF-8", Fault::answer(200, "application/json", &b"{\"sub\":\"auth0|jane@example.com\",\"name\":\"\xff\"}"[..])),
        ("the token itself", Fault::json(200, json!({ "sub": token, "token": token }))),
        ("too much", Fault::huge(3_000_000, false)),
    ];
    for (row, fault) in rows {
        provider.next(Endpoint::UserInfo, fault);
        let asked = provider.count(Endpoint::UserInfo);
        let error = application.user_info(&credentials).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{row}: {}", told(&error));
        assert!(!format!("{error:?}{}", told(&error)).contains(&token), "{row}: the error holds the token");
        assert_eq!(provider.count(Endpoint::UserInfo), asked + 1, "{row}");
    }
    let user = application.user_info(&credentials).await.unwrap();
    assert_eq!((user.subject(), user.email().as_deref()), ("auth0|jane@example.com", Some("jane@example.com")));
    assert_eq!(provider.count(Endpoint::Other), 0);
}

/// C37
#[tokio::test]
async fn user_info_about_nobody_is_refused_also_where_nobody_was_named_before() {
    let provider = TestProvider::start().await;
    let application = application(&provider);
    let credentials = login(&web_auth(&application).scope("read:messages")).await.unwrap();
    assert!(credentials.id_token().is_none());
    for nobody in [json!({ "sub": "" }), json!({ "email": "jane@example.com" })] {
        provider.next(Endpoint::UserInfo, Fault::json(200, nobody));
        assert_eq!(application.user_info(&credentials).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    }
    provider.next(Endpoint::UserInfo, Fault::json(200, json!({ "sub": "auth0|jane" })));
    assert_eq!(application.user_info(&credentials).await.unwrap().subject(), "auth0|jane");
}

/// C37, C38
#[tokio::test]
async fn signed_user_info_is_the_providers_for_this_application_or_refused() {
    let provider = TestProvider::builder().signed_user_info().start().await;
    let application = application(&provider);
    let credentials = login(&web_auth(&application)).await.unwrap();
    let user = application.user_info(&credentials).await.unwrap();
    assert_eq!((user.subject(), user.email().as_deref()), ("auth0|jane@example.com", Some("jane@example.com")));

    let rows: [(&str, Alteration); 19] = [
        ("another sub", |jwt| jwt.set("sub", "auth0|john@example.com")),
        ("no sub", |jwt| jwt.remove("sub")),
        ("sub a number", |jwt| jwt.set("sub", 7)),
        ("no iss", |jwt| jwt.remove("iss")),
        ("iss and one letter", |jwt| {
            let iss = jwt.claim("iss").unwrap();
            jwt.set("iss", iss + "1")
        }),
        ("no aud", |jwt| jwt.remove("aud")),
        ("another aud", |jwt| jwt.set("aud", "web")),
        ("another azp", |jwt| jwt.set("azp", "web")),
        ("expired", |jwt| jwt.set("exp", 1_000_000_000)),
        ("issued in the future", |jwt| jwt.set("iat", 99_999_999_999_i64)),
        ("not signed", |jwt| jwt.unsigned()),
        ("signed by somebody else", |jwt| jwt.sign_with_stranger()),
        ("signed with the public key as a secret", |jwt| jwt.sign_with_public_key(PublicKeyForm::Jwk)),
        ("signed by an algorithm that is not announced", |jwt| jwt.sign_as("ES256")),
        ("altered", |jwt| jwt.sent(|jwt| jwt.replacen('.', ".e", 1))),
        ("of another type", |jwt| jwt.set_header("typ", "at+jwt")),
        ("encrypted", |jwt| jwt.sent(|jwt| jwt + ".a.b")),
        ("an array", |jwt| jwt.payload("[]")),
        ("not UTF-8", |jwt| jwt.payload(&b"{\"sub\":\"\xff\"}"[..])),
    ];
    for (row, alter) in rows {
        provider.next_user_info(move |jwt| {
            alter(jwt);
        });
        let error = application.user_info(&credentials).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{row}: {}", told(&error));
        assert!(!told(&error).contains("eyJ"), "{row}: {error}");
    }
    provider.next_user_info(|jwt| {
        jwt.set("aud", ["other", "native"]).remove_header("typ");
    });
    application.user_info(&credentials).await.expect("several may be told");
}

/// C39 — elsewhere: 0
#[tokio::test]
async fn claims_that_stand_elsewhere_are_not_fetched() {
    let provider = TestProvider::start().await;
    let application = application(&provider);
    let credentials = login(&web_auth(&application)).await.unwrap();
    let elsewhere = provider.endpoint_url(Endpoint::Other).to_string();
    let sources = json!({ "src": { "endpoint": elsewhere, "access_token": "x" }, "src2": { "JWT": "a.b.c" } });
    let names = json!({ "address": "src", "email": "src2" });
    provider.next(Endpoint::UserInfo, Fault::new().set("_claim_sources", &sources).set("_claim_names", &names).remove("email"));
    let user = application.user_info(&credentials).await.unwrap();
    assert!(user.email().is_none() && user.get::<String>("address").is_none());
    provider.next_id_token(move |token| {
        token.set("_claim_sources", &sources).set("_claim_names", &names);
    });
    assert!(login(&web_auth(&application)).await.unwrap().user().unwrap().get::<String>("address").is_none());
    assert_eq!(provider.count(Endpoint::Other), 0);
}

/// D21 — token: 0, userinfo: 0
#[tokio::test]
async fn credentials_of_one_issuer_are_never_shown_to_another_nor_used_by_another_application() {
    let (old, new) = (TestProvider::start().await, TestProvider::start().await);
    let auth = web_auth(&application(&old)).scope("openid offline_access");
    let credentials = login(&auth).await.unwrap();
    let asked = old.count(Endpoint::Token);
    let others = [application(&new), Application::new(old.issuer(), "another"), Application::new(new.issuer(), "another")];
    for other in others {
        for error in [other.renew_credentials(&credentials).await.unwrap_err(), other.user_info(&credentials).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.to_string().contains("belong to another issuer or client id"), "{error}");
        }
    }
    assert_eq!((new.count(Endpoint::Token), new.count(Endpoint::UserInfo)), (0, 0));
    assert_eq!((old.count(Endpoint::Token), old.count(Endpoint::UserInfo)), (asked, 0));
    auth.application().renew_credentials(&credentials).await.unwrap();
}
