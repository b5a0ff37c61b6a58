//! The details of an authorization request, their form, and the part of the answer about them.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use hallpass::{CredentialsManager, ErrorKind, PendingLogin, WebAuth};
use serde::Serialize;
use serde_json::{Value, json};

use crate::altered_login::{Alteration, accepts, application, login, refuses, web_auth};
use crate::two_halves::{TwoHalves, parameter};

#[derive(Serialize)]
struct Payment {
    r#type: &'static str,
    amount: &'static str,
}

#[tokio::test]
async fn authorization_details_are_asked_for_and_what_was_granted_is_told() {
    let halves = TwoHalves::start().await;
    let auth =
        halves.auth.clone().scope("openid offline_access").authorization_details([Payment { r#type: "payment", amount: "12.50" }]);
    let halves = TwoHalves { auth, ..halves };
    let (login, callback) = halves.returned().await;
    let asked: Value = serde_json::from_str(&parameter(login.url().as_str(), "authorization_details")).unwrap();
    assert_eq!(asked, json!([{ "type": "payment", "amount": "12.50" }]));
    let credentials = halves.auth.finish(login, &callback).await.unwrap();
    assert_eq!(credentials.authorization_details::<Value>().unwrap(), *asked.as_array().unwrap());
    assert!(credentials.authorization_details::<u8>().is_none(), "they do not fit");

    let application = halves.auth.application();
    let renewed = application.renew_credentials(&credentials).await.unwrap();
    assert_eq!(renewed.authorization_details::<Value>().unwrap()[0]["amount"], "12.50");
    halves.provider.next(Endpoint::Token, Fault::new().remove("authorization_details"));
    let renewed = application.renew_credentials(&renewed).await.unwrap();
    assert_eq!(renewed.authorization_details::<Value>().unwrap()[0]["amount"], "12.50", "nothing said is nothing changed");
    halves.provider.next(Endpoint::Token, Fault::new().set("authorization_details", json!([])));
    let renewed = application.renew_credentials(&renewed).await.unwrap();
    assert!(renewed.authorization_details::<Value>().unwrap().is_empty(), "nothing granted is not nothing said");

    // They are the login's own: a token for another API says for itself what it allows.
    let manager = CredentialsManager::new(halves.auth.clone(), Memory::new());
    manager.save(&halves.log_in().await.unwrap()).await.unwrap();
    halves.provider.next(Endpoint::Token, Fault::new().remove("authorization_details"));
    let other = manager.credentials_for("https://other.example", "read").await.unwrap();
    assert!(other.authorization_details::<Value>().is_none());

    let nothing = TwoHalves::start().await.log_in().await.unwrap();
    assert!(nothing.authorization_details::<Value>().is_none());
}

#[tokio::test]
async fn an_answer_whose_authorization_details_cannot_be_any_is_refused() {
    let halves = TwoHalves::start().await;
    for details in [json!("payment"), json!({ "type": "payment" }), json!([1]), json!([{}]), json!([{ "type": 7 }]), json!([[]])] {
        let error = halves.answered(Fault::new().set("authorization_details", &details)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{details}: {error}");
    }
    let granted = halves.answered(Fault::new().set("authorization_details", json!(null))).await.unwrap();
    assert!(granted.authorization_details::<Value>().is_none());
}

/// The common part of logins is written once: for the same login only.
#[tokio::test]
async fn a_login_asks_for_nothing_that_another_one_asked_for() {
    let provider = TestProvider::start().await;
    let base = web_auth(&application(&provider)).audience("https://api.acme.com");
    let rows = [
        ("as it is", base.clone()),
        ("login_hint", base.clone().login_hint("jane@example.com")),
        ("scope", base.clone().scope("openid")),
        ("redirect_uri", base.clone().redirect_uri("https://app.acme.com/callback")),
        ("max_age", base.clone().max_age(Duration::from_secs(60))),
    ];
    let mut written = Vec::new();
    for _ in 0..2 {
        for (row, auth) in &rows {
            let url = auth.begin().await.unwrap().url().clone();
            let own: Vec<_> = ["state", "nonce", "code_challenge"].iter().map(|name| parameter(url.as_str(), name)).collect();
            let asked = url.query_pairs().filter(|(name, _)| !["state", "nonce", "code_challenge"].contains(&&**name));
            let asked: Vec<_> = asked.map(|(name, value)| format!("{name}={value}")).collect();
            written.push((*row, own, asked));
        }
    }
    for (position, (row, own, asked)) in written.iter().enumerate() {
        for (other, other_own, other_asked) in &written[position + 1..] {
            assert_eq!(row == other, asked == other_asked, "{row} beside {other}: {asked:?}");
            assert!(own.iter().all(|value| !other_own.contains(value)), "{row} beside {other}: each login has its own");
        }
    }
}

/// Like any other setter's.
#[tokio::test]
async fn the_last_redirect_uri_counts() {
    let provider = TestProvider::start().await;
    let base = web_auth(&application(&provider));
    let mended = base.clone().redirect_uri("http://acme.com/callback").redirect_uri("https://acme.com/callback");
    assert_eq!(parameter(mended.begin().await.unwrap().url().as_str(), "redirect_uri"), "https://acme.com/callback");
    let spoilt = base.redirect_uri("https://acme.com/callback").redirect_uri("http://acme.com/callback");
    assert_eq!(spoilt.begin().await.unwrap_err().kind(), ErrorKind::Configuration);
    #[cfg(feature = "loopback")]
    assert_eq!(spoilt.callback_urls().unwrap_err().kind(), ErrorKind::Configuration);
}

/// A program that is told of another endpoint goes there from then on.
#[tokio::test]
async fn a_login_goes_to_the_endpoint_that_the_provider_has_now() {
    let provider = TestProvider::start().await;
    let clock = TestClock::new();
    let auth = web_auth(&application(&provider).clock(&clock));
    let first = auth.begin().await.unwrap();
    let elsewhere = format!("{}elsewhere?tenant=acme", provider.issuer());
    provider.always(Endpoint::Discovery, Fault::new().set("authorization_endpoint", &elsewhere));
    clock.advance(Duration::from_secs(2 * 24 * 3600));
    let login = auth.begin().await.unwrap();
    let url = login.url();
    assert!(url.as_str().starts_with(&format!("{elsewhere}&response_type=code&")), "{url}, first {}", first.url());
    assert_eq!(parameter(url.as_str(), "tenant"), "acme");
}

#[tokio::test]
async fn what_is_no_request_is_said_before_anything_is_sent() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider));
    let rows: [(&str, WebAuth); 12] = [
        ("claims: a list", auth.clone().claims(["email"])),
        ("claims: a text", auth.clone().claims("{}")),
        ("claims: no JSON", auth.clone().parameter("claims", "{")),
        ("claims: a number", auth.clone().parameter("claims", "7")),
        ("authorization_details: an object", auth.clone().authorization_details(json!({ "type": "payment" }))),
        ("authorization_details: no type", auth.clone().authorization_details(json!([{ "amount": 1 }]))),
        ("authorization_details: a text", auth.clone().authorization_details("[]")),
        ("authorization_details: no JSON", auth.clone().parameter("authorization_details", "[")),
        ("resource: relative", auth.clone().resource("api")),
        ("resource: several in one", auth.clone().resource("https://one.example https://two.example")),
        ("resource: with a space", auth.clone().resource("https://one.example/a b")),
        ("resource: with a fragment", auth.clone().resource("https://api.acme.com/#a")),
    ];
    for (row, auth) in rows {
        let error = auth.begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{row}");
        assert!(error.to_string().contains(row.split(':').next().unwrap()), "{row}: {error}");
    }
    assert_eq!(provider.count(Endpoint::Authorize), 0);
    for auth in [auth.clone().parameter("claims", "{ }"), auth.clone().parameter("authorization_details", "[]")] {
        login(&auth).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_may_be_for_several_apis() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider)).resource("https://one.example/api").resource("urn:two");
    let began = auth.begin().await.unwrap();
    let named: Vec<_> = began.url().query_pairs().filter(|(name, _)| name == "resource").map(|(_, uri)| uri.into_owned()).collect();
    assert_eq!(named, ["https://one.example/api", "urn:two"]);
    for auth in [auth.clone(), auth.pushed()] {
        let credentials = login(&auth).await.unwrap();
        let token = credentials.access_token().expose().split('.').nth(1).unwrap().to_owned();
        let claims: Value = serde_json::from_slice(&BASE64.decode(token).unwrap()).unwrap();
        assert_eq!(claims["aud"].as_array().unwrap()[..2], ["https://one.example/api", "urn:two"]);
    }
}

