//! It knows the endpoints beforehand, since this library has no discovery, and has no ID token.
use std::env::args;
use std::io::stdin;

use oauth2::basic::BasicClient;
use oauth2::reqwest::{Client, Url};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _, TokenUrl,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [issuer, client_id, redirect_uri, api]: [String; 4] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let client = BasicClient::new(ClientId::new(client_id))
        .set_auth_uri(AuthUrl::new(format!("{issuer}authorize"))?)
        .set_token_uri(TokenUrl::new(format!("{issuer}oauth/token"))?)
        .set_redirect_uri(RedirectUrl::new(redirect_uri)?);
    let http = Client::new();
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scopes = ["openid", "profile", "email"].map(|scope| Scope::new(scope.into()));
    let (url, state) = client.authorize_url(CsrfToken::new_random).add_scopes(scopes).set_pkce_challenge(challenge).url();
    println!("{url}");

    let mut callback = String::new();
    if stdin().read_line(&mut callback)? == 0 {
        return Ok(());
    }
    let callback = Url::parse(callback.trim())?;
    let find = |name: &str| callback.query_pairs().find(|pair| pair.0 == name).unwrap().1.into_owned();
    assert_eq!(find("state"), *state.secret());
    let exchange = client.exchange_code(AuthorizationCode::new(find("code"))).set_pkce_verifier(verifier);
    let tokens = exchange.request_async(&http).await?;
    println!("{}", http.get(api).bearer_auth(tokens.access_token().secret()).send().await?.status());
    Ok(())
}
