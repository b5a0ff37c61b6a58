//! Certificates (RFC 8705): which address is asked. What TLS makes of them is for the tests against real peers.

use hallpass::ClientAuth;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClient, TestProvider};
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
        "userinfo_endpoint": url(Endpoint::UserInfo),
        "x_endpoint": url(Endpoint::Other),
    });
    front.always(Endpoint::Discovery, Fault::new().set("mtls_endpoint_aliases", aliases));
    (front, side)
}

const ASKED: [Endpoint; 4] = [Endpoint::Token, Endpoint::Revoke, Endpoint::Introspect, Endpoint::DeviceCode];

/// token, revoke, introspect, device code: 1 each
#[tokio::test]
async fn with_a_certificate_the_addresses_for_mutual_tls_are_asked() {
    for auth in [ClientAuth::tls_client_auth(), ClientAuth::self_signed_tls_client_auth()] {
        let (front, side) = two_doors().await;
        let application = application(&front, auth);
        application.client_credentials().audience(API).token().await.unwrap();
        application.revoke(&"unknown".into()).await.unwrap();
        assert!(!application.introspect(&"unknown".into()).await.unwrap().is_active());
        application.device().start().await.unwrap();
        for endpoint in ASKED {
            assert_eq!((front.count(endpoint), side.count(endpoint)), (0, 1), "{endpoint:?}");
            assert_eq!(side.requests(endpoint)[0].field("client_id").as_deref(), Some("service"));
        }
    }
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
