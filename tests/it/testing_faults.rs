//! Faults on demand, seen from outside with plain reqwest.
#![expect(clippy::disallowed_methods, reason = "a test is a client of its own")]

use std::time::Duration;

use base64::Engine;
use hallpass::testing::{Api, Endpoint, Fault, PublicKeyForm, TestBrowser, TestProvider, TokenDraft};
use hallpass::web_auth::Browser;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use url::Url;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "http://127.0.0.1:21965/callback";
const AUDIENCE: &str = "https://api.example.com";

fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().no_gzip().build().unwrap()
}

async fn callback(provider: &TestProvider) -> String {
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "native"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "s"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]);
    TestBrowser::new().visit(&url).await.unwrap()
}

async fn code(provider: &TestProvider) -> String {
    let url: Url = callback(provider).await.parse().unwrap();
    url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}

async fn redeem(provider: &TestProvider, code: &str) -> reqwest::Result<reqwest::Response> {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    http().post(provider.endpoint_url(Endpoint::Token)).form(&form).send().await
}

async fn id_token(provider: &TestProvider, alter: impl Fn(&mut TokenDraft) + Send + Sync + 'static) -> String {
    provider.next_id_token(alter);
    let response = redeem(provider, &code(provider).await).await.unwrap();
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    body["id_token"].as_str().unwrap().to_owned()
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["native"]);
    validation
}

fn published(provider: &TestProvider, token: &str) -> DecodingKey {
    let keys: JwkSet = serde_json::from_str(&provider.key_set()).unwrap();
    let kid = decode_header(token).unwrap().kid.unwrap();
    DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap()
}

#[tokio::test]
async fn an_answer_is_lost_before_the_provider_acts_or_after() {
    let provider = TestProvider::start().await;
    let code_of = code(&provider).await;
    provider.next(Endpoint::Token, Fault::close());
    provider.next(Endpoint::Token, Fault::close().committed());
    assert!(redeem(&provider, &code_of).await.is_err());
    assert!(redeem(&provider, &code_of).await.is_err());
    assert_eq!(redeem(&provider, &code_of).await.unwrap().status(), 403, "the second request spent the code");
    assert_eq!(provider.count(Endpoint::Token), 3);
}

#[tokio::test]
async fn a_request_whose_sender_is_gone_is_finished_all_the_same() {
    let provider = TestProvider::start().await;
    let code_of = code(&provider).await;
    let gate = provider.hold(Endpoint::Token);
    let (spent, provider_too) = (code_of.clone(), provider.clone());
    let impatient = tokio::spawn(async move { redeem(&provider_too, &spent).await });
    gate.reached(1).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    gate.release();
    // The second is served after the first, by the one thread that the provider has.
    assert_eq!(redeem(&provider, &code_of).await.unwrap().status(), 403, "the first request spent the code");
}

#[tokio::test]
async fn an_answer_can_be_held_after_the_provider_acted() {
    let provider = TestProvider::start().await;
    let code_of = code(&provider).await;
    let gate = provider.hold_answer(Endpoint::Token);
    let (held, provider_too) = (code_of.clone(), provider.clone());
    let first = tokio::spawn(async move { redeem(&provider_too, &held).await.unwrap().status() });
    gate.reached(1).await;
    assert!(!first.is_finished());
    gate.release();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(redeem(&provider, &code_of).await.unwrap().status(), 403);
}

#[tokio::test]
async fn an_answer_is_raw_or_slow_or_huge_or_never() {
    let provider = TestProvider::start().await;
    let ask = || http().get(provider.endpoint_url(Endpoint::Jwks)).timeout(Duration::from_secs(20)).send();

    provider.next(Endpoint::Jwks, Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
    assert_eq!(ask().await.unwrap().text().await.unwrap(), "hi");
    provider.next(Endpoint::Jwks, Fault::raw("no HTTP at all"));
    assert!(ask().await.is_err());

    provider.next(Endpoint::Jwks, Fault::answer(200, "application/json", "{}").drip(Duration::from_micros(1)));
    assert_eq!(ask().await.unwrap().text().await.unwrap(), "{}");

    for length in [true, false] {
        provider.next(Endpoint::Jwks, Fault::huge(3_000_000, length));
        let huge = ask().await.unwrap();
        assert_eq!(huge.content_length(), length.then_some(3_000_000));
        assert_eq!(huge.bytes().await.unwrap().len(), 3_000_000);
    }

    provider.next(Endpoint::Jwks, Fault::redirect("http://169.254.169.254/").with_status(307));
    let redirect = ask().await.unwrap();
    assert_eq!(redirect.status(), 307);
    assert_eq!(redirect.headers()["location"], "http://169.254.169.254/");

    provider.next(Endpoint::Jwks, Fault::stall());
    let never = http().get(provider.endpoint_url(Endpoint::Jwks)).timeout(Duration::from_millis(50)).send().await;
    assert!(never.unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_small_answer_unpacks_to_a_huge_one() {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Token, Fault::gzip_bomb(10_000_000));
    let response = redeem(&provider, "any").await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.bytes().await.unwrap();
    assert!(packed.len() < 100_000);
    assert_eq!(packed[packed.len() - 4..], 10_000_000_u32.to_le_bytes(), "gzip ends with the length of what it holds");
}

#[tokio::test]
async fn members_of_an_answer_are_altered() {
    let provider = TestProvider::start().await;
    let fault = Fault::new()
        .set("expires_in", "3600")
        .remove("token_type")
        .duplicate("access_token", "another")
        .replace("native", "foreign")
        .header("x-one", "1");
    provider.next(Endpoint::Token, fault);
    let response = redeem(&provider, &code(&provider).await).await.unwrap();
    assert_eq!(response.headers()["x-one"], "1");
    let text = response.text().await.unwrap();
    assert_eq!(text.matches("\"access_token\":").count(), 2);
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&body["expires_in"], body.get("token_type")), (&json!("3600"), None));
}

