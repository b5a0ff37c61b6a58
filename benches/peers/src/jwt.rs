//! A JWT of the provider with its keys in memory: what is read, checked and verified at each login.
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
use hallpass::{Application, WebAuth};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use openid::{Client as OpenidClient, Discovered, IdToken, StandardClaims};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::endpoint;
use crate::measure::{Unit, Variant, table};

pub fn measure() -> String {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    ["RS256", "PS256", "ES256", "EdDSA"].map(|algorithm| of(algorithm, &runtime)).join("\n")
}

fn of(algorithm: &str, runtime: &Runtime) -> String {
    let provider = runtime.block_on(TestProvider::builder().id_token_algorithm(algorithm).start());
    // As Auth0 writes it, `openid` does not read it.
    provider.always_id_token(|token| _ = token.remove("updated_at"));
    let (issuer, client_id) = (provider.issuer().to_owned(), provider.client_id());
    let auth = WebAuth::new(&issuer, client_id).scope("openid profile email").ephemeral_port().browser(TestBrowser::new());
    let login = runtime.block_on(auth.start()).unwrap();
    let id_token = login.id_token().unwrap().raw().expose().to_owned();
    let logout_token = provider.logout_token(login.user().unwrap(), |token| _ = token.sign_as(algorithm));
    let keys = runtime.block_on(endpoint::get(provider.endpoint_url(Endpoint::Jwks).as_str()));
    let metadata = runtime.block_on(endpoint::get(&format!("{issuer}.well-known/openid-configuration")));

    let raw = Raw::new(&id_token, &keys);
    let application = Application::new(&issuer, client_id);
    let mut variants = vec![
        Variant::work("floor: aws-lc-rs alone, with the key parsed", CALLS, || raw.verify()),
        Variant::waiting("hallpass, a logout token", CALLS, runtime, || async {
            application.verify_logout_token(&logout_token).await.unwrap()
        }),
    ];

    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys).unwrap();
    let key_id = jsonwebtoken::decode_header(&id_token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&key_id).unwrap()).unwrap();
    let mut validation = Validation::new(match algorithm {
        "RS256" => Algorithm::RS256,
        "PS256" => Algorithm::PS256,
        "ES256" => Algorithm::ES256,
        _ => Algorithm::EdDSA,
    });
    validation.set_issuer(&[&issuer]);
    validation.set_audience(&[client_id]);
    variants.push(Variant::work("jsonwebtoken, an ID token", CALLS, move || {
        jsonwebtoken::decode::<serde_json::Map<String, Value>>(&id_token, &key, &validation).unwrap()
    }));
    let id_token = login.id_token().unwrap().raw().expose();

    let set: CoreJsonWebKeySet = serde_json::from_slice(&keys).unwrap();
    let allowed = match algorithm {
        "RS256" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        "PS256" => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        "ES256" => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        _ => CoreJwsSigningAlgorithm::EdDsa,
    };
    let verifier =
        CoreIdTokenVerifier::new_public_client(ClientId::new(client_id.into()), IssuerUrl::new(issuer.clone()).unwrap(), set);
    let verifier = verifier.set_allowed_algs([allowed]);
    variants.push(Variant::work("openidconnect, an ID token", CALLS, move || {
        let token: CoreIdToken = id_token.parse().unwrap();
        token.into_claims(&verifier, |_: Option<&Nonce>| Ok(())).unwrap()
    }));

    // It knows no others.
    if algorithm == "RS256" {
        // Its own discovery takes no http.
        let config: openid::Config = serde_json::from_slice(&metadata).unwrap();
        let (provider, set) = (Discovered::from(config), serde_json::from_slice(&keys).unwrap());
        let http = reqwest::Client::new();
        let client = OpenidClient::<Discovered, StandardClaims>::new(provider, client_id.into(), None, None, http, Some(set));
        let nonce = payload(id_token)["nonce"].as_str().unwrap().to_owned();
        variants.push(Variant::work("openid, an ID token", CALLS, move || {
            let mut token = IdToken::<StandardClaims>::new_encoded(id_token);
            client.decode_token(&mut token).unwrap();
            client.validate_token(&token, nonce.as_str(), None).unwrap();
            token
        }));
    }
    table(&format!("A JWT signed with {algorithm}, all checks"), Unit::Microseconds, ROUNDS, variants)
}

struct Raw {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Raw {
    fn new(token: &str, keys: &[u8]) -> Self {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let header: Value = serde_json::from_slice(&decode(message.split('.').next().unwrap())).unwrap();
        let keys: Value = serde_json::from_slice(keys).unwrap();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
        let part = |name: &str| decode(key[name].as_str().unwrap());
        let rsa = || RsaPublicKeyComponents { n: part("n"), e: part("e") };
        let key = match header["alg"].as_str().unwrap() {
            "RS256" => rsa().to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).unwrap(),
            "PS256" => rsa().to_parsed_public_key(&RSA_PSS_2048_8192_SHA256).unwrap(),
            "ES256" => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], part("x"), part("y")].concat()).unwrap(),
            _ => ParsedPublicKey::new(&ED25519, part("x")).unwrap(),
        };
        Self { key, message: message.as_bytes().to_vec(), signature: decode(signature) }
    }

    fn verify(&self) {
        self.key.verify_sig(&self.message, &self.signature).unwrap();
    }
}

fn payload(token: &str) -> Value {
    serde_json::from_slice(&decode(token.split('.').nth(1).unwrap())).unwrap()
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

const ROUNDS: usize = 31;
const CALLS: u32 = 200;
