//! An ID token's form and header: what it is made of, and what it says of its signature.

use hallpass::testing::{Endpoint, Fault, PublicKeyForm, TestClient, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind};
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::altered_login::{accepts, altered_login, any_algorithm, application, login, refuses, told, web_auth};
use crate::foreign_key::{ForeignKey, claims};

fn confidential(provider: &TestProvider) -> Application {
    Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_basic(provider.client_secret()))
}

/// C1 — token: 1, keys: 0
#[tokio::test]
async fn an_unsigned_id_token_is_refused() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    for auth in [web_auth(&application(&provider)), web_auth(&confidential(&provider).accept_hs256())] {
        let says = "is none that is accepted";
        refuses(
            &provider,
            &auth,
            says,
            &[
                ("none", |token| token.unsigned()),
                ("None", |token| token.unsigned().set_header("alg", "None")),
                ("nOnE", |token| token.unsigned().set_header("alg", "nOnE")),
                ("NONE, with a signature", |token| token.set_header("alg", "NONE")),
                ("none, with a signature", |token| token.set_header("alg", "none")),
                ("empty", |token| token.unsigned().set_header("alg", "")),
                ("rs256", |token| token.set_header("alg", "rs256")),
                ("RS256 and a space", |token| token.set_header("alg", "RS256 ")),
            ],
        )
        .await;
        let says = "its header is not a JSON object of the expected members";
        refuses(
            &provider,
            &auth,
            says,
            &[
                ("missing", |token| token.remove_header("alg")),
                ("null", |token| token.set_header("alg", json!(null))),
                ("a list", |token| token.set_header("alg", ["RS256"])),
                ("twice", |token| token.header(r#"{"alg":"RS256","alg":"none"}"#)),
            ],
        )
        .await;
        // The algorithm is a good one, but nothing is signed.
        refuses(&provider, &auth, "its signature is wrong", &[("an empty signature", |token| token.signature(|_| Vec::new()))])
            .await;
    }
    assert_eq!(provider.count(Endpoint::Jwks), 2, "only the last row of each application got as far as the keys");
}

/// C2, C3
#[tokio::test]
async fn a_shared_secret_is_no_signature_unless_a_confidential_application_says_so() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let with_public_key = [PublicKeyForm::Pem, PublicKeyForm::Der, PublicKeyForm::Jwk];
    let off_the_list = "it is signed with an algorithm that this provider or application does not use";
    let without_hs256 = [application(&provider), application(&provider).accept_hs256(), confidential(&provider)];
    for application in without_hs256 {
        let auth = web_auth(&application);
        for form in with_public_key {
            let error = altered_login(&provider, &auth, move |token| token.sign_with_public_key(form)).await.unwrap_err();
            assert!(error.to_string().contains(off_the_list), "{form:?}: {error}");
        }
        refuses(
            &provider,
            &auth,
            off_the_list,
            &[
                ("the client's secret", |token| token.sign_with_secret("web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6")),
                ("no secret", |token| token.sign_with_secret("")),
                ("the client id", |token| token.sign_with_secret("native")),
            ],
        )
        .await;
    }
    let auth = web_auth(&confidential(&provider).accept_hs256());
    for form in with_public_key {
        let error = altered_login(&provider, &auth, move |token| token.sign_with_public_key(form)).await.unwrap_err();
        assert!(error.to_string().contains("its signature is wrong"), "{form:?}: {error}");
    }
    refuses(&provider, &auth, "its signature is wrong", &[("no secret", |token| token.sign_with_secret(""))]).await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(&provider, &auth, &[("the client's secret", |token| token.sign_with_secret("web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6"))])
        .await;
}

/// C3
#[tokio::test]
async fn an_empty_secret_is_one_that_everybody_knows() {
    let provider = TestProvider::builder().client(TestClient::confidential("secretless", "")).start().await;
    // As when a variable of the environment is not set.
    let application = Application::new(provider.issuer(), "secretless").client_auth(ClientAuth::client_secret_post(""));
    let auth = web_auth(&application.accept_hs256());
    refuses(&provider, &auth, "does not use", &[("no secret", |token| token.sign_with_secret(""))]).await;
}

/// C3: an attacker who has one token can try out a secret that is shorter than its signature.
#[tokio::test]
async fn a_short_secret_signs_nothing() {
    const SHORT: &str = "thirty-one bytes are not enough";
    const LONG: &str = "thirty-two bytes will do, though";
    let clients = [TestClient::confidential("short", SHORT), TestClient::confidential("long", LONG)];
    let provider = clients.into_iter().fold(TestProvider::builder(), |builder, client| builder.client(client)).start().await;
    let auth = |id: &str, secret: &str| {
        let application = Application::new(provider.issuer(), id).client_auth(ClientAuth::client_secret_post(secret));
        web_auth(&application.accept_hs256())
    };
    refuses(&provider, &auth("short", SHORT), "at least 32 bytes", &[("31", |token| token.sign_with_secret(SHORT))]).await;
    accepts(&provider, &auth("long", LONG), &[("32", |token| token.sign_with_secret(LONG))]).await;
}

