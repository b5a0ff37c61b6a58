//! A certified provider asks people on other devices, which answer after two seconds.

use hallpass::ciba::CibaAuth;
use hallpass::{Application, ClientAuth, ErrorKind};
use hallpass_peers::OidcProvider;

fn ask(provider: &OidcProvider) -> (Application, CibaAuth) {
    let application = Application::new(provider.issuer(), "ciba").client_auth(ClientAuth::client_secret_basic("ciba-secret"));
    let ask = application.ciba().scope("openid offline_access").binding_message("W4SCT");
    (application, ask)
}

#[tokio::test]
async fn a_person_agrees_and_the_login_renews_and_can_be_asked_for_again() {
    let provider = OidcProvider::start();
    let (application, ask) = ask(&provider);
    let mut login = ask.clone().login_hint("alice").start().await.unwrap();
    assert!((100..=120).contains(&login.expires_in().as_secs()));
    let credentials = login.wait().await.unwrap();
    assert_eq!(credentials.user().unwrap().subject(), "alice");
    let renewed = application.renew_credentials(&credentials).await.unwrap();
    assert_eq!(renewed.user().unwrap().subject(), "alice");

    let mut login = ask.id_token_hint(credentials.id_token().unwrap()).start().await.unwrap();
    assert_eq!(login.wait().await.unwrap().user().unwrap().subject(), "alice");
}

#[tokio::test]
async fn a_person_refuses_and_one_who_does_not_exist_is_not_asked() {
    let provider = OidcProvider::start();
    let (_, ask) = ask(&provider);
    let mut login = ask.clone().login_hint("deny-bob").start().await.unwrap();
    assert_eq!(login.wait().await.unwrap_err().kind(), ErrorKind::Cancelled);

    let error = ask.clone().login_hint("ghost").start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "unknown_user_id");
    assert!(error.to_string().contains("names nobody whom the provider can ask"), "{error}");

    let stranger = Application::new(provider.issuer(), "ciba").client_auth(ClientAuth::client_secret_basic("another"));
    let error = stranger.ciba().login_hint("alice").start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "invalid_client");
}
