//! A login from its start to an API call, as the tutorial tells it.

use hallpass::testing::{Api, Endpoint, TestBrowser, TestProvider};
use hallpass::web_auth::Logout;
use hallpass::{Application, AuthorizedClient, WebAuth};

const AUDIENCE: &str = "https://api.acme.com";

fn web_auth(provider: &TestProvider) -> WebAuth {
    WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port().browser(TestBrowser::new())
}

#[tokio::test]
async fn a_person_logs_in_and_calls_an_api() {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let browser = TestBrowser::new();
    let credentials = web_auth(&provider)
        .browser(browser.clone())
        .audience(AUDIENCE)
        .scope("openid profile email offline_access read:messages")
        .connection("Username-Password-Authentication")
        .start()
        .await
        .unwrap();

    assert_eq!(credentials.user().unwrap().email().as_deref(), Some("jane@example.com"));
    assert!(credentials.expires_at().is_some());
    assert!(credentials.refresh_token().is_some());
    assert!(credentials.has_scope("read:messages"));
    assert!(browser.shown(1).await[0].url().query().is_none(), "the address bar holds no code");

    let client = AuthorizedClient::new(credentials.clone()).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    let profile = web_auth(&provider).application().user_info(&credentials).await.unwrap();
    assert_eq!(profile.subject(), credentials.user().unwrap().subject());
    assert_eq!(provider.count(Endpoint::Discovery), 2, "each of two applications asked once");
}

#[tokio::test]
async fn a_login_in_two_halves_survives_being_kept_as_text() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&provider).redirect_uri("http://127.0.0.1:9999/callback");
    let login = auth.begin().await.unwrap();
    let kept = login.to_secret_string();
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    let login = hallpass::PendingLogin::from_secret_string(&kept).unwrap();
    let credentials = auth.finish(login, &callback).await.unwrap();
    assert!(credentials.id_token().is_some());
}

#[tokio::test]
async fn credentials_are_renewed_and_revoked() {
    let provider = TestProvider::start().await;
    let application = Application::new(provider.issuer(), provider.client_id());
    let auth = application.web_auth().ephemeral_port().browser(TestBrowser::new()).scope("openid offline_access");
    let first = auth.start().await.unwrap();
    let second = application.renew_credentials(&first).await.unwrap();
    assert_ne!(first.refresh_token(), second.refresh_token());
    assert_eq!(first.user().unwrap().subject(), second.user().unwrap().subject());
    application.revoke(second.refresh_token().unwrap()).await.unwrap();
    assert!(application.renew_credentials(&second).await.unwrap_err().is_login_required());
}

#[tokio::test]
async fn a_logout_ends_at_the_application_again() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&provider);
    let credentials = auth.start().await.unwrap();
    let url = auth.logout_url(&Logout::new().of(&credentials).state("x")).await.unwrap();
    assert!(url.path().ends_with("/v2/logout"), "{}", url.path());
    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id"], "no ID token stands in a URL that needs none");
}