#[tokio::test]
async fn parameters_of_the_callback_are_altered() {
    let provider = TestProvider::start().await;
    let fault = Fault::new().set("iss", "https://evil.example/").remove("code").duplicate("state", "s");
    provider.next(Endpoint::Callback, fault);
    let url: Url = callback(&provider).await.parse().unwrap();
    let names: Vec<_> = url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(names, ["state=s", "iss=https://evil.example/", "state=s"]);

    provider.next(Endpoint::Callback, Fault::new().query("code=%ff&state=s"));
    assert_eq!(callback(&provider).await, format!("{CALLBACK}?code=%ff&state=s"));
    assert_eq!(provider.count(Endpoint::Callback), 2);
}

#[tokio::test]
async fn an_id_token_is_signed_by_whom_it_should_not() {
    let provider = TestProvider::start().await;
    let good = id_token(&provider, |token| drop(token.claim("sub"))).await;
    let key = published(&provider, &good);
    assert!(decode::<Value>(&good, &key, &validation(Algorithm::RS256)).is_ok());

    let stranger = id_token(&provider, |token| drop(token.sign_with_stranger().claim("sub"))).await;
    assert_eq!(decode_header(&stranger).unwrap().kid, decode_header(&good).unwrap().kid);
    assert!(decode::<Value>(&stranger, &key, &validation(Algorithm::RS256)).is_err());

    let flipped = id_token(&provider, |token| {
        token.signature(|mut signature| {
            signature[17] ^= 1;
            signature
        });
    })
    .await;
    assert!(decode::<Value>(&flipped, &key, &validation(Algorithm::RS256)).is_err());

    let unsigned = id_token(&provider, |token| {
        token.unsigned().set_header("alg", "nOnE");
    })
    .await;
    assert!(unsigned.ends_with('.'));

    let confused = id_token(&provider, |token| {
        token.sign_with_public_key(PublicKeyForm::Jwk);
    })
    .await;
    let keys: Value = serde_json::from_str(&provider.key_set()).unwrap();
    let secret = DecodingKey::from_secret(keys["keys"][0].to_string().as_bytes());
    assert!(decode::<Value>(&confused, &secret, &validation(Algorithm::HS256)).is_ok());
}

#[tokio::test]
async fn the_pem_of_a_public_key_is_the_public_key() {
    let provider = TestProvider::start().await;
    let good = id_token(&provider, |token| drop(token.claim("sub"))).await;
    let pem = provider.public_key_pem();
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::prelude::BASE64_STANDARD.decode(lines.concat()).unwrap();
    // The other library takes the key alone, which begins after the algorithm and the bit string's head.
    let key = DecodingKey::from_rsa_der(&der[24..]);
    assert!(decode::<Value>(&good, &key, &validation(Algorithm::RS256)).is_ok());
    let confused = id_token(&provider, |token| {
        token.sign_with_public_key(PublicKeyForm::Pem);
    })
    .await;
    let secret = DecodingKey::from_secret(pem.as_bytes());
    assert!(decode::<Value>(&confused, &secret, &validation(Algorithm::HS256)).is_ok());
}

