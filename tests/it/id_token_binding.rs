//! An ID token belongs to one login: by its nonce, its hashes and its organization; one from a refresh, to the login before it.

use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Credentials, ErrorKind, WebAuth};
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::altered_login::{Alteration, accepts, altered_login, any_algorithm, application, login, refuses, web_auth};
use crate::foreign_key::{ForeignKey, claims};

/// C28 — token: 1, keys: 0
#[tokio::test]
async fn an_id_token_answers_this_very_login() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "nonce is ",
        &[
            ("missing", |token| token.remove("nonce")),
            ("null", |token| token.set("nonce", json!(null))),
            ("empty", |token| token.set("nonce", "")),
            ("+ 1", |token| token.set("nonce", token.claim("nonce").unwrap() + "1")),
            ("cut short", |token| token.set("nonce", &token.claim("nonce").unwrap()[1..])),
            ("in capitals", |token| token.set("nonce", token.claim("nonce").unwrap().to_uppercase())),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "its claims are not a JSON object",
        &[("a list", |token| token.set("nonce", [token.claim("nonce").unwrap()]))],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    login(&auth).await.unwrap();
}

/// C29
#[tokio::test]
async fn at_hash_is_that_of_the_access_token() {
    for (algorithm, other) in [("RS256", "ES384"), ("ES384", "RS256"), ("EdDSA", "RS256"), ("ES512", "ES384"), ("PS384", "RS256")] {
        let provider = TestProvider::start().await;
        any_algorithm(&provider);
        let auth = web_auth(&application(&provider));
        altered_login(&provider, &auth, move |token| token.sign_as(algorithm).set_at_hash()).await.unwrap();
        let error = altered_login(&provider, &auth, move |token| {
            // The hash that belongs to another algorithm.
            token.sign_as(other).set_at_hash().sign_as(algorithm)
        });
        let error = error.await.unwrap_err();
        assert!(error.to_string().contains("at_hash is not that of the access token"), "{algorithm}: {error}");
        altered_login(&provider, &auth, move |token| token.sign_as(algorithm).remove("at_hash")).await.unwrap();
    }
    let provider = TestProvider::start().await;
    refuses(
        &provider,
        &web_auth(&application(&provider)),
        "at_hash is not that of the access token",
        &[
            ("empty", |token| token.set("at_hash", "")),
            ("+ 1", |token| {
                token.set_at_hash();
                token.set("at_hash", token.claim("at_hash").unwrap() + "1")
            }),
            ("the hash of another token", |token| token.set("at_hash", "77QmUPtjPfzWtF2AnpK9RQ")),
        ],
    )
    .await;
}

/// C30
#[tokio::test]
async fn c_hash_is_that_of_the_code() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "c_hash is not that of the authorization code",
        &[
            ("empty", |token| token.set("c_hash", "")),
            ("the hash of another code", |token| token.set("c_hash", "LDktKdoQak3Pk0cnXxCltA")),
            ("the access token's", |token| {
                token.set_at_hash();
                token.set("c_hash", token.claim("at_hash").unwrap())
            }),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    let seen = provider.clone();
    provider.next_id_token(move |token| {
        let code = seen.requests(Endpoint::Token).last().unwrap().field("code").unwrap();
        token.set("c_hash", half_sha256(&code));
    });
    login(&auth).await.unwrap();
}

fn half_sha256(text: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&sha2::Sha256::digest(text)[..16])
}

/// C28
#[tokio::test]
async fn a_nonce_that_was_not_sent_does_not_come_back() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider)).scope("profile");
    any_algorithm(&provider);
    let foreign = ForeignKey::new(Algorithm::ES256, "foreign");
    provider.publish_key(foreign.jwk());
    // The scope holds no openid, so that the login sent no nonce, and yet an ID token comes.
    let unasked = |nonce| {
        let token = foreign.sign(&claims(provider.issuer(), nonce));
        provider.next(Endpoint::Token, Fault::new().set("id_token", token));
    };
    unasked(Some("any"));
    let error = login(&auth).await.unwrap_err();
    assert!(error.to_string().contains("nonce is another login's"), "{error}");
    unasked(None);
    assert!(login(&auth).await.unwrap().id_token().is_some());
}

