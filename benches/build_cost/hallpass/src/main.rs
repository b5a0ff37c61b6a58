use std::env::args;
use std::io::stdin;

use hallpass::{AuthorizedClient, WebAuth};

#[tokio::main]
async fn main() -> hallpass::Result<()> {
    let [issuer, client_id, redirect_uri, api]: [String; 4] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let auth = WebAuth::new(issuer, client_id).redirect_uri(redirect_uri);
    let login = auth.begin().await?;
    println!("{}", login.url());

    let mut callback = String::new();
    if stdin().read_line(&mut callback).unwrap() == 0 {
        return Ok(());
    }
    let credentials = auth.finish(login, callback.trim()).await?;
    let client = AuthorizedClient::new(credentials)?.base_url(&api)?;
    println!("{}", client.get("").send().await?.status());
    Ok(())
}
