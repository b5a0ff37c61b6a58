//! A web application: people log in through its own redirect URI, each has a session, sees a profile, calls an API, and logs out.
//!
//! `cargo run --example web_app` needs no account and no network: an identity provider and an API run inside this process. In a
//! terminal, or with `--serve`, it stays up and prints the URL to open; else two people use it at once, and what they see is checked.
//! With `AUTH0_DOMAIN`, `AUTH0_CLIENT_ID`, `AUTH0_CLIENT_SECRET`, `API_AUDIENCE` and `API_URL` set it is the real thing: register
//! `http://127.0.0.1:3000/callback` as a callback URL and `http://127.0.0.1:3000/` as a logout URL.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod app;
#[path = "../terminal/mod.rs"]
mod terminal;
mod visitor;

use std::env;
use std::error::Error;
use std::io::{IsTerminal, stdout};

use hallpass::testing::{Api, Endpoint, TestProvider};
use hallpass::{Application, ClientAuth};
use tokio::net::TcpListener;
use url::Url;

use app::App;
use visitor::Visitor;

const AUDIENCE: &str = "https://api.acme.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    terminal::show_logs();
    if let Ok(domain) = env::var("AUTH0_DOMAIN") {
        let secret = ClientAuth::client_secret_post(env::var("AUTH0_CLIENT_SECRET")?);
        let application = Application::new(domain, env::var("AUTH0_CLIENT_ID")?).client_auth(secret);
        let listener = TcpListener::bind("127.0.0.1:3000").await?;
        return serve(listener, application, &env::var("API_AUDIENCE")?, env::var("API_URL")?.parse()?).await;
    }

    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    api.require_scope("/messages", "read:messages");
    let secret = ClientAuth::client_secret_post(provider.client_secret());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(secret);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let home = home(&listener)?;
    let serving = serve(listener, application, AUDIENCE, api.url().clone());
    if stdout().is_terminal() || env::args().any(|argument| argument == "--serve") {
        terminal::heading("Log in as anybody: any password will do. Ctrl+C ends it");
        return serving.await;
    }
    tokio::select! {
        ended = serving => ended,
        seen = two_people(&home, &provider) => seen,
    }
}

fn home(listener: &TcpListener) -> Result<Url, Box<dyn Error + Send + Sync>> {
    Ok(Url::parse(&format!("http://{}/", listener.local_addr()?))?)
}

async fn serve(
    listener: TcpListener,
    application: Application,
    audience: &str,
    api: Url,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let home = home(&listener)?;
    terminal::fact("open", &home);
    let app = App::new(application, audience, home, api)?;
    Ok(axum::serve(listener, app.router()).await?)
}

/// Jane and Joe, each with a browser of their own.
async fn two_people(home: &Url, provider: &TestProvider) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (mut jane, mut joe) = (Visitor::new(home, "jane@example.com")?, Visitor::new(home, "joe@example.com")?);
    jane.opens("/").await?.shows("You are not logged in", "a stranger is welcomed")?;

    let (seen_by_jane, seen_by_joe) = tokio::join!(jane.logs_in(), joe.logs_in());
    seen_by_jane?.shows("Hello Jane", "Jane is greeted")?;
    seen_by_joe?.shows("Hello Joe", "Joe is greeted, at the same time")?;
    jane.opens("/messages").await?.shows("auth0|jane@example.com", "the API is called with Jane's token")?;
    joe.opens("/messages").await?.shows("auth0|joe@example.com", "and with Joe's")?;

    let callback = jane.arrives_at_callback().await?;
    joe.opens(&callback).await?.shows("Log in again", "Jane's callback does not log Joe's browser in as Jane")?;
    joe.opens("/").await?.shows("Hello Joe", "Joe is still Joe")?;
    jane.posts("/logout", "csrf=guessed").await?.shows("cannot be from this page", "a forged logout is refused")?;

    jane.logs_out().await?.shows("You are not logged in", "Jane logs out")?;
    joe.opens("/").await?.shows("Hello Joe", "Joe stays")?;
    jane.opens("/messages").await?.shows("You are not logged in", "nothing is left for Jane")?;
    if (provider.count(Endpoint::Revoke), provider.count(Endpoint::Logout)) != (1, 1) {
        return Err("the logout was told to the provider, once".into());
    }
    terminal::heading("Both logged in through their browsers, and were never mixed up");
    Ok(())
}
