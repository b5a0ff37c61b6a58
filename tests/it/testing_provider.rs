//! The test provider as a client meets it, with plain reqwest; its tokens are checked by a library that is not ours.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClient, TestClock, TestProvider};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use url::Url;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:21965/callback";
const API: &str = "https://api.example.com";

fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

fn authorize_url(provider: &TestProvider, more: &[(&str, &str)]) -> Url {
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut()
        .extend_pairs([("response_type", "code"), ("client_id", "native"), ("redirect_uri", CALLBACK)])
        .extend_pairs([("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("state", "s"), ("nonce", "n")])
        .extend_pairs(more);
    url
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url: Url = url.parse().unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn post(provider: &TestProvider, endpoint: Endpoint, form: &[(&str, &str)]) -> (u16, Value) {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = http().post(provider.endpoint_url(endpoint)).form(form).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

async fn get(url: Url) -> reqwest::Response {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    http().get(url).send().await.unwrap()
}

async fn redeem(provider: &TestProvider, code: &str, verifier: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
    ];
    post(provider, Endpoint::Token, &form).await
}

async fn log_in(provider: &TestProvider, more: &[(&str, &str)]) -> Value {
    let callback = TestBrowser::new().visit(&authorize_url(provider, more)).await.unwrap();
    let (status, body) = redeem(provider, &parameter(&callback, "code").unwrap(), VERIFIER).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn refresh(provider: &TestProvider, token: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![("grant_type", "refresh_token"), ("client_id", "native"), ("refresh_token", token)];
    form.extend_from_slice(more);
    post(provider, Endpoint::Token, &form).await
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}"))
}

/// By the keys that the provider publishes.
async fn checked(provider: &TestProvider, token: &str, audience: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let keys: JwkSet = serde_json::from_str(&get(provider.endpoint_url(Endpoint::Jwks)).await.text().await.unwrap()).unwrap();
    let header = decode_header(token)?;
    let key = keys.find(&header.kid.unwrap()).expect("the key is published");
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[provider.issuer()]);
    decode::<Value>(token, &DecodingKey::from_jwk(key)?, &validation).map(|token| token.claims)
}

#[tokio::test]
async fn a_login_gives_tokens_that_another_library_accepts() {
    let provider = TestProvider::start().await;
    let body = log_in(&provider, &[("scope", "openid profile email offline_access read:messages"), ("audience", API)]).await;

    assert_eq!((text(&body, "token_type"), body["expires_in"].as_u64()), ("Bearer", Some(86_400)));
    assert_eq!(body.get("scope"), None, "the scope is told only where it differs");
    let id_token = checked(&provider, text(&body, "id_token"), "native").await.unwrap();
    assert_eq!((&id_token["sub"], &id_token["nonce"]), (&json!("auth0|jane@example.com"), &json!("n")));
    assert_eq!((&id_token["email"], &id_token["name"]), (&json!("jane@example.com"), &json!("Jane")));
    let access_token = checked(&provider, text(&body, "access_token"), API).await.unwrap();
    assert_eq!(access_token["scope"], "openid profile email offline_access read:messages");
    assert_eq!(access_token["sub"], id_token["sub"]);
    assert!(body["refresh_token"].is_string());
    assert_eq!((provider.count(Endpoint::Authorize), provider.count(Endpoint::Token)), (1, 1));
    assert_eq!(provider.requests(Endpoint::Token)[0].field("code_verifier").as_deref(), Some(VERIFIER));
}

#[tokio::test]
async fn every_algorithm_signs_what_another_library_accepts() {
    for algorithm in ["RS256", "RS384", "PS256", "PS512", "ES256", "ES384", "EdDSA"] {
        let provider = TestProvider::builder().id_token_algorithm(algorithm).start().await;
        let body = log_in(&provider, &[("scope", "openid")]).await;
        let id_token = checked(&provider, text(&body, "id_token"), "native").await;
        assert_eq!(id_token.unwrap()["iss"], provider.issuer(), "{algorithm}");
    }
}

#[tokio::test]
async fn without_an_audience_the_access_token_is_opaque() {
    let provider = TestProvider::start().await;
    let body = log_in(&provider, &[("scope", "openid")]).await;
    assert!(!text(&body, "access_token").contains('.'));
    assert_eq!(body.get("refresh_token"), None, "offline_access was not asked for");
}

#[tokio::test]
async fn a_code_is_good_once_and_with_its_verifier_only() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new();
    let callback = browser.visit(&authorize_url(&provider, &[("scope", "openid")])).await.unwrap();
    assert_eq!(
        (parameter(&callback, "state").as_deref(), parameter(&callback, "iss").as_deref()),
        (Some("s"), Some(provider.issuer()))
    );
    let code = parameter(&callback, "code").unwrap();

    let wrong = redeem(&provider, &code, &VERIFIER.to_lowercase()).await;
    assert_eq!((wrong.0, text(&wrong.1, "error")), (403, "invalid_grant"));
    assert_eq!(redeem(&provider, &code, VERIFIER).await.0, 200);
    let again = redeem(&provider, &code, VERIFIER).await;
    assert_eq!((again.0, text(&again.1, "error")), (403, "invalid_grant"));
}

#[tokio::test]
async fn a_login_without_pkce_is_refused() {
    let provider = TestProvider::start().await;
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut().extend_pairs([("response_type", "code"), ("client_id", "native"), ("redirect_uri", CALLBACK)]);
    let callback = TestBrowser::new().visit(&url).await.unwrap();
    assert_eq!(parameter(&callback, "error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn an_unknown_callback_is_an_error_page_and_no_redirect() {
    let provider = TestProvider::start().await;
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "native"),
        ("redirect_uri", "https://evil.example/<i>"),
    ]);
    let page = TestBrowser::new().visit_page(&url).await.unwrap();
    assert_eq!((page.status().as_u16(), page.title().as_str()), (403, "Callback URL mismatch"));
    assert!(page.text().contains("&lt;i&gt;") && !page.text().contains("<i>"));
    assert_eq!(provider.count(Endpoint::Callback), 0);
}

#[tokio::test]
async fn a_person_may_refuse_or_mistype() {
    let provider = TestProvider::start().await;
    let url = authorize_url(&provider, &[("scope", "openid")]);
    let refused = TestBrowser::new().refusing().visit(&url).await.unwrap();
    assert_eq!(parameter(&refused, "error").as_deref(), Some("access_denied"));
    let page = TestBrowser::new().password("wrong").visit_page(&url).await.unwrap();
    assert!(page.text().contains("Wrong email or password."));
}

#[tokio::test]
async fn a_browser_stays_logged_in_at_the_provider() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new().user("bob@example.com");
    let silent = authorize_url(&provider, &[("prompt", "none")]);
    let callback = browser.visit(&silent).await.unwrap();
    assert_eq!(parameter(&callback, "error").as_deref(), Some("login_required"));

    browser.visit(&authorize_url(&provider, &[])).await.unwrap();
    let pages = provider.count(Endpoint::Login);
    assert!(parameter(&browser.visit(&silent).await.unwrap(), "code").is_some());
    assert_eq!(provider.count(Endpoint::Login), pages, "no page was shown");
    browser.visit(&authorize_url(&provider, &[("prompt", "login")])).await.unwrap();
    assert!(provider.count(Endpoint::Login) > pages);
}

