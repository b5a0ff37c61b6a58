//! Certificates (RFC 8705): which address is asked. What TLS makes of them is for the tests against real peers.

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClient, TestProvider};
use hallpass::{ClientAuth, ErrorKind};
use serde_json::json;

use super::{API, application};

/// A provider, and another in whose place the first's addresses for mutual TLS are.
async fn two_doors() -> (TestProvider, TestProvider) {
    let start = async || TestProvider::builder().client(TestClient::certified("service")).start().await;
    let (front, side) = (start().await, start().await);
    let url = |endpoint| side.endpoint_url(endpoint).to_string();
    let aliases = json!({
        "token_endpoint": url(Endpoint::Token),
        "revocation_endpoint": url(Endpoint::Revoke),
        "introspection_endpoint": url(Endpoint::Introspect),
        "device_authorization_endpoint": url(Endpoint::DeviceCode),
        "pushed_authorization_request_endpoint": url(Endpoint::Par),
        "backchannel_authentication_endpoint": url(Endpoint::Ciba),
        "userinfo_endpoint": url(Endpoint::UserInfo),
        "x_endpoint": url(Endpoint::Other),
    });
    front.always(Endpoint::Discovery, Fault::new().set("mtls_endpoint_aliases", aliases));
    (front, side)
}

const ASKED: [Endpoint; 6] =
    [Endpoint::Token, Endpoint::Revoke, Endpoint::Introspect, Endpoint::DeviceCode, Endpoint::Par, Endpoint::Ciba];

/// token, revoke, introspect, device code, PAR, CIBA: 1 each
#[tokio::test]
async fn with_a_certificate_the_addresses_for_mutual_tls_are_asked() {
    for auth in [ClientAuth::tls_client_auth(), ClientAuth::self_signed_tls_client_auth()] {
        let (front, side) = two_doors().await;
        let application = application(&front, auth);
        application.client_credentials().audience(API).token().await.unwrap();
        application.revoke(&"unknown".into()).await.unwrap();
        assert!(!application.introspect(&"unknown".into()).await.unwrap().is_active());
        application.device().start().await.unwrap();
        application.web_auth().redirect_uri("http://127.0.0.1:9999/callback").pushed().begin().await.unwrap();
        application.ciba().login_hint("jane@example.com").start().await.unwrap();
        for endpoint in ASKED {
            assert_eq!((front.count(endpoint), side.count(endpoint)), (0, 1), "{endpoint:?}");
            assert_eq!(side.requests(endpoint)[0].field("client_id").as_deref(), Some("service"));
        }
    }
}

/// user info: 1
#[tokio::test]
async fn with_a_certificate_user_info_is_asked_there_too() {
    let (front, side) = two_doors().await;
    let without = application(&front, ClientAuth::none());
    let credentials = without.web_auth().ephemeral_port().browser(TestBrowser::new()).start().await.unwrap();
    // The token is the first provider's: which of them was asked is the point.
    let error = application(&front, ClientAuth::tls_client_auth()).user_info(&credentials).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "{error:?}");
    assert_eq!((front.count(Endpoint::UserInfo), side.count(Endpoint::UserInfo)), (0, 1));
}

/// token: 1 at the first
#[tokio::test]
async fn without_a_certificate_they_are_not() {
    let (front, side) = two_doors().await;
    let auth = hallpass::WebAuth::new(front.issuer(), front.client_id()).ephemeral_port().browser(TestBrowser::new());
    let credentials = auth.start().await.unwrap();
    auth.application().user_info(&credentials).await.unwrap();
    for endpoint in [Endpoint::Token, Endpoint::UserInfo] {
        assert_eq!((front.count(endpoint), side.count(endpoint)), (1, 0), "{endpoint:?}");
    }
}

/// token: 1
#[tokio::test]
async fn without_such_addresses_the_usual_ones_are_asked() {
    let provider = TestProvider::builder().client(TestClient::certified("service")).start().await;
    application(&provider, ClientAuth::tls_client_auth()).client_credentials().audience(API).token().await.unwrap();
    assert_eq!(provider.count(Endpoint::Token), 1);
}
