//! A login on another device, for a program on a machine without a browser: it shows a code and waits; a person confirms it.
//!
//! `cargo run --example device` needs no account, no network and no display: an identity provider runs inside this process,
//! and Jane confirms the code in a browser of her own. With `AUTH0_DOMAIN` and `AUTH0_CLIENT_ID` set (an application that may
//! use the grant *Device Code*) you are Jane.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::env;
use std::error::Error;
use std::time::Duration;

use hallpass::device::DeviceLogin;
use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{Application, Credentials};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    match env::var("AUTH0_DOMAIN") {
        Ok(domain) => {
            let mut login = Application::new(domain, env::var("AUTH0_CLIENT_ID")?).device().start().await?;
            show(&login);
            let waiting = terminal::waiting("Waiting for you to confirm the code", login.expires_in());
            let credentials = login.wait().await?;
            drop(waiting);
            greet(&credentials)
        }
        Err(_) => inside_this_process().await,
    }
}

async fn inside_this_process() -> Result<(), Box<dyn Error>> {
    let provider = TestProvider::builder().device_interval(Duration::from_secs(2)).start().await;
    println!("An identity provider runs at {}.\n", provider.issuer());
    let mut login = Application::new(provider.issuer(), provider.client_id()).device().start().await?;
    show(&login);

    let page = login.verification_uri_complete().ok_or("the provider gives a page with the code filled in")?.clone();
    let jane = tokio::spawn(async move {
        // She has to find her telephone first.
        tokio::time::sleep(Duration::from_secs(3)).await;
        TestBrowser::new().visit_page(&page).await
    });
    let waiting = terminal::waiting("Waiting for Jane to confirm the code", login.expires_in());
    let credentials = login.wait().await?;
    drop(waiting);
    println!("Jane's browser shows: {}", jane.await??.title());
    greet(&credentials)
}

fn show(login: &DeviceLogin) {
    terminal::fact("open", login.verification_uri());
    terminal::fact("and type", login.user_code());
    // A method of the feature `qr`.
    println!("\n{}\n", login.qr_code());
}

fn greet(credentials: &Credentials) -> Result<(), Box<dyn Error>> {
    let user = credentials.user().ok_or("the login proves who it was")?;
    terminal::heading("Logged in");
    terminal::fact("who", format!("{} ({})", user.name().unwrap_or_default(), user.subject()));
    Ok(())
}
