//! An API calls the next one on behalf of the person who called it, with a token that is for the next one only (RFC 8693); and a
//! program moves its people over from a login of its own without asking them to log in again (Auth0's custom token exchange).
//!
//! `cargo run --example token_exchange` needs no account and no network: an identity provider and two APIs run inside this process.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::error::Error;

use hallpass::testing::{Api, TestBrowser, TestProvider};
use hallpass::token::TokenExchange;
use hallpass::{Application, AuthorizedClient, ClientAuth, WebAuth};

const FRONT: &str = "https://api.acme.com";
const ARCHIVE: &str = "https://archive.acme.com";
const LEGACY: &str = "urn:acme:legacy-session";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    let provider = TestProvider::builder().subject_token(LEGACY, "session-4711", "joe@example.com").start().await;
    let (front, archive) = (Api::start(&provider, FRONT).await, Api::start(&provider, ARCHIVE).await);

    // Jane logs in, and her token is for the first API.
    let login = WebAuth::new(provider.issuer(), provider.client_id()).audience(FRONT).scope("openid read:messages");
    let jane = login.ephemeral_port().browser(TestBrowser::new()).start().await?;
    let presented = jane.access_token();
    let with = |token| AuthorizedClient::new(token).expect("a client can be made");
    assert_eq!(with(presented.clone()).get(front.url()).send().await?.status(), 200);
    assert_eq!(with(presented.clone()).get(archive.url()).send().await?.status(), 401, "it is no key to the second");

    terminal::heading("Jane's token is for one API, which exchanges it for one that the archive takes");
    // The first API, which has a secret, exchanges what Jane presented.
    let api = Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_post(provider.client_secret()));
    let exchange = api.exchange(presented.expose(), TokenExchange::ACCESS_TOKEN).audience(ARCHIVE).scope("read:messages");
    let issued = exchange.send().await?;
    let kind = issued.issued_token_type().unwrap_or("a token");
    terminal::fact("issued", format!("{kind} for {}", issued.scope().unwrap_or_default()));
    let for_the_archive = issued.access_token().ok_or("an access token was asked for")?;
    assert_eq!(with(for_the_archive.clone()).get(archive.url()).send().await?.status(), 200);
    let whose = api.introspect(&issued.token()).await?;
    assert_eq!(whose.subject(), jane.user().map(|user| user.subject()), "it is Jane's still");

    terminal::heading("Joe moves over from the old login, without a new one");
    // Joe has a session of the program's old login, which an action of the tenant can check.
    let joe = api.exchange("session-4711", LEGACY).audience(FRONT).scope("openid email offline_access").send().await?;
    let credentials = joe.credentials().ok_or("an access token comes")?;
    terminal::fact("who", credentials.user().and_then(|user| user.email()).unwrap_or_default());
    assert!(credentials.refresh_token().is_some(), "and stays logged in");

    let refused = api.exchange("session-0815", LEGACY).send().await.err().ok_or("an invented session is refused")?;
    terminal::fact("invented", &refused);
    assert_eq!(refused.server_error().map(|server| server.code()), Some("invalid_request"));
    Ok(())
}
