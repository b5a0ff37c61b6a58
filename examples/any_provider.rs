//! A login at any OpenID Connect provider: all that differs is the issuer.
//!
//! `cargo run --example any_provider` needs no account, no network and no display: it logs in at three providers inside this process that
//! differ as real ones do. With `ISSUER` and `CLIENT_ID` set, you log in at yours, in your browser. Issuers are, for instance:
//!
//! - Keycloak: `https://login.acme.com/realms/acme`, with `.localhost()` beside `ephemeral_port()`
//! - Microsoft Entra ID: `https://login.microsoftonline.com/TENANT_ID/v2.0`, the same
//! - Google: `https://accounts.google.com`
//! - Okta: `https://acme.okta.com`, or `https://acme.okta.com/oauth2/default`, whose ports are fixed: leave `ephemeral_port()` out
//! - Auth0: `acme.eu.auth0.com`, the same
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;

use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{Credentials, WebAuth};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    if let (Ok(issuer), Ok(client_id)) = (env::var("ISSUER"), env::var("CLIENT_ID")) {
        show(&WebAuth::new(issuer, client_id).ephemeral_port().start().await?);
        return Ok(());
    }
    for (what, provider) in [
        ("at the root of a host, as Auth0 does", TestProvider::builder()),
        ("with a path, as Keycloak does", TestProvider::builder().issuer_path("/realms/acme").without_trailing_slash()),
        ("signing with ES256", TestProvider::builder().id_token_algorithm("ES256")),
    ] {
        let provider = provider.start().await;
        terminal::heading(format!("One {what}"));
        terminal::fact("issuer", provider.issuer());
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid email");
        let credentials = auth.ephemeral_port().browser(TestBrowser::new()).start().await?;
        show(&credentials);
        assert_eq!(credentials.issuer(), provider.issuer());
        assert_eq!(credentials.user().and_then(|user| user.email()).as_deref(), Some("jane@example.com"));
    }
    Ok(())
}

fn show(credentials: &Credentials) {
    let Some(user) = credentials.user() else { return };
    terminal::fact("who", user.subject());
    terminal::fact("email", user.email().as_deref().unwrap_or("not told"));
}
