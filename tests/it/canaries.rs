//! Runs every feature of this library once, and then searches for every secret that was sent or given out.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::time::Duration;

use hallpass::auth0::NewUser;
use hallpass::client_auth::PrivateKey;
use hallpass::dpop::DpopKey;
use hallpass::store::{File, SealingKey};
use hallpass::testing::{Api, Endpoint, SeenRequest, TestBrowser, TestClient, TestProvider, TestUser};
use hallpass::token::TokenExchange;
use hallpass::{Application, AuthorizedClient, ClientAuth, Credentials, CredentialsManager, PendingLogin, Secret};

use crate::looks::secrets_in;
use crate::redaction::captured;
use crate::two_halves::all_of;

const JANE: &str = "jane@example.com";
const API: &str = "https://api.acme.com";
const PASSWORD: &str = "CANARY-password-of-jane";
const LEGACY: &str = "urn:acme:legacy-session";

/// The names of fields whose values are secret.
const SECRET_FIELDS: [&str; 22] = [
    "access_token",
    "actor_token",
    "assertion",
    "auth_req_id",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "id_token_hint",
    "login_hint_token",
    "mfa_token",
    "nonce",
    "otp",
    "password",
    "recovery_code",
    "refresh_token",
    "request",
    "request_uri",
    "state",
    "subject_token",
    "token",
];

/// The shown text with its source, and the secrets that it must not hold, each with the place of its origin.
#[derive(Default)]
pub(crate) struct Search {
    shown: Vec<(String, String)>,
    secrets: BTreeMap<String, String>,
}

impl Search {
    fn show(&mut self, what: &str, thing: &dyn Debug) {
        self.shown.push((what.to_owned(), format!("{thing:?} {thing:#?}")));
    }

    pub(crate) fn secret(&mut self, name: &str, secret: &str) {
        // What is shorter may stand anywhere.
        if secret.len() >= 6 {
            self.secrets.insert(secret.to_owned(), name.to_owned());
        }
    }

    fn credentials(&mut self, flow: &str, credentials: &Credentials) {
        self.show(flow, credentials);
        self.show(flow, &credentials.user());
        self.secret(flow, credentials.access_token().expose());
        for token in [credentials.refresh_token(), credentials.id_token().map(|token| token.raw())].into_iter().flatten() {
            self.secret(flow, token.expose());
        }
        if let Some(key) = credentials.access_token().dpop_key() {
            self.show(flow, key);
            self.key(flow, &key.to_pem());
        }
    }

    fn key(&mut self, name: &str, pem: &Secret) {
        let line = pem.expose().lines().nth(1).unwrap();
        self.secret(name, &line[line.len() / 2..]);
    }

    pub(crate) fn request(&mut self, endpoint: &str, request: &SeenRequest) {
        for (name, value) in request.fields().into_iter().chain(request.parameters()) {
            if SECRET_FIELDS.contains(&&*name) {
                self.secret(&format!("{name} at {endpoint}"), &value);
            }
        }
        for name in ["authorization", "dpop"] {
            if let Some(value) = request.header(name) {
                self.secret(&format!("{name} at {endpoint}"), value.split(' ').next_back().unwrap());
            }
        }
        if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(request.body()) {
            for (name, value) in members.iter().filter(|(name, _)| SECRET_FIELDS.contains(&&***name)) {
                self.secret(&format!("{name} at {endpoint}"), value.as_str().unwrap_or_default());
            }
        }
    }

    /// The number of secrets.
    pub(crate) fn known(&self) -> usize {
        self.secrets.len()
    }

    pub(crate) fn finds_nothing_in(&self, what: &str, text: &str) {
        for (secret, name) in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{what} shows a secret: {name}");
        }
    }
}

