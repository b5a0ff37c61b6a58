//! A login's URL with state, nonce and PKCE, at a provider that is known already.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::WebAuth;
use hallpass::testing::{Endpoint, TestProvider};
use openid::{Client as OpenidClient, Discovered, Options, StandardClaims};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{AuthType, Nonce};
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;

use crate::endpoint;
use crate::measure::{Unit, Variant, table};

pub fn measure() -> String {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(TestProvider::start());
    let (issuer, client_id) = (provider.issuer().to_owned(), provider.client_id());
    let auth = WebAuth::new(&issuer, client_id).scope(SCOPE).redirect_uri(REDIRECT);

    let mut prefix = provider.endpoint_url(Endpoint::Authorize);
    let fixed = [("response_type", "code"), ("client_id", client_id), ("redirect_uri", REDIRECT), ("scope", SCOPE)];
    prefix.query_pairs_mut().extend_pairs(fixed).append_pair("code_challenge_method", "S256");
    let prefix = prefix.to_string();

    let url = |text: String| oauth2::AuthUrl::new(text).unwrap();
    let oauth2 = oauth2::basic::BasicClient::new(oauth2::ClientId::new(client_id.into()))
        .set_auth_uri(url(provider.endpoint_url(Endpoint::Authorize).into()))
        .set_redirect_uri(oauth2::RedirectUrl::new(REDIRECT.into()).unwrap());

    let discovered = runtime.block_on(endpoint::get(&format!("{issuer}.well-known/openid-configuration")));
    let metadata: CoreProviderMetadata = serde_json::from_slice(&discovered).unwrap();
    let openidconnect = CoreClient::from_provider_metadata(metadata, openidconnect::ClientId::new(client_id.into()), None)
        .set_auth_type(AuthType::RequestBody)
        .set_redirect_uri(openidconnect::RedirectUrl::new(REDIRECT.into()).unwrap());

    // Its own discovery takes no http.
    let config: openid::Config = serde_json::from_slice(&discovered).unwrap();
    let (discovered, redirect) = (Discovered::from(config), REDIRECT.to_owned());
    let http = reqwest::Client::new();
    let openid = OpenidClient::<Discovered, StandardClaims>::new(discovered, client_id.into(), None, redirect, http, None);

    let variants = vec![
        Variant::work("floor: by hand, one read of randomness", CALLS, || by_hand(&prefix)),
        Variant::waiting("hallpass", CALLS, &runtime, || async { auth.begin().await.unwrap() }),
        // It has no nonce.
        Variant::work("oauth2", CALLS, || {
            let (challenge, verifier) = oauth2::PkceCodeChallenge::new_random_sha256();
            let request = oauth2.authorize_url(oauth2::CsrfToken::new_random).set_pkce_challenge(challenge);
            let request = request.add_scopes(SCOPE.split(' ').map(|scope| oauth2::Scope::new(scope.into())));
            (request.url(), verifier)
        }),
        Variant::work("openidconnect", CALLS, || {
            let (challenge, verifier) = openidconnect::PkceCodeChallenge::new_random_sha256();
            let flow = CoreAuthenticationFlow::AuthorizationCode;
            let request = openidconnect.authorize_url(flow, openidconnect::CsrfToken::new_random, Nonce::new_random);
            let scopes = SCOPE.split(' ').skip(1).map(|scope| openidconnect::Scope::new(scope.into()));
            (request.add_scopes(scopes).set_pkce_challenge(challenge).url(), verifier)
        }),
        // Its caller makes state and nonce.
        Variant::work("openid", CALLS, || {
            let (state, nonce) = (Some(random()), Some(random()));
            openid.auth_url_with_new_pkce(&Options { scope: Some(SCOPE.into()), state, nonce, ..Options::default() })
        }),
    ];
    table("A login's URL with state, nonce and PKCE", Unit::Nanoseconds, ROUNDS, variants)
}

/// One read for all three, and one text.
fn by_hand(prefix: &str) -> (String, [u8; 96]) {
    let mut random = [0; 96];
    SysRng.try_fill_bytes(&mut random).unwrap();
    let mut verifier = [0; 43];
    URL_SAFE_NO_PAD.encode_slice(&random[..32], &mut verifier).unwrap();
    let mut url = String::with_capacity(prefix.len() + 200);
    url.push_str(prefix);
    for (name, bytes) in [("&state=", &random[32..64]), ("&nonce=", &random[64..])] {
        url.push_str(name);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut url);
    }
    url.push_str("&code_challenge=");
    URL_SAFE_NO_PAD.encode_string(Sha256::digest(verifier), &mut url);
    (url, random)
}

fn random() -> String {
    let mut random = [0; 32];
    SysRng.try_fill_bytes(&mut random).unwrap();
    URL_SAFE_NO_PAD.encode(random)
}

const ROUNDS: usize = 31;
const CALLS: u32 = 2000;
const SCOPE: &str = "openid profile email offline_access";
const REDIRECT: &str = "http://127.0.0.1:21965/callback";
