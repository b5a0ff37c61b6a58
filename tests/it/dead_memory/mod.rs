//! The remains of a secret in the whole memory of a process, heap and stacks, after everything that held it has been dropped.
//!
//! Each test runs once more in another process, which does the work and then looks for what the test asks it about.
#![expect(clippy::print_stdout, reason = "the other process answers, and what is not ours is measured")]

mod other_process;
mod search;

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use hallpass::auth0::NewUser;
use hallpass::client_auth::PrivateKey;
use hallpass::store::{File, SealingKey};
use hallpass::testing::{Api, Endpoint, TestBrowser, TestClient, TestProvider, TestUser};
use hallpass::{AccessToken, Application, AuthorizedClient, ClientAuth, CredentialsManager, Secret, TokenSource, WebAuth};
use tokio::runtime::{Builder, Runtime};
use url::Url;
use zeroize::Zeroizing;

use crate::scratch_folder::ScratchFolder;
use other_process::{Given, OtherProcess};

const SECRETS: [(&str, &str); 4] = [
    ("a secret", "gQ7-a-secret-that-was-given-by-hand-4dXw"),
    ("an access token", "tP3-an-access-token-given-by-hand-9kZb"),
    ("a client secret", "mW5-the-client-secret-given-by-hand-2rVq"),
    ("a sealing key", "xN8-a-key-of-exactly-32-bytes-6u"),
];

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// I5
#[test]
fn the_search_finds_what_is_left() {
    if let Some(given) = Given::here() {
        return given.look_after(|given| match given.text("where").as_str() {
            "heap" => drop(given.text("a secret")),
            _ => on_the_stack(given.text("a secret").as_bytes()),
        });
    }
    let (name, secret) = SECRETS[0];
    for place in ["heap", "stack"] {
        let mut other = OtherProcess::start("dead_memory::the_search_finds_what_is_left", &[(name, secret), ("where", place)]);
        assert!(!other.places_of(secret.as_bytes()).is_empty(), "{place}: neither a String nor an array is wiped");
        assert!(other.places_of(b"gQ7-another-secret-that-nobody-was-given").is_empty(), "the search does not find itself");
    }
}

fn on_the_stack(secret: &[u8]) {
    let mut deep = [0; 1 << 16];
    deep[..secret.len()].copy_from_slice(secret);
    std::hint::black_box(&mut deep);
}

/// I5: each alone, so that nothing that comes after it overwrites what it leaves.
#[test]
fn nothing_is_left_of_what_was_given_by_hand() {
    if let Some(given) = Given::here() {
        return given.look_after(by_hand);
    }
    for (name, secret) in SECRETS {
        let mut other = OtherProcess::start("dead_memory::nothing_is_left_of_what_was_given_by_hand", &[(name, secret)]);
        assert_eq!(other.places_of(secret.as_bytes()), [""; 0], "{name}");
    }
}

fn by_hand(given: &Given) {
    if given.has("a secret") {
        let secret = Secret::new(given.text("a secret"));
        drop((secret.clone(), secret));
    } else if given.has("an access token") {
        let token = AccessToken::bearer(given.text("an access token")).unwrap();
        let header = token.cached().unwrap().header_value().clone();
        drop((AuthorizedClient::new(token).unwrap(), header));
    } else if given.has("a client secret") {
        let client_auth = ClientAuth::client_secret_basic(given.text("a client secret"));
        let application = Application::new("acme.eu.auth0.com", "id").client_auth(client_auth);
        drop((application.web_auth(), application));
    } else if given.has("a private key") {
        let pem = Zeroizing::new(given.text("a private key"));
        drop(PrivateKey::from_pem(&pem).unwrap());
    } else {
        drop(sealing_key(given));
    }
}

/// I5
#[test]
fn nothing_is_left_of_a_private_key() {
    let test = "dead_memory::nothing_is_left_of_a_private_key";
    if let Some(given) = Given::here() {
        return given.look_after(by_hand);
    }
    let pem = PrivateKey::generate("ES256").unwrap().to_pem();
    let encoded: String = pem.expose().lines().filter(|line| !line.starts_with("--")).collect();
    let der = STANDARD.decode(&encoded).unwrap();
    // RFC 5958 and RFC 5915: the private number comes first, after 36 bytes of what it is.
    let number = &der[36..68];
    let mut other = OtherProcess::start(test, &[("a private key", pem.expose())]);
    for (form, secret) in [("a line of its PEM", pem.expose().lines().nth(1).unwrap().as_bytes()), ("its number", number)] {
        assert_eq!(other.places_of(secret), [""; 0], "{form}");
    }
}

