//! Staying logged in: log in, quit, run it again, and it still knows who you are.
//!
//! `cargo run --example session` needs no account, no network and no display: an identity provider runs inside this process,
//! which then starts this program several times over, one process after the other. With `AUTH0_DOMAIN` and `AUTH0_CLIENT_ID`
//! set it is the real thing: run it twice, then once with `logout`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

use hallpass::store::File;
use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
use hallpass::web_auth::{PrintUrl, SystemBrowser};
use hallpass::{CredentialsManager, WebAuth};
use tokio::process::Command;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    if let Ok(domain) = env::var("AUTH0_DOMAIN") {
        let browser = SystemBrowser::new().or(PrintUrl::new().pasted_from_stdin()); // the URL, where there is no browser
        return program(WebAuth::new(domain, env::var("AUTH0_CLIENT_ID")?).browser(browser), &state_folder()?).await;
    }
    match (env::var("SESSION_ISSUER"), env::var_os("SESSION_FOLDER")) {
        (Ok(issuer), Some(folder)) => {
            let auth = WebAuth::new(issuer, "native").ephemeral_port().browser(TestBrowser::new());
            program(auth, Path::new(&folder)).await
        }
        _ => several_starts().await,
    }
}

/// All that a program does about a login when it starts. What it may be told: `renew`, `logout`.
async fn program(auth: WebAuth, folder: &Path) -> Result<(), Box<dyn Error>> {
    let auth = auth.scope("openid profile email offline_access");
    // On a desktop, `store::Keychain` keeps the key to such a file in the system's keychain.
    let session = CredentialsManager::new(auth, File::new(folder)).on_renewed(|_| println!("  (renewed, and stored)"));
    let command = env::args().nth(1);
    if command.as_deref() == Some("logout") {
        session.revoke().await?;
        println!("  logged out; the provider has forgotten the refresh token");
        return Ok(());
    }

    let is_known = session.is_logged_in().await?;
    session.login_if_needed().await?; // opens the browser the first time only
    if command.as_deref() == Some("renew") {
        session.renew().await?; // it happens by itself when the access token ends
    }

    let user = session.user().await?.ok_or("the login gave no ID token")?;
    let greeting = if is_known { "welcome back" } else { "hello" };
    println!("  {greeting}, {} <{}>", user.name().unwrap_or_default(), user.email().unwrap_or_default());
    if let Some(end) = session.credentials().await?.expires_at() {
        println!("  the access token is good until {end}");
    }
    Ok(())
}

async fn several_starts() -> Result<(), Box<dyn Error>> {
    let provider = TestProvider::start().await;
    let folder = env::temp_dir().join(format!("hallpass-session-{}", std::process::id()));
    println!("An identity provider runs at {}, credentials are kept in {}.", provider.issuer(), folder.display());
    let outcome = starts(&provider, &folder).await;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    outcome
}

async fn starts(provider: &TestProvider, folder: &Path) -> Result<(), Box<dyn Error>> {
    // What it is told, and how often the browser has been opened in all.
    let starts = [
        ("first start", None, 1),
        ("second start", None, 1),
        ("third start, which renews", Some("renew"), 1),
        ("fourth start, which logs out", Some("logout"), 1),
        ("fifth start", None, 2),
    ];
    for (start, command, logins) in starts {
        terminal::heading(format!("The {start}"));
        let mut program = Command::new(env::current_exe()?);
        program.args(command).env("SESSION_ISSUER", provider.issuer()).env("SESSION_FOLDER", folder);
        let status = program.status().await?;
        let opened = provider.count(Endpoint::Authorize);
        if !status.success() || opened != logins {
            return Err(format!("{status}, and the browser was opened {opened} times in all, not {logins}").into());
        }
    }
    println!("\nThe browser was opened twice in all: for the first start, and after the logout.");
    Ok(())
}

fn state_folder() -> Result<PathBuf, Box<dyn Error>> {
    let state = match env::var_os("XDG_STATE_HOME").or_else(|| env::var_os("LOCALAPPDATA")) {
        Some(state) => PathBuf::from(state),
        None => PathBuf::from(env::var_os("HOME").ok_or("this machine has no home")?).join(".local/state"),
    };
    Ok(state.join("hallpass-session"))
}
