use hallpass::ErrorKind::{IdToken, InvalidResponse};
use hallpass::Result;
use hallpass::testing::{Endpoint, Fault, TestProvider};
use serde_json::json;

use super::{Module, Outcome, Plan, Way, confidential, played, with_id_token};

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-basic-certification-test-plan",
    way: Way::Query,
    modules: &[
        Module {
            name: "oidcc-client-test",
            provider: "logs a person in as it should",
            outcome: Outcome::Works,
            play: |way| with_id_token(way, |token| token),
        },
        Module {
            name: "oidcc-client-test-invalid-iss",
            provider: "puts another issuer into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.set("iss", token.claim("iss").unwrap() + "1")),
        },
        Module {
            name: "oidcc-client-test-missing-sub",
            provider: "leaves `sub` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.remove("sub")),
        },
        Module {
            name: "oidcc-client-test-invalid-aud",
            provider: "puts another client's id into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.set("aud", token.claim("aud").unwrap() + "1")),
        },
        Module {
            name: "oidcc-client-test-missing-aud",
            provider: "leaves `aud` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.remove("aud")),
        },
        Module {
            name: "oidcc-client-test-missing-iat",
            provider: "leaves `iat` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.remove("iat")),
        },
        Module {
            name: "oidcc-client-test-kid-absent-single-jwks",
            provider: "names no key, and publishes one",
            outcome: Outcome::Works,
            play: |way| with_id_token(way, |token| token.remove_header("kid")),
        },
        Module {
            name: "oidcc-client-test-kid-absent-multiple-jwks",
            provider: "names no key, and publishes several that fit",
            outcome: Outcome::Works,
            play: |way| played(several_keys(way)),
        },
        Module {
            name: "oidcc-client-test-idtoken-sig-rs256",
            provider: "signs with RS256",
            outcome: Outcome::Works,
            play: |way| with_id_token(way, |token| token.sign_as("RS256")),
        },
        Module {
            name: "oidcc-client-test-idtoken-sig-none",
            provider: "does not sign at all",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.unsigned()),
        },
        Module {
            name: "oidcc-client-test-invalid-sig-rs256",
            provider: "signs with RS256, and breaks the signature",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.signature(flip_a_bit)),
        },
        Module {
            name: "oidcc-client-test-invalid-sig-es256",
            provider: "signs with ES256, and breaks the signature",
            outcome: Outcome::Refused(IdToken),
            play: |way| played(elliptic(way)),
        },
        Module {
            name: "oidcc-client-test-nonce-invalid",
            provider: "puts another nonce into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |way| with_id_token(way, |token| token.set("nonce", token.claim("nonce").unwrap() + "1")),
        },
        Module {
            name: "oidcc-client-test-userinfo-invalid-sub",
            provider: "answers with another person's user info",
            outcome: Outcome::Refused(InvalidResponse),
            play: |way| played(user_info_of_somebody_else(way)),
        },
        Module {
            name: "oidcc-client-test-scope-userinfo-claims",
            provider: "answers with the claims that the scope asks for",
            outcome: Outcome::Works,
            play: |way| played(claims_by_scope(way)),
        },
        Module {
            name: "oidcc-client-test-client-secret-basic",
            provider: "takes the client's secret in the `Authorization` header, and nowhere else",
            outcome: Outcome::Works,
            play: |way| played(secret_in_the_header(way)),
        },
    ],
};

#[tokio::test]
async fn the_basic_plan() {
    PLAN.run().await;
}

pub(super) fn flip_a_bit(mut signature: Vec<u8>) -> Vec<u8> {
    signature[7] ^= 1;
    signature
}

async fn several_keys(way: Way) -> Result<()> {
    let provider = TestProvider::start().await;
    provider.rotate_keys();
    assert!(provider.key_set().matches("\"RSA\"").count() > 1);
    provider.next_id_token(|token| _ = token.remove_header("kid"));
    way.login(&provider, &way.prepare(&confidential(&provider))).await.map(drop)
}

async fn elliptic(way: Way) -> Result<()> {
    let provider = TestProvider::builder().id_token_algorithm("ES256").start().await;
    let auth = way.prepare(&confidential(&provider));
    way.login(&provider, &auth).await?;
    provider.next_id_token(|token| _ = token.signature(flip_a_bit));
    way.login(&provider, &auth).await.map(drop)
}

async fn user_info_of_somebody_else(way: Way) -> Result<()> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let credentials = way.login(&provider, &way.prepare(&application)).await?;
    provider.next(Endpoint::UserInfo, Fault::new().set("sub", json!("auth0|somebody.else")));
    let user_info = application.user_info(&credentials).await.map(drop);
    assert_eq!(provider.count(Endpoint::UserInfo), 1);
    user_info
}

async fn claims_by_scope(way: Way) -> Result<()> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let credentials = way.login(&provider, &way.prepare(&application).scope("openid email profile")).await?;
    let user = application.user_info(&credentials).await?;
    assert_eq!((user.subject(), user.email().as_deref()), ("auth0|jane@example.com", Some("jane@example.com")));
    assert!(user.name().is_some());
    Ok(())
}

async fn secret_in_the_header(way: Way) -> Result<()> {
    let provider = TestProvider::start().await;
    way.login(&provider, &way.prepare(&confidential(&provider))).await?;
    let request = &provider.requests(Endpoint::Token)[0];
    assert!(request.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert!(!request.text().contains("client_secret"));
    Ok(())
}
