use hallpass::client_auth::PrivateKey;
use hallpass::store::{CredentialsStore, Memory, RecordKey, Redis, SealingKey, SealingKeys};
use hallpass::testing::{Api, TestProvider};
use hallpass::web_auth::ApiDiscovery;
use hallpass::{AccessToken, Application, AuthorizedClient, ClientAuth, CredentialsManager, WebAuth, blocking};

use super::{CANARY, Page, jane};
use crate::two_halves::TwoHalves;

/// Settings that cannot work.
pub(super) async fn go_wrong(page: &mut Page) {
    for (situation, domain) in [
        ("a domain that is none", "acme auth0 com"),
        ("an issuer without https", "http://acme.auth0.com"),
        ("an issuer with a query", "https://acme.auth0.com/?tenant=a"),
    ] {
        page.note(situation, WebAuth::new(domain, "client").start().await);
    }
    let provider = TestProvider::start().await;
    let auth = || WebAuth::new(provider.issuer(), provider.client_id());
    page.note("begin() without a redirect URI", auth().begin().await);
    for (situation, redirect_uri) in [
        ("a redirect URI that is none", "callback"),
        ("a redirect URI without https", "http://acme.com/callback"),
        ("a redirect URI with a fragment", "https://acme.com/callback#top"),
    ] {
        page.note(situation, auth().redirect_uri(redirect_uri).begin().await);
    }
    page.note("a browser login that is to end elsewhere", auth().redirect_uri("https://acme.com/callback").start().await);
    page.note("a browser login without ports", auth().redirect_ports([]).start().await);
    page.note("a login finished by another WebAuth", finished_by_another().await);
    page.note("a blocking call on an async thread", blocking::WebAuth::from(auth()).start());
    page.note("FAPI 2.0 without a key of the application's", auth().ephemeral_port().fapi2().start().await);
    page.note("a parameter that has a setter", auth().ephemeral_port().parameter("state", "x").start().await);
    page.note("claims that are none", auth().ephemeral_port().claims(["email"]).start().await);
    let device = auth().application().device().parameter("scope", "openid");
    page.note("a parameter of a device login that has a setter", device.start().await);
    let silent = auth().application().ciba().scope("read:messages").login_hint("jane@acme.com");
    page.note("a login on a person's device that proves nothing", silent.start().await);
    page.note("a login for an API by nobody", ApiDiscovery::new("https://api.acme.com").discover().await);
    page.note("a login for an API that has no URL", WebAuth::for_api("api.acme.com", "client").await);
    page.note("a login for an API without https", WebAuth::for_api("http://api.acme.com", "client").await);

    page.note("a token with a line break", AccessToken::bearer(format!("{CANARY}\n")));
    page.note("a private key that is none", PrivateKey::from_pem(CANARY));
    page.note("a private JWK that is none", PrivateKey::from_jwk(CANARY));
    let key = PrivateKey::generate("ES256").unwrap();
    page.note("a private key that signs otherwise", key.algorithm("RS256"));
    let short = Application::new(provider.issuer(), provider.client_id()).client_auth(ClientAuth::client_secret_jwt(CANARY));
    page.note("a secret that is too short to sign", short.client_credentials().token().await);

    let client = || AuthorizedClient::new(AccessToken::bearer(CANARY).unwrap()).unwrap();
    page.note("a base_url without a scheme", client().base_url("api.acme.com"));
    page.note("a base_url without https", client().base_url("http://api.acme.com"));
    page.note("a base_url with a query", client().base_url("https://api.acme.com/?version=1"));
    page.note("an origin with a path", client().allow_origin("https://files.acme.com/x"));
    page.note("a scheme of two words", client().scheme("My Token"));
    let api = Api::start(&provider, "https://api.acme.com").await;
    let call = client().base_url(api.url()).unwrap().get("").header("authorization", CANARY);
    page.note("a request that has a token already", call.send().await);

    let keys = || SealingKeys::from(SealingKey::from_bytes([1; 32]));
    for (situation, url) in [
        ("a Redis elsewhere, without TLS", "redis://redis.acme.com"),
        ("a Redis URL that is none", "redis.acme.com"),
        ("a Redis URL of another kind", "https://redis.acme.com"),
    ] {
        page.note(situation, Redis::new(url, keys()).load(&RecordKey::new("issuer", "client", "")).await);
    }

    let credentials = auth().scope("openid offline_access").ephemeral_port().browser(jane()).start().await.unwrap();
    let other = TestProvider::start().await;
    let manager = CredentialsManager::new(WebAuth::new(other.issuer(), other.client_id()), Memory::new());
    page.note("credentials of another provider", manager.save(&credentials).await);
    let application = Application::new(other.issuer(), other.client_id());
    page.note("a renewal of another provider's credentials", application.renew_credentials(&credentials).await);
}

async fn finished_by_another() -> hallpass::Result<hallpass::Credentials> {
    let (one, other) = (TwoHalves::start().await, TwoHalves::start().await);
    let (login, callback) = one.returned().await;
    other.auth.finish(login, &callback).await
}