/// C4
#[tokio::test]
async fn an_algorithm_is_one_that_the_provider_names_and_its_key_fits() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    let says = "it is signed with an algorithm that this provider or application does not use";
    refuses(
        &provider,
        &auth,
        says,
        &[
            ("ES256", |token| token.sign_as("ES256")),
            ("RS512", |token| token.sign_as("RS512")),
            ("PS256", |token| token.sign_as("PS256")),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "is none that is accepted",
        &[
            ("one of another family", |token| token.set_header("alg", "ES256K")),
            ("an encryption", |token| token.set_header("alg", "RSA-OAEP")),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);

    any_algorithm(&provider);
    for algorithm in ["PS256", "ES384", "EdDSA"] {
        let auth = web_auth(&application(&provider));
        altered_login(&provider, &auth, move |token| token.sign_as(algorithm)).await.unwrap();
    }
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "its signature is wrong",
        &[
            ("ES256 with an RSA key", |token| token.set_header("alg", "ES256")),
            ("EdDSA with an RSA key", |token| token.set_header("alg", "EdDSA")),
            ("PS256 with a key for RS256", |token| token.sign_as("PS256").set_header("kid", "key-1")),
            ("ES256 with a P-384 key", |token| token.sign_as("ES384").set_header("alg", "ES256")),
            ("RS256 with an Ed25519 key", |token| token.sign_as("EdDSA").set_header("alg", "RS256")),
            ("RS384 with a key for RS256", |token| token.set_header("alg", "RS384")),
        ],
    )
    .await;
    login(&auth).await.unwrap();
}

/// C5 — keys: 1, elsewhere: 0
#[tokio::test]
async fn keys_that_a_header_brings_along_or_points_to_are_not_looked_at() {
    let provider = TestProvider::start().await;
    any_algorithm(&provider);
    let auth = web_auth(&application(&provider));
    let elsewhere = provider.endpoint_url(Endpoint::Other).to_string();
    let pointed_at = elsewhere.clone();
    provider.next_id_token(move |token| {
        token.set_header("jku", &pointed_at).set_header("x5u", &pointed_at).set_header("x5c", ["MIIC"]).set_header("x5t", "x");
        token.set_header("jwk", ForeignKey::new(Algorithm::ES256, "key-1").jwk());
    });
    login(&auth).await.unwrap();

    for kid in ["foreign", "key-1"] {
        let (issuer, elsewhere) = (provider.issuer().to_owned(), elsewhere.clone());
        provider.next_id_token(move |token| {
            let foreign = ForeignKey::new(Algorithm::ES256, kid);
            let forged = foreign.sign_with_header(
                |header| {
                    header.jwk = Some(serde_json::from_value(foreign.jwk()).unwrap());
                    header.jku = Some(elsewhere.clone());
                },
                &claims(&issuer, token.claim("nonce").as_deref()),
            );
            token.sent(move |_| forged);
        });
        let error = login(&auth).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IdToken, "{kid}: {error}");
    }
    assert_eq!(provider.count(Endpoint::Other), 0);
}

