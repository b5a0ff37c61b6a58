//! Tokens after the login at a certified provider: user info, rotation, revocation.
use hallpass::{Application, ErrorKind};
use hallpass_peers::{OidcProvider, Person};

use crate::browser_login::log_in;

const OFFLINE: &str = "openid profile offline_access";

#[tokio::test]
async fn user_info_is_about_who_logged_in() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native", |login| login.scope("openid profile email")).await;
    let profile = Application::new(provider.issuer(), "native").user_info(&credentials).await.unwrap();
    assert_eq!(profile.subject(), "alice");
    assert_eq!(profile.name().as_deref(), Some("User alice"));
    assert_eq!(profile.email().as_deref(), Some("alice@example.com"));
    assert!(profile.email_verified());
}

#[tokio::test]
async fn each_renewal_rotates_the_refresh_token_and_keeps_the_person() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let first = log_in(&provider, &person, "native", |login| login.scope(OFFLINE).prompt("consent")).await;
    let application = Application::new(provider.issuer(), "native");

    let second = application.renew_credentials(&first).await.unwrap();
    assert_eq!(second.user().unwrap().subject(), "alice");
    assert!(second.id_token_refusal().is_none());
    assert_ne!(second.access_token(), first.access_token());
    assert_ne!(second.refresh_token().unwrap(), first.refresh_token().unwrap());

    let third = application.renew(second.refresh_token().unwrap()).await.unwrap();
    assert_ne!(third.refresh_token().unwrap(), second.refresh_token().unwrap());
    assert_eq!(application.user_info(&third).await.unwrap().subject(), "alice");
}

#[tokio::test]
async fn a_spent_refresh_token_means_a_login_and_ends_its_whole_family() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let first = log_in(&provider, &person, "native", |login| login.scope(OFFLINE).prompt("consent")).await;
    let application = Application::new(provider.issuer(), "native");
    let second = application.renew_credentials(&first).await.unwrap();

    for spent in [&first, &second] {
        let refusal = application.renew_credentials(spent).await.unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::LoginRequired);
        assert!(!refusal.is_transient());
    }
}

/// H10
#[tokio::test]
async fn a_revoked_refresh_token_means_a_login_and_revoking_it_again_is_fine() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native", |login| login.scope(OFFLINE).prompt("consent")).await;
    let application = Application::new(provider.issuer(), "native");
    let refresh_token = credentials.refresh_token().unwrap();

    application.revoke(refresh_token).await.unwrap();
    assert_eq!(application.renew(refresh_token).await.unwrap_err().kind(), ErrorKind::LoginRequired);
    application.revoke(refresh_token).await.unwrap();
}
