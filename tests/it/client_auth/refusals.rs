//! The advice for an application whose authentication is refused.

use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Endpoint, Fault, TestClient, TestProvider};
use hallpass::{ClientAuth, ErrorKind};
use serde_json::json;

use super::{SECRET, token_of};
use crate::two_halves::all_of;

async fn refusal(client: TestClient, auth: ClientAuth, methods: &[&str]) -> String {
    let provider = TestProvider::builder().client(client).start().await;
    provider.always(Endpoint::Discovery, Fault::new().set("token_endpoint_auth_methods_supported", methods));
    let error = token_of(&provider, auth).token().await.unwrap_err();
    assert_eq!((error.kind(), provider.count(Endpoint::Token)), (ErrorKind::Server, 1));
    let message = error.to_string();
    let (refused, advice) = message.split_once("; ").unwrap();
    assert_eq!(refused, "the provider refused the token request: access_denied (Unauthorized)");
    advice.to_owned()
}

/// token: 1 each
#[tokio::test]
async fn an_application_that_is_not_believed_is_told_what_to_look_at() {
    let confidential = || TestClient::confidential("service", SECRET);
    let key = PrivateKey::generate("EdDSA").unwrap();
    let another = PrivateKey::generate("EdDSA").unwrap();
    insta::assert_snapshot!(refusal(confidential(), ClientAuth::none(), &["client_secret_post"]).await,
        @"the application authenticated by none: if it is registered with a secret or a key, set client_auth");
    insta::assert_snapshot!(refusal(confidential(), ClientAuth::client_secret_basic("wrong"), &["client_secret_basic"]).await,
        @"the application authenticated by client_secret_basic: check the client id and the secret");
    let post_only = confidential().auth_method("client_secret_post");
    insta::assert_snapshot!(refusal(post_only, ClientAuth::client_secret_basic(SECRET), &["client_secret_post", "own_one"]).await,
        @"the application authenticated by client_secret_basic: check the client id and the secret; the provider's metadata names client_secret_post instead");
    let basic_only = confidential().auth_method("client_secret_basic");
    insta::assert_snapshot!(refusal(basic_only, ClientAuth::client_secret_jwt(SECRET), &["client_secret_basic", "private_key_jwt"]).await,
        @"the application authenticated by client_secret_jwt: check the client id, the secret and this machine's clock; the provider's metadata names client_secret_basic, private_key_jwt instead");
    insta::assert_snapshot!(
        refusal(TestClient::signing("service", another.public_jwk()), ClientAuth::private_key_jwt(key), &["private_key_jwt"]).await,
        @"the application authenticated by private_key_jwt: check that the provider has its public key, for EdDSA, and this machine's clock; if it takes assertions of the type JWT only, use untyped_assertions(); if it wants its token endpoint as their audience, use danger_token_endpoint_audience()");
    insta::assert_snapshot!(refusal(confidential(), ClientAuth::tls_client_auth(), &["tls_client_auth"]).await, @"the application authenticated by tls_client_auth: check that http_client brings the certificate it is registered with");
}

/// token: 1 each
#[tokio::test]
async fn a_provider_that_leaves_a_method_out_of_its_metadata_is_asked_all_the_same() {
    let key = PrivateKey::generate("ES256").unwrap();
    for (client, auth) in [
        (TestClient::confidential("service", SECRET), ClientAuth::client_secret_basic(SECRET)),
        (TestClient::confidential("service", SECRET), ClientAuth::client_secret_post(SECRET)),
        (TestClient::confidential("service", SECRET), ClientAuth::client_secret_jwt(SECRET)),
        (TestClient::signing("service", key.public_jwk()), ClientAuth::private_key_jwt(key)),
    ] {
        let provider = TestProvider::builder().client(client).start().await;
        provider.always(Endpoint::Discovery, Fault::new().set("token_endpoint_auth_methods_supported", json!(["own_one"])));
        token_of(&provider, auth).token().await.unwrap();
        assert_eq!(provider.count(Endpoint::Token), 1);
    }
}

/// I1 — token: 1 each: also a secret that is not part of the request, since the provider knows it.
#[tokio::test]
async fn no_refusal_repeats_the_secret() {
    for auth in
        [ClientAuth::client_secret_basic(SECRET), ClientAuth::client_secret_post(SECRET), ClientAuth::client_secret_jwt(SECRET)]
    {
        let provider = TestProvider::builder().client(TestClient::confidential("service", SECRET)).start().await;
        provider.next(Endpoint::Token, Fault::error(401, "invalid_client", &format!("it was to be {SECRET} instead")));
        let error = token_of(&provider, auth.clone()).token().await.unwrap_err();
        assert_eq!(error.server_error().unwrap().code(), "invalid_client");
        assert!(!all_of(&error).contains(SECRET), "{auth:?}: {error}");
        assert_eq!(provider.count(Endpoint::Token), 1);
    }
}
