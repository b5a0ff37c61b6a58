//! The demands of an API beyond the token become the login that meets them.

use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{Api, Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{AuthorizedClient, Credentials, CredentialsManager, ErrorKind, Result, WebAuth};

const AUDIENCE: &str = "https://api.acme.com";

async fn started() -> (TestProvider, Api, WebAuth) {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, AUDIENCE).await;
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).audience(AUDIENCE).scope("openid read:messages");
    (provider, api, auth.ephemeral_port().browser(TestBrowser::new()))
}

async fn call(api: &Api, credentials: &Credentials, path: &str) -> Result<reqwest::Response> {
    AuthorizedClient::new(credentials.clone())?.base_url(api.url())?.get(path).send().await
}

/// F13 — authorize: 2, the second for the login with more scope
#[tokio::test]
async fn a_scope_that_an_api_misses_is_asked_for_in_another_login() {
    let (provider, api, auth) = started().await;
    api.require_scope("/admin", "delete:messages");
    let session = CredentialsManager::new(auth.clone(), Memory::new());
    let credentials = session.login_if_needed().await.unwrap();
    let error = call(&api, &credentials, "admin").await.unwrap_err();
    assert_eq!((error.kind(), api.count()), (ErrorKind::StepUp, 1));

    let credentials = auth.step_up(&error).unwrap().start().await.unwrap();
    session.save(&credentials).await.unwrap();
    let client = AuthorizedClient::new(session).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("admin").send().await.unwrap().status(), 200);
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200, "what was granted before is granted still");
    let asked = provider.requests(Endpoint::Authorize).pop().unwrap();
    assert_eq!(asked.parameter("scope").as_deref(), Some("openid read:messages delete:messages"));
    assert_eq!(asked.parameter("audience").as_deref(), Some(AUDIENCE));
    assert_eq!(provider.count(Endpoint::Authorize), 2);
}

/// F14: there is no ID token to check the age by; the API sees to it.
#[tokio::test]
async fn a_fresher_login_is_asked_for_without_an_id_token_too() {
    let (provider, api, auth) = started().await;
    let auth = auth.scope("read:messages");
    let credentials = auth.start().await.unwrap();
    let mut stepped_up = auth;
    for (wish, has_id_token) in [("max_age=\"5\"", false), ("max_age=\"3600\"", false), ("max_age=\"7\", scope=\"openid\"", true)] {
        let challenge = format!("Bearer error=\"insufficient_user_authentication\", {wish}");
        api.next(Fault::status(401).header("www-authenticate", &challenge));
        let error = call(&api, &credentials, "transfer").await.unwrap_err();
        stepped_up = stepped_up.step_up(&error).unwrap();
        let credentials = stepped_up.start().await.unwrap();
        assert_eq!(credentials.id_token().is_some(), has_id_token);
        let asked = provider.requests(Endpoint::Authorize).pop().unwrap().parameters();
        let ages: Vec<_> = asked.into_iter().filter(|(name, _)| name == "max_age").map(|(_, value)| value).collect();
        assert_eq!(ages, ["5"], "the shortest of {wish} and those before");
    }
}

/// K8: an API weakens nothing that the program demands.
#[tokio::test]
async fn a_step_up_keeps_the_programs_own_demands() {
    let (provider, api, auth) = started().await;
    let auth = auth.redirect_uri("http://127.0.0.1:9999/callback").organization("org_acme").max_age(Duration::from_secs(60));
    let token = hallpass::AccessToken::bearer(provider.access_token(AUDIENCE, "")).unwrap();
    for (own, wanted, sent) in [
        (Some("urn:mfa"), "urn:none", "urn:mfa"),
        (Some("urn:mfa urn:key"), "urn:none urn:key", "urn:key"),
        (None, "urn:mfa", "urn:mfa"),
    ] {
        let auth = own.map_or_else(|| auth.clone(), |own| auth.clone().acr_values(own));
        let challenge =
            format!("Bearer error=\"insufficient_user_authentication\", acr_values=\"{wanted}\", max_age=600, scope=\"a\"");
        api.next(Fault::status(401).header("www-authenticate", &challenge));
        let client = AuthorizedClient::new(token.clone()).unwrap().base_url(api.url()).unwrap();
        let error = client.get("").send().await.unwrap_err();
        assert_eq!(error.step_up().unwrap().scope(), Some("a"), "it is shown before a login");
        let stepped_up = auth.step_up(&error).unwrap();
        assert_eq!(stepped_up.requested_scope(), "openid read:messages a");
        let login = stepped_up.begin().await.unwrap();
        let parameter = |name: &str| login.url().query_pairs().find(|pair| pair.0 == name).map(|pair| pair.1.into_owned());
        assert_eq!(parameter("acr_values").as_deref(), Some(sent));
        assert_eq!((parameter("max_age").as_deref(), parameter("organization").as_deref()), (Some("60"), Some("org_acme")));
    }
}

