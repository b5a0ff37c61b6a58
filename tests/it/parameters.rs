//! The parameters that a program names have one meaning in every request.

use hallpass::testing::{Endpoint, TestProvider};
use hallpass::{Application, ClientAuth, Error, ErrorKind};

const RESERVED: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "scope",
    "organization",
    "redirect_uri",
    "state",
    "request_uri",
];

fn application(provider: &TestProvider) -> Application {
    Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(provider.client_secret()))
}

/// The outcome of each kind of request with these parameters.
async fn outcomes(provider: &TestProvider, parameters: &[(&str, &str)]) -> Vec<(&'static str, Result<(), Error>)> {
    macro_rules! with {
        ($builder:expr) => {
            parameters.iter().fold($builder, |builder, (name, value)| builder.parameter(*name, *value))
        };
    }
    let application = application(provider);
    let login = with!(application.web_auth().redirect_uri("https://app.acme.com/callback")).begin().await.map(drop);
    let token = "urn:ietf:params:oauth:token-type:access_token";
    vec![
        ("login", login),
        ("device", with!(application.device()).start().await.map(drop)),
        ("ciba", with!(application.ciba().login_hint("jane@example.com")).start().await.map(drop)),
        ("client credentials", with!(application.client_credentials()).token().await.map(drop)),
        ("grant", with!(application.grant("urn:acme:badge")).send().await.map(drop)),
        ("exchange", with!(application.exchange("x", token)).send().await.map(drop)),
    ]
}

fn requests(provider: &TestProvider) -> usize {
    [Endpoint::Token, Endpoint::DeviceCode, Endpoint::Ciba].map(|endpoint| provider.count(endpoint)).iter().sum()
}

/// K22 — token: 0, device: 0, ciba: 0
#[tokio::test]
async fn the_same_names_are_reserved_on_all_builders() {
    let provider = TestProvider::start().await;
    for name in RESERVED {
        for (builder, outcome) in outcomes(&provider, &[(name, "CANARY")]).await {
            let error = outcome.expect_err(&format!("{builder} takes {name}"));
            assert_eq!(error.kind(), ErrorKind::Configuration, "{builder}, {name}: {error}");
            assert!(error.to_string().contains(name) && !error.to_string().contains("CANARY"), "{builder}: {error}");
        }
    }
    for (builder, outcome) in outcomes(&provider, &[("resource", "/messages")]).await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Configuration, "{builder}");
    }
    assert_eq!(requests(&provider), 0);
}

/// K22 — token: 3, device: 1, ciba: 1
#[tokio::test]
async fn each_resource_is_sent_and_of_other_names_the_last_value() {
    let provider = TestProvider::start().await;
    let apis = ["https://one.acme.com", "https://two.acme.com"];
    let given = [("resource", apis[0]), ("colour", "red"), ("resource", apis[1]), ("colour", "blue")];
    outcomes(&provider, &given).await;
    let sent = [Endpoint::DeviceCode, Endpoint::Ciba, Endpoint::Token].map(|endpoint| provider.requests(endpoint)).concat();
    assert_eq!(sent.len(), 5);
    for request in sent {
        let values = |wanted: &str| {
            let fields = request.fields().into_iter().filter(|(name, _)| name == wanted);
            fields.map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!((values("resource"), values("colour")), (apis.map(str::to_owned).to_vec(), vec!["blue".to_owned()]));
    }
    let auth = application(&provider).web_auth().redirect_uri("https://app.acme.com/callback");
    let auth = given.iter().fold(auth, |auth, (name, value)| auth.parameter(name, *value));
    let url = auth.begin().await.unwrap().url().clone();
    let values = |wanted: &str| {
        url.query_pairs().filter(|(name, _)| name == wanted).map(|(_, value)| value.into_owned()).collect::<Vec<_>>()
    };
    assert_eq!((values("resource"), values("colour")), (apis.map(str::to_owned).to_vec(), vec!["blue".to_owned()]));
}
