//! A login for an API of which only the URL is known.

use hallpass::testing::{Api, Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::web_auth::ApiDiscovery;
use hallpass::{AuthorizedClient, Error, ErrorKind, WebAuth};
use serde_json::{Value, json};

async fn api() -> (TestProvider, Api) {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    api.require_scope("/messages", "read:messages");
    (provider, api)
}

fn person(auth: WebAuth) -> WebAuth {
    auth.ephemeral_port().browser(TestBrowser::new())
}

/// The first answer is the API's own refusal, the second one its metadata with this fault.
async fn with_metadata(api: &Api, fault: Fault) -> hallpass::Result<WebAuth> {
    api.next(Fault::new());
    api.next(fault);
    WebAuth::for_api(api.url(), "native").await
}

async fn refused(api: &Api, fault: Fault) -> Error {
    with_metadata(api, fault).await.unwrap_err()
}

#[tokio::test]
async fn an_api_says_who_logs_people_in_for_it() {
    let (provider, api) = api().await;
    let auth = WebAuth::for_api(api.url(), provider.client_id()).await.unwrap();
    let paths: Vec<_> = api.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(paths, ["/", "/.well-known/oauth-protected-resource"]);
    assert!(api.seen().iter().all(|seen| seen.header("authorization").is_none()));
    let credentials = person(auth).start().await.unwrap();
    assert_eq!(credentials.issuer(), provider.issuer());
    assert_eq!(credentials.scope(), "openid read:messages");
    let asked = provider.requests(Endpoint::Authorize).remove(0);
    assert_eq!(asked.parameter("audience").as_deref(), Some(api.url().as_str()));
    let client = AuthorizedClient::new(credentials).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);
    assert_eq!(provider.count(Endpoint::Discovery), 1);
}

/// K8: what an API asks for is shown, and bounded by the program.
#[tokio::test]
async fn a_program_says_what_an_api_may_ask_for() {
    let (_provider, api) = api().await;
    let greedy = "Bearer scope=\"read:mail offline_access admin:everything\"";
    for (allowed, expected) in [
        (None, "openid read:mail admin:everything"),
        (Some(vec!["read:mail", "other"]), "openid read:mail"),
        (Some(vec!["offline_access"]), "openid offline_access"),
        (Some(vec![]), "openid"),
    ] {
        api.next(Fault::status(401).header("www-authenticate", greedy));
        let discovery = ApiDiscovery::new(api.url()).client_id("native");
        let discovery = match allowed {
            Some(allowed) => discovery.allow_scopes(allowed),
            None => discovery,
        };
        assert_eq!(discovery.discover().await.unwrap().requested_scope(), expected);
    }
}

#[tokio::test]
async fn the_apis_own_words_say_what_to_ask_for() {
    let (provider, api) = api().await;
    let other = "Bearer realm=\"x\", scope=\"read:orders openid\"";
    api.next(Fault::status(401).header("www-authenticate", other));
    provider.always(Endpoint::Discovery, Fault::new().remove("mfa_challenge_endpoint"));
    let discovery = ApiDiscovery::new(api.url()).client_id("native").scope("openid offline_access").issuer(provider.issuer());
    let credentials = person(discovery.discover().await.unwrap()).start().await.unwrap();
    assert_eq!(credentials.scope(), "openid offline_access read:orders", "the challenge's scope, not all that there are");
    let asked = provider.requests(Endpoint::Authorize).remove(0);
    assert_eq!(asked.parameter("resource").as_deref(), Some(api.url().as_str()), "as any provider but Auth0 takes it");
    assert_eq!(asked.parameter("audience"), None);
}

#[tokio::test]
async fn an_api_without_a_challenge_has_its_metadata_at_the_well_known_address() {
    let (provider, api) = api().await;
    for first in [
        Fault::status(200),
        Fault::status(404),
        Fault::status(401),
        Fault::redirect("http://169.254.169.254/"),
        Fault::status(401).header("www-authenticate", "Bearer scope=\"\u{e9}\""),
    ] {
        api.next(first);
        WebAuth::for_api(api.url(), provider.client_id()).await.unwrap();
        assert_eq!(api.seen().last().unwrap().path(), "/.well-known/oauth-protected-resource");
    }
}

