//! A login by hand: discovery, state, nonce and PKCE, the exchange and the call, and no check of the ID token.
use std::env::args;
use std::io::stdin;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Url};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [issuer, client_id, redirect_uri, api]: [String; 4] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let http = Client::new();
    let discovered = http.get(format!("{issuer}.well-known/openid-configuration")).send().await?.bytes().await?;
    let metadata: Value = serde_json::from_slice(&discovered)?;
    let (state, nonce, verifier) = (random(), random(), random());
    let mut url = Url::parse(metadata["authorization_endpoint"].as_str().unwrap())?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &client_id)
        .append_pair("redirect_uri", &redirect_uri)
        .append_pair("scope", "openid profile email")
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &BASE64.encode(digest(&SHA256, verifier.as_bytes())))
        .append_pair("code_challenge_method", "S256");
    println!("{url}");

    let mut callback = String::new();
    if stdin().read_line(&mut callback)? == 0 {
        return Ok(());
    }
    let callback = Url::parse(callback.trim())?;
    let code = callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let mut form = Url::parse("form:")?;
    form.query_pairs_mut()
        .append_pair("grant_type", "authorization_code")
        .append_pair("client_id", &client_id)
        .append_pair("redirect_uri", &redirect_uri)
        .append_pair("code_verifier", &verifier)
        .append_pair("code", &code);
    let exchange =
        http.post(metadata["token_endpoint"].as_str().unwrap()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let tokens: Value = serde_json::from_slice(&exchange.body(form.query().unwrap().to_owned()).send().await?.bytes().await?)?;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    println!("{}", http.get(api).header(AUTHORIZATION, bearer).send().await?.status());
    Ok(())
}

fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    BASE64.encode(bytes)
}