/// I1, I3
#[tokio::test]
async fn no_flow_shows_a_secret_anywhere() {
    let logged = captured();
    let mut search = Search::default();
    let signing = PrivateKey::generate("ES256").unwrap();
    let provider = TestProvider::builder()
        .user(TestUser::new(JANE).password(PASSWORD).otp())
        .client(TestClient::signing("service", signing.public_jwk()).callback("http://127.0.0.1:9999/callback"))
        .subject_token(LEGACY, "CANARY-legacy-session", "joe@example.com")
        .device_interval(Duration::from_secs(1))
        .start()
        .await;
    let api = Api::start(&provider, API).await;
    search.secret("the client's secret", provider.client_secret());
    search.key("the signing key", &signing.to_pem());

    let web = Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_basic(provider.client_secret()));
    let service = Application::new(provider.issuer(), "service").client_auth(ClientAuth::private_key_jwt(signing.clone()));
    search.show("Application", &web);
    search.show("Application with a key", &service);
    search.show("PrivateKey", &signing);

    a_login_in_two_halves(&mut search, &service.dpop(DpopKey::generate().unwrap()), signing).await;
    a_session_in_a_sealed_folder(&mut search, &provider, &web, &api).await;
    logins_elsewhere(&mut search, &provider, &web).await;
    tokens_without_a_person(&mut search, &web).await;
    auth0s_own_calls(&mut search, &provider, &web).await;

    for endpoint in ENDPOINTS {
        for request in provider.requests(endpoint) {
            search.request(&format!("{endpoint:?}"), &request);
        }
    }
    for request in api.seen() {
        search.request("the API", &request);
    }
    assert!(search.known() > 40, "{} secrets were met", search.known());
    // Where secrets cannot be known, they are told by how they look. Keys are not: they stand there as PEM, which is looked for.
    let made_up = |secret: &str| secret.len() >= 32 && !secret.contains("CANARY") && !secret.contains(['+', '/']);
    for (secret, name) in search.secrets.iter().filter(|(secret, _)| made_up(secret)) {
        assert!(!secrets_in(secret).is_empty(), "{name} does not look like a secret: {secret}");
    }
    assert!(search.shown.len() > 30, "{} things were shown", search.shown.len());
    for (what, text) in &search.shown {
        search.finds_nothing_in(what, text);
    }
    search.finds_nothing_in("the log at TRACE", &logged.text());
    for (name, value) in std::env::vars_os() {
        search.finds_nothing_in("the environment", &format!("{}={}", name.display(), value.display()));
    }
    let arguments: Vec<String> = std::env::args().collect();
    search.finds_nothing_in("the command line", &arguments.join(" "));
}

/// Pushed, signed, bound to a key; kept as text on the way.
async fn a_login_in_two_halves(search: &mut Search, application: &Application, key: PrivateKey) {
    let auth = application.web_auth().redirect_uri("http://127.0.0.1:9999/callback").scope("openid offline_access");
    let auth = auth.pushed().signed(key);
    search.show("WebAuth", &auth);
    let login = auth.begin().await.unwrap();
    search.show("PendingLogin", &login);
    let kept = login.to_secret_string();
    search.show("PendingLogin as text", &kept);
    search.secret("PendingLogin as text", kept.expose());
    let callback = TestBrowser::new().user("joe@example.com").visit(login.url()).await.unwrap();
    let credentials = auth.finish(login, &callback).await.unwrap();
    search.credentials("a login in two halves", &credentials);
    search.show("user info", &application.user_info(&credentials).await.unwrap());
    let renewed = application.renew_credentials(&credentials).await.unwrap();
    search.credentials("a renewal", &renewed);
    application.revoke(renewed.refresh_token().unwrap()).await.unwrap();
    let dead = application.renew_credentials(&renewed).await.unwrap_err();
    search.shown.push(("the error of a revoked token".into(), all_of(&dead)));
    let again = auth.finish(PendingLogin::from_secret_string(&kept).unwrap(), &callback).await.unwrap_err();
    search.shown.push(("the error of a spent code".into(), all_of(&again)));
}

