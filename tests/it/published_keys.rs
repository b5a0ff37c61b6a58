//! The keys that a provider publishes: which of them are used, for how long, and what they cost.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider};
use hallpass::{ErrorKind, WebAuth};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::altered_login::{accepts, altered_login, any_algorithm, application, login, refuses, told, web_auth};
use crate::foreign_key::{ForeignKey, claims};

const UNUSABLE: &str = "it is signed by a key that the provider publishes, but in a way that cannot be used: ";
const UNPUBLISHED: &str = "it is signed by a key that the provider does not publish";

/// A login whose ID token is signed by this key, whatever the provider thinks of it.
async fn login_signed_by(provider: &TestProvider, auth: &WebAuth, key: &ForeignKey) -> hallpass::Result<hallpass::Credentials> {
    let pending = auth.begin().await?;
    let nonce = pending.url().query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    let token = key.sign(&claims(provider.issuer(), Some(&nonce)));
    let callback = hallpass::testing::TestBrowser::new().visit(pending.url()).await.unwrap();
    provider.next(Endpoint::Token, Fault::new().set("id_token", token));
    auth.finish(pending, &callback).await
}

#[tokio::test]
async fn an_id_token_that_another_library_signed_is_accepted() {
    for algorithm in [Algorithm::RS256, Algorithm::PS384, Algorithm::RS512, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let provider = TestProvider::start().await;
        any_algorithm(&provider);
        let key = ForeignKey::new(algorithm, "foreign");
        provider.publish_key(key.jwk());
        let credentials = login_signed_by(&provider, &web_auth(&application(&provider)), &key).await;
        assert_eq!(credentials.unwrap().user().unwrap().subject(), "auth0|jane@example.com", "{algorithm:?}");
    }
}

/// C8
#[tokio::test]
async fn a_token_without_a_key_id_is_verified_by_the_one_key_that_fits() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    provider.publish_key(ForeignKey::new(Algorithm::ES256, "").jwk());
    provider.publish_key(ForeignKey::new(Algorithm::EdDSA, "another").jwk());
    let auth = web_auth(&application(&provider));
    accepts(&provider, &auth, &[("no kid", |token| token.remove_header("kid"))]).await;
    assert_eq!(provider.count(Endpoint::Jwks), 1);
}

/// C9
#[tokio::test]
async fn a_token_without_a_key_id_is_tried_with_eight_fitting_keys_at_most() {
    for (before, accepted) in [(0, true), (7, true), (8, false)] {
        let provider = TestProvider::start().await;
        // Published before the provider's own, and tried in that order.
        let other = ForeignKey::new(Algorithm::RS256, "").jwk();
        (0..before).for_each(|_| provider.publish_key(&other));
        // Keys that do not fit do not count, whether or not they say for what they are.
        for number in 0..20 {
            let mut unfit = ForeignKey::new(Algorithm::ES256, "").jwk();
            if number % 2 == 0 {
                unfit.as_object_mut().unwrap().remove("alg");
            }
            provider.publish_key(unfit);
        }
        let result = altered_login(&provider, &web_auth(&application(&provider)), |token| token.remove_header("kid")).await;
        assert_eq!(result.is_ok(), accepted, "{before} keys before: {result:?}");
    }
    let provider = TestProvider::start().await;
    refuses(
        &provider,
        &web_auth(&application(&provider)),
        UNPUBLISHED,
        &[("none fits", |token| token.remove_header("kid").sign_with_stranger())],
    )
    .await;
}

/// C4: a key that says for which algorithm it is signs by no other, though it could.
#[tokio::test]
async fn a_key_is_for_the_one_algorithm_that_it_names() {
    for (kid, named) in [("by its name", "by its name"), ("", "without one")] {
        let provider = TestProvider::start().await;
        any_algorithm(&provider);
        let auth = web_auth(&application(&provider));
        let key = ForeignKey::new(Algorithm::PS256, kid);
        let mut jwk = key.jwk();
        jwk["alg"] = "RS256".into();
        provider.publish_key(&jwk);
        let error = login_signed_by(&provider, &auth, &key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IdToken, "{named}: {error}");

        let provider = TestProvider::start().await;
        any_algorithm(&provider);
        let auth = web_auth(&application(&provider));
        jwk["alg"] = "PS256".into();
        provider.publish_key(jwk);
        login_signed_by(&provider, &auth, &key).await.unwrap();
    }
}