/// C6, C7
#[tokio::test]
async fn a_key_id_is_compared_as_a_whole_and_goes_into_no_url() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    login(&auth).await.unwrap();
    refuses(
        &provider,
        &auth,
        "signed by a key that the provider does not publish",
        &[
            ("a path", |token| token.set_header("kid", "../../x")),
            ("a URL", |token| token.set_header("kid", "http://127.0.0.1:1/")),
            ("100 KB", |token| token.set_header("kid", "k".repeat(100_000))),
            ("empty", |token| token.set_header("kid", "")),
            ("in capitals", |token| token.set_header("kid", "KEY-1")),
            ("a space more", |token| token.set_header("kid", "key-1 ")),
            ("a NUL more", |token| token.set_header("kid", "key-1\0")),
            ("with its algorithm", |token| token.set_header("kid", "key-1RS256")),
            ("cut short", |token| token.set_header("kid", "key-")),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it is longer than",
        &[("1 MB", |token| {
            // Beside the body's limit, so that the token itself is what is refused.
            token.set_header("kid", "k".repeat(500_000))
        })],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "its header is not a JSON object of the expected members",
        &[
            ("a number", |token| token.set_header("kid", 1)),
            ("a list", |token| token.set_header("kid", ["key-1"])),
            ("an object", |token| token.set_header("kid", json!({ "$ne": 1 }))),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 4, "the first, and three for all unknown keys");
    assert_eq!(provider.count(Endpoint::Other), 0);
    assert!(provider.requests(Endpoint::Jwks).iter().all(|request| request.path() == "/.well-known/jwks.json"));
}

/// C10 — token: 1, keys: 0
#[tokio::test]
async fn a_critical_extension_is_not_understood() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "it has a critical header parameter that is not understood",
        &[
            ("exp", |token| token.set_header("crit", ["exp"]).set_header("exp", 1)),
            ("b64", |token| token.set_header("crit", ["b64"]).set_header("b64", false)),
            ("alg", |token| token.set_header("crit", ["alg"])),
            ("none", |token| token.set_header("crit", json!([]))),
            ("text", |token| token.set_header("crit", "exp")),
            ("null", |token| token.set_header("crit", json!(null))),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
}

/// C11 — token: 1, keys: 0
#[tokio::test]
async fn a_token_of_another_kind_is_no_id_token() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "is that of another kind of token",
        &[
            ("at+jwt", |token| token.set_header("typ", "at+jwt")),
            ("application/at+jwt", |token| token.set_header("typ", "application/at+jwt")),
            ("AT+JWT", |token| token.set_header("typ", "AT+JWT")),
            ("logout+jwt", |token| token.set_header("typ", "logout+jwt")),
            ("dpop+jwt", |token| token.set_header("typ", "dpop+jwt")),
            ("secevent+jwt", |token| token.set_header("typ", "secevent+jwt")),
            ("JOSE", |token| token.set_header("typ", "JOSE")),
            ("empty", |token| token.set_header("typ", "")),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    accepts(
        &provider,
        &auth,
        &[
            ("missing", |token| token.remove_header("typ")),
            ("jwt", |token| token.set_header("typ", "jwt")),
            ("application/jwt", |token| token.set_header("typ", "application/jwt")),
            ("Application/JWT", |token| token.set_header("typ", "Application/JWT")),
        ],
    )
    .await;
}

/// C12, C35
#[tokio::test]
async fn an_id_token_has_three_parts() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "it has not the three parts of a compact JWS",
        &[
            ("one", |token| token.sent(|sent| sent.replace('.', ""))),
            ("two", |token| token.sent(|sent| sent.rsplit_once('.').unwrap().0.to_owned())),
            ("four", |token| token.sent(|sent| sent + ".x")),
            ("a dot more", |token| token.sent(|sent| sent + ".")),
            ("six", |token| token.sent(|sent| sent + ".x.y.z")),
            ("200,000 dots", |token| token.sent(|_| ".".repeat(200_000))),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it is longer than",
        &[
            ("900,000 dots", |token| token.sent(|_| ".".repeat(900_000))),
            ("900,000 letters", |token| token.sent(|sent| sent + &"A".repeat(900_000))),
        ],
    )
    .await;
    refuses(
        &provider,
        &auth,
        "it is encrypted, which was not asked for",
        &[("a JWE", |token| token.sent(|_| JWE.to_owned())), ("five parts", |token| token.sent(|sent| sent + ".x.y"))],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    login(&auth).await.unwrap();
}

/// C13 — token: 1, keys: 0
#[tokio::test]
async fn each_part_is_strict_base64url() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    refuses(
        &provider,
        &auth,
        "a part of it is not strict base64url",
        &[
            ("a padded header", |token| token.sent(|sent| sent.replacen('.', "=.", 1))),
            ("a padded signature", |token| token.sent(|sent| sent + "==")),
            ("plus and slash", |token| {
                token.sent(|sent| {
                    let (message, signature) = sent.rsplit_once('.').unwrap();
                    format!("{message}.{}", signature.replace('-', "+").replace('_', "/") + "+/")
                })
            }),
            ("a space at the end", |token| token.sent(|sent| sent + " ")),
            ("a line feed at the end", |token| token.sent(|sent| sent + "\n")),
            ("a space in front", |token| token.sent(|sent| format!(" {sent}"))),
            ("a line break within", |token| token.sent(|sent| format!("{}\r\n{}", &sent[..10], &sent[10..]))),
            ("a NUL", |token| token.sent(|sent| sent + "\0")),
            ("a letter of two bytes", |token| token.sent(|sent| sent + "ß")),
            // 256 bytes end in a letter of which only two bits count.
            ("stray bits in the signature", |token| {
                token.sent(|mut sent| {
                    let last = sent.pop().unwrap();
                    assert!("AQgw".contains(last));
                    sent.push(char::from(last as u8 + 1));
                    sent
                })
            }),
            ("a letter too few", |token| token.sent(|sent| format!("{sent}AAA"))),
        ],
    )
    .await;
    assert_eq!(provider.count(Endpoint::Jwks), 0);
    login(&auth).await.unwrap();
}

/// C14
#[tokio::test]
async fn the_json_serialisation_is_refused() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    fn serialised(sent: &str) -> serde_json::Value {
        let parts: Vec<&str> = sent.split('.').collect();
        json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] })
    }
    refuses(
        &provider,
        &auth,
        "it has not the three parts of a compact JWS",
        &[
            ("flattened", |token| token.sent(|sent| serialised(&sent).to_string())),
            ("general", |token| {
                token.sent(|sent| {
                    let part = serialised(&sent);
                    json!({ "payload": part["payload"], "signatures": [part] }).to_string()
                })
            }),
        ],
    )
    .await;
    provider
        .next(Endpoint::Token, Fault::new().set("id_token", json!({ "payload": "e30", "protected": "e30", "signature": "e30" })));
    let error = login(&auth).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{}", told(&error));
    assert_eq!(provider.count(Endpoint::Jwks), 0);
}

/// RFC 7516, appendix A.1, whose last part is cut short.
const JWE: &str = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe\
                   .48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ";
