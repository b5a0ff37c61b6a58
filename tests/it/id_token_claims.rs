//! The claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7).

use hallpass::testing::{Endpoint, Fault, TestProvider, TokenDraft};
use serde_json::json;

use crate::altered_login::{accepts, altered_login, application, login, refuses, web_auth, with_payload};

/// C17 — token: 1, keys: 0
#[tokio::test]
async fn an_id_token_of_another_issuer_is_refused() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object with iss",
        &[
            ("missing", |token| token.remove("iss")),
            ("a number", |token| token.set("iss", 1)),
            ("a list", |token| token.set("iss", [token.claim("iss").unwrap()])),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "iss is not the issuer",
        &[
            ("+ 1", |token| token.set("iss", token.claim("iss").unwrap() + "1")),
            ("without its slash", |token| token.set("iss", token.claim("iss").unwrap().trim_end_matches('/'))),
            ("with a slash more", |token| token.set("iss", token.claim("iss").unwrap() + "/")),
            ("in capitals", |token| token.set("iss", token.claim("iss").unwrap().to_uppercase())),
            ("empty", |token| token.set("iss", "")),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0, "what claims alone can refuse costs no request for keys");
    login(&auth).await.unwrap();
}

/// C18
#[tokio::test]
async fn the_quirks_of_known_issuers_are_not_forgiven() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "iss is not the issuer",
        &[
            ("without its scheme", |token| token.set("iss", token.claim("iss").unwrap().replace("http://", ""))),
            ("a tenant of it", |token| token.set("iss", token.claim("iss").unwrap() + "9188040d-6c67-4c5b-b112-36a304b66dad")),
        ],
    )
    .await;
    let template = Fault::new().set("issuer", format!("{}{{tenantid}}", provider.issuer()));
    provider.next(Endpoint::Discovery, template);
    let error = web_auth(&application(&provider)).begin().await.unwrap_err();
    assert!(error.to_string().contains("names another issuer"), "{error}");
}

