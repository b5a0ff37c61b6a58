//! Secrets are shown nowhere: not by Debug or Display, not by an error or its sources, not in a log.

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, OnceLock};

use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::web_auth::Logout;
use hallpass::{AccessToken, Application, AuthorizedClient, ClientAuth, Credentials, Error, PendingLogin, Secret};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use log::{LevelFilter, Log, Metadata, Record};

use crate::two_halves::{TwoHalves, all_of, parameter};

/// The output of this process to the `log` crate.
pub(crate) struct Captured(Mutex<String>);

impl Captured {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Log for Captured {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{} {} {}", record.level(), record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

pub(crate) fn captured() -> &'static Captured {
    static CAPTURED: OnceLock<Captured> = OnceLock::new();
    let captured = CAPTURED.get_or_init(|| Captured(Mutex::default()));
    if log::set_logger(captured).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
    captured
}

/// The values that only the two ends of a login may know.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, name: &'static str, secret: impl Into<String>) {
        self.0.push((name, secret.into()));
    }

    fn of_login(login: &PendingLogin, callback: &str) -> Self {
        let mut secrets = Self::default();
        for name in ["state", "nonce"] {
            secrets.add(name, parameter(login.url().as_str(), name));
        }
        secrets.add("code", parameter(callback, "code"));
        secrets.add("the kept login", login.to_secret_string().expose());
        secrets
    }

    /// The other fields of the last token request.
    fn add_sent(&mut self, provider: &TestProvider) {
        let Some(request) = provider.requests(Endpoint::Token).pop() else { return };
        self.add("client_secret", provider.client_secret());
        for name in ["code_verifier", "refresh_token"] {
            if let Some(value) = request.field(name) {
                self.add(name, value);
            }
        }
        if let Some(header) = request.header("authorization") {
            self.add("Basic", header.trim_start_matches("Basic "));
        }
    }

    fn add_credentials(&mut self, credentials: &Credentials) {
        self.add("access_token", credentials.access_token().expose());
        self.add("refresh_token", credentials.refresh_token().unwrap().expose());
        self.add("id_token", credentials.id_token().unwrap().raw().expose());
    }

    fn are_not_in(&self, what: &str, shown: &str) {
        assert!(self.0.len() >= 4);
        for (name, secret) in &self.0 {
            assert!(!secret.is_empty() && !shown.contains(&**secret), "{what} shows {name}: {shown}");
        }
    }
}

fn confidential(provider: &TestProvider, client_auth: fn(Secret) -> ClientAuth) -> TwoHalves {
    let client_auth = client_auth(provider.client_secret().into());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(client_auth);
    TwoHalves::of(provider.clone(), &application).scope("openid offline_access")
}

const METHODS: [fn(Secret) -> ClientAuth; 2] = [ClientAuth::client_secret_basic, ClientAuth::client_secret_post];

/// I1, I3
#[tokio::test]
async fn nothing_of_a_login_shows_its_secrets() {
    let logged = captured();
    for method in METHODS {
        let provider = TestProvider::start().await;
        let halves = confidential(&provider, method);
        let (login, callback) = halves.returned().await;
        let mut secrets = Secrets::of_login(&login, &callback);
        let pending = format!("{login:?} {login:#?}");
        let credentials = halves.auth.finish(login, &callback).await.unwrap();
        secrets.add_sent(&provider);
        secrets.add_credentials(&credentials);
        let application = halves.auth.application();
        let profile = application.user_info(&credentials).await.unwrap();
        let renewed = application.renew_credentials(&credentials).await.unwrap();
        secrets.add_credentials(&renewed);
        let logout = Logout::new().of(&credentials).state(secrets.0[0].1.clone());
        let token = credentials.access_token();
        let client = AuthorizedClient::new(credentials.clone()).unwrap();
        let request = client.get(provider.issuer()).build().unwrap();
        let things: [(&str, &dyn Debug); 14] = [
            ("Application", application),
            ("WebAuth", &halves.auth),
            ("ClientAuth", &method(provider.client_secret().into())),
            ("Credentials", &credentials),
            ("renewed Credentials", &renewed),
            ("AccessToken", token),
            ("its header", token.header_value()),
            ("IdToken", credentials.id_token().unwrap()),
            ("Claims", credentials.user().unwrap()),
            ("user info", &profile),
            ("refresh token", credentials.refresh_token().unwrap()),
            ("Logout", &logout),
            ("AuthorizedClient", &client),
            ("its request", &request),
        ];
        for (name, thing) in things {
            secrets.are_not_in(name, &format!("{thing:?} {thing:#?}"));
        }
        secrets.are_not_in("PendingLogin", &pending);
        application.revoke(renewed.refresh_token().unwrap()).await.unwrap();
        let dead = application.renew_credentials(&renewed).await.unwrap_err();
        secrets.are_not_in("the error of a dead refresh token", &all_of(&dead));
        secrets.are_not_in("the log", &logged.0.lock().unwrap());
    }
    assert!(logged.0.lock().unwrap().contains("TRACE") || logged.0.lock().unwrap().contains("DEBUG"), "something was logged");
}

