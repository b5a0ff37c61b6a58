//! Making the provider forget a refresh token.

use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Application, ClientAuth, ErrorKind, Secret};

use crate::two_halves::{TwoHalves, all_of};

/// H10 — revoke: 1 for each
#[tokio::test]
async fn a_token_that_the_provider_does_not_know_counts_as_forgotten() {
    let provider = TestProvider::start().await;
    let application = Application::new(provider.issuer(), provider.client_id());
    application.revoke(&Secret::new("never heard of")).await.unwrap();
    let request = provider.requests(Endpoint::Revoke).remove(0);
    assert_eq!(request.field("token").as_deref(), Some("never heard of"));
    assert_eq!(request.field("client_id").as_deref(), Some(provider.client_id()));

    let halves = TwoHalves::of(provider, &application).scope("openid offline_access");
    let credentials = halves.log_in().await.unwrap();
    for _twice in 0..2 {
        application.revoke(credentials.refresh_token().unwrap()).await.unwrap();
    }
    assert!(application.renew_credentials(&credentials).await.unwrap_err().is_login_required());
    assert_eq!(halves.provider.count(Endpoint::Revoke), 3);
}

/// H10 — revoke: 1 for each
#[tokio::test]
async fn a_revocation_that_fails_says_whether_to_try_again() {
    let provider = TestProvider::start().await;
    let secret = ClientAuth::client_secret_basic(provider.client_secret());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(secret);
    let token = Secret::new("CANARY");
    provider.next(Endpoint::Revoke, Fault::status(503).header("retry-after", "9"));
    let outage = application.revoke(&token).await.unwrap_err();
    assert_eq!((outage.kind(), outage.is_transient()), (ErrorKind::Server, true));
    assert_eq!(outage.retry_after(), Some(Duration::from_secs(9)));

    provider.next(Endpoint::Revoke, Fault::error(400, "unsupported_token_type", "I keep no CANARY"));
    let refused = application.revoke(&token).await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_transient()), (ErrorKind::Server, false));
    assert_eq!(refused.server_error().unwrap().code(), "unsupported_token_type");
    assert!(!all_of(&refused).contains("CANARY"), "{refused:?}");
    assert_eq!(provider.count(Endpoint::Revoke), 2);
    application.revoke(&token).await.unwrap();
}

#[tokio::test]
async fn a_provider_without_revocation_is_sent_nothing() {
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().remove("revocation_endpoint"));
    let application = Application::new(provider.issuer(), provider.client_id());
    let error = application.revoke(&Secret::new("CANARY")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Discovery);
    assert!(!all_of(&error).contains("CANARY"));
    assert_eq!(provider.count(Endpoint::Revoke), 0);
}
