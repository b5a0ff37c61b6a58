//! A person logs in at a certified provider, in a real browser.
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hallpass::{Application, Credentials, ErrorKind, Secret, WebAuth};
use hallpass_peers::{OidcProvider, Person};
use serde_json::Value;

#[tokio::test]
async fn a_person_logs_in_and_is_told_so() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native", |login| login.scope("openid profile email")).await;

    let user = credentials.user().unwrap();
    assert_eq!(user.subject(), "alice");
    assert_eq!(credentials.issuer(), provider.issuer());
    assert_eq!(credentials.scope(), "openid profile email");
    assert_eq!(header(credentials.id_token().unwrap().raw())["alg"], "RS256");
    assert!(credentials.expires_at().is_some());
    assert!(credentials.refresh_token().is_none(), "offline_access was not asked for");
}

/// E18
#[tokio::test]
async fn the_page_says_so_and_the_url_bar_holds_no_code() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    log_in(&provider, &person, "native", |login| login).await;

    let page = person.sees("You are logged in").await;
    assert!(page.contains("You can close this page."), "{page}");
    assert!(!page.contains("alice"), "nothing of the login is shown: {page}");
    let url = person.url().await;
    assert_eq!((url.host_str(), url.query(), url.fragment()), (Some("127.0.0.1"), None, None));
}

#[tokio::test]
async fn id_tokens_signed_with_elliptic_curves_are_verified() {
    let provider = OidcProvider::start();
    for (client_id, algorithm) in [("native-es256", "ES256"), ("native-eddsa", "EdDSA")] {
        let person = Person::sits_down().await;
        let credentials = log_in(&provider, &person, client_id, |login| login).await;
        assert_eq!(header(credentials.id_token().unwrap().raw())["alg"], algorithm);
        assert_eq!(credentials.user().unwrap().subject(), "alice");
    }
}

#[tokio::test]
async fn the_audience_decides_what_the_access_token_is_for() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let scope = "openid read:things";
    let ask = |audience: &'static str| move |login: WebAuth| login.scope(scope).audience(audience);
    let credentials = log_in(&provider, &person, "native", ask("https://api.example.com")).await;
    assert!(credentials.has_scope("read:things"));
    let token = Secret::new(credentials.access_token().expose());
    assert_eq!(header(&token)["typ"], "at+jwt");
    assert_eq!(claims(&token)["aud"], "https://api.example.com");
    assert_eq!(claims(&token)["scope"], "read:things");

    let person = Person::sits_down().await;
    let credentials = log_in(&provider, &person, "native", ask("urn:opaque-api")).await;
    assert!(!credentials.access_token().expose().contains('.'), "an opaque token is no JWT");
}

#[tokio::test]
async fn a_person_who_refuses_is_believed() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let login = WebAuth::new(provider.issuer(), "native").ephemeral_port().browser(person.browser());
    let (refusal, page) = tokio::join!(login.start(), async {
        person.cancels().await;
        person.sees("The login was cancelled").await
    });
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Cancelled);
    assert_eq!(refusal.server_error().unwrap().code(), "access_denied");
    assert!(page.contains("No access was given."), "{page}");
    assert_eq!(person.url().await.query(), None);
}

#[tokio::test]
async fn a_person_who_refuses_only_the_consent_is_believed() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let login = WebAuth::new(provider.issuer(), "native").ephemeral_port().browser(person.browser());
    let (refusal, ()) = tokio::join!(login.start(), async {
        person.logs_in_as("alice").await;
        person.refuses_consent().await;
    });
    assert_eq!(refusal.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_person_who_is_logged_in_already_only_consents() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    log_in(&provider, &person, "native", |login| login).await;
    let login = WebAuth::new(provider.issuer(), "native-es256").ephemeral_port().browser(person.browser());
    let (credentials, ()) = tokio::join!(login.start(), person.consents());
    assert_eq!(credentials.unwrap().user().unwrap().subject(), "alice");

    let silently = login.prompt("none").start().await.unwrap_err();
    assert!(silently.is_login_required(), "native clients always need consent here: {silently}");
}

/// A user named alice logs in and consents.
pub(crate) async fn log_in(
    provider: &OidcProvider,
    person: &Person,
    client_id: &str,
    ask: impl FnOnce(WebAuth) -> WebAuth,
) -> Credentials {
    log_in_at(&Application::new(provider.issuer(), client_id), person, ask).await
}

pub(crate) async fn log_in_at(application: &Application, person: &Person, ask: impl FnOnce(WebAuth) -> WebAuth) -> Credentials {
    let login = ask(application.web_auth()).ephemeral_port().browser(person.browser());
    let (credentials, ()) = tokio::join!(login.start(), async {
        person.logs_in_as("alice").await;
        person.consents().await;
    });
    credentials.expect("the login works")
}

fn header(jwt: &Secret) -> Value {
    part(jwt, 0)
}

pub(crate) fn claims(jwt: &Secret) -> Value {
    part(jwt, 1)
}

fn part(jwt: &Secret, position: usize) -> Value {
    let part = jwt.expose().split('.').nth(position).expect("a JWT has three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}
