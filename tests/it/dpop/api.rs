//! Calls to an API with a token that is bound to a key.

use hallpass::dpop::DpopKey;
use hallpass::{AccessToken, AuthorizedClient, ErrorKind};
use reqwest::header::HeaderName;
use reqwest::{Client, Method};
use url::Url;

use super::verified;
use crate::scripted_api::{ScriptedApi, Seen, answer};

fn token() -> AccessToken {
    AccessToken::dpop("token-0", DpopKey::generate().unwrap()).unwrap()
}

fn wherever_the_query_says(status: u16) -> impl Fn(&Seen) -> String {
    move |seen| match seen.target.split_once("to=") {
        Some((_, to)) => answer(status, &[&format!("Location: {to}"), "DPoP-Nonce: n1"], ""),
        None => answer(200, &[], "hello"),
    }
}

/// F3: what plain reqwest does, and what this client does instead.
#[tokio::test]
async fn a_redirect_to_another_origin_takes_no_proof_along() {
    let foreign = ScriptedApi::start(|seen| match seen.target.as_str() {
        "/one" => answer(302, &["Location: /two"], ""),
        _ => answer(200, &[], "foreign"),
    })
    .await;
    let api = ScriptedApi::start(wherever_the_query_says(302)).await;
    let lure = api.url(&format!("/?to={}", foreign.url("/one")));

    let (plain, token) = (Client::builder().no_proxy().build().unwrap(), token());
    let mut request = plain.get(&lure).build().unwrap();
    let proof = token.proof(&Method::GET, request.url()).unwrap().unwrap();
    request.headers_mut().insert("authorization", token.header_value().clone());
    request.headers_mut().insert("dpop", proof);
    assert_eq!(plain.execute(request).await.unwrap().text().await.unwrap(), "foreign");
    let leaked: Vec<_> =
        foreign.seen().iter().map(|seen| (seen.authorization().is_some(), seen.header("dpop").is_some())).collect();
    assert_eq!(leaked, [(false, true), (true, true)], "reqwest takes the proof along, and sends the token again at the second hop");

    let ours = AuthorizedClient::new(token.clone()).unwrap();
    let wrapped_client = Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let wrapped = AuthorizedClient::wrap(wrapped_client, token);
    for client in [ours, wrapped] {
        let response = client.get(&lure).send().await.unwrap();
        assert_eq!(response.status(), 302, "it is for the caller to go there, without a token");
    }
    assert_eq!(foreign.seen().len(), 2, "and no request beyond reqwest's own");
}

/// F4, F24
#[tokio::test]
async fn each_hop_of_a_redirect_has_a_proof_of_its_own() {
    for (status, method) in [(303, "GET"), (307, "POST")] {
        let api = ScriptedApi::start(wherever_the_query_says(status)).await;
        let client = AuthorizedClient::new(token()).unwrap();
        let response = client.post(api.url("/start?to=/end?a=b")).body("body").send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "hello");
        let proofs: Vec<_> = api.seen().iter().map(|seen| verified(seen.header("dpop").unwrap())).collect();
        assert_eq!((&proofs[0]["htm"], &proofs[0]["htu"]), (&"POST".into(), &api.url("/start").into()));
        assert_eq!((&proofs[1]["htm"], &proofs[1]["htu"]), (&method.into(), &api.url("/end").into()));
        assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
    }
}

/// F3, F20: for a named origin the proof is made for that origin, and holds no other origin's nonce.
#[tokio::test]
async fn a_named_origin_gets_proofs_of_its_own() {
    let other = ScriptedApi::start(wherever_the_query_says(302)).await;
    let api = ScriptedApi::start(wherever_the_query_says(302)).await;
    let client = AuthorizedClient::new(token()).unwrap().base_url(api.origin()).unwrap();
    let client = client.allow_origin(other.origin()).unwrap();
    let there_and_back = format!("/?to={}", other.url(&format!("/?to={}", api.url("/end"))));
    assert_eq!(client.get(there_and_back).send().await.unwrap().text().await.unwrap(), "hello");
    let proofs = [&api.seen()[0], &other.seen()[0], &api.seen()[1]].map(|seen| verified(seen.header("dpop").unwrap()));
    assert_eq!(proofs.each_ref().map(|proof| proof["htu"].clone()), [api.url("/"), other.url("/"), api.url("/end")]);
    assert_eq!(proofs.each_ref().map(|proof| proof.get("nonce").is_some()), [false, false, true]);
}