/// As a program gets one from where it is kept, leaving nothing behind itself.
fn sealing_key(given: &Given) -> SealingKey {
    let text = Zeroizing::new(given.text("a sealing key"));
    SealingKey::from_bytes(text.as_bytes().try_into().unwrap())
}

/// A session in a sealed folder, and what it takes to open it.
struct Stored {
    provider: TestProvider,
    folder: ScratchFolder,
}

impl Stored {
    fn session(issuer: &str, client_id: &str, folder: &str, key: SealingKey) -> CredentialsManager {
        let auth = WebAuth::new(issuer, client_id).scope("openid offline_access").ephemeral_port().browser(TestBrowser::new());
        CredentialsManager::new(auth, File::new(folder).sealed(key))
    }
}

/// I5: as a program starts that was logged in before.
#[test]
fn nothing_is_left_of_a_session_that_was_read_from_its_store() {
    if let Some(given) = Given::here() {
        return given.look_after(|given| {
            let (issuer, client_id, folder) = (given.text("issuer"), given.text("client id"), given.text("folder"));
            let session = Stored::session(&issuer, &client_id, &folder, sealing_key(given));
            let credentials = runtime().block_on(session.credentials()).unwrap();
            assert!(session.cached().unwrap().header_value().is_sensitive() && credentials.refresh_token().is_some());
            assert!(runtime().block_on(session.has_valid(Duration::ZERO)).unwrap());
        });
    }
    let key = SECRETS[3];
    let runtime = runtime();
    let stored = Stored { provider: runtime.block_on(TestProvider::start()), folder: ScratchFolder::new() };
    let (issuer, client_id) = (stored.provider.issuer(), stored.provider.client_id());
    let folder = stored.folder.path().to_str().unwrap();
    let session = Stored::session(issuer, client_id, folder, SealingKey::from_bytes(key.1.as_bytes().try_into().unwrap()));
    let credentials = runtime.block_on(session.login_if_needed()).unwrap();
    let given = [("issuer", issuer), ("client id", client_id), ("folder", folder), key];
    let mut other = OtherProcess::start("dead_memory::nothing_is_left_of_a_session_that_was_read_from_its_store", &given);
    for (name, secret) in [
        ("the refresh token", credentials.refresh_token().unwrap().expose()),
        ("the access token", credentials.access_token().expose()),
        ("the ID token", credentials.id_token().unwrap().raw().expose()),
        key,
    ] {
        assert_eq!(other.places_of(secret.as_bytes()), [""; 0], "{name}");
    }
}

/// I5: what hyper had in its hands is measured, and what it never had is not there.
#[test]
fn after_a_login_only_what_was_sent_and_received_is_left() {
    if let Some(given) = Given::here() {
        return given.look_after(|given| {
            let runtime = runtime();
            let secret = given.text("client secret");
            let until = given.text("until");
            let client_auth =
                if until == "the login" { ClientAuth::client_secret_post(secret) } else { ClientAuth::client_secret_basic(secret) };
            let application = Application::new(given.text("issuer"), given.text("client id")).client_auth(client_auth);
            let auth = application.web_auth().scope("openid offline_access").audience(AUDIENCE).ephemeral_port();
            let folder = given.text("folder");
            let session = CredentialsManager::new(auth.browser(Given::elsewhere), File::new(folder).sealed(sealing_key(given)));
            runtime.block_on(session.login_if_needed()).unwrap();
            if until == "the login" {
                return;
            }
            let client = AuthorizedClient::new(session.clone()).unwrap();
            let answer = runtime.block_on(client.get(given.text("api")).send()).unwrap();
            assert_eq!(answer.status(), 200);
            if until == "the call" {
                return;
            }
            runtime.block_on(session.renew()).unwrap();
        });
    }
    for until in ["the login", "the call", "the renewal"] {
        what_is_left_after(until);
    }
}

