//! A login on another device: a person confirms it in a real browser, at a certified provider.

use hallpass::{Application, ErrorKind};
use hallpass_peers::{OidcProvider, Person};

/// H2: this provider names no interval.
#[tokio::test]
async fn a_person_confirms_the_code_that_the_device_shows() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let application = Application::new(provider.issuer(), "native");
    let device = application.device().scope("openid offline_access read:things").audience("https://api.example.com");
    let mut login = device.start().await.unwrap();
    assert_eq!(login.interval().as_secs(), 5);
    assert!((590..=600).contains(&login.expires_in().as_secs()));
    person.opens(login.verification_uri_complete().unwrap()).await.unwrap();
    person.sees(login.user_code()).await;
    let (credentials, ()) = tokio::join!(login.wait(), async {
        person.click("button[autofocus]").await;
        person.logs_in_as("alice").await;
        person.consents().await;
        person.sees("Sign-in Success").await;
    });
    let credentials = credentials.unwrap();
    assert_eq!(credentials.user().unwrap().subject(), "alice");
    assert!(credentials.has_scope("read:things"), "{}", credentials.scope());
    let renewed = application.renew_credentials(&credentials).await.unwrap();
    assert_eq!(renewed.user().unwrap().subject(), "alice");
}

#[tokio::test]
async fn a_person_types_the_code_and_refuses() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let mut login = Application::new(provider.issuer(), "native").device().start().await.unwrap();
    person.opens(login.verification_uri()).await.unwrap();
    person.types("input[name=user_code]", login.user_code()).await;
    person.click("button[type=submit]").await;
    let (refusal, ()) = tokio::join!(login.wait(), async {
        person.click("button[name=abort]").await;
        person.sees("The Sign-in request was interrupted").await;
    });
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Cancelled);
    assert_eq!(refusal.server_error().unwrap().code(), "access_denied");
}
