//! The login of a person on another device (CIBA, poll mode).

use std::time::Duration;

use hallpass::ciba::{CibaAuth, CibaLogin};
use hallpass::testing::{Endpoint, Fault, TestClock, TestProvider, TestUser};
use hallpass::{Application, ClientAuth, Error, ErrorKind};
use serde_json::{Value, json};

use crate::two_halves::{TwoHalves, all_of};
use crate::virtual_time::VirtualTime;

const JANE: &str = "jane@example.com";

async fn bank() -> (VirtualTime, Application) {
    let provider = TestProvider::builder().user(TestUser::new(JANE).claim("sub", "auth0|jane")).start().await;
    let time = VirtualTime::start(provider).await;
    let application = time.application_called(time.provider.confidential_client_id());
    let secret = ClientAuth::client_secret_basic(time.provider.client_secret());
    (time, application.client_auth(secret))
}

async fn asked() -> (VirtualTime, CibaLogin) {
    let (time, bank) = bank().await;
    let login = bank.ciba().login_hint(JANE).start().await.unwrap();
    (time, login)
}

/// RFC 8707: a poll names all that the person was asked about, and no fewer — token: 1
#[tokio::test]
async fn several_resources_are_named_again() {
    let (time, bank) = bank().await;
    let both = ["https://one.example", "urn:two"];
    let ask = both.iter().fold(bank.ciba().login_hint(JANE), |ask, resource| ask.parameter("resource", *resource));
    let mut login = ask.start().await.unwrap();
    assert!(time.without_waiting(login.poll()).await.unwrap().is_none());
    for endpoint in [Endpoint::Ciba, Endpoint::Token] {
        let fields = time.provider.requests(endpoint).remove(0).fields();
        let named: Vec<_> = fields.iter().filter(|field| field.0 == "resource").map(|field| &*field.1).collect();
        assert_eq!(named, both, "{endpoint:?}");
    }
}

