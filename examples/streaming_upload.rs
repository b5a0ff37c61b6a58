//! A file of any size to an API and back, never in memory as a whole.
//!
//! `cargo run --example streaming_upload` needs no account and no network: an identity provider and an API run inside this
//! process.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::error::Error;
use std::path::Path;

use hallpass::store::Memory;
use hallpass::testing::{Api, TestBrowser, TestProvider};
use hallpass::{AuthorizedClient, CredentialsManager, WebAuth};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    terminal::show_logs();
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    let auth = WebAuth::new(provider.issuer(), provider.client_id())
        .audience("https://api.acme.com")
        .scope("openid offline_access")
        .ephemeral_port()
        .browser(TestBrowser::new());
    let session = CredentialsManager::new(auth, Memory::new());
    let credentials = session.login_if_needed().await?;
    let client = AuthorizedClient::new(session)?.base_url(api.url())?;

    let folder = std::env::temp_dir().join(format!("hallpass-example-{}", std::process::id()));
    fs::create_dir_all(&folder).await?;
    let outcome = there_and_back(&client, &api, credentials.access_token().expose(), &folder).await;
    fs::remove_dir_all(&folder).await?;
    outcome
}

async fn there_and_back(client: &AuthorizedClient, api: &Api, token: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    terminal::heading("A film is sent, and comes back");
    let film = folder.join("film.mp4");
    fs::write(&film, vec![7; SIZE]).await?;
    let kept: Value = upload(client, File::open(&film).await?).await?.error_for_status()?.json().await?;
    terminal::fact("sent", format!("{} bytes as they were read from the disk", kept["body_length"]));
    assert_eq!(kept["body_length"], SIZE);

    // A file that was sent is read to its end: only its owner can open it again.
    api.refuse(token);
    let refused = upload(client, File::open(&film).await?).await?.status();
    terminal::fact("refused", format!("{refused}; the token was renewed meanwhile, so the file is sent anew"));
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    assert_eq!(upload(client, File::open(&film).await?).await?.status(), StatusCode::OK);

    let mut response = client.post("echo").body(File::open(&film).await?).send().await?.error_for_status()?;
    let mut copy = File::create(folder.join("copy.mp4")).await?;
    while let Some(piece) = response.chunk().await? {
        copy.write_all(&piece).await?;
    }
    copy.sync_all().await?;
    terminal::fact("received", format!("{} bytes, written as they arrived", copy.metadata().await?.len()));
    assert_eq!(copy.metadata().await?.len(), SIZE as u64);
    Ok(())
}

async fn upload(client: &AuthorizedClient, film: File) -> hallpass::Result<reqwest::Response> {
    client.put("films/1").body(film).send().await
}

const SIZE: usize = 16 * 1024 * 1024;