/// C34, D10
#[tokio::test]
async fn a_weak_or_broken_key_is_passed_over_and_the_good_ones_serve() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let n = |bytes: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
    let coordinate = BASE64_URL_SAFE_NO_PAD.encode([1; 32]);
    let rsa = |kid: &str, n: String, e: &str| json!({ "kty": "RSA", "kid": kid, "n": n, "e": e });
    let good = ForeignKey::new(Algorithm::ES256, "").jwk();
    let decoded = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(good[name].as_str().unwrap()).unwrap();
    let point = [decoded("x"), decoded("y")].concat();
    let divided = [&point[..33], &point[33..]].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let mut weak = vec![
        rsa("RSA of 1024 bits", n(128), "AQAB"),
        rsa("RSA of 2040 bits", n(255), "AQAB"),
        rsa("RSA of 16384 bits", n(2048), "AQAB"),
        rsa("e = 1", n(256), "AQ"),
        rsa("e = 2", n(256), "Ag"),
        rsa("e is even", n(256), "AQAC"),
        rsa("e is empty", n(256), ""),
        rsa("e is of 40 bits", n(256), "AQAAAAE"),
        rsa("n is padded", n(256) + "==", "AQAB"),
        json!({ "kty": "EC", "crv": "P-256", "kid": "off its curve", "x": coordinate, "y": coordinate }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "a coordinate too short", "x": good["x"], "y": BASE64_URL_SAFE_NO_PAD.encode([1; 31]) }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "coordinates that are divided elsewhere", "x": divided[0], "y": divided[1] }),
        json!({ "kty": "EC", "crv": "P-384", "kid": "on another curve", "x": good["x"], "y": good["y"] }),
        json!({ "kty": "EC", "crv": "secp256k1", "kid": "an unknown curve", "x": good["x"], "y": good["y"] }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "an algorithm that does not fit", "x": good["x"], "y": good["y"], "alg": "RS256" }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "for encryption", "x": good["x"], "y": good["y"], "use": "enc" }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "for signing only", "x": good["x"], "y": good["y"], "key_ops": ["sign"] }),
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "too short", "x": BASE64_URL_SAFE_NO_PAD.encode([5; 31]) }),
        json!({ "kty": "OKP", "crv": "X25519", "kid": "for key agreement", "x": coordinate }),
    ];
    for (order, point) in LOW_ORDER {
        weak.push(json!({ "kty": "OKP", "crv": "Ed25519", "kid": format!("of order {order}"), "x": BASE64_URL_SAFE_NO_PAD.encode(hex(point)) }));
    }
    weak.iter().for_each(|jwk| provider.publish_key(jwk));
    for broken in [
        json!(null),
        json!(7),
        json!("RSA"),
        json!([]),
        json!({}),
        json!({ "kty": 1, "kid": "x" }),
        json!({ "kty": "RSA", "n": 1 }),
    ] {
        provider.publish_key(broken);
    }
    let auth = web_auth(&application(&provider));
    login(&auth).await.unwrap();
    for jwk in weak {
        let kid = jwk["kid"].as_str().unwrap().to_owned();
        let algorithm = match jwk["kty"].as_str().unwrap() {
            "RSA" => "RS256",
            "EC" => "ES256",
            _ => "EdDSA",
        };
        let named = kid.clone();
        let error =
            altered_login(&provider, &auth, move |token| token.set_header("kid", &named).set_header("alg", algorithm)).await;
        let error = error.unwrap_err();
        let expected = if kid == "n is padded" { "base64 with padding" } else { UNUSABLE };
        assert!(error.to_string().contains(expected), "{kid}: {error}");
    }
}