#[tokio::test]
async fn a_spent_refresh_token_ends_its_family() {
    let provider = TestProvider::start().await;
    let first = log_in(&provider, &[("scope", "openid offline_access")]).await;
    let first = text(&first, "refresh_token");
    let (status, second) = refresh(&provider, first, &[]).await;
    assert_eq!(status, 200);
    assert!(second["id_token"].is_string());
    let second = text(&second, "refresh_token");
    assert_ne!(first, second);

    let reused = refresh(&provider, first, &[]).await;
    assert_eq!((reused.0, text(&reused.1, "error_description")), (403, "Unknown or invalid refresh token."));
    assert_eq!(refresh(&provider, second, &[]).await.0, 403, "the family is revoked");
}

#[tokio::test]
async fn within_the_reuse_interval_the_last_token_is_good_again() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().reuse_interval(Duration::from_secs(10)).clock(clock.clone()).start().await;
    let first = log_in(&provider, &[("scope", "offline_access")]).await;
    let first = text(&first, "refresh_token");
    assert_eq!(refresh(&provider, first, &[]).await.0, 200);
    assert_eq!(refresh(&provider, first, &[]).await.0, 200);
    clock.advance(Duration::from_secs(11));
    assert_eq!(refresh(&provider, first, &[]).await.0, 403);
}

#[tokio::test]
async fn without_rotation_the_refresh_token_stays() {
    let provider = TestProvider::builder().without_rotation().start().await;
    let body = log_in(&provider, &[("scope", "offline_access")]).await;
    for _ in 0..2 {
        let (status, renewed) = refresh(&provider, text(&body, "refresh_token"), &[]).await;
        assert_eq!((status, renewed.get("refresh_token")), (200, None));
    }
}

