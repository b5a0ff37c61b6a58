//! Its discovery takes https only.
use std::env::args;
use std::io::stdin;

use openid::{DiscoveredClient, Options};
use reqwest::{Client as Http, Url};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [issuer, client_id, redirect_uri, api]: [String; 4] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let client = DiscoveredClient::discover(client_id, None, Some(redirect_uri), Url::parse(&issuer)?).await?;
    let scope = Some("openid profile email".to_owned());
    let url = client.auth_url(&Options { scope, ..Options::default() });
    println!("{url}");

    let mut callback = String::new();
    if stdin().read_line(&mut callback)? == 0 {
        return Ok(());
    }
    let callback = Url::parse(callback.trim())?;
    let code = callback.query_pairs().find(|pair| pair.0 == "code").unwrap().1.into_owned();
    let token = client.authenticate(&code, None, None).await?;
    println!("{}", Http::new().get(api).bearer_auth(token.bearer.access_token).send().await?.status());
    Ok(())
}