/// K8 — token: 4, and the session stays Jane's.
#[tokio::test]
async fn a_step_up_of_a_session_is_by_the_same_person() {
    let (provider, api, auth) = started().await;
    let auth = auth.scope("openid email read:messages");
    api.require_scope("/admin", "delete:messages");
    let session = CredentialsManager::new(auth.clone(), Memory::new());
    let credentials = session.login_if_needed().await.unwrap();
    let error = call(&api, &credentials, "admin").await.unwrap_err();
    let login = auth.step_up(&error).unwrap().same_person(&credentials);
    provider.next_id_token(|token| {
        token.set("sub", "auth0|joe");
    });
    let error = login.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken);
    assert!(error.to_string().contains("another person"), "{error}");
    let hint = provider.requests(Endpoint::Authorize).pop().unwrap().parameter("login_hint");
    assert_eq!(hint.as_deref(), Some("jane@example.com"));
    assert_eq!(session.credentials().await.unwrap().user().unwrap().subject(), credentials.user().unwrap().subject());

    // The session does all of it: another person is refused, and of two tasks one opens a browser.
    let refusal = call(&api, &credentials, "admin").await.unwrap_err();
    provider.next_id_token(|token| {
        token.set("sub", "auth0|joe");
    });
    assert_eq!(session.step_up(&refusal).await.unwrap_err().kind(), ErrorKind::IdToken);
    assert_eq!(session.credentials().await.unwrap().access_token(), credentials.access_token());
    let before = provider.count(Endpoint::Authorize);
    let (one, other) = tokio::join!(session.step_up(&refusal), session.step_up(&refusal));
    assert_eq!(one.unwrap().access_token(), other.unwrap().access_token());
    assert_eq!(provider.count(Endpoint::Authorize), before + 1);
    call(&api, &session.credentials().await.unwrap(), "admin").await.unwrap();

    // Also in two halves, kept as text, and finished by a WebAuth that demands it.
    let login = login.redirect_uri("http://127.0.0.1:9999/callback");
    for (begins, kind) in [(&login, None), (&auth.redirect_uri("http://127.0.0.1:9999/callback"), Some(ErrorKind::Configuration))] {
        let began = begins.begin().await.unwrap();
        let callback = TestBrowser::new().visit(began.url()).await.unwrap();
        let kept = hallpass::PendingLogin::from_secret_string(&began.to_secret_string()).unwrap();
        assert_eq!(login.finish(kept, &callback).await.err().map(|error| error.kind()), kind);
    }
}

/// F14 — authorize: 2, the second with the API's acr_values and max_age
#[tokio::test]
async fn a_stronger_and_fresher_login_is_asked_for_and_its_age_is_checked() {
    let (provider, api, auth) = started().await;
    let auth = auth.max_age(Duration::from_secs(3600));
    let credentials = auth.start().await.unwrap();
    let challenge = "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:mfa urn:key\", max_age=\"5\"";
    api.next(Fault::status(401).header("www-authenticate", challenge));
    let error = call(&api, &credentials, "transfer").await.unwrap_err();

    let stronger = auth.step_up(&error).unwrap();
    let credentials = stronger.start().await.unwrap();
    assert_eq!(call(&api, &credentials, "transfer").await.unwrap().status(), 200);
    let asked = provider.requests(Endpoint::Authorize).pop().unwrap();
    let parameter =
        |name| asked.parameters().into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!((parameter("acr_values"), parameter("max_age")), (vec!["urn:mfa urn:key".to_owned()], vec!["5".to_owned()]));
    assert_eq!(asked.parameter("scope").as_deref(), Some("openid read:messages"));

    // A provider that does not ask the person again gives no login that is as fresh as that.
    provider.next_id_token(|token| {
        let an_hour_ago = token.claim("iat").unwrap().parse::<i64>().unwrap() - 3600;
        token.set("auth_time", an_hour_ago);
    });
    assert_eq!(stronger.start().await.unwrap_err().kind(), ErrorKind::IdToken);
}

/// F14: the stricter of the two ages counts.
#[tokio::test]
async fn an_api_does_not_make_a_login_less_strict() {
    let (provider, api, auth) = started().await;
    let strict = auth.redirect_uri("http://127.0.0.1:9999/callback").max_age(Duration::ZERO);
    let token = provider.access_token(AUDIENCE, "");
    let client = AuthorizedClient::new(hallpass::AccessToken::bearer(token).unwrap()).unwrap().base_url(api.url()).unwrap();
    api.next(Fault::status(401).header("www-authenticate", "Bearer error=\"insufficient_user_authentication\", max_age=600"));
    let error = client.get("").send().await.unwrap_err();
    let login = strict.step_up(&error).unwrap().begin().await.unwrap();
    assert!(login.url().query_pairs().any(|pair| pair == ("max_age".into(), "0".into())), "{}", login.url().path());
}

/// F13: there is nothing that a login could ask for.
#[tokio::test]
async fn an_error_from_which_no_login_follows_comes_back_as_it_is() {
    let (provider, api, auth) = started().await;
    let token = provider.access_token(AUDIENCE, "");
    let client = AuthorizedClient::new(hallpass::AccessToken::bearer(token).unwrap()).unwrap().base_url(api.url()).unwrap();
    api.next(Fault::status(403).header("www-authenticate", "Bearer error=\"insufficient_scope\""));
    let silent = client.get("").send().await.unwrap_err();
    let elsewhere = client.get("https://evil.example/").send().await.unwrap_err();
    for (error, kind) in [(silent, ErrorKind::StepUp), (elsewhere, ErrorKind::Forbidden)] {
        let again = auth.step_up(&error).unwrap_err();
        assert_eq!((again.kind(), again.to_string()), (kind, error.to_string()));
    }
    assert_eq!(provider.count(Endpoint::Authorize), 0);
}
