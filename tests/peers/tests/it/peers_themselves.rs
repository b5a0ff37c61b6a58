//! The peers do what the other tests rely on.
use hallpass_peers::{MockServer, OidcProvider, Person};
use serde_json::json;
use url::Url;

#[tokio::test]
async fn a_person_reaches_the_login_page_and_cancels() {
    let provider = OidcProvider::start();
    let person = Person::sits_down().await;
    let url = format!(
        "{}/auth?client_id=native&response_type=code&scope=openid&redirect_uri=http://127.0.0.1:1/callback\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        provider.issuer()
    );
    person.opens(&Url::parse(&url).unwrap()).await.unwrap();
    person.sees("Sign-in").await;
    // Nothing listens at the redirect URI; where the browser was sent shows all the same.
    person.cancels().await;
    assert_eq!(person.url().await.path(), "/callback");
    assert!(person.url().await.query().unwrap().contains("error=access_denied"));
}

#[tokio::test]
async fn the_lying_provider_bends_one_answer() {
    let provider = MockServer::start();
    provider.next(json!({ "on": "jwks", "status": 503, "raw": "<html>" })).await;
    let url = format!("{}/jwks", provider.issuer());
    let broken = reqwest::get(&url).await.unwrap();
    assert_eq!((broken.status().as_u16(), broken.text().await.unwrap().as_str()), (503, "<html>"));
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
    assert_eq!(provider.count("/jwks").await, 2);
}
