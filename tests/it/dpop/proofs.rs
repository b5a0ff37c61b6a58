use std::collections::HashSet;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hallpass::dpop::{DpopKey, ProofAlgorithm};
use hallpass::testing::{Api, Endpoint};
use hallpass::{AccessToken, AuthorizedClient, ErrorKind};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::{key, log_in, part, strict_provider, verified};
use crate::two_halves::all_of;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// H8: RFC 9449, sections 4.2 and 7.1, with its figures' access token.
#[test]
fn a_proof_holds_what_the_rfc_says_and_nothing_private() {
    for (algorithm, name, public) in [
        (ProofAlgorithm::Es256, "ES256", &["crv", "kty", "x", "y"][..]),
        (ProofAlgorithm::Ps256, "PS256", &["e", "kty", "n"]),
        (ProofAlgorithm::EdDsa, "EdDSA", &["crv", "kty", "x"]),
    ] {
        let key = key(algorithm);
        assert_eq!(key.algorithm(), algorithm);
        let token = AccessToken::dpop("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", key.clone()).unwrap();
        assert_eq!(token.header_value(), "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let proof = token.proof(&Method::GET, &url("https://resource.example.org:443/protectedresource?a=b#c")).unwrap().unwrap();
        assert!(proof.is_sensitive());
        let proof = proof.to_str().unwrap();

        let header = part(proof, 0);
        assert_eq!((&header["typ"], &header["alg"]), (&"dpop+jwt".into(), &name.into()));
        assert_eq!(header.as_object().unwrap().len(), 3, "{header}");
        let jwk = header["jwk"].as_object().unwrap();
        assert_eq!(jwk.keys().collect::<Vec<_>>(), public);
        let jwk: Jwk = serde_json::from_value(header["jwk"].clone()).unwrap();
        assert_eq!(key.thumbprint(), jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), "as another library has it");

        let claims = verified(proof);
        assert_eq!((&claims["htm"], &claims["ath"]), (&"GET".into(), &"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo".into()));
        assert_eq!(claims["htu"], "https://resource.example.org/protectedresource");
        assert!(claims["iat"].is_i64() && claims["jti"].as_str().unwrap().len() >= 16);
        assert_eq!(claims.as_object().unwrap().len(), 5, "{claims}");
    }
}

/// H8: at the token endpoint, where no access token is shown.
#[tokio::test]
async fn a_token_request_is_proved_without_an_access_token() {
    let provider = strict_provider().await;
    log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap();
    let requests = provider.requests(Endpoint::Token);
    let claims = verified(requests[0].header("dpop").unwrap());
    assert_eq!(claims["htm"], "POST");
    assert_eq!(claims["htu"], provider.endpoint_url(Endpoint::Token).as_str());
    assert_eq!(claims.get("ath"), None);
    assert_eq!(claims.get("nonce"), None, "the provider has named none");
}

/// F24, H8: a proof for each request, of whatever client.
#[tokio::test]
async fn no_two_requests_have_the_same_proof() {
    let provider = strict_provider().await;
    let api = Api::start(&provider, super::AUDIENCE).await;
    let credentials = log_in(&provider, &DpopKey::generate().unwrap()).await.unwrap();
    let clients = [0, 1].map(|_| AuthorizedClient::new(credentials.clone()).unwrap().base_url(api.url()).unwrap());
    for call in 0..20 {
        assert_eq!(clients[call % 2].get("messages").send().await.unwrap().status(), 200);
    }
    let ids: HashSet<String> =
        api.seen().iter().map(|seen| verified(seen.header("dpop").unwrap())["jti"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn a_key_is_the_same_after_it_was_kept_as_pem() {
    for algorithm in [ProofAlgorithm::Es256, ProofAlgorithm::Ps256, ProofAlgorithm::EdDsa] {
        let key = key(algorithm);
        let pem = key.to_pem();
        assert!(pem.expose().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let again = DpopKey::from_pem(pem.expose()).unwrap();
        assert_eq!((&again, again.algorithm(), again.thumbprint()), (&key, algorithm, key.thumbprint()));
        assert_eq!(again.to_pem(), pem);
        assert_ne!(key, DpopKey::generate().unwrap());
    }
}

#[test]
fn an_rsa_key_is_made_too() {
    let key = DpopKey::generate_with(ProofAlgorithm::Ps256).unwrap();
    let token = AccessToken::dpop("abc", key).unwrap();
    verified(token.proof(&Method::GET, &url("https://api.acme.com/")).unwrap().unwrap().to_str().unwrap());
}

#[test]
fn what_is_no_key_for_proofs_is_refused_and_not_repeated() {
    let pem = DpopKey::generate().unwrap().to_pem().expose().to_owned();
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let p384 = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(p384));
    let half = &pem[..pem.len() / 2];
    for text in ["", "secret", half, &pem.replace("PRIVATE KEY", "PUBLIC KEY"), &pem.replace('M', "*"), &p384] {
        let error = DpopKey::from_pem(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let shown = all_of(&error);
        assert!(!shown.contains("secret") && !shown.contains(&pem[40..60]), "{shown}");
    }
}

/// I1
#[tokio::test]
async fn nothing_shows_a_private_key() {
    let provider = strict_provider().await;
    let key = DpopKey::generate().unwrap();
    let auth = super::web_auth(&provider).dpop(key.clone());
    let pending = auth.clone().redirect_uri("http://127.0.0.1:9999/callback").begin().await.unwrap();
    let credentials = auth.start().await.unwrap();
    let shown = format!("{key:?} {auth:?} {pending:?} {credentials:?} {:?} {:#?}", credentials.access_token(), auth.application());
    assert!(shown.contains(key.thumbprint()), "which key it is may be seen");
    let pem: String = key.to_pem().expose().lines().filter(|line| !line.starts_with("--")).collect();
    for start in [0, 40, 100] {
        assert!(!shown.contains(&pem[start..start + 20]));
    }
    assert!(!pending.url().as_str().contains(&pem[40..60]));
}

#[test]
fn a_bearer_token_has_no_proof_and_learns_no_nonce() {
    let (token, api) = (AccessToken::bearer("abc").unwrap(), url("https://api.acme.com/"));
    assert!(token.dpop_key().is_none() && token.proof(&Method::GET, &api).unwrap().is_none());
    let nonce = HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), "n".parse().unwrap())]);
    assert!(!token.learn_nonce(&api, &nonce));
}

/// F20: for programs that send requests by other means.
#[test]
fn a_token_learns_nonces_by_hand() {
    let token = AccessToken::dpop("abc", DpopKey::generate().unwrap()).unwrap();
    let (api, other) = (url("https://api.acme.com/a"), url("https://api.acme.com:8443/a"));
    let nonce_for = |url: &Url| -> Option<Value> {
        let proof = token.proof(&Method::POST, url).unwrap().unwrap();
        verified(proof.to_str().unwrap()).get("nonce").cloned()
    };
    assert_eq!(nonce_for(&api), None);
    let headers = HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), "eyJ7S_zG.eyJH0-Z.HX4w-7v".parse().unwrap())]);
    assert!(token.learn_nonce(&api, &headers));
    assert_eq!(nonce_for(&url("https://api.acme.com/b?c")), Some("eyJ7S_zG.eyJH0-Z.HX4w-7v".into()));
    assert_eq!(nonce_for(&other), None);
    assert!(!token.learn_nonce(&api, &HeaderMap::new()));
    assert_eq!(nonce_for(&api), Some("eyJ7S_zG.eyJH0-Z.HX4w-7v".into()));
}
