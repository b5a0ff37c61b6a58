//! A service calls an API with a token of its own, and proves by a private key that it is itself: no secret leaves it.
//!
//! `cargo run --example machine_to_machine` needs no account and no network: an identity provider and an API run inside this
//! process. With `AUTH0_DOMAIN`, `AUTH0_CLIENT_ID`, `AUTH0_CLIENT_SECRET` and `AUTH0_AUDIENCE` set (an application of the type
//! *Machine to Machine*) the token is Auth0's.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;

use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Api, Endpoint, TestClient, TestProvider};
use hallpass::{Application, AuthorizedClient, ClientAuth};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    match env::var("AUTH0_DOMAIN") {
        Ok(domain) => at_auth0(domain).await,
        Err(_) => inside_this_process().await,
    }
}

async fn at_auth0(domain: String) -> Result<(), Box<dyn Error>> {
    let service = Application::new(domain, env::var("AUTH0_CLIENT_ID")?)
        .client_auth(ClientAuth::client_secret_post(env::var("AUTH0_CLIENT_SECRET")?));
    let token = service.client_credentials().audience(env::var("AUTH0_AUDIENCE")?).token().await?;
    terminal::fact("token", format!("good until {}", token.expires_at().ok_or("Auth0 says how long a token lives")?));
    Ok(())
}

async fn inside_this_process() -> Result<(), Box<dyn Error>> {
    // Once, when the service is set up: a key pair, of which the provider is given the public half.
    let key = PrivateKey::generate("ES256")?.kid("reports-1");
    terminal::heading("A service makes a key, once");
    terminal::fact("key", format!("registered at the provider: {}", key.public_jwk()));
    let pem = key.to_pem(); // kept where only the service reads it
    let provider = TestProvider::builder().client(TestClient::signing("reports", key.public_jwk())).start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;

    terminal::heading("It asks for a token by that key, and calls the API");
    // Each time it starts.
    let key = PrivateKey::from_pem(pem.expose())?.kid("reports-1");
    let service = Application::new(provider.issuer(), "reports").client_auth(ClientAuth::private_key_jwt(key));
    let token = service.client_credentials().audience("https://api.acme.com").scope("read:messages");
    let client = AuthorizedClient::new(token.clone())?.base_url(api.url())?;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("messages").send().await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await??.status(), 200);
    }
    terminal::fact("calls", format!("100 at once, and {} token request", provider.count(Endpoint::Token)));
    assert_eq!(provider.count(Endpoint::Token), 1);

    terminal::heading("The API asks the provider whose token it was given");
    // An API that is handed a token it cannot read asks the provider what it is.
    let presented = token.token().await?.expose().into();
    let said = service.introspect(&presented).await?;
    // A good token of this provider may be for another API.
    let is_for_us = said.audience().iter().any(|api| api == "https://api.acme.com");
    assert!(said.is_active() && is_for_us && said.has_scope("read:messages"));
    terminal::fact("token", format!("{}'s, for {}", said.client_id().unwrap_or_default(), said.audience().join(", ")));
    terminal::fact("expires", said.expires_at().ok_or("it is known when the token expires")?);

    terminal::heading("Somebody else's key");
    // Somebody else's key is refused, and the error says what to look at.
    let stranger =
        Application::new(provider.issuer(), "reports").client_auth(ClientAuth::private_key_jwt(PrivateKey::generate("ES256")?));
    let error =
        stranger.client_credentials().audience("https://api.acme.com").token().await.err().ok_or("a stranger is refused")?;
    assert!(error.to_string().contains("check that the provider has its public key"));
    terminal::fact("error", error);
    Ok(())
}
