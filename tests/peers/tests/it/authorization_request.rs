//! How a certified provider gets to know what a login asks for.

use hallpass::{ErrorKind, WebAuth};
use hallpass_peers::{OidcProvider, Person};

use crate::browser_login::log_in;

/// H7
#[tokio::test]
async fn a_login_is_pushed_where_the_provider_takes_no_other() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native-par", |login| login.pushed()).await;
    assert_eq!(credentials.user().unwrap().subject(), "alice");

    let login = WebAuth::new(provider.issuer(), "native-par").ephemeral_port().browser(person.browser());
    let pushed = login.clone().redirect_uri("http://127.0.0.1/callback").pushed().begin().await.unwrap();
    let names: Vec<_> = pushed.url().query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    let error = login.start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().description(), Some("Pushed Authorization Request must be used"));
}

/// H6
#[tokio::test]
async fn what_is_wrong_with_a_pushed_request_is_said_before_a_browser_opens() {
    let provider = OidcProvider::start();
    let login = WebAuth::new(provider.issuer(), "native-par").redirect_uri("http://127.0.0.1/other").pushed();
    let error = login.begin().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.server_error().unwrap().code(), "invalid_request", "{error}");
}