async fn a_session_in_a_sealed_folder(search: &mut Search, provider: &TestProvider, web: &Application, api: &Api) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("canaries-{}", std::process::id()));
    let store = File::new(&folder).sealed(SealingKey::from_bytes(*b"CANARY-sealing-key-of-32-bytes!!"));
    search.secret("the sealing key", "CANARY-sealing-key");
    search.show("File", &store);
    let auth = web.web_auth().ephemeral_port().scope("openid offline_access").audience(API);
    let session = CredentialsManager::new(auth.browser(TestBrowser::new().user("joe@example.com")), store);
    let credentials = session.login_if_needed().await.unwrap();
    search.credentials("a session", &credentials);
    let client = AuthorizedClient::new(session.clone()).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    search.show("AuthorizedClient", &client);
    search.show("its request", &client.post("messages").build().unwrap());
    search.credentials("a renewed session", &session.renew().await.unwrap());
    for file in files(&folder) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        search.shown.push((format!("the sealed folder's {}", file.display()), text));
    }
    provider.revoke_everything();
    let lost = session.renew().await.unwrap_err();
    search.shown.push(("the error of a lost session".into(), all_of(&lost)));
    search.show("CredentialsManager", &session);
    session.clear().await.unwrap();
    fs::remove_dir_all(folder).unwrap();
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    assert!(!files.is_empty());
    files
}

/// On a device that shows a code, and on a telephone.
async fn logins_elsewhere(search: &mut Search, provider: &TestProvider, web: &Application) {
    let mut login = web.device().start().await.unwrap();
    search.show("DeviceLogin", &login);
    let browser = TestBrowser::new().user("joe@example.com");
    browser.visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    let credentials = login.wait().await.unwrap();
    search.credentials("a device login", &credentials);
    search.show("DeviceLogin that is over", &login);

    let ask = web.ciba().login_hint("joe@example.com");
    search.show("CibaAuth", &ask);
    let mut login = ask.start().await.unwrap();
    search.show("CibaLogin", &login);
    provider.approve_ciba(login.auth_req_id().expose());
    let credentials = login.wait().await.unwrap();
    search.credentials("a CIBA login", &credentials);
}

async fn tokens_without_a_person(search: &mut Search, web: &Application) {
    let service = web.client_credentials().audience(API);
    search.show("ClientCredentials", &service);
    let token = service.token().await.unwrap();
    search.show("a service's token", &token);
    search.secret("a service's token", token.expose());
    let introspection = web.introspect(&Secret::new(token.expose())).await.unwrap();
    search.show("Introspection", &introspection);
    let exchange = web.exchange("CANARY-legacy-session", LEGACY).audience(API);
    search.show("TokenExchange", &exchange);
    let issued = exchange.send().await.unwrap();
    search.show("IssuedToken", &issued);
    search.secret("an issued token", issued.token().expose());
    let refused = web.exchange("CANARY-unknown-session", TokenExchange::ACCESS_TOKEN).send().await.unwrap_err();
    search.shown.push(("the error of an exchange".into(), all_of(&refused)));
}

async fn auth0s_own_calls(search: &mut Search, provider: &TestProvider, web: &Application) {
    let auth0 = web.auth0().scope("openid offline_access");
    search.show("Auth0", &auth0);
    let jim = NewUser::new("jim@example.com", "CANARY-password-of-jim");
    search.show("NewUser", &jim);
    search.show("SignedUp", &auth0.connection("Username-Password-Authentication").sign_up(&jim).await.unwrap());
    let auth0 = web.auth0().scope("openid offline_access");
    let wrong = auth0.log_in(JANE, &Secret::new("CANARY-wrong-password")).await.unwrap_err();
    search.shown.push(("the error of a wrong password".into(), all_of(&wrong)));
    let required = auth0.log_in(JANE, &Secret::new(PASSWORD)).await.unwrap_err();
    search.shown.push(("the demand for a second factor".into(), all_of(&required)));
    search.show("MfaRequired", required.mfa().unwrap());
    let mfa = auth0.mfa(&required).unwrap();
    search.show("Mfa", &mfa);
    let credentials = mfa.verify_otp(&Secret::new(provider.otp(JANE).unwrap())).await.unwrap();
    search.credentials("a login with a second factor", &credentials);
}

pub(crate) const ENDPOINTS: [Endpoint; 14] = [
    Endpoint::Authorize,
    Endpoint::Token,
    Endpoint::UserInfo,
    Endpoint::Revoke,
    Endpoint::Introspect,
    Endpoint::Par,
    Endpoint::DeviceCode,
    Endpoint::Ciba,
    Endpoint::Logout,
    Endpoint::SignUp,
    Endpoint::PasswordlessStart,
    Endpoint::MfaAuthenticators,
    Endpoint::MfaAssociate,
    Endpoint::MfaChallenge,
];