/// C34
#[tokio::test]
async fn a_signature_that_a_weak_key_would_verify_is_refused() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let identity = hex(LOW_ORDER[1].1);
    provider
        .publish_key(json!({ "kty": "OKP", "crv": "Ed25519", "kid": "identity", "x": BASE64_URL_SAFE_NO_PAD.encode(&identity) }));
    provider.publish_key(json!({ "kty": "RSA", "kid": "one", "n": BASE64_URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQ" }));
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        UNUSABLE,
        &[
            // R is the identity and S is 0: with the identity as the key, that is good for every message.
            ("Ed25519", |token| {
                token.set_header("alg", "EdDSA").set_header("kid", "identity");
                token.signature(|_| hex(LOW_ORDER[1].1).into_iter().chain([0; 32]).collect())
            }),
            // With e = 1 the signature is the padded hash itself.
            ("RSA", |token| {
                token.set_header("kid", "one").sent(|sent| {
                    let message = sent.rsplit_once('.').unwrap().0;
                    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(padded_sha256(message)))
                })
            }),
        ],
    )
    .await;
}

/// EMSA-PKCS1-v1_5 (RFC 8017, section 9.2) for a key of 2048 bits.
fn padded_sha256(message: &str) -> Vec<u8> {
    let prefix = hex("3031300d060960864801650304020105000420");
    let mut padded = vec![0, 1];
    padded.extend(vec![0xff; 256 - 3 - prefix.len() - 32]);
    padded.push(0);
    padded.extend(prefix);
    padded.extend(sha2::Sha256::digest(message));
    padded
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The points of Ed25519 whose order divides 8, in all their encodings, some with the sign bit.
const LOW_ORDER: [(&str, &str); 12] = [
    ("4", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("1", "0100000000000000000000000000000000000000000000000000000000000000"),
    ("8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ("8, mirrored", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    ("8, the other", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ("8, the other mirrored", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    ("2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("4, mirrored", "0000000000000000000000000000000000000000000000000000000000000080"),
    ("1, signed", "0100000000000000000000000000000000000000000000000000000000000080"),
    ("4, not reduced", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("1, not reduced", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("2, signed", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
];

/// D11, K15 — keys: 1. RFC 7517, section 4.5: "An example in which different keys might use the same kid value is if they have
/// different kty values".
#[tokio::test]
async fn keys_of_one_id_are_told_apart_by_their_kind_and_else_tried() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let of_one_id = [
        ForeignKey::new(Algorithm::EdDSA, "shared"),
        ForeignKey::new(Algorithm::ES384, "shared"),
        ForeignKey::new(Algorithm::ES256, "shared"),
        ForeignKey::new(Algorithm::ES256, "shared"),
    ];
    for key in &of_one_id {
        (0..10).for_each(|_| provider.publish_key(key.jwk()));
    }
    let auth = web_auth(&application(&provider));
    for key in &of_one_id {
        login_signed_by(&provider, &auth, key).await.unwrap();
    }
    for stranger in [ForeignKey::new(Algorithm::ES256, "shared"), ForeignKey::new(Algorithm::RS256, "shared")] {
        let error = login_signed_by(&provider, &auth, &stranger).await.unwrap_err();
        assert!(error.to_string().contains("its signature is wrong"), "{error}");
    }
    assert_eq!(provider.count(Endpoint::Jwks), 1);
}

/// K15 — at most 8 keys of one id are tried.
#[tokio::test]
async fn the_ninth_key_of_one_id_and_kind_is_not_tried() {
    for (before, accepted) in [(7, true), (8, false)] {
        let provider = TestProvider::start().await;
        any_algorithm(&provider);
        (0..before).for_each(|_| provider.publish_key(ForeignKey::new(Algorithm::ES256, "shared").jwk()));
        let key = ForeignKey::new(Algorithm::ES256, "shared");
        provider.publish_key(key.jwk());
        let result = login_signed_by(&provider, &web_auth(&application(&provider)), &key).await;
        assert_eq!(result.is_ok(), accepted, "{before}: {result:?}");
    }
}

/// K15 — RFC 9864: `Ed25519` is `EdDSA`, in a key, in the metadata and in a header.
#[tokio::test]
async fn the_name_of_a_curve_is_an_algorithm() {
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().set("id_token_signing_alg_values_supported", ["Ed25519"]));
    let key = ForeignKey::new(Algorithm::EdDSA, "curve");
    let mut jwk = key.jwk();
    jwk["alg"] = "Ed25519".into();
    provider.publish_key(jwk);
    login_signed_by(&provider, &web_auth(&application(&provider)), &key).await.unwrap();
}

/// K15
#[tokio::test]
async fn a_key_that_cannot_be_used_is_said_so() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let [certified, keyless] = [ForeignKey::new(Algorithm::ES256, "certified"), ForeignKey::new(Algorithm::ES256, "keyless")];
    provider.publish_key(json!({ "kty": "EC", "crv": "P-256", "kid": "certified", "x5c": ["MIIB"] }));
    provider.publish_key(json!({ "kty": "EC", "crv": "P-256", "kid": "keyless" }));
    let auth = web_auth(&application(&provider));
    for (key, why) in [(certified, "a certificate (x5c) only"), (keyless, "a member of it is missing")] {
        let error = login_signed_by(&provider, &auth, &key).await.unwrap_err().to_string();
        assert!(error.contains(UNUSABLE) && error.contains(why), "{error}");
    }
    assert_eq!(provider.count(Endpoint::Jwks), 1);
}

/// D12
#[tokio::test]
async fn private_and_symmetric_keys_in_the_set_are_ignored() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let leaked = [
        ForeignKey::new(Algorithm::RS256, "rsa"),
        ForeignKey::new(Algorithm::ES256, "ec"),
        ForeignKey::new(Algorithm::EdDSA, "okp"),
    ];
    for key in &leaked {
        let mut jwk = key.jwk();
        jwk["d"] = json!("AQAB");
        provider.publish_key(jwk);
    }
    provider.publish_key(json!({ "kty": "oct", "kid": "shared", "k": BASE64_URL_SAFE_NO_PAD.encode("secret"), "alg": "HS256" }));
    let auth = web_auth(&application(&provider));
    for key in &leaked {
        let error = login_signed_by(&provider, &auth, key).await.unwrap_err();
        assert!(error.to_string().contains("it is a private or a symmetric key"), "{error}");
    }
    refuses(
        &provider,
        &auth,
        "signed with an algorithm that this provider or application does not use",
        &[("the symmetric key", |token| token.sign_with_secret("secret").set_header("kid", "shared"))],
    )
    .await;
    login(&auth).await.unwrap();
}

/// D9
#[tokio::test]
async fn a_set_of_too_many_keys_or_bytes_is_not_read() {
    let provider = TestProvider::start().await;
    let keys = |count: usize| json!({ "keys": vec![json!({}); count] });
    let good: Value = serde_json::from_str(&provider.key_set()).unwrap();
    let mut many = keys(4_000);
    many["keys"].as_array_mut().unwrap().push(good["keys"][0].clone());
    let faults = [Fault::json(200, keys(100_000)), Fault::huge(50_000_000, true), Fault::huge(50_000_000, false)];
    for fault in faults {
        provider.next(Endpoint::Jwks, fault);
        let error = login(&web_auth(&application(&provider))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery, "{}", told(&error));
        assert!(told(&error).contains("more than"), "{}", told(&error));
    }
    provider.next(Endpoint::Jwks, Fault::json(200, many));
    login(&web_auth(&application(&provider))).await.unwrap();
}

/// D13, D14
#[tokio::test]
async fn new_keys_are_fetched_once_when_a_token_names_them() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let auth = web_auth(&application(&provider).clock(&clock));
    login(&auth).await.unwrap();
    provider.rotate_keys();
    provider.forget_old_keys();
    login(&auth).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 2);
    login(&auth).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 2);
    clock.advance(Duration::from_secs(60 * 60));
    provider.rotate_keys();
    login(&auth).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 3, "they were too old to ask for the rotated one twice");
}

