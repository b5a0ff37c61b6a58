//! Logout tokens (OpenID Connect Back-Channel Logout 1.0): any program can post one.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, PublicKeyForm, TestClock, TestProvider};
use hallpass::{Application, ClientAuth, Credentials, ErrorKind};
use serde_json::{Value, json};

use crate::altered_login::{Alteration, application, login, told, web_auth};

async fn logged_in(provider: &TestProvider) -> Credentials {
    login(&web_auth(&application(provider))).await.unwrap()
}

/// K23 — OpenID Connect Back-Channel Logout 1.0, section 2.6: a published key that fits does not make up for another algorithm.
#[tokio::test]
async fn a_logout_token_is_signed_by_the_registered_algorithm() {
    let provider = TestProvider::builder().id_token_algorithm("RS256").start().await;
    provider.always(Endpoint::Discovery, Fault::new().set("id_token_signing_alg_values_supported", ["RS256", "ES256"]));
    let credentials = logged_in(&provider).await;
    let by = |algorithm: &'static str| {
        provider.logout_token(credentials.user().unwrap(), move |token| {
            token.sign_as(algorithm);
        })
    };
    let unset = application(&provider);
    for algorithm in ["RS256", "ES256"] {
        unset.verify_logout_token(&by(algorithm)).await.unwrap();
    }
    let registered = unset.clone().id_token_algorithm("RS256");
    registered.verify_logout_token(&by("RS256")).await.unwrap();
    let error = registered.verify_logout_token(&by("ES256")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken);
    assert!(error.to_string().contains("is signed by ES256, and this application is registered for RS256"), "{error}");
    let apart = registered.logout_token_algorithm("ES256");
    apart.verify_logout_token(&by("ES256")).await.unwrap();
    apart.verify_logout_token(&by("RS256")).await.unwrap_err();
    let unknown = unset.id_token_algorithm("none").verify_logout_token(&by("RS256")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Configuration);
}

