use hallpass::ErrorKind::{Callback, Cancelled, Server};
use hallpass_peers::MockServer;
use serde_json::json;

use super::{all_accepted, all_refused, log_in, parameters, web_auth};

/// A1, A2, A10, A15, A19 — token: 0
#[tokio::test]
async fn what_is_no_answer_to_this_login_is_refused_before_any_token_request() {
    all_refused(
        Callback,
        0,
        [
            json!({ "on": "authorize", "drop": ["code"] }),
            json!({ "on": "authorize", "set": { "code": "" } }),
            json!({ "on": "authorize", "drop": ["state"] }),
            json!({ "on": "authorize", "set": { "state": "another" } }),
            json!({ "on": "authorize", "set": { "iss": "https://another.example" } }),
            json!({ "on": "authorize", "set": { "id_token": "e30.e30.e30" } }),
            json!({ "on": "authorize", "set": { "access_token": "token" } }),
            json!({ "on": "authorize", "set": { "response": "e30.e30.e30" } }),
        ],
    )
    .await;
}

/// A3, A4 — token: 0
#[tokio::test]
async fn a_state_that_is_nearly_right_is_wrong() {
    let provider = MockServer::start();
    let login = web_auth(&provider);
    let changes: [fn(&str) -> String; 4] = [
        |state| format!("{state}1"),
        |state| state.to_uppercase(),
        |state| format!("{state} "),
        // Its first character, encoded once more.
        |state| format!("%{:02x}{}", state.as_bytes()[0], &state[1..]),
    ];
    for change in changes {
        let pending = login.begin().await.unwrap();
        let state = parameters(pending.url(), &["state"]).remove(0);
        provider.next(json!({ "on": "authorize", "set": { "state": change(&state) } })).await;
        let callback = provider.authorize(pending.url().as_str()).await;
        assert_eq!(login.finish(pending, &callback).await.unwrap_err().kind(), Callback);
    }
    assert_eq!(provider.token_requests().await.len(), 0);
}

/// A7, A8, A9 — token: 0
#[tokio::test]
async fn a_provider_that_promises_its_name_has_to_give_it_exactly() {
    let provider = MockServer::start();
    let promise = json!({ "on": "openid-configuration", "set": { "authorization_response_iss_parameter_supported": true } });
    let issuer = provider.issuer().to_owned();
    let names = [None, Some(format!("{issuer}1")), Some(format!("{issuer}/")), Some(issuer.to_uppercase())];
    for name in &names {
        let login = web_auth(&provider);
        provider.next(promise.clone()).await;
        let lie = json!({ "on": "authorize", "set": name.as_ref().map_or(json!({}), |name| json!({ "iss": name })) });
        assert_eq!(log_in(&provider, &login, lie).await.unwrap_err().kind(), Callback, "{name:?}");
    }
    assert_eq!(provider.token_requests().await.len(), 0);

    provider.next(promise).await;
    let truth = json!({ "on": "authorize", "set": { "iss": issuer } });
    assert!(log_in(&provider, &web_auth(&provider), truth).await.is_ok());
}

/// A12, A14 — token: 0
#[tokio::test]
async fn an_error_wins_over_a_code_and_is_shown_harmlessly() {
    all_refused(Cancelled, 0, [json!({ "on": "authorize", "set": { "error": "access_denied" } })]).await;
    let description = format!("\u{1b}[31m<b>\u{202e}{}", "x".repeat(100_000));
    let lie = json!({ "on": "authorize", "set": { "error": "server_error", "error_description": description } });
    all_refused(Server, 0, [lie.clone()]).await;

    let provider = MockServer::start();
    let error = log_in(&provider, &web_auth(&provider), lie).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.len() < 1_000 && !shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    assert!(error.is_transient());
}

/// A13 — token: 0
#[tokio::test]
async fn an_error_with_another_state_is_not_believed() {
    let lie = json!({ "on": "authorize", "drop": ["code"], "set": { "error": "access_denied", "state": "another" } });
    all_refused(Callback, 0, [lie]).await;
}

#[tokio::test]
async fn parameters_of_the_providers_own_are_borne() {
    all_accepted([json!({ "on": "authorize", "set": { "session_state": "x", "scope": "openid", "client_id": "me" } })]).await;
}

/// A16 — token: 1
#[tokio::test]
async fn an_injected_code_meets_the_logins_own_verifier() {
    let provider = MockServer::start();
    let login = web_auth(&provider);
    let (own, stolen) = (login.begin().await.unwrap(), login.begin().await.unwrap());
    let callback = provider.authorize(stolen.url().as_str()).await;
    let [own_state, stolen_state] = [&own, &stolen].map(|login| parameters(login.url(), &["state"]).remove(0));
    login.finish(own, &callback.replace(&stolen_state, &own_state)).await.unwrap_err();
    // This provider compares the verifier with the challenge, and does not come as far as to record what was asked.
    assert_eq!(provider.count("/token").await, 1);
}
