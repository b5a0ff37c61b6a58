//! Private keys as people have them.

use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestClient, TestProvider};
use hallpass::{ClientAuth, ErrorKind};
use jsonwebtoken::decode_header;
use serde_json::{Value, json};

use super::token_of;
use crate::counting_allocator::left_behind;
use crate::two_halves::all_of;

const P256_SEC1: &str = include_str!("keys/p256_sec1.pem");
const P384_PKCS8: &str = include_str!("keys/p384_pkcs8.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa_pkcs1.pem");

/// RFC 7515, appendix A.3
fn ec_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// RFC 8037, appendix A.1
fn ed25519_jwk() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

/// The key of `rsa_pkcs1.pem`.
fn rsa_jwk() -> Value {
    serde_json::from_str(include_str!("keys/rsa.json")).unwrap()
}

/// The algorithm that a key signs by for a provider that names none.
async fn algorithm(key: &PrivateKey) -> String {
    let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
    provider.always(Endpoint::Discovery, Fault::new().remove("token_endpoint_auth_signing_alg_values_supported"));
    token_of(&provider, ClientAuth::private_key_jwt(key.clone())).token().await.unwrap();
    format!("{:?}", decode_header(provider.requests(Endpoint::Token)[0].field("client_assertion").unwrap()).unwrap().alg)
}

#[tokio::test]
async fn keys_are_read_from_every_kind_of_pem() {
    for (pem, expected) in [(P256_SEC1, "ES256"), (P384_PKCS8, "ES384"), (RSA_PKCS1, "RS256")] {
        for pem in [pem.to_owned(), pem.replace('\n', "\r\n"), format!("A certificate\n{CERTIFICATE}\nand its key\n{pem}")] {
            let key = PrivateKey::from_pem(&pem).unwrap();
            assert_eq!(algorithm(&key).await, expected);
            assert_eq!(PrivateKey::from_pem(key.to_pem().expose()).unwrap().public_jwk(), key.public_jwk());
        }
    }
}

#[tokio::test]
async fn keys_are_read_from_jwks_with_their_id_and_algorithm() {
    for (mut jwk, expected) in [(ec_jwk(), "ES256"), (ed25519_jwk(), "EdDSA"), (rsa_jwk(), "RS256")] {
        let key = PrivateKey::from_jwk(jwk.to_string()).unwrap();
        assert_eq!(algorithm(&key).await, expected);
        jwk["kid"] = "my key".into();
        if expected == "RS256" {
            jwk["alg"] = "PS256".into();
        }
        let key = PrivateKey::from_jwk(jwk.to_string()).unwrap();
        let public = serde_json::to_value(key.public_jwk()).unwrap();
        for name in ["kty", "crv", "x", "y", "n", "e", "kid"] {
            assert_eq!(public.get(name), jwk.get(name), "{name}");
        }
        assert!(["d", "p", "q", "dp", "dq", "qi"].iter().all(|name| public.get(name).is_none()), "{public}");
        assert_eq!((&public["use"], algorithm(&key).await), (&json!("sig"), expected.replace("RS256", "PS256")));
    }
}

/// token: 1 each
#[tokio::test]
async fn an_rsa_key_signs_by_what_the_provider_verifies() {
    let key = PrivateKey::from_pem(RSA_PKCS1).unwrap();
    let explicit = || key.clone().algorithm("RS384").unwrap();
    for (key, listed, expected) in [
        (key.clone(), json!(["RS256", "PS256", "ES256"]), "RS256"),
        (key.clone(), json!(["ES256", "PS256", "EdDSA"]), "PS256"),
        (key.clone(), json!(["PS512"]), "PS512"),
        // It may know better than it says.
        (key.clone(), json!(["ES256"]), "RS256"),
        (explicit(), json!(["RS256", "PS256"]), "RS384"),
    ] {
        let provider = TestProvider::builder().client(TestClient::signing("service", key.public_jwk())).start().await;
        let lists = Fault::new().set("token_endpoint_auth_signing_alg_values_supported", &listed);
        provider.always(Endpoint::Discovery, lists);
        token_of(&provider, ClientAuth::private_key_jwt(key)).token().await.unwrap();
        let assertion = provider.requests(Endpoint::Token)[0].field("client_assertion").unwrap();
        assert_eq!(format!("{:?}", decode_header(assertion).unwrap().alg), expected, "{listed}");
    }
}