/// C40
#[tokio::test]
async fn the_organization_is_the_one_that_was_asked_for() {
    let provider = TestProvider::start().await;
    let by_id = web_auth(&application(&provider)).organization("org_Acme");
    refuses(
        &provider,
        &by_id,
        "not the organization that was asked for",
        &[
            ("missing", |token| token.remove("org_id")),
            ("a number", |token| token.set("org_id", 1)),
            ("a list", |token| token.set("org_id", ["org_Acme"])),
            ("empty", |token| token.set("org_id", "")),
            ("another", |token| token.set("org_id", "org_Acme1")),
            ("in lower case", |token| token.set("org_id", "org_acme")),
            ("only its name", |token| token.remove("org_id").set("org_name", "org_Acme")),
        ],
    )
    .await;
    let by_name = web_auth(&application(&provider)).organization("ACME");
    refuses(
        &provider,
        &by_name,
        "not the organization that was asked for",
        &[
            ("missing", |token| token.remove("org_name")),
            ("a number", |token| token.set("org_name", 1)),
            ("another", |token| token.set("org_name", "acme1")),
            ("in capitals, which no name has", |token| token.set("org_name", "ACME")),
            ("only its id", |token| token.remove("org_name").set("org_id", "acme")),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(&provider, &by_id, &[("as it is", |token| token)]).await;
    accepts(&provider, &by_name, &[("as it is", |token| token), ("another id", |token| token.set("org_id", 1))]).await;
    let unasked = web_auth(&application(&provider));
    accepts(&provider, &unasked, &[("somebody's own claims", |token| token.set("org_id", 7).set("org_name", ["a", "b"]))]).await;
}

async fn renewable_login(auth: &WebAuth) -> Credentials {
    login(&auth.clone().scope("openid offline_access")).await.unwrap()
}

/// C28, C36
#[tokio::test]
async fn a_refreshed_id_token_is_about_the_same_login_or_dropped_and_the_tokens_are_kept() {
    let provider = TestProvider::start().await;
    let application = application(&provider);
    let mut kept = renewable_login(&web_auth(&application).max_age(std::time::Duration::from_secs(600))).await;
    let first = kept.id_token().unwrap().clone();
    let rows: [(&str, &str, Alteration); 5] = [
        ("an earlier login", "auth_time is earlier", |token| token.set("auth_time", 1_700_000_000)),
        ("another nonce", "nonce is not that of the login", |token| token.set("nonce", "another")),
        ("another application", "aud does not hold", |token| token.set("aud", "web")),
        ("a forged signature", "its signature is wrong", |token| token.sign_with_stranger()),
        ("no signature", "not well-formed", |token| token.unsigned()),
    ];
    for (row, says, alter) in rows {
        provider.next_id_token(move |token| {
            alter(token);
        });
        let renewed = application.renew_credentials(&kept).await.unwrap();
        let refusal = renewed.id_token_refusal().unwrap();
        assert_eq!(refusal.kind(), ErrorKind::IdToken, "{row}");
        assert!(refusal.to_string().contains(says), "{row}: {refusal}");
        assert_ne!(renewed.refresh_token(), kept.refresh_token(), "{row}: the new tokens are kept");
        assert_ne!(renewed.access_token().header_value(), kept.access_token().header_value(), "{row}");
        assert_eq!(renewed.id_token().unwrap().raw(), first.raw(), "{row}: the ID token before stays");
        kept = renewed;
    }
    let nonce: String = first.claims().get("nonce").unwrap();
    provider.next_id_token(|_| ());
    provider.next_id_token(move |token| {
        token.set("nonce", &nonce);
    });
    provider.next_id_token(|token| {
        token.remove("auth_time");
    });
    for row in ["as it is", "with the first nonce", "without auth_time"] {
        kept = application.renew_credentials(&kept).await.unwrap();
        assert!(kept.id_token_refusal().is_none(), "{row}: {:?}", kept.id_token_refusal());
    }
    assert_ne!(kept.id_token().unwrap().raw(), first.raw());
}
