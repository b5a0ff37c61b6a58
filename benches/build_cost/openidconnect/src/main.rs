use std::env::args;
use std::io::stdin;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::reqwest::{Client, Url};
use openidconnect::{
    AuthorizationCode, ClientId, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope,
    TokenResponse as _,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [issuer, client_id, redirect_uri, api]: [String; 4] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let http = Client::new();
    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(issuer)?, &http).await?;
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(client_id), None)
        .set_redirect_uri(RedirectUrl::new(redirect_uri)?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let scopes = ["profile", "email"].map(|scope| Scope::new(scope.into()));
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random).add_scopes(scopes);
    let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
    println!("{url}");

    let mut callback = String::new();
    if stdin().read_line(&mut callback)? == 0 {
        return Ok(());
    }
    let callback = Url::parse(callback.trim())?;
    let find = |name: &str| callback.query_pairs().find(|pair| pair.0 == name).unwrap().1.into_owned();
    assert_eq!(find("state"), *state.secret());
    let exchange = client.exchange_code(AuthorizationCode::new(find("code")))?.set_pkce_verifier(verifier);
    let tokens = exchange.request_async(&http).await?;
    tokens.id_token().unwrap().claims(&client.id_token_verifier(), &nonce)?;
    println!("{}", http.get(api).bearer_auth(tokens.access_token().secret()).send().await?.status());
    Ok(())
}
