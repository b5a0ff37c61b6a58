//! The session in the browser ends at a certified provider.
use std::net::TcpListener;
use std::time::Duration;

use hallpass::WebAuth;
use hallpass::web_auth::Logout;
use hallpass_peers::{MockServer, OidcProvider, Person};

use crate::browser_login::log_in;

/// H11: the provider returns with the state that was sent.
#[tokio::test]
async fn after_a_logout_the_browser_comes_back_and_the_provider_asks_who_it_is() {
    let (provider, person) = (OidcProvider::start(), Person::sits_down().await);
    let credentials = log_in(&provider, &person, "native", |login| login).await;
    let login = WebAuth::new(provider.issuer(), "native").ephemeral_port().browser(person.browser());

    let return_to = format!("http://127.0.0.1:{}/logged-out", free_port());
    let logout = Logout::new().of(&credentials).return_to(&return_to).state("from-here");
    let (ended, page) = tokio::join!(login.logout(&logout), async {
        person.confirms_the_logout().await;
        person.sees("You are logged out").await
    });
    ended.unwrap();
    assert!(page.contains("You can close this page."), "{page}");

    let (credentials, ()) = tokio::join!(login.start(), async {
        person.logs_in_as("bob").await;
        person.consents().await;
    });
    assert_eq!(credentials.unwrap().user().unwrap().subject(), "bob");
}

/// H11: no state was sent, and none comes back. The page that the browser is sent to is the library's own, and comes before the
/// browser is done with what it was told to open.
#[tokio::test]
async fn a_provider_that_asks_nothing_sends_the_browser_straight_back() {
    let (provider, person) = (MockServer::start(), Person::sits_down().await);
    let login = WebAuth::new(provider.issuer(), "native").timeout(Duration::from_secs(20)).browser(person.browser());
    let logout = Logout::new().return_to(format!("http://127.0.0.1:{}/logged-out", free_port()));
    login.logout(&logout).await.unwrap();
    person.sees("You are logged out").await;
    assert_eq!(provider.count("/endsession").await, 1);
}

/// The provider has to know the port before a program listens there.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
