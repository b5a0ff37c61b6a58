//! The tutorial "Calling APIs": log in, then call an API with the access token.
//!
//! `cargo run --example call_api` needs no account, no network and no display: an identity provider and an API run inside
//! this process, and a person who types quickly. With `--browser` you are that person. With `AUTH0_DOMAIN`,
//! `AUTH0_CLIENT_ID`, `API_AUDIENCE` and `API_URL` set it is the real thing.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;
use std::time::Duration;

use hallpass::testing::{Api, TestBrowser, TestProvider};
use hallpass::{AuthorizedClient, Credentials, WebAuth};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    match env::var("AUTH0_DOMAIN") {
        Ok(domain) => at_auth0(&domain).await,
        Err(_) => inside_this_process().await,
    }
}

async fn inside_this_process() -> Result<(), Box<dyn Error>> {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    api.require_scope("/admin", "delete:messages");
    println!("An identity provider runs at {}, an API at {}.\n", provider.issuer(), api.url());

    let auth = WebAuth::new(provider.issuer(), provider.client_id())
        .audience("https://api.acme.com")
        .scope("openid profile email read:messages")
        .connection("Username-Password-Authentication")
        .ephemeral_port();
    let by_hand = env::args().any(|argument| argument == "--browser");
    let credentials = if by_hand {
        let waiting = terminal::waiting("Log in, in your browser; any password will do", LOGIN);
        auth.clone().browser(waiting.browser()).timeout(LOGIN).start().await?
    } else {
        println!("Jane logs in, in a browser of her own.");
        auth.clone().browser(TestBrowser::new()).start().await?
    };
    show(&auth, &credentials).await?;

    terminal::heading("The API is called");
    let client = AuthorizedClient::new(credentials)?.base_url(api.url())?;
    expect("with the token", client.get("messages").send().await?.status().as_u16(), 200)?;
    expect("with the token, where it lacks the scope", refused(client.get("admin").send().await), 403)?;
    expect("without the token", without_token(api.url().join("messages")?).await?, 401)
}

async fn at_auth0(domain: &str) -> Result<(), Box<dyn Error>> {
    let (client_id, audience, url) = (env::var("AUTH0_CLIENT_ID")?, env::var("API_AUDIENCE")?, env::var("API_URL")?);
    let auth = WebAuth::new(domain, client_id).audience(audience);
    let waiting = terminal::waiting(&format!("Log in at {domain}, in your browser"), LOGIN);
    let credentials = auth.clone().browser(waiting.browser()).timeout(LOGIN).start().await?;
    drop(waiting);
    show(&auth, &credentials).await?;

    terminal::heading("The API is called");
    let client = AuthorizedClient::new(credentials)?;
    expect("with the token", client.get(&url).send().await?.status().as_u16(), 200)?;
    expect("without the token", without_token(url.parse()?).await?, 401)
}

async fn show(auth: &WebAuth, credentials: &Credentials) -> Result<(), Box<dyn Error>> {
    let user = auth.application().user_info(credentials).await?;
    terminal::heading("The login is verified");
    terminal::fact("who", format!("{} ({})", user.name().unwrap_or_default(), user.subject()));
    terminal::fact("email", user.email().unwrap_or_default());
    terminal::fact("scope", credentials.scope());
    if let Some(moment) = credentials.expires_at() {
        terminal::fact("expires", moment);
    }
    Ok(())
}

/// A call without the library, as anybody could make it.
async fn without_token(url: url::Url) -> Result<u16, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    Ok(client.execute(reqwest::Request::new(reqwest::Method::GET, url)).await?.status().as_u16())
}

/// The API wants a scope that was not granted: the error says which, so that a program can ask for it.
fn refused(answer: hallpass::Result<reqwest::Response>) -> u16 {
    match answer {
        Ok(response) => response.status().as_u16(),
        Err(error) => {
            terminal::fact("error", &error);
            error.step_up().map_or(0, |_| 403)
        }
    }
}

fn expect(what: &str, status: u16, expected: u16) -> Result<(), Box<dyn Error>> {
    terminal::fact(&status.to_string(), what);
    if status == expected { Ok(()) } else { Err(format!("{what}: {status} instead of {expected}").into()) }
}

/// How long the person may take.
const LOGIN: Duration = Duration::from_secs(300);