/// K19 — keys: 4. Rotated twice within a cooldown, after a stranger's token of an unknown key.
#[tokio::test]
async fn keys_that_are_rotated_within_the_cooldown_stop_no_login() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    let credentials = login(&auth).await.unwrap();
    let stranger = provider.logout_token(credentials.user().unwrap(), |token| {
        token.set_header("kid", "stranger");
    });
    auth.application().verify_logout_token(&stranger).await.unwrap_err();
    auth.application().verify_logout_token(&stranger).await.unwrap_err();
    for fetched in [3, 4] {
        provider.rotate_keys();
        provider.forget_old_keys();
        login(&auth).await.unwrap();
        assert_eq!(provider.count(Endpoint::Jwks), fetched);
    }
}

/// D17
#[tokio::test]
async fn a_key_that_was_withdrawn_verifies_nothing_once_the_set_is_fetched_anew() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let auth = web_auth(&application(&provider).clock(&clock));
    let withdrawn = ForeignKey::new(Algorithm::RS256, "withdrawn");
    provider.next(Endpoint::Jwks, Fault::new().set("keys", [withdrawn.jwk()]));
    login_signed_by(&provider, &auth, &withdrawn).await.unwrap();
    clock.advance(Duration::from_secs(9 * 60));
    login_signed_by(&provider, &auth, &withdrawn).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 1);
    clock.advance(Duration::from_secs(60));
    let error = login_signed_by(&provider, &auth, &withdrawn).await.unwrap_err();
    assert!(error.to_string().contains(UNPUBLISHED), "{error}");
}

