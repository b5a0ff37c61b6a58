use std::time::Duration;

use hallpass::testing::{Api, Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use hallpass::web_auth::{Logout, PrintUrl};
use hallpass::{Application, ClientAuth, PendingLogin, Secret, WebAuth};

use super::{CANARY, Page, jane};
use crate::two_halves::{TwoHalves, with, without};

pub(super) async fn go_wrong(page: &mut Page) {
    discovery(page).await;
    browsers(page).await;
    callbacks(page).await;
    token_requests(page).await;
    id_tokens(page).await;
    devices(page).await;
}

async fn discovery(page: &mut Page) {
    for (situation, fault) in [
        ("no metadata", Fault::status(404)),
        ("a provider in trouble", Fault::status(503)),
        ("a page instead of metadata", Fault::answer(200, "text/html", "<p>Welcome")),
        ("a redirect instead of metadata", Fault::redirect("https://elsewhere.example/")),
        ("too much metadata", Fault::huge(2_000_000, true)),
        ("metadata of another issuer", Fault::new().set("issuer", "https://acme.example/")),
        ("metadata without an endpoint", Fault::new().remove("token_endpoint")),
        ("an endpoint without https", Fault::new().set("token_endpoint", "http://acme.example/token")),
        ("no PKCE", Fault::new().set("code_challenge_methods_supported", ["plain"])),
    ] {
        let halves = TwoHalves::start().await;
        halves.provider.next(Endpoint::Discovery, fault);
        page.note(situation, halves.auth.begin().await);
    }
    let halves = TwoHalves::start().await;
    halves.provider.next(Endpoint::Discovery, Fault::new().remove("device_authorization_endpoint"));
    page.note("a provider without the device flow", halves.auth.application().device().start().await);
    let halves = TwoHalves::start().await;
    halves.provider.next(Endpoint::Jwks, Fault::answer(200, "application/json", "[]"));
    page.note("keys that are none", halves.log_in().await);
    for (situation, fault) in [
        ("an API without metadata", Fault::status(404)),
        ("metadata of another API", Fault::answer(200, "application/json", r#"{"resource":"https://elsewhere.example/?x=1"}"#)),
        ("an API that names nobody", Fault::new().remove("authorization_servers")),
        ("an API that names a provider without https", Fault::new().set("authorization_servers", ["http://acme.example"])),
    ] {
        let provider = TestProvider::start().await;
        let api = Api::start(&provider, "https://api.acme.com").await;
        for fault in [Fault::status(200), fault] {
            api.next(fault);
        }
        page.note(situation, WebAuth::for_api(api.url(), provider.client_id()).await);
    }
    let nobody = WebAuth::new(format!("http://{}", nobody()), "client").redirect_uri("https://acme.com/callback");
    page.note("nobody at that address", nobody.begin().await);
}

async fn browsers(page: &mut Page) {
    let provider = TestProvider::start().await;
    let auth = || WebAuth::new(provider.issuer(), provider.client_id()).timeout(Duration::from_millis(50));
    let (one, other) = (busy(), busy());
    let ports = [&one, &other].map(|listener| listener.local_addr().unwrap().port());
    let [first, second] = &ports.map(|port| port.to_string());
    page.note_without(&[first, second], "ports that are in use", auth().redirect_ports(ports).start().await);
    let ended = PrintUrl::to(std::io::Cursor::new([0; 0]));
    page.note("a terminal that takes nothing", auth().ephemeral_port().browser(ended).start().await);

    let nobody_looks = |_: &url::Url| Ok(());
    page.note("a browser that never comes back", auth().ephemeral_port().browser(nobody_looks).start().await);
    let logout = Logout::new().return_to("http://127.0.0.1:21999/callback");
    page.note("a logout that never comes back", auth().browser(nobody_looks).logout(&logout).await);
    let refusal = TestBrowser::new().refusing();
    page.note("a person who refuses", auth().timeout(PATIENCE).ephemeral_port().browser(refusal).start().await);
}

async fn callbacks(page: &mut Page) {
    let halves = TwoHalves::start().await;
    for (situation, alter) in [
        ("no state", (|url| without(url, "state")) as fn(&str) -> String),
        ("another state", |url| with(url, "state", CANARY)),
        ("another issuer", |url| with(url, "iss", "https%3A%2F%2Facme.example")),
        ("no issuer", |url| without(url, "iss")),
        ("no code", |url| without(url, "code")),
        ("a parameter twice", |url| format!("{url}&code={CANARY}")),
        ("a token in the URL", |url| format!("{url}&access_token={CANARY}")),
    ] {
        page.note(situation, halves.finish_with(alter).await);
    }
    page.note("a kept login that is none", PendingLogin::from_secret_string(&Secret::new(CANARY)));
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let halves = TwoHalves::of(provider.clone(), &Application::new(provider.issuer(), provider.client_id()).clock(&clock));
    let (login, callback) = halves.returned().await;
    clock.advance(Duration::from_secs(3600));
    page.note("a callback after an hour", halves.auth.finish(login, &callback).await);
    let silent = halves.auth.clone().prompt("none").begin().await.unwrap();
    let callback = TestBrowser::new().visit(silent.url()).await.unwrap();
    page.note("a silent login of somebody unknown", halves.auth.finish(silent, &callback).await);
}

async fn token_requests(page: &mut Page) {
    let halves = TwoHalves::start().await;
    for (situation, fault) in [
        ("a code that is spent", Fault::error(400, "invalid_grant", "Invalid authorization code")),
        ("a grant that is not allowed", Fault::error(403, "unauthorized_client", "Grant type not allowed for the client.")),
        ("an API that does not know the application", Fault::error(403, "access_denied", "Client is not authorized to access it.")),
        ("a scope that nobody knows", Fault::error(400, "invalid_scope", "unknown scope")),
        ("a resource that nobody knows", Fault::error(400, "invalid_target", "unknown resource")),
        ("a request that is wrong", Fault::error(400, "invalid_request", "a parameter is missing")),
        ("an error of the provider's own", Fault::error(400, "acme_quota_reached", "too many")),
        ("a second factor", Fault::error(403, "mfa_required", "Multifactor authentication required")),
        ("a rate limit", Fault::rate_limited(Duration::from_secs(5))),
        ("a provider in trouble", Fault::answer(502, "text/html", "<h1>Bad gateway</h1>")),
        ("a page instead of tokens", Fault::answer(200, "text/html", "<h1>Welcome</h1>")),
        ("a form instead of JSON", Fault::answer(200, "application/x-www-form-urlencoded", "access_token=x")),
        ("tokens of no type", Fault::new().remove("token_type")),
        ("tokens of another type", Fault::new().set("token_type", "mac")),
        ("no access token", Fault::new().remove("access_token")),
        ("a token with a line break", Fault::new().set("access_token", "a\nb")),
        ("an error twice", Fault::answer(400, "application/json", r#"{"error":7}"#)),
        ("no ID token", Fault::new().remove("id_token")),
        ("a connection that breaks", Fault::close()),
    ] {
        page.note(situation, halves.answered(fault).await);
    }
    let provider = &halves.provider;
    let application = Application::new(provider.issuer(), provider.confidential_client_id());
    for (situation, client_auth) in [("no secret", ClientAuth::none()), ("a wrong secret", ClientAuth::client_secret_basic(CANARY))]
    {
        page.note(situation, application.clone().client_auth(client_auth).client_credentials().token().await);
    }
    let credentials = halves.log_in().await.unwrap();
    provider.next(Endpoint::UserInfo, Fault::new().set("sub", "somebody-else"));
    page.note("user info of somebody else", halves.auth.application().user_info(&credentials).await);
    provider.next(Endpoint::UserInfo, Fault::error(401, "invalid_token", "The access token expired"));
    page.note("user info for an expired token", halves.auth.application().user_info(&credentials).await);
    provider.next(Endpoint::Par, Fault::new().remove("request_uri"));
    page.note("a pushed request without its URI", halves.auth.clone().pushed().begin().await);
}

async fn id_tokens(page: &mut Page) {
    let halves = TwoHalves::start().await;
    for (situation, claim, value) in [
        ("an ID token of another issuer", "iss", "https://acme.example/"),
        ("an ID token for another application", "aud", "somebody-else"),
        ("an ID token of another login", "nonce", CANARY),
        ("an ID token with another hash", "at_hash", CANARY),
        ("an ID token whose exp is text", "exp", "tomorrow"),
    ] {
        halves.provider.next_id_token(move |token| {
            token.set(claim, value);
        });
        page.note(situation, halves.log_in().await);
    }
    halves.provider.next_id_token(|token| {
        token.sign_with_stranger();
    });
    page.note("a forged ID token", halves.log_in().await);
    halves.provider.next_id_token(|token| {
        token.unsigned();
    });
    page.note("an unsigned ID token", halves.log_in().await);
    let strict = TwoHalves { auth: halves.auth.clone().organization("org_acme").max_age(PATIENCE), ..halves };
    strict.provider.next_id_token(|token| {
        token.remove("auth_time");
    });
    page.note("an ID token without the time of the login", strict.log_in().await);
    strict.provider.next_id_token(|token| {
        token.remove("org_id");
    });
    page.note("an ID token of no organization", strict.log_in().await);
    strict.provider.next_id_token(|token| {
        token.set("exp", 1_000_000_000);
    });
    let expired = strict.log_in().await.unwrap_err();
    let message = expired.to_string();
    let (_, now) = message.split_once("clock says ").unwrap();
    let (now, _) = now.split_once(" and").unwrap();
    page.note_without(&[now], "an ID token that has expired", Err::<(), _>(expired));
}

async fn devices(page: &mut Page) {
    let provider = TestProvider::builder().device_interval(Duration::from_secs(1)).start().await;
    let device = Application::new(provider.issuer(), provider.client_id()).device();
    provider.next(Endpoint::DeviceCode, Fault::new().set("verification_uri", "javascript:alert(1)"));
    page.note("a device page that is none", device.start().await);
    for (situation, code) in [("a device that a person refuses", "access_denied"), ("a device code that expired", "expired_token")]
    {
        provider.next(Endpoint::Token, Fault::error(403, code, "see the code"));
        page.note(situation, device.start().await.unwrap().wait().await);
    }
    let mut login = device.start().await.unwrap();
    jane().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    login.wait().await.unwrap();
    page.note("a device login that is over", login.wait().await);
}

fn busy() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

fn nobody() -> std::net::SocketAddr {
    busy().local_addr().unwrap()
}

const PATIENCE: Duration = Duration::from_secs(20);