/// RFC 8707, section 2.2: a provider may give a token for none of them where they are not named again.
#[tokio::test]
async fn resources_are_named_again_in_each_token_request() {
    const BOTH: [&str; 2] = ["https://one.example/api", "urn:two"];
    let provider = TestProvider::start().await;
    let last = |name: &str| -> Vec<String> {
        let fields = provider.requests(Endpoint::Token).pop().unwrap().fields();
        fields.into_iter().filter(|field| field.0 == name).map(|field| field.1).collect()
    };
    let auth = web_auth(&application(&provider)).scope("openid offline_access").resource(BOTH[0]).resource(BOTH[1]);
    let began = auth.begin().await.unwrap();
    let callback = TestBrowser::new().visit(began.url()).await.unwrap();
    let kept = PendingLogin::from_secret_string(&began.to_secret_string()).unwrap();
    let credentials = auth.finish(kept, &callback).await.unwrap();
    assert_eq!(last("resource"), BOTH);

    let store = Memory::new();
    CredentialsManager::new(auth.clone(), store.clone()).save(&credentials).await.unwrap();
    let manager = CredentialsManager::new(auth.clone(), store);
    manager.renew().await.unwrap();
    assert_eq!((last("resource"), last("audience")), (BOTH.map(str::to_owned).to_vec(), vec![]));
    let other = manager.credentials_for("https://three.example", "read:messages").await.unwrap();
    assert_eq!((last("resource"), last("audience")), (vec!["https://three.example".to_owned()], vec![]));
    assert_ne!(other.access_token(), credentials.access_token());

    let device = application(&provider).device().parameter("resource", BOTH[1]);
    let mut login = device.start().await.unwrap();
    TestBrowser::new().visit_page(login.verification_uri_complete().unwrap()).await.unwrap();
    login.wait().await.unwrap();
    assert_eq!(last("resource"), [BOTH[1]]);

    let auth = web_auth(&application(&provider)).audience("https://api.acme.com").scope("openid offline_access");
    let credentials = crate::altered_login::login(&auth).await.unwrap();
    assert_eq!((last("resource"), last("audience")), (vec![], vec![]), "an audience stays as it was granted");
    auth.application().renew_credentials(&credentials).await.unwrap();
    assert_eq!((last("resource"), last("audience")), (vec![], vec![]));
}

