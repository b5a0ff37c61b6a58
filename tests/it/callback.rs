//! Requests at the redirect URI that are not the answer to this login.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, Error, ErrorKind, PendingLogin};

use crate::growth::assert_linear;
use crate::two_halves::{REDIRECT_URI, TwoHalves, all_of, parameter, with, without};

/// A name, and what becomes of a good callback.
type Row<'a> = (&'a str, &'a (dyn Fn(&str) -> String + Sync));

/// Each alteration of a callback is refused, before the token endpoint is asked anything, by an error that tells nothing.
async fn each_is_refused(halves: &TwoHalves, rows: &[Row<'_>]) {
    for (name, alter) in rows {
        let (login, callback) = halves.returned().await;
        let secrets = ["state", "nonce"].map(|name| parameter(login.url().as_str(), name));
        let code = parameter(&callback, "code");
        let error = halves.auth.finish(login, &alter(&callback)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{name}: {error}");
        for secret in secrets.iter().chain([&code]) {
            assert!(!all_of(&error).contains(secret), "{name}: {error:?}");
        }
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}

/// A1 — token: 0
#[tokio::test]
async fn a_callback_without_code_and_error_is_refused() {
    let halves = TwoHalves::start().await;
    each_is_refused(
        &halves,
        &[
            ("none", &|url| without(url, "code")),
            ("an empty one", &|url| with(url, "code", "")),
            ("one in the fragment", &|url| format!("{}#code={}", without(url, "code"), parameter(url, "code"))),
            ("one of another name", &|url| url.replace("code=", "CODE=")),
        ],
    )
    .await;
}

/// A2, A3, A4 — token: 0
#[tokio::test]
async fn a_state_that_is_not_exactly_this_logins_is_refused() {
    let halves = TwoHalves::start().await;
    let state = |url: &str| parameter(url, "state");
    each_is_refused(
        &halves,
        &[
            ("missing", &|url| without(url, "state")),
            ("empty", &|url| with(url, "state", "")),
            ("longer", &|url| with(url, "state", &format!("{}1", state(url)))),
            ("shorter", &|url| with(url, "state", &state(url)[1..])),
            ("in capitals", &|url| with(url, "state", &state(url).to_uppercase())),
            ("percent-encoded", &|url| with(url, "state", &format!("%{:02x}{}", state(url).as_bytes()[0], &state(url)[1..]))),
            ("after a space", &|url| with(url, "state", &format!("+{}", state(url)))),
            ("before a space", &|url| with(url, "state", &format!("{}%20", state(url)))),
            ("before a line feed", &|url| with(url, "state", &format!("{}%0A", state(url)))),
            ("under another name", &|url| url.replace("state=", "State=")),
        ],
    )
    .await;
}

/// A5, A6 — token: 0
#[tokio::test]
async fn a_parameter_that_stands_there_twice_is_refused() {
    let halves = TwoHalves::start().await;
    let again = |url: &str, name: &str| format!("{url}&{name}={}", parameter(url, name));
    each_is_refused(
        &halves,
        &[
            ("a wrong state behind the right one", &|url| format!("{url}&state=x")),
            ("a wrong state before the right one", &|url| url.replace("?", "?state=x&")),
            ("the right state twice", &|url| again(url, "state")),
            ("the right state twice, once in disguise", &|url| format!("{url}&st%61te={}", parameter(url, "state"))),
            ("code", &|url| again(url, "code")),
            ("another code", &|url| format!("{url}&code=other")),
            ("iss", &|url| again(url, "iss")),
            ("error", &|url| format!("{url}&error=access_denied&error=access_denied")),
        ],
    )
    .await;
}

/// A7, A8, A9 — token: 0
#[tokio::test]
async fn an_iss_that_is_not_exactly_the_issuer_is_refused() {
    let halves = TwoHalves::start().await;
    let iss = |url: &str| parameter(url, "iss");
    each_is_refused(
        &halves,
        &[
            ("absent, though the metadata promises it", &|url| without(url, "iss")),
            ("empty", &|url| with(url, "iss", "")),
            ("longer", &|url| with(url, "iss", &format!("{}1", iss(url)))),
            ("without the slash", &|url| with(url, "iss", iss(url).trim_end_matches('/'))),
            ("with another slash", &|url| with(url, "iss", &format!("{}/", iss(url)))),
            ("in capitals", &|url| with(url, "iss", &iss(url).replace("http", "HTTP"))),
            ("under another name of the host", &|url| with(url, "iss", &iss(url).replace("127.0.0.1", "localhost"))),
            ("with its port in other words", &|url| with(url, "iss", &iss(url).replace("127.0.0.1:", "127.0.0.1:0"))),
            ("after a space", &|url| with(url, "iss", &format!("+{}", iss(url)))),
        ],
    )
    .await;
    let provider = TestProvider::start().await;
    let named = provider.issuer().trim_end_matches('/').to_owned();
    provider.always(Endpoint::Discovery, Fault::new().set("issuer", &named));
    let halves = TwoHalves::at(provider);
    each_is_refused(&halves, &[("as the provider was asked, not as it names itself", &|url| url.to_owned())]).await;
}

/// A10 — token: 0
#[tokio::test]
async fn an_iss_that_was_not_promised_is_compared_all_the_same() {
    let halves = TwoHalves::at(TestProvider::builder().without_issuer_parameter().start().await);
    each_is_refused(&halves, &[("another issuer's", &|url| format!("{url}&iss=https%3A%2F%2Fevil.example%2F"))]).await;

    halves.log_in().await.expect("a provider that promises none and sends none is believed");
    let issuer = halves.provider.issuer().to_owned();
    halves.finish_with(|url| format!("{url}&iss={issuer}")).await.expect("the right one does no harm");
}

/// A11 — token: 0 at either
#[tokio::test]
async fn the_answer_of_one_issuer_is_refused_by_the_login_at_another() {
    let (honest, attacker) = (TwoHalves::start().await, TwoHalves::start().await);
    let (login, _) = attacker.returned().await;
    let state = parameter(login.url().as_str(), "state");
    let (_, answer) = honest.returned().await;
    // The attacker knows the state of the login at their own provider, so that only iss tells the two apart.
    let error = attacker.auth.finish(login, &with(&answer, "state", &state)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback, "{error}");

    let (login, answer) = honest.returned().await;
    let error = attacker.auth.finish(login, &answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "the login belongs to the other WebAuth: {error}");
    let (login, answer) = honest.returned().await;
    let other_client = Application::new(honest.provider.issuer(), "web").web_auth();
    assert_eq!(other_client.finish(login, &answer).await.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!((honest.provider.count(Endpoint::Token), attacker.provider.count(Endpoint::Token)), (0, 0));
}

/// A12, A13 — token: 0
#[tokio::test]
async fn an_error_is_believed_before_a_code_and_only_with_the_right_state() {
    let halves = TwoHalves::start().await;
    let error = halves.finish_with(|url| format!("{url}&error=access_denied")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(error.server_error().unwrap().code(), "access_denied");

    let forged = |url: &str| with(&with(url, "code", "x").replace("&code=x", "&error=access_denied"), "state", "0");
    each_is_refused(&halves, &[("a wrong state", &forged)]).await;
    let foreign = |url: &str| with(url, "iss", "https://evil.example/") + "&error=access_denied";
    each_is_refused(&halves, &[("another issuer", &foreign)]).await;
}

#[tokio::test]
async fn the_providers_refusal_says_what_helps() {
    for (code, kind, login_required) in [
        ("access_denied", ErrorKind::Cancelled, false),
        ("login_required", ErrorKind::LoginRequired, true),
        ("consent_required", ErrorKind::Cancelled, false),
        ("interaction_required", ErrorKind::Cancelled, false),
        ("unauthorized_client", ErrorKind::Server, false),
        ("temporarily_unavailable", ErrorKind::Server, false),
    ] {
        let halves = TwoHalves::start().await;
        let error = halves.finish_with(|url| with(url, "code", "x").replace("code=x", &format!("error={code}"))).await.unwrap_err();
        assert_eq!((error.kind(), error.is_login_required()), (kind, login_required), "{code}");
        assert_eq!(error.is_transient(), code == "temporarily_unavailable", "{code}");
        assert_eq!(halves.provider.count(Endpoint::Token), 0);
    }
    let halves = TwoHalves::start().await;
    let login = halves.auth.begin().await.unwrap();
    let callback = TestBrowser::new().refusing().visit(login.url()).await.unwrap();
    assert_eq!(halves.auth.finish(login, &callback).await.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// K12 — token: 0. Without `prompt=none` the person was asked, and another login would ask them the same.
#[tokio::test]
async fn a_consent_that_is_missing_is_a_refusal_unless_nobody_could_be_asked() {
    for code in ["consent_required", "interaction_required"] {
        for (prompt, kind) in [("none", ErrorKind::LoginRequired), ("consent", ErrorKind::Cancelled)] {
            let halves = TwoHalves::start().await;
            let login = halves.auth.clone().prompt(prompt).begin().await.unwrap();
            let login = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
            let state = parameter(login.url().as_str(), "state");
            let callback =
                format!("{}?state={state}&error={code}&iss={}", crate::two_halves::REDIRECT_URI, halves.provider.issuer());
            let error = halves.auth.finish(login, &callback).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{code} {prompt}: {error}");
            assert_eq!(halves.provider.count(Endpoint::Token), 0);
        }
    }
}

/// A14 — token: 0
#[tokio::test]
async fn an_errors_description_is_capped_and_cannot_write_on_the_terminal() {
    let halves = TwoHalves::start().await;
    let hostile = format!("<script>%1B[31m%07%0D%0A%E2%80%AE%D8%9C{}", "x".repeat(1024 * 1024));
    let error = halves.finish_with(|url| format!("{url}&error=server_error&error_description={hostile}")).await.unwrap_err();
    let description = error.server_error().unwrap().description().unwrap();
    assert_eq!(description.chars().next_back(), Some('…'));
    for shown in [error.to_string(), description.to_owned(), all_of(&error)] {
        assert!(shown.len() < 4096, "{} bytes", shown.len());
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}', '\u{61c}']), "{shown}");
    }
    assert!(description.starts_with(r"<script>\u{1b}[31m\u{7}\u{d}\u{a}\u{202e}\u{61c}xxx"), "{description}");
}

/// A14 — token: 0: an attacker's callback may have the right state
#[test]
fn a_callback_is_read_in_linear_time() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let halves = runtime.block_on(TwoHalves::start());
    assert_linear(512 * 1024, |length| {
        let (description, code) = ("a".repeat(length), format!("{}b", "a".repeat(length / 2)));
        let (login, callback) = runtime.block_on(halves.returned());
        let callback = format!("{}&error=invalid_request&error_description={description}", with(&callback, "code", &code));
        let error = runtime.block_on(halves.auth.finish(login, &callback)).unwrap_err();
        assert_eq!((error.kind(), halves.provider.count(Endpoint::Token)), (ErrorKind::Server, 0));
    });
}

/// A14: what the page shows
#[tokio::test]
async fn an_errors_description_is_not_reflected_into_the_page() {
    let provider = TestProvider::start().await;
    let browser = TestBrowser::new();
    let fault = Fault::new().set("error", "invalid_request").set("error_description", "<b>CANARY</b>");
    provider.next(Endpoint::Callback, fault);
    let application = Application::new(provider.issuer(), provider.client_id());
    let error = application.web_auth().ephemeral_port().browser(browser.clone()).start().await.unwrap_err();
    assert_eq!(error.server_error().unwrap().description(), Some("<b>CANARY</b>"));
    let page = browser.shown(1).await.remove(0);
    assert!(!page.text().contains("CANARY") && !page.text().contains("invalid_request"), "{}", page.text());
}

/// A15, A19 — token: 0
#[tokio::test]
async fn an_answer_of_another_response_type_or_mode_is_refused() {
    let halves = TwoHalves::start().await;
    each_is_refused(
        &halves,
        &[
            ("access_token", &|url| format!("{url}&access_token=x")),
            ("id_token", &|url| format!("{url}&id_token=x.y.z")),
            ("id_token without a code", &|url| with(url, "code", "").replace("code=", "id_token=x.y.z")),
            ("response", &|url| format!("{url}&response=x.y.z")),
            ("response alone", &|_| format!("{REDIRECT_URI}?response=x.y.z")),
        ],
    )
    .await;
}

/// A16 — token: 1 for each injected code, with the verifier of the login it was injected into
#[tokio::test]
async fn an_injected_code_is_worth_nothing() {
    let halves = TwoHalves::start().await;
    let (_, stolen) = halves.returned().await;
    let code = parameter(&stolen, "code");
    let error = halves.finish_with(|url| with(url, "code", &code)).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "invalid_grant", "the verifier is not that of the stolen code");
    let sent = halves.provider.requests(Endpoint::Token).remove(0);
    assert_eq!((sent.field("code"), sent.field("code_verifier").map(|verifier| verifier.len())), (Some(code), Some(43)));

    // A provider that does not check the verifier: the nonce of the other login comes back.
    let nonce = parameter(halves.returned().await.0.url().as_str(), "nonce");
    halves.provider.next_id_token(move |token| {
        token.set("nonce", &nonce);
    });
    let error = halves.log_in().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdToken, "{error}");
}

/// A17 — token: 2
#[tokio::test]
async fn a_callback_is_good_for_one_login() {
    let halves = TwoHalves::start().await;
    let (login, callback) = halves.returned().await;
    // finish() takes the login by value; this one was kept elsewhere besides.
    let again = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    halves.auth.finish(login, &callback).await.unwrap();
    let error = halves.auth.finish(again, &callback).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code(), "invalid_grant", "{error}");
    assert_eq!(halves.provider.count(Endpoint::Token), 2);
}

/// A18 — token: 0
#[tokio::test]
async fn a_callback_after_the_timeout_is_refused() {
    let clock = TestClock::new();
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let application = Application::new(provider.issuer(), provider.client_id()).clock(&clock);
    let mut halves = TwoHalves::of(provider, &application);
    halves.auth = halves.auth.timeout(Duration::from_secs(60));
    let late = |url: &str| {
        clock.advance(Duration::from_secs(60));
        url.to_owned()
    };
    each_is_refused(&halves, &[("at the very end", &late)]).await;

    let (login, callback) = halves.returned().await;
    let kept = PendingLogin::from_secret_string(&login.to_secret_string()).unwrap();
    clock.advance(Duration::from_secs(59));
    halves.auth.finish(login, &callback).await.expect("just in time");
    clock.advance(Duration::from_secs(1));
    let error: Error = halves.auth.finish(kept, &callback).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback, "a kept login ends as well");
}

/// A22: nor is a login taken for another kind than it was kept as.
#[tokio::test]
async fn a_kept_login_that_this_release_does_not_know_is_refused() {
    let halves = TwoHalves::start().await;
    let (login, _) = halves.returned().await;
    let kept = login.to_secret_string();
    let (version, encoded) = kept.expose().split_once('.').unwrap();
    let json: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[name] = value;
        format!("{version}.{}", BASE64_URL_SAFE_NO_PAD.encode(json.to_string()))
    };
    PendingLogin::from_secret_string(&with("response_mode", "form_post".into()).into()).unwrap();
    for text in [
        with("response_mode", "fragment.jwt".into()),
        with("dpop_key", "AAAA".into()),
        with("secrets", "AAAA".into()),
        with("expires_at", serde_json::Value::Null),
        format!("hallpass2.{encoded}"),
        format!("Hallpass1.{encoded}"),
        encoded.to_owned(),
    ] {
        let error = PendingLogin::from_secret_string(&text.as_str().into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{text}");
        assert!(!error.to_string().contains(encoded), "{error}");
    }
    assert_eq!(halves.provider.count(Endpoint::Token), 0);
}
