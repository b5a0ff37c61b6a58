//! Roles: the provider adds them to the ID token and to the access token, under a name of the application's own, and the program shows
//! each person what theirs allow. The API has the last word.
//!
//! `cargo run --example profile_roles` needs no account, no network and no display. With `AUTH0_DOMAIN` and `AUTH0_CLIENT_ID` set it is the
//! real thing, where a post-login Action adds them:
//!
//! ```js
//! exports.onExecutePostLogin = async (event, api) => {
//!   const roles = event.authorization?.roles ?? [];
//!   api.idToken.setCustomClaim("https://acme.com/roles", roles);
//!   api.accessToken.setCustomClaim("https://acme.com/roles", roles);
//! };
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;

use hallpass::testing::{Api, TestBrowser, TestProvider, TestUser};
use hallpass::{AuthorizedClient, Credentials, WebAuth};

const AUDIENCE: &str = "https://api.acme.com";
/// A claim of one's own is named by a URL, so that it is nobody else's. Nothing has to be at that address.
const ROLES: &str = "https://acme.com/roles";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    if let Ok(domain) = env::var("AUTH0_DOMAIN") {
        let credentials = WebAuth::new(domain, env::var("AUTH0_CLIENT_ID")?).start().await?;
        show(&credentials)?;
        return Ok(());
    }

    let jane = TestUser::new("jane@example.com").claim(ROLES, ["admin", "editor"]);
    let provider = TestProvider::builder().user(jane).start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    api.require_scope("/admin", "admin:everything");
    // Which scopes a role has is decided at the provider, not here.
    for (email, scope, is_admin) in [("jane@example.com", "admin:everything", true), ("joe@example.com", "", false)] {
        let auth = WebAuth::new(provider.issuer(), provider.client_id())
            .audience(AUDIENCE)
            .scope(format!("openid profile email {scope}"))
            .ephemeral_port()
            .browser(TestBrowser::new().user(email));
        let credentials = auth.start().await?;
        let roles = show(&credentials)?;
        if roles.iter().any(|role| role == "admin") != is_admin {
            return Err(format!("{email} has the roles {roles:?}").into());
        }
        // What is shown is a courtesy to the person. What they may do is decided where it is done.
        let client = AuthorizedClient::new(credentials)?.base_url(api.url())?;
        let allowed = match client.get("admin").send().await {
            Ok(answer) => answer.status().is_success(),
            Err(refusal) if refusal.step_up().is_some() => false,
            Err(error) => return Err(error.into()),
        };
        println!("  the API says {}", if allowed { "yes" } else { "no" });
        if allowed != is_admin {
            return Err(format!("the API lets {email} in: {allowed}").into());
        }
    }
    Ok(())
}

/// The profile, with what is only for some.
fn show(credentials: &Credentials) -> Result<Vec<String>, Box<dyn Error>> {
    let user = credentials.user().ok_or("the scope openid gives an ID token")?;
    println!("\n{} <{}>", user.name().unwrap_or_default(), user.email().unwrap_or_default());
    // Of the verified ID token. The access token is the API's to read: to this program it is only text.
    let roles: Vec<String> = user.get(ROLES).unwrap_or_default();
    println!("  roles: {}", if roles.is_empty() { "none".to_owned() } else { roles.join(", ") });
    println!("  your messages");
    if roles.iter().any(|role| role == "editor") {
        println!("  everybody's messages");
    }
    if roles.iter().any(|role| role == "admin") {
        println!("  the administration");
    }
    Ok(roles)
}