/// F22
#[tokio::test]
async fn an_api_that_also_takes_bearer_tokens_gets_none() {
    for challenges in [
        &["WWW-Authenticate: Bearer, DPoP algs=\"ES256\""][..],
        &["WWW-Authenticate: Bearer error=\"invalid_token\", DPoP error=\"use_dpop_nonce\", algs=\"ES256\"", "DPoP-Nonce: n1"],
        &["WWW-Authenticate: DPoP error=\"invalid_token\"", "WWW-Authenticate: Bearer realm=\"x\""],
        &["WWW-Authenticate: Bearer error=\"invalid_token\"", "WWW-Authenticate: DPoP error=\"invalid_dpop_proof\""],
        &["WWW-Authenticate: Bearer"],
        &[],
    ] {
        let api = ScriptedApi::start(move |_| answer(401, challenges, "")).await;
        let client = AuthorizedClient::new(token()).unwrap();
        assert_eq!(client.get(api.url("/")).send().await.unwrap().status(), 401);
        let seen = api.seen();
        assert!((1..=2).contains(&seen.len()), "{challenges:?}");
        for seen in seen {
            assert_eq!(seen.authorization(), Some("DPoP token-0"), "{challenges:?}");
            verified(seen.header("dpop").unwrap());
        }
    }
}

/// F9
#[tokio::test]
async fn a_proof_of_the_callers_own_is_one_too_many() {
    let api = ScriptedApi::start(|_| answer(200, &[], "hello")).await;
    let client = AuthorizedClient::new(token()).unwrap();
    let error = client.get(api.url("/")).header("dpop", "mine").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`DPoP`"), "{error}");
    assert!(api.seen().is_empty());
    let bearer = AuthorizedClient::new(AccessToken::bearer("abc").unwrap()).unwrap();
    bearer.get(api.url("/")).header("dpop", "mine").send().await.unwrap();
    assert_eq!(api.seen()[0].header("dpop"), Some("mine"), "beside a bearer token it is the caller's affair");
}

/// F3: a proof of the caller stays with the origin that it is for.
#[tokio::test]
async fn a_proof_of_the_callers_own_goes_to_no_other_origin() {
    let other = ScriptedApi::start(wherever_the_query_says(302)).await;
    let api = ScriptedApi::start(wherever_the_query_says(302)).await;
    let client = AuthorizedClient::new(AccessToken::bearer("abc").unwrap()).unwrap().base_url(api.origin()).unwrap();
    let client = client.allow_origin(other.origin()).unwrap();
    let lure = format!("/?to={}", other.url("/end"));
    client.get(lure).header("dpop", "mine").send().await.unwrap();
    assert_eq!((api.seen()[0].header("dpop"), other.seen()[0].header("dpop")), (Some("mine"), None));
}

/// F10, F28: the proof goes along whatever the API calls the token's header.
#[tokio::test]
async fn a_token_in_another_header_has_a_proof_too() {
    let api = ScriptedApi::start(|_| answer(200, &[], "hello")).await;
    let client = AuthorizedClient::new(token()).unwrap().header(HeaderName::from_static("x-api-token"));
    client.get(api.url("/")).send().await.unwrap();
    let seen = &api.seen()[0];
    assert_eq!((seen.header("x-api-token"), seen.authorization()), (Some("token-0"), None));
    verified(seen.header("dpop").unwrap());
}

/// F25: two users with a key each, over one HTTP client.
#[tokio::test]
async fn two_users_never_prove_for_each_other() {
    let api = ScriptedApi::start(|_| answer(200, &[], "hello")).await;
    let shared = Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let users = [0, 1].map(|user| {
        let token = AccessToken::dpop(format!("token-{user}"), DpopKey::generate().unwrap()).unwrap();
        (token.clone(), AuthorizedClient::wrap(shared.clone(), token))
    });
    let url: Url = api.url("/").parse().unwrap();
    for call in 0..100 {
        users[call % 2].1.get(&url).send().await.unwrap();
    }
    for seen in api.seen() {
        let (token, _) = users.iter().find(|(token, _)| seen.authorization() == token.header_value().to_str().ok()).unwrap();
        let jwk: jsonwebtoken::jwk::Jwk = jsonwebtoken::decode_header(seen.header("dpop").unwrap()).unwrap().jwk.unwrap();
        let thumbprint = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
        assert_eq!(thumbprint, token.dpop_key().unwrap().thumbprint());
    }
}