#[tokio::test]
async fn metadata_from_elsewhere_is_not_asked_for() {
    let (provider, api) = api().await;
    let elsewhere = Api::start(&provider, "https://api.acme.com").await;
    for url in [
        format!("{}.well-known/oauth-protected-resource", elsewhere.url()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("http://user:password@{}/", api.url().authority()),
        "javascript:alert(1)".to_owned(),
    ] {
        let challenge = format!("Bearer resource_metadata=\"{url}\"");
        api.next(Fault::status(401).header("www-authenticate", &challenge));
        let before = api.count();
        let error = WebAuth::for_api(api.url(), "native").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery, "{url}");
        assert_eq!(api.count() - before, 1);
    }
    assert_eq!((elsewhere.count(), provider.count(Endpoint::Discovery)), (0, 0));
}

#[tokio::test]
async fn metadata_that_may_not_be_believed_leads_nowhere() {
    let (provider, api) = api().await;
    let root = api.url().as_str();
    for fault in [
        Fault::new().set("resource", "https://api.acme.com/"),
        Fault::new().set("resource", format!("{root}v1")),
        Fault::new().set("resource", root.to_uppercase()),
        Fault::new().set("resource", json!([root])),
        Fault::new().remove("resource"),
        Fault::new().duplicate("resource", "https://evil.example/"),
        Fault::new().set("authorization_servers", json!([])),
        Fault::new().set("authorization_servers", Value::Null),
        Fault::new().set("authorization_servers", json!(["acme.auth0.com"])),
        Fault::new().set("authorization_servers", json!(["http://issuer.example/"])),
        Fault::new().set("authorization_servers", json!(["https://user:password@issuer.example/"])),
        Fault::new().set("authorization_servers", json!(["file:///etc/passwd"])),
        Fault::redirect("http://169.254.169.254/"),
        Fault::status(404),
        Fault::answer(200, "text/html", "<html>"),
        Fault::huge(2 * 1024 * 1024, false),
    ] {
        let error = refused(&api, fault).await;
        assert_eq!(error.kind(), ErrorKind::Discovery, "{error}");
    }
    assert_eq!((provider.count(Endpoint::Discovery), provider.count(Endpoint::Authorize)), (0, 0));
    let error = refused(&api, Fault::new().set("resource", "https://api.acme.com/v1?secret=x")).await;
    assert!(error.to_string().contains("another API, https://api.acme.com/v1;"), "{error}");
    // A root without its slash is the same API.
    with_metadata(&api, Fault::new().set("resource", root.trim_end_matches('/'))).await.unwrap();
}

#[tokio::test]
async fn of_several_issuers_the_first_one_that_answers_is_taken() {
    let (first, api) = api().await;
    let second = TestProvider::start().await;
    first.always(Endpoint::Discovery, Fault::status(503));
    let both = json!([first.issuer(), second.issuer()]);
    let auth = with_metadata(&api, Fault::new().set("authorization_servers", both.clone())).await.unwrap();
    let credentials = person(auth).start().await.unwrap();
    assert_eq!(credentials.issuer(), second.issuer());

    first.clear(Endpoint::Discovery);
    api.next(Fault::new());
    api.next(Fault::new().set("authorization_servers", both));
    let before = first.count(Endpoint::Discovery);
    let discovery = ApiDiscovery::new(api.url()).client_id("native").issuer(second.issuer());
    let credentials = person(discovery.discover().await.unwrap()).start().await.unwrap();
    assert_eq!(credentials.issuer(), second.issuer(), "the only one that was expected");
    assert_eq!(first.count(Endpoint::Discovery), before);
    let unexpected =
        ApiDiscovery::new(api.url()).client_id("native").issuer("https://issuer.example/").discover().await.unwrap_err();
    assert_eq!(unexpected.kind(), ErrorKind::Discovery);
}

