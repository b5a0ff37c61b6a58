//! Shown text, word by word: the URL for the person, and the output of Debug.

use std::time::Duration;

use hallpass::testing::TestProvider;
use hallpass::{AccessToken, Application, ClientAuth, Secret, WebAuth};
use insta::assert_snapshot;

use crate::two_halves::{REDIRECT_URI, TwoHalves, parameter};

/// The URL with each login's own values named, a parameter a line.
async fn authorize_url(provider: &TestProvider, auth: WebAuth) -> String {
    let login = auth.redirect_uri(REDIRECT_URI).begin().await.unwrap();
    let mut url = login.url().as_str().replace(provider.issuer(), "https://issuer/");
    for name in ["state", "nonce", "code_challenge"] {
        if url.contains(&format!("{name}=")) {
            url = url.replace(&parameter(login.url().as_str(), name), &format!("[{name}]"));
        }
    }
    url.replace('&', "\n&")
}

#[tokio::test]
async fn the_authorization_url_holds_what_was_asked_for_and_nothing_else() {
    let provider = TestProvider::start().await;
    let auth = || WebAuth::new(provider.issuer(), provider.client_id());
    assert_snapshot!(authorize_url(&provider, auth()).await, @r"
    https://issuer/authorize?response_type=code
    &client_id=native
    &redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2Fcallback
    &scope=openid+profile+email
    &code_challenge_method=S256
    &state=[state]
    &nonce=[nonce]
    &code_challenge=[code_challenge]
    ");
    assert_snapshot!(authorize_url(&provider, auth().scope("read:messages")).await, @r"
    https://issuer/authorize?response_type=code
    &client_id=native
    &redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2Fcallback
    &scope=read%3Amessages
    &code_challenge_method=S256
    &state=[state]
    &code_challenge=[code_challenge]
    ");
    let everything = auth()
        .scope(" openid \n offline_access read:messages ")
        .audience("https://api.acme.com")
        .connection("google-oauth2")
        .connection_scope("calendar,mail")
        .organization("org_abc")
        .login_hint("jane+test@example.com")
        .prompt("login")
        .screen_hint("signup")
        .max_age(Duration::from_secs(3600))
        .ui_locales("de en")
        .acr_values("urn:a urn:b")
        .resource("https://api.acme.com/v1")
        .parameter("ext-fruit", "käse & brot")
        .parameter("prompt", "consent");
    assert_snapshot!(authorize_url(&provider, everything).await, @r"
    https://issuer/authorize?response_type=code
    &client_id=native
    &redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2Fcallback
    &scope=openid+offline_access+read%3Amessages
    &max_age=3600
    &organization=org_abc
    &audience=https%3A%2F%2Fapi.acme.com
    &connection=google-oauth2
    &connection_scope=calendar%2Cmail
    &login_hint=jane%2Btest%40example.com
    &prompt=consent
    &screen_hint=signup
    &ui_locales=de+en
    &acr_values=urn%3Aa+urn%3Ab
    &resource=https%3A%2F%2Fapi.acme.com%2Fv1
    &ext-fruit=k%C3%A4se+%26+brot
    &code_challenge_method=S256
    &state=[state]
    &nonce=[nonce]
    &code_challenge=[code_challenge]
    ");
}

#[tokio::test]
async fn debug_shows_whose_it_is_and_no_secret() {
    let application = Application::new("acme.eu.auth0.com", "client").client_auth(ClientAuth::client_secret_basic("s3cr3t"));
    assert_snapshot!(format!("{application:?}"), @r#"Application { domain: "acme.eu.auth0.com", client_id: "client", client_auth: ClientAuth(SecretBasic(Secret(…))), dpop_key: None, leeway: 60s, .. }"#);
    assert_snapshot!(format!("{:?}", application.web_auth()), @r#"WebAuth { application: Application { domain: "acme.eu.auth0.com", client_id: "client", client_auth: ClientAuth(SecretBasic(Secret(…))), dpop_key: None, leeway: 60s, .. }, scope: "openid profile email", timeout: 300s, .. }"#);
    assert_snapshot!(format!("{:?}", Secret::new("s3cr3t")), @"Secret(…)");
    assert_snapshot!(format!("{:?}", ClientAuth::client_secret_post("s3cr3t")), @"ClientAuth(SecretPost(Secret(…)))");
    let token = AccessToken::bearer("s3cr3t").unwrap();
    assert_snapshot!(format!("{token:?} {:?}", token.header_value()), @"AccessToken { token_type: Bearer, expires_at: None, .. } Sensitive");

    let halves = TwoHalves::start().await.scope("openid offline_access");
    let named = |shown: String| shown.replace(halves.provider.issuer(), "https://issuer/");
    let (login, callback) = halves.returned().await;
    assert_snapshot!(named(format!("{login:?}")), @r#"PendingLogin { issuer: "https://issuer/", client_id: "native", redirect_uri: "http://127.0.0.1:9999/callback", .. }"#);
    let credentials = halves.auth.finish(login, &callback).await.unwrap();
    let times = [credentials.expires_at().unwrap(), credentials.id_token().unwrap().expires_at()].map(|time| format!("{time:?}"));
    let shown = named(format!("{credentials:?}")).replace(&times[0], "[time]").replace(&times[1], "[time]");
    assert_snapshot!(shown, @r#"Credentials { issuer: "https://issuer/", client_id: "native", access_token: AccessToken { token_type: Bearer, expires_at: Some([time]), .. }, refresh_token: Some(Secret(…)), id_token: Some(IdToken { claims: Claims { subject: "auth0|jane@example.com", .. }, expires_at: [time], .. }), scope: "openid offline_access", .. }"#);
}