/// CIBA Core 1.0, section 7.3: a provider may hold a poll for half a minute — token: 1
#[tokio::test]
async fn a_poll_that_is_held_until_the_person_has_answered_is_waited_for() {
    let (time, mut login) = asked().await;
    time.provider.approve_ciba(login.auth_req_id().expose());
    let gate = time.provider.hold(Endpoint::Token);
    let (polled, ()) = tokio::join!(time.without_waiting(login.poll()), async {
        gate.reached(1).await;
        tokio::time::advance(Duration::from_secs(45)).await;
        gate.release();
    });
    assert!(polled.unwrap().is_some());
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

/// ciba: 1, token: 2
#[tokio::test]
async fn a_person_agrees_on_their_telephone_and_is_logged_in() {
    let (time, bank) = bank().await;
    let ask = bank
        .ciba()
        .login_hint(JANE)
        .binding_message("Transfer 47-11")
        .scope("openid email  offline_access")
        .audience("https://bank.example");
    let mut login = ask.requested_expiry(Duration::from_secs(60)).parameter("acr_values", "high").start().await.unwrap();
    assert!((59..=60).contains(&login.expires_in().as_secs()) && login.interval() == Duration::from_secs(5));
    assert!(time.without_waiting(login.poll()).await.unwrap().is_none());
    time.provider.approve_ciba(login.auth_req_id().expose());
    let credentials = time.without_waiting(login.poll()).await.unwrap().unwrap();
    assert_eq!(credentials.user().unwrap().email().as_deref(), Some(JANE));
    assert!(credentials.refresh_token().is_some() && credentials.has_scope("offline_access"));

    let sent = time.provider.requests(Endpoint::Ciba)[0].fields();
    let expected = [
        ("scope", "openid email offline_access"),
        ("binding_message", "Transfer 47-11"),
        ("audience", "https://bank.example"),
        ("requested_expiry", "60"),
        ("acr_values", "high"),
        ("login_hint", JANE),
    ];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let poll = time.provider.requests(Endpoint::Token)[1].fields();
    let id = login.auth_req_id().expose();
    let expected = [("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", id)];
    assert_eq!(poll, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let over = login.poll().await.unwrap_err();
    assert_eq!((over.kind(), time.provider.count(Endpoint::Token)), (ErrorKind::Configuration, 2));
}

/// token: 1 each
#[tokio::test]
async fn who_refuses_or_does_not_answer_is_not_logged_in() {
    let (time, mut login) = asked().await;
    time.provider.deny_ciba(login.auth_req_id().expose());
    let refused = time.without_waiting(login.poll()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.server_error().unwrap().code()), (ErrorKind::Cancelled, "access_denied"));
    assert_eq!(login.poll().await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(time.provider.count(Endpoint::Token), 1);

    let (time, mut login) = asked().await;
    time.provider.next(Endpoint::Token, Fault::error(400, "expired_token", "Too late"));
    let late = time.without_waiting(login.poll()).await.unwrap_err();
    assert_eq!((late.kind(), late.to_string()), (ErrorKind::TimedOut, "the person has not answered in time; ask again".to_owned()));
    assert_eq!(time.provider.count(Endpoint::Token), 1);
}

/// token: 0
#[tokio::test]
async fn after_its_time_nobody_asks_any_more() {
    let (time, bank) = bank().await;
    let clock = TestClock::new();
    let mut login = bank.clock(&clock).ciba().login_hint(JANE).start().await.unwrap();
    clock.advance(Duration::from_secs(121));
    assert_eq!(time.without_waiting(login.wait()).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(time.provider.count(Endpoint::Token), 0);
}

/// token: 4
#[tokio::test]
async fn it_is_polled_at_the_providers_pace() {
    let (time, mut login) = asked().await;
    for fault in [Fault::error(400, "slow_down", ""), Fault::error(400, "authorization_pending", ""), Fault::status(503)] {
        time.provider.next(Endpoint::Token, fault);
        assert!(time.without_waiting(login.poll()).await.unwrap().is_none());
    }
    time.provider.approve_ciba(login.auth_req_id().expose());
    assert!(time.without_waiting(login.poll()).await.unwrap().is_some());
    let seconds: Vec<_> = time.pauses().iter().map(|pause| pause.as_secs() / 5 * 5).collect();
    assert_eq!(seconds, [5, 10, 10, 20]);
}

async fn id_token_refused(ask: impl Fn(&Application) -> CibaAuth, alter: impl FnOnce(&TestProvider)) -> Error {
    let (time, bank) = bank().await;
    let mut login = ask(&bank).start().await.unwrap();
    time.provider.approve_ciba(login.auth_req_id().expose());
    alter(&time.provider);
    let error = time.without_waiting(login.poll()).await.unwrap_err();
    assert_eq!((error.kind(), time.provider.count(Endpoint::Token)), (ErrorKind::IdToken, 1));
    error
}

/// C1, C19, C28 — token: 1 each
#[tokio::test]
async fn the_id_token_is_verified_and_has_to_be_there() {
    let plain = |bank: &Application| bank.ciba().login_hint(JANE);
    id_token_refused(plain, |provider| provider.next_id_token(|token| _ = token.unsigned())).await;
    id_token_refused(plain, |provider| provider.next_id_token(|token| _ = token.sign_with_stranger())).await;
    id_token_refused(plain, |provider| provider.next_id_token(|token| _ = token.set("aud", "another"))).await;
    id_token_refused(plain, |provider| provider.next_id_token(|token| _ = token.set("nonce", "unasked"))).await;
    id_token_refused(plain, |provider| provider.next(Endpoint::Token, Fault::new().remove("id_token"))).await;
    let of_acme = |bank: &Application| bank.ciba().login_hint(JANE).organization("org_acme");
    id_token_refused(of_acme, |provider| provider.next_id_token(|token| _ = token.set("org_id", "org_other"))).await;
}

/// token: 1 each
#[tokio::test]
async fn nobody_else_answers_for_the_person_who_was_named() {
    let by_subject = |bank: &Application| bank.ciba().subject("auth0|jane");
    let error = id_token_refused(by_subject, |provider| provider.next_id_token(|token| _ = token.set("sub", "auth0|joe"))).await;
    assert!(error.to_string().contains("about another person than the one who was asked"), "{error}");

    let (time, bank) = bank().await;
    let mut login = by_subject(&bank).start().await.unwrap();
    let hint: Value = serde_json::from_str(&time.provider.requests(Endpoint::Ciba)[0].field("login_hint").unwrap()).unwrap();
    assert_eq!(hint, json!({ "format": "iss_sub", "iss": time.provider.issuer(), "sub": "auth0|jane" }));
    time.provider.approve_ciba(login.auth_req_id().expose());
    let credentials = time.without_waiting(login.poll()).await.unwrap().unwrap();

    let again = || bank.ciba().id_token_hint(credentials.id_token().unwrap());
    let mut login = again().start().await.unwrap();
    time.provider.approve_ciba(login.auth_req_id().expose());
    assert_eq!(time.without_waiting(login.poll()).await.unwrap().unwrap().user().unwrap().subject(), "auth0|jane");
    let mut login = again().start().await.unwrap();
    time.provider.approve_ciba(login.auth_req_id().expose());
    time.provider.next_id_token(|token| _ = token.set("sub", "auth0|joe"));
    assert_eq!(time.without_waiting(login.poll()).await.unwrap_err().kind(), ErrorKind::IdToken);
}

/// ciba: 0
#[tokio::test]
async fn what_cannot_work_is_not_sent() {
    let provider = TestProvider::start().await;
    let bank = Application::new(provider.issuer(), provider.confidential_client_id());
    for (ask, why) in [
        (bank.ciba(), "nobody was named"),
        (bank.ciba().login_hint(JANE).scope("profile"), "put openid into the scope"),
        (bank.ciba().login_hint(JANE).parameter("id_token_hint", "CANARY"), "id_token_hint is this crate's own"),
        (bank.ciba().login_hint(JANE).parameter("client_notification_token", "CANARY"), "client_notification_token"),
    ] {
        let error = ask.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(why) && !all_of(&error).contains("CANARY"), "{error}");
    }
    provider.always(Endpoint::Discovery, Fault::new().remove("backchannel_authentication_endpoint"));
    let without = Application::new(provider.issuer(), provider.confidential_client_id());
    assert_eq!(without.ciba().login_hint(JANE).start().await.unwrap_err().kind(), ErrorKind::Discovery);
    assert_eq!(provider.count(Endpoint::Ciba), 0);
}

/// ciba: 1 each
#[tokio::test]
async fn a_refusal_to_ask_says_what_it_means() {
    let (time, bank) = bank().await;
    for (code, advice) in [
        ("unknown_user_id", "the hint names nobody whom the provider can ask"),
        ("expired_login_hint_token", "get another login_hint_token"),
        ("invalid_user_code", "ask the person for the code that they agreed with the provider, and set user_code"),
        ("invalid_binding_message", "make the binding message shorter and plainer"),
        ("unauthorized_client", "allow this kind of login in the application's settings at the provider"),
        ("access_denied", "the provider does not let this application ask this person"),
    ] {
        time.provider.next(Endpoint::Ciba, Fault::error(400, code, "No CANARY-hint"));
        let error = bank.ciba().login_hint_token("CANARY-hint").start().await.unwrap_err();
        assert_eq!(error.to_string(), format!("the provider refused the request to ask a person: {code}; {advice}"));
        assert!(!all_of(&error).contains("CANARY"), "{error:?}");
    }
    let error = bank.ciba().login_hint("nobody").start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "unknown_user_id");
    let public = time.application().ciba().login_hint(JANE).start().await.unwrap_err();
    assert_eq!(public.server_error().unwrap().code(), "unauthorized_client");
}

/// ciba: 1 each
#[tokio::test]
async fn an_answer_that_is_none_is_refused_and_a_strange_interval_is_none() {
    let (time, bank) = bank().await;
    for fault in [
        Fault::new().remove("auth_req_id"),
        Fault::new().set("auth_req_id", ""),
        Fault::new().set("auth_req_id", 7),
        Fault::new().remove("expires_in"),
        Fault::new().set("expires_in", -1),
        Fault::new().duplicate("auth_req_id", "CANARY"),
        Fault::answer(200, "text/html", "<p>CANARY"),
    ] {
        time.provider.next(Endpoint::Ciba, fault);
        let error = bank.ciba().login_hint(JANE).start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(!all_of(&error).contains("CANARY"), "{error:?}");
    }
    for (interval, seconds) in [(json!(0), 5), (json!("x"), 5), (json!(1e300), 5), (json!(null), 5), (json!(7), 7)] {
        time.provider.next(Endpoint::Ciba, Fault::new().set("interval", &interval).set("expires_in", u64::MAX));
        let login = bank.ciba().login_hint(JANE).start().await.unwrap();
        assert_eq!((login.interval().as_secs(), login.expires_at().year()), (seconds, 9999), "{interval}");
    }
}

/// I1
#[tokio::test]
async fn nothing_shows_whom_or_what_was_asked() {
    let (_time, bank) = bank().await;
    let ask = bank.ciba().login_hint(JANE).user_code("CANARY").parameter("pin", "CANARY");
    let login = ask.start().await.unwrap();
    let shown = format!("{ask:?} {ask:#?} {login:?} {login:#?}");
    assert!(!shown.contains("CANARY") && !shown.contains(JANE) && !shown.contains(login.auth_req_id().expose()), "{shown}");

    let halves = TwoHalves::start().await;
    let credentials = halves.log_in().await.unwrap();
    let id_token = credentials.id_token().unwrap();
    let ask = bank.ciba().id_token_hint(id_token);
    assert!(!format!("{ask:?}").contains(id_token.raw().expose()));
}