#[tokio::test]
async fn a_refresh_gives_a_token_for_another_api() {
    let provider = TestProvider::start().await;
    let body = log_in(&provider, &[("scope", "openid offline_access read:a"), ("audience", API)]).await;
    let other = [("audience", "https://other.example.com"), ("scope", "read:b")];
    let (_, renewed) = refresh(&provider, text(&body, "refresh_token"), &other).await;
    let claims = checked(&provider, text(&renewed, "access_token"), "https://other.example.com").await.unwrap();
    assert_eq!(claims["scope"], "read:b");
    let wider = [("scope", "read:a write:a")];
    let (_, renewed) = refresh(&provider, text(&renewed, "refresh_token"), &wider).await;
    assert_eq!(text(&renewed, "scope"), "read:a", "a refresh does not widen the scope");
}

#[tokio::test]
async fn rotated_keys_sign_and_the_old_ones_stay_until_they_are_forgotten() {
    let provider = TestProvider::start().await;
    let before = log_in(&provider, &[("scope", "openid")]).await;
    provider.rotate_keys();
    let after = log_in(&provider, &[("scope", "openid")]).await;
    let kid = |body: &Value| decode_header(text(body, "id_token")).unwrap().kid.unwrap();
    assert_ne!(kid(&before), kid(&after));
    checked(&provider, text(&before, "id_token"), "native").await.unwrap();
    checked(&provider, text(&after, "id_token"), "native").await.unwrap();
    provider.forget_old_keys();
    assert!(!provider.key_set().contains(&kid(&before)));
}

#[tokio::test]
async fn an_issuer_may_have_a_path_and_no_slash() {
    let provider = TestProvider::builder().issuer_path("/tenant/a").without_trailing_slash().start().await;
    assert!(provider.issuer().ends_with("/tenant/a"));
    for place in [format!("{}/.well-known/openid-configuration", provider.issuer()), {
        let root = provider.issuer().strip_suffix("/tenant/a").unwrap();
        format!("{root}/.well-known/oauth-authorization-server/tenant/a")
    }] {
        let metadata: Value = serde_json::from_str(&get(place.parse().unwrap()).await.text().await.unwrap()).unwrap();
        assert_eq!(metadata["issuer"], provider.issuer());
        assert_eq!(metadata["token_endpoint"], provider.endpoint_url(Endpoint::Token).as_str());
    }
    let body = log_in(&provider, &[("scope", "openid")]).await;
    checked(&provider, text(&body, "id_token"), "native").await.unwrap();
    assert_eq!(get(format!("{}/elsewhere", provider.issuer()).parse().unwrap()).await.status(), 404);
    assert_eq!(provider.count(Endpoint::Other), 1);
}

#[tokio::test]
async fn userinfo_tells_what_the_scope_allows() {
    let provider = TestProvider::start().await;
    let body = log_in(&provider, &[("scope", "openid email")]).await;
    let ask = |token: String| async {
        #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
        let response = http().get(provider.endpoint_url(Endpoint::UserInfo)).bearer_auth(token).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, claims) = ask(text(&body, "access_token").to_owned()).await;
    let claims: Value = serde_json::from_str(&claims).unwrap();
    assert_eq!((status, &claims["email"], claims.get("name")), (200, &json!("jane@example.com"), None));
    assert_eq!(ask("another".to_owned()).await.0, 401);
}

#[tokio::test]
async fn a_port_is_free_when_the_provider_is_dropped() {
    let provider = TestProvider::start().await;
    let port = provider.endpoint_url(Endpoint::Token).port().unwrap();
    let gate = provider.hold(Endpoint::Discovery);
    let waiting = tokio::spawn(reqwest::get(provider.endpoint_url(Endpoint::Discovery)));
    gate.reached(1).await;
    drop(provider);
    assert!(waiting.await.unwrap().is_err(), "a request under way ends, too");
    let again = TestProvider::builder().port(port).start().await;
    assert_eq!(get(again.endpoint_url(Endpoint::Discovery)).await.status(), 200);
}