/// K23: what is set wins over metadata that lists only another one, as Spring Authorization Server's.
#[tokio::test]
async fn a_registered_algorithm_need_not_be_listed() {
    let provider = TestProvider::builder().id_token_algorithm("ES256").start().await;
    provider.always(Endpoint::Discovery, Fault::new().set("id_token_signing_alg_values_supported", ["RS256"]));
    login(&web_auth(&application(&provider))).await.unwrap_err();
    login(&web_auth(&application(&provider).id_token_algorithm("ES256"))).await.unwrap();
    let error = login(&web_auth(&application(&provider).id_token_algorithm("RS256"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken);
}

/// K23 — HS384 and HS512, with secrets of the length that each needs.
#[tokio::test]
async fn the_longer_hashes_are_accepted_where_the_shortest_is() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let provider = TestProvider::start().await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({
        "iss": provider.issuer(), "aud": "native", "sub": "jane", "jti": "1", "iat": now, "exp": now + 60,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    for (algorithm, name, length) in
        [(Algorithm::HS256, "HS256", 32), (Algorithm::HS384, "HS384", 48), (Algorithm::HS512, "HS512", 64)]
    {
        for (secret, fits) in [("s".repeat(length), true), ("s".repeat(length - 1), false)] {
            let token = encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
            let confidential = application(&provider).client_auth(ClientAuth::client_secret_basic(secret));
            confidential.verify_logout_token(&token).await.unwrap_err();
            for application in [confidential.clone().accept_hs256(), confidential.clone().id_token_algorithm(name)] {
                assert_eq!(application.verify_logout_token(&token).await.is_ok(), fits, "{name} {length}");
            }
            let other = if name == "HS256" { "HS512" } else { "HS256" };
            confidential.id_token_algorithm(other).verify_logout_token(&token).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn a_logout_token_says_whose_session_ended() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let provider = TestProvider::builder().id_token_algorithm(algorithm).start().await;
        let credentials = logged_in(&provider).await;
        let user = credentials.user().unwrap();
        let token = provider.logout_token(user, |_| {});
        let application = application(&provider);
        let logout = application.verify_logout_token(&token).await.unwrap();
        assert_eq!((logout.subject(), logout.session_id()), (Some(user.subject()), user.get::<String>("sid").as_deref()));
        assert!(logout.id().len() >= 16);
        let other = provider.logout_token(user, |_| {});
        assert_ne!(application.verify_logout_token(&other).await.unwrap().id(), logout.id());
        let rows: [(&str, Alteration); 7] = [
            ("only a person", |token| token.remove("sid")),
            ("only a session", |token| token.remove("sub")),
            ("no type", |token| token.remove_header("typ")),
            ("the type of any JWT", |token| token.set_header("typ", "JWT")),
            ("its type in full", |token| token.set_header("typ", "application/LOGOUT+JWT")),
            ("another event beside it", |token| {
                token.set("events", json!({ "urn:other": 1, "http://schemas.openid.net/event/backchannel-logout": {} }))
            }),
            ("members in its event", |token| {
                token.set("events", json!({ "http://schemas.openid.net/event/backchannel-logout": { "a": 1 } }))
            }),
        ];
        for (row, alter) in rows {
            let token = provider.logout_token(user, |token| drop_result(alter(token)));
            let verified = application.verify_logout_token(&token).await;
            assert!(verified.is_ok(), "{row}: {verified:?}");
        }
        assert_eq!(provider.count(Endpoint::Jwks), 2, "the login asked once, and the application once");
    }
}

fn drop_result<T>(_: T) {}

#[tokio::test]
async fn whatever_else_is_posted_is_refused() {
    let provider = TestProvider::start().await;
    let credentials = logged_in(&provider).await;
    let user = credentials.user().unwrap();
    let application = application(&provider);
    let rows: [(&str, Alteration); 34] = [
        ("a nonce", |token| token.set("nonce", "n")),
        ("a nonce that is null", |token| token.set("nonce", Value::Null)),
        ("no events", |token| token.remove("events")),
        ("other events", |token| token.set("events", json!({ "urn:other": {} }))),
        ("events as a list", |token| token.set("events", ["http://schemas.openid.net/event/backchannel-logout"])),
        ("events as text", |token| token.set("events", "http://schemas.openid.net/event/backchannel-logout")),
        ("an event that is null", |token| {
            token.set("events", json!({ "http://schemas.openid.net/event/backchannel-logout": null }))
        }),
        ("an event that is a list", |token| {
            token.set("events", json!({ "http://schemas.openid.net/event/backchannel-logout": [] }))
        }),
        ("neither a person nor a session", |token| token.remove("sub").remove("sid")),
        ("an empty person", |token| token.set("sub", "")),
        ("an empty session", |token| token.set("sid", "")),
        ("a person that is a number", |token| token.set("sub", 7)),
        ("no jti", |token| token.remove("jti")),
        ("an empty jti", |token| token.set("jti", "")),
        ("no iss", |token| token.remove("iss")),
        ("another iss", |token| token.set("iss", "https://evil.example/")),
        ("no aud", |token| token.remove("aud")),
        ("another aud", |token| token.set("aud", "web")),
        ("several aud", |token| token.set("aud", ["native", "web"])),
        ("no iat", |token| token.remove("iat")),
        ("iat in the future", |token| token.set("iat", 99_999_999_999_i64)),
        ("no exp", |token| token.remove("exp")),
        ("expired", |token| token.set("exp", 1_000_000_000)),
        ("exp as text", |token| token.set("exp", "99999999999")),
        ("not signed", |token| token.unsigned()),
        ("signed by somebody else", |token| token.sign_with_stranger()),
        ("signed with the public key as a secret", |token| token.sign_with_public_key(PublicKeyForm::Der)),
        ("signed with a secret", |token| token.sign_with_secret("web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6")),
        ("signed by an algorithm that is not announced", |token| token.sign_as("PS256")),
        ("an access token's type", |token| token.set_header("typ", "at+jwt")),
        ("a critical extension", |token| token.set_header("crit", ["x"])),
        ("an array", |token| token.payload("[]")),
        ("altered", |token| token.sent(|token| token.replacen('.', ".e", 1))),
        ("a claim twice", |token| {
            let claims = ["iss", "aud", "sub"].map(|name| format!(r#""{name}":"{}""#, token.claim(name).unwrap()));
            let times = format!(r#""iat":{},"exp":{}"#, token.claim("iat").unwrap(), token.claim("exp").unwrap());
            let events = r#""events":{"http://schemas.openid.net/event/backchannel-logout":{}}"#;
            token.payload(format!(r#"{{{},{times},{events},"jti":"a","sub":"b"}}"#, claims.join(",")))
        }),
    ];
    for (row, alter) in rows {
        let token = provider.logout_token(user, |token| drop_result(alter(token)));
        let error = application.verify_logout_token(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IdToken, "{row}: {}", told(&error));
        assert!(error.to_string().starts_with("the logout token is refused: "), "{row}: {error}");
        assert!(!format!("{error:?}{}", told(&error)).contains("eyJ"), "{row}: the error holds the token");
    }
    let id_token = credentials.id_token().unwrap().raw().expose();
    let access_token = provider.access_token("native", "openid");
    for token in ["", ".", "a.b.c", "logout_token=x", id_token, &access_token] {
        let error = application.verify_logout_token(token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IdToken, "{token}: {error}");
    }
}

#[tokio::test]
async fn a_logout_token_is_good_for_two_minutes_and_tells_until_when() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let application = application(&provider).clock(&clock).leeway(Duration::ZERO);
    let credentials = login(&web_auth(&application)).await.unwrap();
    let token = provider.logout_token(credentials.user().unwrap(), |_| {});
    let logout = application.verify_logout_token(&token).await.unwrap();
    let (ends, issued) = (logout.expires_at(), credentials.id_token().unwrap().issued_at());
    assert!((120..180).contains(&(ends - issued).whole_seconds()), "{ends}");
    clock.advance(Duration::from_secs(121));
    assert!(application.verify_logout_token(&token).await.unwrap_err().to_string().contains("check the clock"));
}

#[tokio::test]
async fn a_shared_secret_signs_only_where_it_was_asked_for() {
    let provider = TestProvider::builder().id_token_algorithm("HS256").start().await;
    let client_auth = ClientAuth::client_secret_post(provider.client_secret());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(client_auth);
    let trusting = application.clone().accept_hs256();
    let credentials = login(&web_auth(&trusting)).await.unwrap();
    let token = provider.logout_token(credentials.user().unwrap(), |_| {});
    assert_eq!(trusting.verify_logout_token(&token).await.unwrap().subject(), Some("auth0|jane@example.com"));
    assert_eq!(application.verify_logout_token(&token).await.unwrap_err().kind(), ErrorKind::IdToken);
}