/// I1, I3
#[tokio::test]
async fn no_error_of_a_login_shows_its_secrets() {
    let logged = captured();
    let tokens = ["CANARY-access", "CANARY-refresh", "CANARY-id"];
    let with_tokens =
        |fault: Fault| fault.set("access_token", tokens[0]).set("refresh_token", tokens[1]).set("id_token", tokens[2]);
    let faults = [
        ("an ID token that is none", with_tokens(Fault::new())),
        ("another type", with_tokens(Fault::new().set("token_type", "mac"))),
        ("a bad lifetime", with_tokens(Fault::new().set("expires_in", "CANARY-id"))),
        ("a bad scope", with_tokens(Fault::new().set("scope", ["CANARY-id"]))),
        ("a token twice", with_tokens(Fault::new().duplicate("access_token", "CANARY-access"))),
        ("a token of several lines", with_tokens(Fault::new()).set("access_token", "CANARY-access\r\nX: CANARY-id")),
        ("text after the object", with_tokens(Fault::new()).replace("}", "} CANARY-access")),
        ("an error beside tokens", with_tokens(Fault::new().set("error", "invalid_grant"))),
        ("an error that is no text", with_tokens(Fault::new().set("error", ["CANARY-access"]))),
        ("an outage", Fault::error(503, "temporarily_unavailable", "Later")),
        ("HTML", Fault::answer(200, "text/html", "<p>CANARY-access")),
        ("no HTTP", Fault::raw("CANARY-access CANARY-id\r\n\r\n")),
        ("a header that is none", Fault::raw("HTTP/1.1 200 OK\r\nCANARY-access\0: CANARY-id\r\n\r\n")),
        ("an end", Fault::close()),
        ("an end after the work", Fault::close().committed()),
        ("a redirect", Fault::redirect("https://evil.example/?CANARY-access=CANARY-id")),
    ];
    for method in METHODS {
        let provider = TestProvider::start().await;
        let halves = confidential(&provider, method);
        for (name, fault) in &faults {
            let (login, callback) = halves.returned().await;
            let mut secrets = Secrets::of_login(&login, &callback);
            provider.next(Endpoint::Token, fault.clone());
            let error = halves.auth.finish(login, &callback).await.unwrap_err();
            secrets.add_sent(&provider);
            for token in tokens {
                secrets.add("a token of the answer", token);
            }
            secrets.are_not_in(name, &all_of(&error));
            secrets.are_not_in("the log", &logged.0.lock().unwrap());
        }
    }
}

/// I3 — token: 1 for the second of the two
#[tokio::test]
async fn a_provider_that_repeats_what_only_the_login_knows_is_not_quoted() {
    let provider = TestProvider::start().await;
    let halves = confidential(&provider, ClientAuth::client_secret_post);
    let (login, callback) = halves.returned().await;
    let kept = login.to_secret_string();
    let secrets = Secrets::of_login(&login, &callback);
    for (name, secret) in &secrets.0[..3] {
        for quoted in [secret.clone(), format!("“{secret}”!"), format!("x%3d{}", secret.replace('-', "%2D").replace('_', "%5F"))]
        {
            let encoded: String = url::form_urlencoded::byte_serialize(quoted.as_bytes()).collect();
            for callback in
                [format!("{callback}&error=invalid_request&error_description={encoded}"), format!("{callback}&error={encoded}")]
            {
                let login = PendingLogin::from_secret_string(&kept).unwrap();
                let error = halves.auth.finish(login, &callback).await.unwrap_err();
                assert!(error.server_error().is_some(), "{error}");
                assert!(!all_of(&error).contains(secret) && !all_of(&error).contains("%2D"), "{name}: {error:?}");
            }
            provider.next(Endpoint::Token, Fault::error(400, "invalid_request", &quoted));
            let login = PendingLogin::from_secret_string(&kept).unwrap();
            let error = halves.auth.finish(login, &callback).await.unwrap_err();
            assert_eq!(error.server_error().unwrap().description(), None, "{name}: {error:?}");
        }
    }
}

