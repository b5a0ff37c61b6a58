use hallpass::dpop::{DpopKey, ProofAlgorithm};
use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Application, CredentialsManager, ErrorKind};
use serde_json::json;

use super::{log_in, web_auth};
use crate::two_halves::all_of;

/// B18 — token: 1 each
#[tokio::test]
async fn a_bearer_token_is_discarded_where_a_bound_one_was_asked_for() {
    let provider = TestProvider::start().await;
    for token_type in [json!("Bearer"), json!("bEARER"), json!("mac"), json!("DPoPs"), json!(""), json!(null)] {
        provider.next(Endpoint::Token, Fault::new().set("token_type", &token_type));
        let asked = provider.count(Endpoint::Token);
        let error = log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{token_type}: {error}");
        assert!(!all_of(&error).contains("eyJ"), "the error holds a token");
        assert_eq!(provider.count(Endpoint::Token), asked + 1);
    }
    assert_eq!((provider.count(Endpoint::UserInfo), provider.count(Endpoint::Jwks)), (0, 0), "none of it was looked at further");
    for token_type in ["DPoP", "dpop"] {
        provider.next(Endpoint::Token, Fault::new().set("token_type", token_type));
        log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap();
    }
}

/// B18: the named way to do without a token_type is for bearer tokens.
#[tokio::test]
async fn a_missing_token_type_is_no_bound_token() {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Token, Fault::new().remove("token_type"));
    let application = Application::new(provider.issuer(), provider.client_id()).danger_accept_missing_token_type();
    let auth = application.dpop(DpopKey::generate().unwrap()).web_auth().ephemeral_port();
    let error = auth.browser(hallpass::testing::TestBrowser::new()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
}

/// B18: a bound token that was not requested could not be presented.
#[tokio::test]
async fn a_bound_token_is_refused_where_there_is_no_key() {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Token, Fault::new().set("token_type", "DPoP"));
    let error = web_auth(&provider).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
}

/// B18 — token: 2
#[tokio::test]
async fn a_renewal_never_falls_back_to_a_bearer_token() {
    let provider = TestProvider::start().await;
    let store = Memory::new();
    let auth = web_auth(&provider).dpop(DpopKey::generate().unwrap());
    let session = CredentialsManager::new(auth.clone(), store.clone());
    let first = session.login_if_needed().await.unwrap();
    provider.always(Endpoint::Token, Fault::new().set("token_type", "Bearer"));
    let error = session.renew().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
    assert!(error.to_string().contains("DPoP"), "{error}");
    let stored = CredentialsManager::new(auth, store).credentials().await.unwrap();
    assert_eq!(stored.access_token(), first.access_token(), "the bearer token is not stored");
    // The old refresh token is spent, so its successor is.
    assert_eq!(stored.refresh_token(), error.refresh_token());
    assert_ne!(stored.refresh_token(), first.refresh_token());
    assert_eq!(session.credentials().await.unwrap().access_token(), first.access_token(), "the old token serves while it lasts");
    assert_eq!(provider.count(Endpoint::Token), 2);
}

/// — token: 0
#[tokio::test]
async fn a_provider_that_cannot_read_the_proofs_is_not_asked() {
    let provider = TestProvider::start().await;
    provider.always(Endpoint::Discovery, Fault::new().set("dpop_signing_alg_values_supported", ["ES256", "RS256"]));
    let key = DpopKey::generate_with(ProofAlgorithm::EdDsa).unwrap();
    let error = log_in(&provider, &key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("EdDSA"), "{error}");
    assert_eq!(provider.count(Endpoint::Token), 0);
    log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_refuses_the_proof_is_quoted() {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Token, Fault::error(400, "invalid_dpop_proof", "iat is more than a minute away"));
    let error = log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.server_error().unwrap().code(), "invalid_dpop_proof");
    assert_eq!(provider.count(Endpoint::Token), 1);
}