#[test]
fn what_is_no_key_that_signs_is_refused() {
    let encrypted = "decrypt it first";
    let pem = [
        ("", "no PEM block"),
        ("-----BEGIN PRIVATE KEY-----", "no PEM block"),
        ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----", "no PEM block"),
        ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "neither an RSA key"),
        (CERTIFICATE, "no PEM block"),
        (include_str!("keys/encrypted_pkcs8.pem"), encrypted),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----", encrypted),
        (include_str!("keys/rsa_1024.pem"), "of 2048 bits or more"),
        (include_str!("keys/secp256k1.pem"), "nor on P-256"),
    ];
    let refused = |why: &str, error: hallpass::Error| {
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(all_of(&error).contains(why), "{error:?}");
    };
    for (text, why) in pem {
        refused(why, PrivateKey::from_pem(text).unwrap_err());
    }
    let altered = |jwk: Value, name: &str, value: Value| {
        let mut jwk = jwk;
        jwk[name] = value;
        jwk.to_string()
    };
    let rsa_of_another = rsa_jwk()["q"].clone();
    for (json, why) in [
        ("null".to_owned(), "no JSON object"),
        ("{}".to_owned(), "no JSON object"),
        (altered(ec_jwk(), "d", Value::Null), "no JSON object"),
        (altered(ec_jwk(), "d", "****".into()), "no JSON object"),
        (altered(ec_jwk(), "x", ec_jwk()["y"].clone()), "do not make one key"),
        (altered(ec_jwk(), "crv", "secp256k1".into()), "neither an RSA key"),
        (altered(ec_jwk(), "alg", "RS256".into()), "its alg"),
        (altered(ec_jwk(), "alg", "none".into()), "its alg"),
        (altered(ed25519_jwk(), "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()), "do not make one key"),
        (altered(rsa_jwk(), "p", rsa_of_another), "do not make one key"),
        (altered(rsa_jwk(), "p", Value::Null), "no JSON object"),
        (json!({ "kty": "oct", "k": "AAAA" }).to_string(), "neither an RSA key"),
    ] {
        refused(why, PrivateKey::from_jwk(json).unwrap_err());
    }
    let key = PrivateKey::from_jwk(ec_jwk().to_string()).unwrap();
    refused("P-256 keys by ES256", key.algorithm("RS256").unwrap_err());
    refused("P-256 keys by ES256", PrivateKey::generate("none").unwrap_err());
    refused("shared secret", PrivateKey::generate("HS256").unwrap_err());
}

/// I1
#[test]
fn a_key_shows_nothing_of_itself() {
    let key = PrivateKey::from_jwk(ec_jwk().to_string()).unwrap().kid("1");
    let shown = format!("{key:?} {:?}", ClientAuth::private_key_jwt(key.clone()));
    let inner = r#"PrivateKey { algorithm: "ES256", kid: Some("1"), .. }"#;
    assert_eq!(shown, format!("{inner} ClientAuth(PrivateKeyJwt({inner}))"));
}

/// I5: a key in PEM that is read and dropped.
#[test]
fn reading_a_key_leaves_nothing_of_it_behind() {
    let line = P384_PKCS8.lines().nth(2).unwrap();
    let (key, left) = left_behind(line, || PrivateKey::from_pem(P384_PKCS8).unwrap());
    assert_eq!(left, 0);
    assert_eq!(left_behind(line, || drop(key.to_pem())).1, 0);
    assert_eq!(left_behind(SECRET_END, || drop(ClientAuth::client_secret_jwt(super::SECRET))).1, 0);
}

const SECRET_END: &str = "battery staple +%&= 0123456789";
/// Whatever stands in it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
