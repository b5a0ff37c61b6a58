//! The test provider and API check proofs as strictly as RFC 9449, section 4.3, says: what passes here passes elsewhere. Proofs are
//! made by another library.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hallpass::testing::{Api, Endpoint, TestClient, TestProvider};
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::{Algorithm, Header};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::foreign_key::ForeignKey;

const AUDIENCE: &str = "https://api.acme.com";

type Alteration = fn(&mut Value);

/// An API, a token of it, and the key that it is bound to.
struct Bound {
    provider: TestProvider,
    api: Api,
    key: ForeignKey,
    token: String,
}

impl Bound {
    async fn start() -> Self {
        let provider = TestProvider::start().await;
        let api = Api::start(&provider, AUDIENCE).await;
        let key = ForeignKey::new(Algorithm::ES256, "");
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk()).unwrap();
        let token = provider.dpop_access_token(AUDIENCE, "", &jwk.thumbprint(ThumbprintHash::SHA256).unwrap());
        Self { provider, api, key, token }
    }

    /// The claims of a proof that is good for `GET /messages`, once.
    fn claims(&self) -> Value {
        json!({
            "jti": format!("{:x}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()),
            "htm": "GET",
            "htu": self.api.url().join("messages").unwrap().as_str(),
            "iat": now(),
            "ath": hash(&self.token),
        })
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(|_| (), claims)
    }

    fn sign_with_header(&self, alter: impl Fn(&mut Header), claims: &Value) -> String {
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(self.key.jwk()).unwrap();
        let with_key = |header: &mut Header| {
            header.typ = Some("dpop+jwt".to_owned());
            header.jwk = Some(jwk.clone());
            alter(header);
        };
        self.key.sign_with_header(with_key, claims)
    }

    async fn ask(&self, scheme: &str, proofs: &[&str]) -> Response {
        let client = Client::builder().no_proxy().build().unwrap();
        let mut request = client.get(self.api.url().join("messages?a=b").unwrap()).build().unwrap();
        request.headers_mut().insert("authorization", format!("{scheme} {}", self.token).parse().unwrap());
        for proof in proofs {
            request.headers_mut().append("dpop", proof.parse().unwrap());
        }
        client.execute(request).await.unwrap()
    }

    /// The API's reason for its refusal.
    async fn refusal(&self, scheme: &str, proofs: &[&str]) -> String {
        let response = self.ask(scheme, proofs).await;
        assert_eq!(response.status(), 401, "{proofs:?}");
        response.headers()["www-authenticate"].to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_good_proof_is_good_once() {
    let bound = Bound::start().await;
    let proof = bound.sign(&bound.claims());
    assert_eq!(bound.ask("DPoP", &[&proof]).await.status(), 200);
    assert!(bound.refusal("DPoP", &[&proof]).await.contains("jti was seen before"));
    assert_eq!(bound.ask("dpop", &[&bound.sign(&bound.claims())]).await.status(), 200, "a scheme has no case");
}

#[tokio::test]
async fn a_bound_token_needs_its_proof() {
    let bound = Bound::start().await;
    let good = || bound.sign(&bound.claims());
    assert!(bound.refusal("Bearer", &[]).await.contains("invalid_token"));
    assert!(bound.refusal("Bearer", &[&good()]).await.contains("was shown as a bearer token"));
    assert!(bound.refusal("DPoP", &[]).await.contains("there is none"));
    assert!(bound.refusal("DPoP", &[&good(), &good()]).await.contains("more than one"));
    let other = ForeignKey::new(Algorithm::ES256, "");
    let thief = Bound { key: other, ..Bound::start().await };
    let thief = Bound { api: bound.api.clone(), token: bound.token.clone(), ..thief };
    assert!(thief.refusal("DPoP", &[&thief.sign(&thief.claims())]).await.contains("bound to another key"));
    let unbound = Bound { token: bound.provider.access_token(AUDIENCE, ""), ..bound };
    assert!(unbound.refusal("DPoP", &[&unbound.sign(&unbound.claims())]).await.contains("bound to no key"));
    assert_eq!(unbound.ask("Bearer", &[]).await.status(), 200);
}

#[tokio::test]
async fn each_claim_is_checked() {
    let bound = Bound::start().await;
    let url = bound.api.url();
    let rows = [
        ("htm", json!("POST")),
        ("htm", json!("get")),
        ("htm", json!(null)),
        ("htu", json!(url.join("messages?a=b").unwrap().as_str())),
        ("htu", json!(url.join("messages#a").unwrap().as_str())),
        ("htu", json!(url.join("other").unwrap().as_str())),
        ("htu", json!(url.join("messages").unwrap().as_str().replace("127.0.0.1", "localhost"))),
        ("htu", json!("/messages")),
        ("htu", json!(null)),
        ("iat", json!(now() - 62)),
        ("iat", json!(now() + 600)),
        ("iat", json!(now().to_string())),
        ("iat", json!(null)),
        ("ath", json!(hash("another token"))),
        ("ath", json!(bound.token)),
        ("ath", json!(null)),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!(null)),
    ];
    for (name, value) in rows {
        let mut claims = bound.claims();
        claims[name] = value.clone();
        let refusal = bound.refusal("DPoP", &[&bound.sign(&claims)]).await;
        assert!(refusal.contains("invalid_dpop_proof") && refusal.contains(name), "{name} {value}: {refusal}");
    }
}

#[tokio::test]
async fn each_member_of_the_header_is_checked() {
    let bound = Bound::start().await;
    let claims = bound.claims();
    for typ in [None, Some("JWT"), Some("dpop+JWT "), Some("at+jwt")] {
        let proof = bound.sign_with_header(|header| header.typ = typ.map(str::to_owned), &claims);
        assert!(bound.refusal("DPoP", &[&proof]).await.contains("typ is not dpop+jwt"), "{typ:?}");
    }
    let without_key = bound.sign_with_header(|header| header.jwk = None, &claims);
    assert!(bound.refusal("DPoP", &[&without_key]).await.contains("jwk is missing"));

    // What no library writes.
    let good = bound.sign(&claims);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("it is a JWS") };
    let altered = |alter: Alteration| {
        let mut json: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        alter(&mut json);
        format!("{}.{payload}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(json.to_string()))
    };
    let rows: [(&str, Alteration); 5] = [
        ("alg is none", |header| header["alg"] = json!("none")),
        ("alg is none", |header| header["alg"] = json!("HS256")),
        ("jwk is a private key", |header| header["jwk"]["d"] = json!("AAAA")),
        ("jwk is no", |header| header["jwk"] = json!({ "kty": "oct", "x": "AAAA" })),
        ("the signature is wrong", |header| header["other"] = json!(1)),
    ];
    for (says, alter) in rows {
        let refusal = bound.refusal("DPoP", &[&altered(alter)]).await;
        assert!(refusal.contains(says), "{says}: {refusal}");
    }
    for proof in ["x", "a.b", &good[1..], &format!("{good}.x"), &good.replace('.', "..")] {
        assert!(bound.refusal("DPoP", &[proof]).await.contains("invalid_dpop_proof"), "{proof}");
    }
    assert_eq!(bound.ask("DPoP", &[&good]).await.status(), 200, "none of those used it up");
}

#[tokio::test]
async fn a_nonce_is_wanted_where_a_test_wants_it() {
    let bound = Bound::start().await;
    bound.api.require_dpop_nonce();
    for nonce in [json!(null), json!("mine"), json!("")] {
        let mut claims = bound.claims();
        claims["nonce"] = nonce;
        assert!(bound.refusal("DPoP", &[&bound.sign(&claims)]).await.contains("use_dpop_nonce"));
    }
    let response = bound.ask("DPoP", &[]).await;
    let nonce = response.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let with_nonce = || {
        let mut claims = bound.claims();
        claims["nonce"] = json!(nonce);
        bound.sign(&claims)
    };
    assert_eq!(bound.ask("DPoP", &[&with_nonce()]).await.status(), 200);
    bound.api.require_dpop_nonce();
    assert!(bound.refusal("DPoP", &[&with_nonce()]).await.contains("use_dpop_nonce"), "it is another one now");
}

#[tokio::test]
async fn the_token_endpoint_wants_a_proof_of_who_may_have_only_bound_tokens() {
    let service = TestClient::confidential("service", "secret").requires_dpop();
    let provider = TestProvider::builder().client(service).start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let bound = Bound { key: ForeignKey::new(Algorithm::ES256, ""), token: String::new(), api, provider };
    let ask = async |proof: Option<&str>| -> Value {
        let client = Client::builder().no_proxy().build().unwrap();
        let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
        let mut request =
            client.post(bound.provider.endpoint_url(Endpoint::Token)).form(&form).basic_auth("service", Some("secret"));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        let response = client.execute(request.build().unwrap()).await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    };
    assert_eq!(ask(None).await["error"], "invalid_request");
    let mut claims = bound.claims();
    claims["htm"] = json!("POST");
    claims["htu"] = json!(bound.provider.endpoint_url(Endpoint::Token).as_str());
    assert_eq!(ask(Some(&bound.sign(&claims))).await["error"], "invalid_dpop_proof", "no access token is shown here");
    claims.as_object_mut().unwrap().remove("ath");
    let body = ask(Some(&bound.sign(&claims))).await;
    assert_eq!(body["token_type"], "DPoP");
    let payload = body["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let token: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(bound.key.jwk()).unwrap();
    assert_eq!(token["cnf"]["jkt"], jwk.thumbprint(ThumbprintHash::SHA256).unwrap().as_str());
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn hash(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(token))
}