#[tokio::test]
async fn faults_come_in_their_order_and_requests_are_counted_all_the_same() {
    let provider = TestProvider::start().await;
    let url = provider.endpoint_url(Endpoint::Discovery);
    provider.next(Endpoint::Discovery, Fault::rate_limited(Duration::from_secs(7)));
    provider.next(Endpoint::Discovery, Fault::new().duplicate("issuer", "x").remove("jwks_uri"));
    provider.always(Endpoint::Discovery, Fault::close());

    let limited = get(url.clone()).await;
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("x-ratelimit-reset"));
    let altered = get(url.clone()).await.text().await.unwrap();
    assert!(altered.starts_with(r#"{"issuer":"x","#) && altered.matches(r#""issuer":"#).count() == 2);
    assert!(!altered.contains("jwks_uri"));
    for _ in 0..2 {
        assert!(reqwest::get(url.clone()).await.is_err());
    }
    provider.clear(Endpoint::Discovery);
    assert_eq!(get(url).await.status(), 200);
    assert_eq!(provider.count(Endpoint::Discovery), 5);
}

#[tokio::test]
async fn a_login_can_be_pushed_first() {
    let provider = TestProvider::start().await;
    let form = [
        ("client_id", "native"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "pushed"),
    ];
    let (status, pushed) = post(&provider, Endpoint::Par, &form).await;
    assert_eq!((status, pushed["expires_in"].as_u64()), (201, Some(30)));
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut().extend_pairs([("client_id", "native"), ("request_uri", text(&pushed, "request_uri"))]);
    let callback = TestBrowser::new().visit(&url).await.unwrap();
    assert_eq!(parameter(&callback, "state").as_deref(), Some("pushed"));
    assert_eq!(redeem(&provider, &parameter(&callback, "code").unwrap(), VERIFIER).await.0, 200);
    assert_eq!(TestBrowser::new().visit_page(&url).await.unwrap().status(), 400, "it is good once");
    let (status, _) = post(&provider, Endpoint::Par, &form[..3]).await;
    assert_eq!(status, 400, "PKCE is demanded here, too");
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_a_person_has_confirmed_its_code() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let begin = || post(&provider, Endpoint::DeviceCode, &[("client_id", "native"), ("scope", "openid offline_access")]);
    let poll = async |device: &Value| {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let form = [("grant_type", grant), ("client_id", "native"), ("device_code", text(device, "device_code"))];
        let (status, body) = post(&provider, Endpoint::Token, &form).await;
        (status, body["error"].as_str().unwrap_or("none").to_owned(), body)
    };
    let (_, device) = begin().await;
    assert_eq!((device["expires_in"].as_u64(), device["interval"].as_u64()), (Some(900), Some(5)));
    assert_eq!(poll(&device).await.1, "authorization_pending");
    let page: Url = text(&device, "verification_uri_complete").parse().unwrap();
    assert_eq!(TestBrowser::new().visit_page(&page).await.unwrap().title(), "Device connected");
    let (status, _, body) = poll(&device).await;
    assert_eq!(status, 200);
    checked(&provider, text(&body, "id_token"), "native").await.unwrap();
    assert!(body["refresh_token"].is_string());
    assert_eq!(poll(&device).await.1, "invalid_grant");

    let (_, denied) = begin().await;
    let page: Url = text(&denied, "verification_uri_complete").parse().unwrap();
    TestBrowser::new().refusing().visit_page(&page).await.unwrap();
    assert_eq!(poll(&denied).await.1, "access_denied");

    let (_, late) = begin().await;
    clock.advance(Duration::from_secs(901));
    assert_eq!(poll(&late).await.1, "expired_token");
    assert_eq!(poll(&late).await.1, "invalid_grant");
}

#[tokio::test]
async fn an_application_gets_a_token_for_itself_with_its_secret() {
    let provider = TestProvider::start().await;
    let ask = async |id: &str, secret: &str| {
        let url = provider.endpoint_url(Endpoint::Token);
        let form = [("grant_type", "client_credentials"), ("audience", API), ("scope", "read:a")];
        #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
        let response = http().post(url).basic_auth(id, Some(secret)).form(&form).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let (status, body) = ask("web", "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6").await;
    assert_eq!((status, body.get("refresh_token")), (200, None));
    let claims = checked(&provider, text(&body, "access_token"), API).await.unwrap();
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("web@clients"), &json!("read:a")));
    let wrong = ask("web", "another").await;
    assert_eq!((wrong.0, text(&wrong.1, "error")), (401, "access_denied"));
}