/// C19 — token: 1, keys: 0
#[tokio::test]
async fn an_id_token_for_somebody_else_is_refused() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object",
        &[
            ("missing", |token| token.remove("aud")),
            ("a number", |token| token.set("aud", 1)),
            ("null", |token| token.set("aud", json!(null))),
            ("an object", |token| token.set("aud", json!({ "native": true }))),
            ("numbers", |token| token.set("aud", json!(["native", 1]))),
            ("lists", |token| token.set("aud", json!([["native"]]))),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "aud does not hold this application's client id",
        &[
            ("+ 1", |token| token.set("aud", "native1")),
            ("in capitals", |token| token.set("aud", "NATIVE")),
            ("empty", |token| token.set("aud", "")),
            ("nobody", |token| token.set("aud", json!([]))),
            ("others", |token| token.set("aud", ["web", "native1"])),
            ("a list in a text", |token| token.set("aud", r#"["native"]"#)),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(&provider, &auth, &[("a list of one", |token| token.set("aud", ["native"]))]).await;
}

/// C20, C21
#[tokio::test]
async fn several_audiences_need_an_authorized_party_and_any_such_party_is_this_application() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "azp does not say for whom it is",
        &[
            ("several without azp", |token| token.set("aud", ["native", "other"])),
            ("the same one twice", |token| token.set("aud", ["native", "native"])),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "azp is another application's",
        &[
            ("several and azp of another", |token| token.set("aud", ["native", "other"]).set("azp", "other")),
            ("one and azp of another", |token| token.set("azp", "other")),
            ("an empty azp", |token| token.set("azp", "")),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(
        &provider,
        &auth,
        &[
            ("several and azp", |token| token.set("aud", ["other", "native"]).set("azp", "native")),
            ("one and azp", |token| token.set("azp", "native")),
        ],
    )
    .await;
}

/// C16, C31
#[tokio::test]
async fn an_id_token_is_about_somebody() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object",
        &[
            ("missing", |token| token.remove("sub")),
            ("a number", |token| token.set("sub", 248_289)),
            ("null", |token| token.set("sub", json!(null))),
            ("SUB", |token| token.remove("sub").set("SUB", "auth0|jane")),
            ("sub with a Cyrillic letter", |token| token.remove("sub").set("\u{455}ub", "auth0|jane")),
            ("sub in full width", |token| token.remove("sub").set("ｓｕｂ", "auth0|jane")),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "sub is not of 1 to 255 bytes",
        &[
            ("empty", |token| token.set("sub", "")),
            ("256 bytes", |token| token.set("sub", "s".repeat(256))),
            ("128 letters of two bytes", |token| token.set("sub", "ß".repeat(128))),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(
        &provider,
        &auth,
        &[
            ("255 bytes", |token| token.set("sub", "s".repeat(255))),
            ("look-alikes beside it", |token| token.set("SUB", "other").set("\u{455}ub", "other")),
        ],
    )
    .await;
    let user = altered_login(&provider, &auth, |token| token.set("SUB", "other")).await.unwrap();
    assert_eq!(user.user().unwrap().subject(), "auth0|jane@example.com");
}

/// C15
#[tokio::test]
async fn claims_are_one_object_of_members_that_stand_there_once() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object",
        &[
            ("a list", |token| token.payload(r#"["iss","sub"]"#)),
            ("a list of the claims' values", |token| {
                let claim = |name| token.claim(name).unwrap();
                let (iss, sub, aud, exp, iat, nonce) =
                    (claim("iss"), claim("sub"), claim("aud"), claim("exp"), claim("iat"), claim("nonce"));
                let values = format!(r#"["{iss}","{sub}","{aud}",null,{exp},{iat},null,null,"{nonce}",null,null]"#);
                token.payload(values)
            }),
            ("a text", |token| token.payload(r#""sub""#)),
            ("nothing", |token| token.payload("")),
            ("null", |token| token.payload("null")),
            ("an object and more", |token| with_payload(token, |payload| format!("{payload}{{}}"))),
            ("an object cut short", |token| with_payload(token, |payload| payload[..payload.len() - 1].to_owned())),
            ("a byte order mark", |token| with_payload(token, |payload| format!("\u{feff}{payload}"))),
            ("sub twice", |token| with_payload(token, |payload| payload.replacen('{', r#"{"sub":"other","#, 1))),
            ("sub twice, once in escapes", |token| {
                with_payload(token, |payload| payload.replacen('{', r#"{"\u0073ub":"other","#, 1))
            }),
            ("an unknown claim twice", |token| with_payload(token, |payload| payload.replacen('{', r#"{"x":1,"x":2,"#, 1))),
            ("UTF-8 that is none, in sub", |token| token.payload(&b"{\"sub\":\"\xff\"}"[..])),
            ("UTF-8 that is none, elsewhere", |token| {
                with_payload(token, |payload| {
                    let mut bytes = payload.replacen('{', r#"{"x":"?","#, 1).into_bytes();
                    bytes[6] = 0xff;
                    bytes
                })
            }),
            ("100,000 brackets", |token| {
                let deep = format!("{}{}", "[".repeat(90_000), "]".repeat(90_000));
                with_payload(token, |payload| payload.replacen('{', &format!(r#"{{"iss":{deep},"#), 1))
            }),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    login(&auth).await.unwrap();
}

/// K16: Cognito and Apple say `true` as text.
#[tokio::test]
async fn a_profile_is_read_as_it_stands_and_an_email_is_verified_only_where_that_is_said() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    let profile = |token: &mut TokenDraft| {
        token.set("name", "Jane Doe").set("nickname", "jane").set("picture", "https://acme.com/jane.png");
    };
    for (email_verified, verified) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), true),
        (json!("false"), false),
        (json!("TRUE"), false),
        (json!(1), false),
        (json!(null), false),
    ] {
        let said = email_verified.clone();
        let credentials = altered_login(&provider, &auth, move |token| {
            profile(token);
            token.set("email_verified", &said)
        });
        let claims = credentials.await.unwrap().user().unwrap().clone();
        assert_eq!(claims.email_verified(), verified, "{email_verified}");
        let read = [claims.name(), claims.nickname(), claims.picture()].map(Option::unwrap);
        assert_eq!(read, ["Jane Doe", "jane", "https://acme.com/jane.png"]);
    }
    let silent =
        altered_login(&provider, &auth, |token| token.remove("name").remove("nickname").remove("picture").remove("email_verified"));
    let claims = silent.await.unwrap().user().unwrap().clone();
    assert!(!claims.email_verified());
    assert_eq!([claims.name(), claims.nickname(), claims.picture()], [None, None, None]);
}