#[tokio::test]
async fn a_claim_that_is_demanded_has_to_come() {
    let provider = TestProvider::start().await;
    let demanding = |values: Value| {
        let acr = json!({ "id_token": { "acr": { "essential": true, "values": values } } });
        web_auth(&application(&provider)).claims(acr)
    };
    let auth = demanding(json!(["strong", "stronger"]));
    assert_eq!(login(&auth).await.unwrap().user().unwrap().get::<String>("acr").as_deref(), Some("strong"));
    accepts(&provider, &auth, &[("the other one", |token| token.set("acr", "stronger"))]).await;
    let rows: [(&str, Alteration); 5] = [
        ("missing", |token| token.remove("acr")),
        ("weaker", |token| token.set("acr", "weak")),
        ("in capitals", |token| token.set("acr", "STRONG")),
        ("a list", |token| token.set("acr", ["strong"])),
        ("null", |token| token.set("acr", Value::Null)),
    ];
    refuses(&provider, &auth, "acr", &rows).await;
    for (name, wish) in [
        ("acr_values", web_auth(&application(&provider)).acr_values("strong")),
        ("not essential", web_auth(&application(&provider)).claims(json!({ "id_token": { "acr": { "values": ["strong"] } } }))),
        (
            "said not to be essential",
            web_auth(&application(&provider))
                .claims(json!({ "id_token": { "acr": { "essential": false, "values": ["strong"] } } })),
        ),
    ] {
        accepts(&provider, &wish, &[(name, |token| token.set("acr", "weak"))]).await;
    }
    // The demand is the login's: kept as text, and not to be got round by finishing it elsewhere.
    let plain = web_auth(&application(&provider));
    for (demand, weaker) in [("none", &plain), ("a weaker one will do", &demanding(json!(["strong", "weak"])))] {
        let began = weaker.begin().await.unwrap();
        assert_eq!(auth.finish(began, "code=x").await.unwrap_err().kind(), ErrorKind::Configuration, "{demand}");
    }
    let began = demanding(json!(["strong"])).begin().await.unwrap();
    let callback = TestBrowser::new().visit(began.url()).await.unwrap();
    auth.finish(began, &callback).await.unwrap();
    let began = auth.begin().await.unwrap();
    let callback = TestBrowser::new().visit(began.url()).await.unwrap();
    let kept = PendingLogin::from_secret_string(&began.to_secret_string()).unwrap();
    provider.next_id_token(|token| {
        token.set("acr", "weak");
    });
    assert_eq!(plain.finish(kept, &callback).await.unwrap_err().kind(), ErrorKind::IdToken);
}

/// K10 — authorize: 0 for a demand that cannot be checked.
#[tokio::test]
async fn a_demanded_claim_is_compared_as_json() {
    let provider = TestProvider::start().await;
    let demanding = |acr: Value| web_auth(&application(&provider)).claims(json!({ "id_token": { "acr": acr } }));
    for auth in [demanding(json!({ "essential": true, "values": [2, 3] })), demanding(json!({ "essential": true, "value": 2 }))] {
        let kept = |login: PendingLogin| PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
        for (acr, accepted) in [(json!(2), true), (json!("0"), false), (json!("2"), false), (json!(0), false)] {
            let login = kept(auth.begin().await.unwrap());
            let callback = TestBrowser::new().visit(login.url()).await.unwrap();
            let named = acr.clone();
            provider.next_id_token(move |token| {
                token.set("acr", &named);
            });
            let result = auth.finish(login, &callback).await;
            assert_eq!(result.is_ok(), accepted, "{acr}: {result:?}");
        }
    }
    let before = provider.count(Endpoint::Authorize);
    for unclear in [json!({ "essential": "true", "value": "a" }), json!({ "essential": true, "values": "a" })] {
        assert_eq!(demanding(unclear.clone()).begin().await.unwrap_err().kind(), ErrorKind::Configuration, "{unclear}");
    }
    assert_eq!(provider.count(Endpoint::Authorize), before);
}

#[tokio::test]
async fn one_value_may_be_demanded_too() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider)).claims(json!({ "id_token": { "acr": { "essential": true, "value": "strong" } } }));
    let auth = auth.max_age(Duration::from_secs(60));
    login(&auth).await.unwrap();
    refuses(&provider, &auth, "acr", &[("weaker", |token| token.set("acr", "weak"))]).await;
}