fn nobody_listens() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// I2
#[tokio::test]
async fn an_error_of_the_network_holds_no_url_with_its_query() {
    let url = format!("{}/path?key=CANARY", nobody_listens());
    let without_url = |error: &Error| {
        assert!(error.is_connect(), "{error}");
        let shown = all_of(error);
        assert!(!shown.contains("CANARY") && !shown.contains("/path"), "{shown}");
    };
    let client = AuthorizedClient::new(AccessToken::bearer("CANARY-token").unwrap()).unwrap();
    without_url(&client.get(&url).send().await.unwrap_err());
    let wrapped = AuthorizedClient::danger_wrap(reqwest::Client::new(), AccessToken::bearer("CANARY-token").unwrap());
    without_url(&wrapped.post(&url).body("CANARY").send().await.unwrap_err());

    let halves = TwoHalves::start().await;
    for name in ["token_endpoint", "userinfo_endpoint", "revocation_endpoint"] {
        let mut halves = TwoHalves::start().await;
        halves.provider.always(Endpoint::Discovery, Fault::new().set(name, &url));
        halves.auth = halves.auth.scope("openid offline_access");
        let login = halves.log_in().await;
        let application = halves.auth.application();
        without_url(&match (name, login) {
            ("token_endpoint", login) => login.unwrap_err(),
            ("userinfo_endpoint", login) => application.user_info(&login.unwrap()).await.unwrap_err(),
            (_, login) => application.revoke(login.unwrap().refresh_token().unwrap()).await.unwrap_err(),
        });
    }
    halves.log_in().await.expect("the provider itself is there");
}

/// I1
#[tokio::test]
async fn an_application_does_not_show_what_its_http_client_is_made_of() {
    let provider = TestProvider::start().await;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic CANARY"));
    headers.insert("x-api-key", HeaderValue::from_static("CANARY"));
    let proxy = reqwest::Proxy::https("http://user:CANARY@127.0.0.1:1").unwrap();
    let own = reqwest::Client::builder().default_headers(headers.clone()).build().unwrap();
    headers.remove(AUTHORIZATION);
    let client = AuthorizedClient::wrap(own, AccessToken::bearer("CANARY").unwrap());
    let ours = AuthorizedClient::from_builder(
        reqwest::Client::builder().default_headers(headers.clone()),
        AccessToken::bearer("CANARY").unwrap(),
    );
    assert!(!format!("{client:?} {ours:?}").contains("CANARY"), "{client:?} {ours:?}");
    let builder = reqwest::Client::builder().default_headers(headers).proxy(proxy).user_agent("CANARY");
    let application = Application::new(provider.issuer(), provider.client_id()).http_client(builder);
    let shown = || format!("{application:?} {application:#?} {:?}", application.web_auth());
    assert!(!shown().contains("CANARY"), "before its first use: {}", shown());
    TwoHalves::of(provider, &application).log_in().await.unwrap();
    assert!(!shown().contains("CANARY"), "after it: {}", shown());
}

/// I1: what is refused when it is needed is shown before.
#[test]
fn a_password_in_a_domain_is_not_shown() {
    for domain in ["https://jane:canary@acme.auth0.com/", "jane:canary@acme.auth0.com", "https://canary@acme.auth0.com"] {
        let application = Application::new(domain, "id");
        let shown = format!("{application:?} {:?}", application.web_auth());
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert!(format!("{:?}", Application::new("acme.auth0.com", "id")).contains("acme.auth0.com"));
}