#[tokio::test]
async fn an_id_token_says_and_is_what_a_test_wants() {
    let provider = TestProvider::start().await;
    let token = id_token(&provider, |token| {
        let issuer = token.claim("iss").unwrap();
        token.set("iss", format!("{issuer}1")).remove("iat").set_header("crit", ["b64"]).remove_header("kid").set_at_hash();
    })
    .await;
    let header: Value = serde_json::from_slice(&unpadded(token.split('.').next().unwrap())).unwrap();
    assert_eq!((&header["crit"], header.get("kid")), (&json!(["b64"]), None));
    let claims: Value = serde_json::from_slice(&unpadded(token.split('.').nth(1).unwrap())).unwrap();
    assert_eq!((&claims["iss"], claims.get("iat")), (&json!(format!("{}1", provider.issuer())), None));
    assert_eq!(claims["at_hash"].as_str().map(str::len), Some(22));

    let sent = id_token(&provider, |token| {
        token.payload("[]").sent(|token| format!("{token}.more"));
    })
    .await;
    assert_eq!((sent.split('.').nth(1), sent.split('.').nth(3)), (Some("W10"), Some("more")));

    let elliptic = id_token(&provider, |token| {
        token.sign_as("ES384");
    })
    .await;
    assert!(decode::<Value>(&elliptic, &published(&provider, &elliptic), &validation(Algorithm::ES384)).is_ok());
}

fn unpadded(part: &str) -> Vec<u8> {
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

#[tokio::test]
async fn a_key_set_holds_what_was_planted_in_it() {
    let provider = TestProvider::start().await;
    provider.publish_key(json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "key-1" }));
    let keys: Value = serde_json::from_str(&provider.key_set()).unwrap();
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][1]["kid"]), (&json!("oct"), &json!("key-1")));
    let other = TestProvider::builder().other_keys().start().await;
    let others: Value = serde_json::from_str(&other.key_set()).unwrap();
    assert_eq!(others["keys"][0]["kid"], keys["keys"][1]["kid"]);
    assert_ne!(others["keys"][0]["n"], keys["keys"][1]["n"]);
}

#[tokio::test]
async fn an_api_answers_by_the_token() {
    let clock = hallpass::testing::TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    api.require_scope("/messages", "read:messages");
    let ask = async |path: &str, token: Option<&str>| {
        let mut request = http().post(api.url().join(path).unwrap()).body("hello");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge.unwrap_or_default(), response.text().await.unwrap())
    };
    let good = provider.access_token(AUDIENCE, "read:messages");
    let (status, _, body) = ask("messages?a=b", Some(&good)).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["sub"], &body["query"]), (200, &json!("auth0|jane@example.com"), &json!("a=b")));
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!((&body["body_length"], &body["body_sha256"]), (&json!(5), &json!(hello)));
    assert_eq!(ask("echo", Some(&good)).await.2, "hello");

    let (status, challenge, _) = ask("messages", None).await;
    assert_eq!((status, challenge.contains("error")), (401, false));
    let (status, challenge, _) = ask("messages", Some(&provider.access_token(AUDIENCE, "other"))).await;
    assert_eq!((status, challenge.contains("insufficient_scope")), (403, true));
    for bad in ["opaque", &format!("{good}x"), &provider.access_token("https://elsewhere.example", "read:messages")] {
        let (status, challenge, _) = ask("messages", Some(bad)).await;
        assert_eq!((status, challenge.contains("invalid_token")), (401, true), "{bad}");
    }
    api.accept("opaque");
    assert_eq!(ask("messages", Some("opaque")).await.0, 200);
    api.refuse("opaque");
    assert_eq!(ask("messages", Some("opaque")).await.0, 401);
    clock.advance(Duration::from_secs(86_401));
    assert_eq!(ask("messages", Some(&good)).await.0, 401, "it has expired");

    api.next(Fault::status(429).header("retry-after", "3"));
    assert_eq!(ask("messages", None).await.0, 429);
    assert_eq!(api.count(), api.seen().len());
    assert_eq!(api.seen()[0].text(), "hello");
}

/// A minimal application that waits for the callback: it sends the browser on to another page.
async fn application(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for answer in ["HTTP/1.1 303 See Other\r\nlocation: /done\r\n", "HTTP/1.1 200 OK\r\n"] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 8192];
        let read = stream.read(&mut head).await.unwrap();
        assert!(String::from_utf8_lossy(&head[..read]).contains("sec-fetch-dest: document"));
        let body = "<title>Welcome</title>";
        let answer = format!("{answer}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_browser_comes_back_to_the_application_or_does_not() {
    let provider = TestProvider::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "native"),
        ("redirect_uri", &format!("http://{}/callback", listener.local_addr().unwrap())),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]);
    let serving = tokio::spawn(application(listener));
    let browser = TestBrowser::new();
    browser.open(&url).await.unwrap();
    let pages = browser.shown(1).await;
    assert_eq!((pages[0].title().as_str(), pages[0].url().path()), ("Welcome", "/done"));
    serving.await.unwrap();

    let elsewhere = TestBrowser::new().pasting();
    elsewhere.open(&url).await.unwrap();
    assert!(elsewhere.pasted().await.unwrap().contains("/callback?code="));
    let closing = TestBrowser::new().without_returning();
    closing.open(&url).await.unwrap();
    // Only the answers are counted: the second and the third never reached the application, which is gone.
    provider.asked(Endpoint::Callback, 3).await;
    assert!(closing.pages().is_empty() && elsewhere.pages().is_empty());
}