/// D18, J7
#[tokio::test]
async fn kept_keys_serve_for_a_day_while_their_host_is_down() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let auth = web_auth(&application(&provider).clock(&clock));
    login(&auth).await.unwrap();
    provider.always(Endpoint::Jwks, Fault::status(503));
    clock.advance(Duration::from_secs(11 * 60));
    login(&auth).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 2);
    login(&auth).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 2, "a host that is down is left alone for a while");
    provider.always(Endpoint::Jwks, Fault::close());
    clock.advance(Duration::from_secs(23 * 60 * 60));
    login(&auth).await.unwrap();
    assert_eq!(provider.count(Endpoint::Jwks), 3);
    clock.advance(Duration::from_secs(60 * 60));
    let error = login(&auth).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Network && error.is_transient(), "{error:?}");
    provider.clear(Endpoint::Jwks);
    // Failures are remembered for a minute at most.
    clock.advance(Duration::from_secs(70));
    login(&auth).await.unwrap();
}

/// D19, C7
#[tokio::test]
async fn one_key_id_at_two_issuers_means_two_keys() {
    let (one, other) = (TestProvider::start().await, TestProvider::builder().other_keys().start().await);
    assert_ne!(one.public_key_pem(), other.public_key_pem());
    let (at_one, at_other) = (web_auth(&application(&one)), web_auth(&application(&other)));
    for _ in 0..2 {
        assert!(login(&at_one).await.unwrap().id_token().is_some());
        assert!(login(&at_other).await.unwrap().id_token().is_some());
    }
    // Signed by one, under the same id, in the other's name.
    let forger = ForeignKey::new(Algorithm::RS256, "key-1");
    one.always(Endpoint::Jwks, Fault::new().set("keys", [forger.jwk()]));
    login_signed_by(&one, &web_auth(&application(&one)), &forger).await.unwrap();
    let error = login_signed_by(&other, &at_other, &forger).await.unwrap_err();
    assert!(error.to_string().contains("its signature is wrong"), "{error}");
}
