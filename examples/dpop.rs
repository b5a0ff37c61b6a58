//! Tokens that a thief can do nothing with: a login whose tokens are bound to a key (DPoP, RFC 9449), and what somebody gets who has
//! stolen one.
//!
//! `cargo run --example dpop` needs no account, no network and no display: an identity provider and an API run inside
//! this process, and both want a nonce of theirs in each proof. With `AUTH0_DOMAIN`, `AUTH0_CLIENT_ID` and `AUTH0_AUDIENCE` set it logs in
//! for real: switch on sender constraining (DPoP) for the API there first.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;

use hallpass::dpop::DpopKey;
use hallpass::store::{CredentialsStore, Memory};
use hallpass::testing::{Api, Endpoint, TestBrowser, TestClient, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, CredentialsManager, TokenType, WebAuth};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    if let Ok(domain) = env::var("AUTH0_DOMAIN") {
        let auth = WebAuth::new(domain, env::var("AUTH0_CLIENT_ID")?).audience(env::var("AUTH0_AUDIENCE")?);
        let session = log_in(auth, Memory::new()).await?;
        terminal::fact("who", session.user().await?.and_then(|user| user.name()).unwrap_or_default());
        return Ok(());
    }
    let provider = TestProvider::builder().client(TestClient::public("native").requires_dpop_nonce()).start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    api.require_dpop_nonce();
    let auth = || {
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).audience("https://api.acme.com");
        auth.ephemeral_port().browser(TestBrowser::new())
    };
    let store = Memory::new();
    terminal::heading("Jane logs in, and the API is called twice");
    let session = log_in(auth(), store.clone()).await?;
    terminal::fact(
        "login",
        format!("the provider was asked {} times: the first proof lacked its nonce", provider.count(Endpoint::Token)),
    );
    assert_eq!(provider.count(Endpoint::Token), 2);

    call(&session, &api).await?;
    terminal::fact("calls", format!("the API was asked {} times for two: the first proof lacked its nonce", api.count()));
    assert_eq!(api.count(), 3);

    terminal::heading("The program starts again");
    // The next start of the program makes another key, and goes on with the one that the login is bound to.
    let later = log_in(auth(), store).await?;
    call(&later, &api).await?;
    let renewed = later.renew().await?;
    terminal::fact("restart", "the session goes on with its key, also to renew itself; nobody had to log in");
    assert_eq!(provider.count(Endpoint::Authorize), 1);

    terminal::heading("Somebody has found the token in a log, and shows it to the API");
    // The key is not in the log.
    let stolen = renewed.access_token().expose();
    for (how, token) in [
        ("as a bearer token", AccessToken::bearer(stolen)?),
        ("with a key of the thief's own", AccessToken::dpop(stolen, DpopKey::generate()?)?),
    ] {
        let answer = AuthorizedClient::new(token)?.get(api.url()).send().await?;
        terminal::fact("answer", format!("{} {how}", answer.status()));
        assert_eq!(answer.status(), 401);
    }
    Ok(())
}

/// All that a program does about DPoP is to call `dpop`: renewals, calls and the store follow by themselves.
async fn log_in(auth: WebAuth, store: impl CredentialsStore) -> Result<CredentialsManager, Box<dyn Error>> {
    let auth = auth.scope("openid profile offline_access").dpop(DpopKey::generate()?);
    let session = CredentialsManager::new(auth, store);
    let credentials = session.login_if_needed().await?;
    assert_eq!(credentials.token_type(), TokenType::DPoP);
    let key = credentials.access_token().dpop_key().ok_or("a DPoP token has a key")?;
    terminal::fact("bound to", key.thumbprint());
    Ok(session)
}

async fn call(session: &CredentialsManager, api: &Api) -> Result<(), Box<dyn Error>> {
    let client = AuthorizedClient::new(session.clone())?.base_url(api.url())?;
    for path in ["messages", "messages?page=2"] {
        let response = client.get(path).send().await?;
        assert_eq!(response.status(), 200);
    }
    let last = api.seen().pop().ok_or("the API has seen the call")?;
    assert!(last.header("authorization").is_some_and(|shown| shown.starts_with("DPoP ")) && last.header("dpop").is_some());
    Ok(())
}
