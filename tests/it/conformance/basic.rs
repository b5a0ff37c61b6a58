use hallpass::ErrorKind::{IdToken, InvalidResponse};
use hallpass::testing::{Endpoint, Fault, TestProvider};
use serde_json::json;

use super::{Module, Outcome, Plan, Played, confidential, played, with_id_token};
use crate::altered_login::{altered_login, login, web_auth};

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-basic-certification-test-plan",
    modules: &[
        Module {
            name: "oidcc-client-test",
            provider: "logs a person in as it should",
            outcome: Outcome::Works,
            play: || with_id_token(|token| token),
        },
        Module {
            name: "oidcc-client-test-invalid-iss",
            provider: "puts another issuer into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.set("iss", token.claim("iss").unwrap() + "1")),
        },
        Module {
            name: "oidcc-client-test-missing-sub",
            provider: "leaves `sub` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.remove("sub")),
        },
        Module {
            name: "oidcc-client-test-invalid-aud",
            provider: "puts another client's id into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.set("aud", token.claim("aud").unwrap() + "1")),
        },
        Module {
            name: "oidcc-client-test-missing-aud",
            provider: "leaves `aud` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.remove("aud")),
        },
        Module {
            name: "oidcc-client-test-missing-iat",
            provider: "leaves `iat` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.remove("iat")),
        },
        Module {
            name: "oidcc-client-test-kid-absent-single-jwks",
            provider: "names no key, and publishes one",
            outcome: Outcome::Works,
            play: || with_id_token(|token| token.remove_header("kid")),
        },
        Module {
            name: "oidcc-client-test-kid-absent-multiple-jwks",
            provider: "names no key, and publishes several that fit",
            outcome: Outcome::Works,
            play: || played(several_keys()),
        },
        Module {
            name: "oidcc-client-test-idtoken-sig-rs256",
            provider: "signs with RS256",
            outcome: Outcome::Works,
            play: || with_id_token(|token| token.sign_as("RS256")),
        },
        Module {
            name: "oidcc-client-test-idtoken-sig-none",
            provider: "does not sign at all",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.unsigned()),
        },
        Module {
            name: "oidcc-client-test-invalid-sig-rs256",
            provider: "signs with RS256, and breaks the signature",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.signature(flip_a_bit)),
        },
        Module {
            name: "oidcc-client-test-invalid-sig-es256",
            provider: "signs with ES256, and breaks the signature",
            outcome: Outcome::Refused(IdToken),
            play: || elliptic(),
        },
        Module {
            name: "oidcc-client-test-nonce-invalid",
            provider: "puts another nonce into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: || with_id_token(|token| token.set("nonce", token.claim("nonce").unwrap() + "1")),
        },
        Module {
            name: "oidcc-client-test-userinfo-invalid-sub",
            provider: "answers with user info of somebody else",
            outcome: Outcome::Refused(InvalidResponse),
            play: || played(user_info_of_somebody_else()),
        },
        Module {
            name: "oidcc-client-test-scope-userinfo-claims",
            provider: "answers with the claims that the scope asks for",
            outcome: Outcome::Works,
            play: || played(claims_by_scope()),
        },
        Module {
            name: "oidcc-client-test-client-secret-basic",
            provider: "takes the client's secret in the `Authorization` header, and nowhere else",
            outcome: Outcome::Works,
            play: || played(secret_in_the_header()),
        },
    ],
};

#[tokio::test]
async fn the_basic_plan() {
    PLAN.run().await;
}

fn flip_a_bit(mut signature: Vec<u8>) -> Vec<u8> {
    signature[7] ^= 1;
    signature
}

async fn several_keys() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    provider.rotate_keys();
    assert!(provider.key_set().matches("\"RSA\"").count() > 1);
    altered_login(&provider, &web_auth(&confidential(&provider)), |token| token.remove_header("kid")).await.map(drop)
}

fn elliptic() -> Played {
    played(async {
        let provider = TestProvider::builder().id_token_algorithm("ES256").start().await;
        let auth = web_auth(&confidential(&provider));
        login(&auth).await?;
        altered_login(&provider, &auth, |token| token.signature(flip_a_bit)).await.map(drop)
    })
}

async fn user_info_of_somebody_else() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let credentials = login(&web_auth(&application)).await?;
    provider.next(Endpoint::UserInfo, Fault::new().set("sub", json!("auth0|somebody.else")));
    application.user_info(&credentials).await.map(drop)
}

async fn claims_by_scope() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let credentials = login(&web_auth(&application).scope("openid email profile")).await?;
    let user = application.user_info(&credentials).await?;
    assert_eq!((user.subject(), user.email().as_deref()), ("auth0|jane@example.com", Some("jane@example.com")));
    assert!(user.name().is_some());
    Ok(())
}

async fn secret_in_the_header() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    login(&web_auth(&confidential(&provider))).await?;
    let request = &provider.requests(Endpoint::Token)[0];
    assert!(request.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert!(!request.text().contains("client_secret"));
    Ok(())
}
