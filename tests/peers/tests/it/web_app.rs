//! The example web application, used by two people at once, each at a real browser.
use std::sync::Arc;

use hallpass::testing::{Api, Endpoint, TestProvider};
use hallpass::{Application, ClientAuth};
use hallpass_peers::{OidcProvider, Person};
use tokio::net::TcpListener;
use url::Url;

use app::App;

#[path = "../../../../examples/web_app/app/mod.rs"]
mod app;

const AUDIENCE: &str = "https://api.example.com";

/// The process that serves the application ends with this.
struct Serving {
    home: Url,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    async fn listen() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let home = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        (listener, home)
    }

    fn start(listener: TcpListener, home: Url, app: Arc<App>) -> Self {
        let task = tokio::spawn(async move { axum::serve(listener, app.router()).await.unwrap() });
        Self { home, task }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn two_people_use_the_web_application_at_once() {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    api.require_scope("/messages", "read:messages");
    let secret = ClientAuth::client_secret_post(provider.client_secret());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(secret);
    let (listener, home) = Serving::listen().await;
    let app = App::new(application, AUDIENCE, home.clone(), api.url().clone()).unwrap();
    let serving = Serving::start(listener, home, app);

    let (jane, joe) = tokio::join!(Person::sits_down(), Person::sits_down());
    let uses = async |person: &Person, email: &str, name: &str| {
        person.opens(&serving.home).await.unwrap();
        person.click("#login").await;
        person.logs_in_at_the_test_provider(email, "password").await;
        person.sees("asks for").await;
        person.click("button[value=accept]").await;
        let page = person.sees(&format!("Hello {name}")).await;
        assert!(page.contains(email), "{page}");
        assert_eq!(person.url().await, serving.home, "no code stays in the URL bar");
        person.click("#messages").await;
        let page = person.sees("The API says 200").await;
        assert!(page.contains(&format!("auth0|{email}")), "{page}");
        person.click("#home").await;
    };
    tokio::join!(uses(&jane, "jane@example.com", "Jane"), uses(&joe, "joe@example.com", "Joe"));

    jane.click("#logout").await;
    jane.sees("You are not logged in").await;
    assert_eq!(jane.url().await, serving.home);
    joe.opens(&serving.home).await.unwrap();
    joe.sees("Hello Joe").await;
    assert_eq!((provider.count(Endpoint::Revoke), provider.count(Endpoint::Logout)), (1, 1));
    // The session at the provider has ended too: nobody is logged in as Jane without her password.
    jane.click("#login").await;
    jane.sees("Password").await;
}

#[tokio::test]
async fn two_people_use_the_web_application_with_a_certified_provider() {
    let (listener, home) = Serving::listen().await;
    let provider = OidcProvider::with(&[("WEB_APP", home.as_str())]);
    let secret = ClientAuth::client_secret_post("web-app-secret");
    let application = Application::new(provider.issuer(), "web-app").client_auth(secret);
    let app = App::new(application, AUDIENCE, home.clone(), home.clone()).unwrap();
    let serving = Serving::start(listener, home, app);

    let (alice, bob) = tokio::join!(Person::sits_down(), Person::sits_down());
    let logs_in = async |person: &Person, name: &str| {
        person.opens(&serving.home).await.unwrap();
        person.click("#login").await;
        person.logs_in_as(name).await;
        person.consents().await;
        person.sees(&format!("Hello User {name}")).await;
    };
    tokio::join!(logs_in(&alice, "alice"), logs_in(&bob, "bob"));

    alice.click("#logout").await;
    alice.confirms_the_logout().await;
    alice.sees("You are not logged in").await;
    assert_eq!(alice.url().await.path(), "/");
    bob.opens(&serving.home).await.unwrap();
    bob.sees("Hello User bob").await;
}