#[tokio::test]
async fn a_secret_that_was_not_form_encoded_is_another_secret() {
    let client = TestClient::confidential("client %&+-_.!~*'()", "a:secret+");
    let provider = TestProvider::builder().client(client).start().await;
    let ask = async |id: &str, secret: &str| {
        let form = [("grant_type", "client_credentials"), ("audience", API)];
        let url = provider.endpoint_url(Endpoint::Token);
        #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
        let response = http().post(url).basic_auth(id, Some(secret)).form(&form).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(ask("client+%25%26%2B%2D%5F%2E%21%7E%2A%27%28%29", "a%3Asecret%2B").await, 200);
    assert_eq!(ask("client %&+-_.!~*'()", "a:secret+").await, 401);
}

#[tokio::test]
async fn revoking_ends_a_family_and_knows_no_unknown_token() {
    let provider = TestProvider::start().await;
    let body = log_in(&provider, &[("scope", "offline_access")]).await;
    let token = text(&body, "refresh_token");
    let introspect = async |token: &str| {
        let form = [("client_id", "web"), ("client_secret", "web-secret-Zq7Lw9XcR2tV5nB8mK4hJ1fD6"), ("token", token)];
        post(&provider, Endpoint::Introspect, &form).await.1
    };
    assert_eq!(introspect(token).await["active"], true);
    for token in [token, "unknown"] {
        assert_eq!(post(&provider, Endpoint::Revoke, &[("client_id", "native"), ("token", token)]).await, (200, Value::Null));
    }
    assert_eq!(introspect(token).await, json!({ "active": false }));
    assert_eq!(refresh(&provider, token, &[]).await.0, 403);
}

#[tokio::test]
async fn both_logouts_end_the_session_and_return_to_known_places_only() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new();
    let standard = provider.endpoint_url(Endpoint::Logout);
    let own = standard.join("/v2/logout").unwrap();
    let with = |url: &Url, pairs: &[(&str, &str)]| {
        let mut url = url.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        url
    };
    let body = log_in(&provider, &[("scope", "openid")]).await;
    let hint = text(&body, "id_token");
    let back = "http://127.0.0.1:21965/";
    for logout in [
        with(&own, &[("client_id", "native"), ("returnTo", back), ("state", "x")]),
        with(&standard, &[("id_token_hint", hint), ("post_logout_redirect_uri", back), ("state", "x")]),
    ] {
        browser.visit(&authorize_url(&provider, &[])).await.unwrap();
        let returned = browser.visit(&logout).await.unwrap();
        assert!(returned.starts_with(back));
        assert_eq!(parameter(&returned, "state").is_some(), logout.path() == "/oidc/logout");
        let callback = browser.visit(&authorize_url(&provider, &[("prompt", "none")])).await.unwrap();
        assert_eq!(parameter(&callback, "error").as_deref(), Some("login_required"));
    }
    let evil = with(&own, &[("client_id", "native"), ("returnTo", "https://evil.example/")]);
    assert_eq!(browser.visit_page(&evil).await.unwrap().status(), 400);
    let forged = with(&standard, &[("id_token_hint", &format!("{hint}x")), ("post_logout_redirect_uri", back)]);
    assert_eq!(browser.visit_page(&forged).await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_application_may_sign_for_itself_once_each_time() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    // RFC 8037, appendix A: a key that everybody knows.
    let private = [
        &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20][..],
        &base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap(),
    ]
    .concat();
    let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let provider = TestProvider::builder().client(TestClient::signing("signer", public)).start().await;
    let assertion = |id: &str, audience: &str, more: i64| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        let claims = json!({ "iss": "signer", "sub": "signer", "aud": audience, "exp": now + more, "jti": id });
        encode(&Header::new(Algorithm::EdDSA), &claims, &EncodingKey::from_ed_der(&private)).unwrap()
    };
    let ask = async |assertion: String| {
        let form = [
            ("grant_type", "client_credentials"),
            ("audience", API),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        post(&provider, Endpoint::Token, &form).await.0
    };
    let good = assertion("a", provider.issuer(), 60);
    assert_eq!(ask(good.clone()).await, 200);
    assert_eq!(ask(good).await, 401, "an assertion is good once");
    assert_eq!(ask(assertion("b", "https://elsewhere.example/", 60)).await, 401);
    assert_eq!(ask(assertion("c", provider.issuer(), -1)).await, 401);
    assert_eq!(ask(assertion("d", provider.issuer(), 3600)).await, 401, "an assertion is short-lived");
    let unsigned = [("grant_type", "client_credentials"), ("audience", API), ("client_id", "signer")];
    assert_eq!(post(&provider, Endpoint::Token, &unsigned).await.0, 401);
}