/// A11 — token: 0: the API's provider sends the person to another one, whose code it would be given.
#[tokio::test]
async fn a_provider_that_an_api_names_says_in_its_answer_who_it_is() {
    let honest = TestProvider::builder().without_issuer_parameter().start().await;
    let evil = TestProvider::start().await;
    let api = Api::start(&evil, "https://api.acme.com").await;
    let borrowed = Fault::new().set("authorization_endpoint", honest.endpoint_url(Endpoint::Authorize).as_str());
    evil.always(Endpoint::Discovery, borrowed.clone());
    let error = person(WebAuth::for_api(api.url(), honest.client_id()).await.unwrap()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback, "it promises to name itself: {error}");
    assert_eq!((honest.count(Endpoint::Authorize), evil.count(Endpoint::Token)), (1, 0));

    evil.always(Endpoint::Discovery, borrowed.remove("authorization_response_iss_parameter_supported"));
    let error = WebAuth::for_api(api.url(), honest.client_id()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Discovery && error.to_string().contains("set the issuer"), "{error}");
    assert_eq!((honest.count(Endpoint::Authorize), evil.count(Endpoint::Token)), (1, 0));

    let api = Api::start(&honest, "https://api.acme.com").await;
    let expected = ApiDiscovery::new(api.url()).client_id(honest.client_id()).issuer(honest.issuer()).discover().await.unwrap();
    person(expected).start().await.unwrap();
}

#[tokio::test]
async fn no_more_than_five_issuers_are_asked() {
    let (provider, api) = api().await;
    provider.always(Endpoint::Discovery, Fault::status(503));
    let many = json!(vec![provider.issuer(); 50]);
    let error = refused(&api, Fault::new().set("authorization_servers", many)).await;
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(provider.count(Endpoint::Discovery), 5);
}

#[tokio::test]
async fn a_program_without_a_client_id_registers_itself() {
    let (provider, api) = api().await;
    let auth = ApiDiscovery::new(api.url()).register("Acme's command line").discover().await.unwrap();
    assert_eq!(auth.application().client_id(), "registered");
    let body: Value = serde_json::from_slice(provider.requests(Endpoint::Register)[0].body()).unwrap();
    let expected = json!({
        "client_name": "Acme's command line",
        "redirect_uris": [
            "http://127.0.0.1:21965/callback", "http://127.0.0.1:21966/callback", "http://127.0.0.1:21967/callback",
        ],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
    });
    assert_eq!(body, expected);
    let credentials = person(auth).start().await.unwrap();
    assert_eq!(credentials.client_id(), "registered");
    let client = AuthorizedClient::new(credentials).unwrap().base_url(api.url()).unwrap();
    assert_eq!(client.get("messages").send().await.unwrap().status(), 200);

    let register = || ApiDiscovery::new(api.url()).register("Acme's command line").discover();
    for id in [json!(""), json!("a\u{7}"), json!("a".repeat(2049)), json!(5), Value::Null] {
        provider.next(Endpoint::Register, Fault::new().set("client_id", id));
        assert_eq!(register().await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    }
    for otherwise in [
        Fault::new().set("client_secret", "x").remove("token_endpoint_auth_method"),
        Fault::new().set("token_endpoint_auth_method", "client_secret_basic"),
        Fault::new().set("redirect_uris", json!(["http://127.0.0.1:21965/callback"])),
    ] {
        provider.next(Endpoint::Register, otherwise);
        assert!(register().await.unwrap_err().to_string().contains("otherwise than it asked"));
    }
    provider.next(Endpoint::Register, Fault::new().set("client_secret", "x").set("token_endpoint_auth_method", "none"));
    register().await.expect("a secret that is not wanted is none");
    provider.next(Endpoint::Register, Fault::error(400, "invalid_client_metadata", "no"));
    assert_eq!(register().await.unwrap_err().kind(), ErrorKind::Server);
    provider.next(Endpoint::Discovery, Fault::new().remove("registration_endpoint"));
    assert_eq!(register().await.unwrap_err().kind(), ErrorKind::Discovery);
}

#[tokio::test]
async fn what_cannot_work_is_said_before_the_api_is_asked() {
    let (_, api) = api().await;
    for url in
        ["api.acme.com", "http://api.acme.com/", "https://user:password@api.acme.com/", "https://api.acme.com/#x", "ftp://x/"]
    {
        let error = WebAuth::for_api(url, "native").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
        assert!(!error.to_string().contains("password@"), "{error}");
    }
    let nobody = ApiDiscovery::new(api.url()).discover().await.unwrap_err();
    assert_eq!((nobody.kind(), api.count()), (ErrorKind::Configuration, 0));
    let shown = format!("{:?}", ApiDiscovery::new("https://user:password@api.acme.com/?token=x"));
    assert!(!shown.contains("password") && !shown.contains("token"), "{shown}");
}