fn what_is_left_after(until: &str) {
    let runtime = runtime();
    let (key, secret, folder) = (SECRETS[3], SECRETS[2].1, ScratchFolder::new());
    let service = TestClient::confidential("service", secret);
    let provider = runtime.block_on(TestProvider::builder().client(service).start());
    let api = runtime.block_on(Api::start(&provider, AUDIENCE));
    let given = [
        ("issuer", provider.issuer()),
        ("client id", "service"),
        ("client secret", secret),
        ("api", api.url().as_str()),
        ("folder", folder.path().to_str().unwrap()),
        ("until", until),
        key,
    ];
    let test = "dead_memory::after_a_login_only_what_was_sent_and_received_is_left";
    let mut other = OtherProcess::start_for_a_person(test, &given, |url| runtime.block_on(comes_back(&url)));

    let session =
        Stored::session(provider.issuer(), "service", given[4].1, SealingKey::from_bytes(key.1.as_bytes().try_into().unwrap()));
    let kept = runtime.block_on(session.credentials()).unwrap();
    let requests = provider.requests(Endpoint::Token);
    let (first, last) = (requests.first().unwrap(), requests.last().unwrap());
    let mut copies = |what: &str, secret: &str| {
        let places = other.places_of(secret.as_bytes());
        println!("after {until}: {what}: {places:?}");
        // Each copy has two parts that are looked for.
        places.len().div_ceil(2)
    };

    // Where hyper read it, and where it wrote the header of a call.
    assert!(copies("the access token", kept.access_token().expose()) <= 2);
    assert!(copies("the refresh token", kept.refresh_token().unwrap().expose()) <= 1);
    assert!(copies("the ID token", kept.id_token().unwrap().raw().expose()) <= 1);
    if let Some(header) = last.header("authorization") {
        assert!(copies("the header with the client's credentials", header) <= requests.len());
    }
    // What goes out in a body goes out from where it is wiped, and neither key nor secret goes out as it is.
    for (what, secret) in [
        ("the code", &*first.field("code").unwrap()),
        ("the code verifier", &*first.field("code_verifier").unwrap()),
        ("the client's secret", secret),
        key,
    ] {
        assert_eq!(copies(what, secret), 0, "after {until}: {what}");
    }
}

/// I5: in a form, and in JSON.
#[test]
fn nothing_is_left_of_passwords_that_were_sent() {
    if let Some(given) = Given::here() {
        return given.look_after(|given| {
            let auth0 = Application::new(given.text("issuer"), given.text("client id")).auth0();
            let (runtime, jim) = (runtime(), NewUser::new("jim@example.com", given.text("Jim's password")));
            let auth0 = auth0.scope("openid offline_access").connection("Username-Password-Authentication");
            runtime.block_on(auth0.log_in(JANE, &Secret::new(given.text("Jane's password")))).unwrap();
            runtime.block_on(auth0.sign_up(&jim)).unwrap();
        });
    }
    let passwords = [
        ("Jane's password", "kL9-correct-horse-battery-staple-3vNc"),
        ("Jim's password", "hT2-another-horse-and-its-battery-8pXy"),
    ];
    let provider = TestProvider::builder().user(TestUser::new(JANE).password(passwords[0].1));
    let provider = runtime().block_on(provider.start());
    let given = [("issuer", provider.issuer()), ("client id", provider.client_id()), passwords[0], passwords[1]];
    let mut other = OtherProcess::start("dead_memory::nothing_is_left_of_passwords_that_were_sent", &given);
    for (name, password) in passwords {
        assert_eq!(other.places_of(password.as_bytes()), [""; 0], "{name}");
    }
    assert_eq!((provider.count(Endpoint::Token), provider.count(Endpoint::SignUp)), (1, 1));
}

/// As a person's browser does.
async fn comes_back(url: &Url) {
    let callback = TestBrowser::new().visit(url).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = reqwest::Request::new(reqwest::Method::GET, callback.parse().unwrap());
    assert!(client.execute(request).await.unwrap().status().is_success());
}

const JANE: &str = "jane@example.com";
const AUDIENCE: &str = "https://api.acme.com";
