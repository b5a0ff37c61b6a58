use hallpass::ErrorKind::{InvalidResponse, Server};
use hallpass_peers::MockServer;
use serde_json::json;

use super::{log_in, web_auth};

/// C37, C38, C39
#[tokio::test]
async fn user_info_about_somebody_else_or_nobody_is_refused() {
    let provider = MockServer::start();
    let login = web_auth(&provider);
    let credentials = log_in(&provider, &login, json!({ "on": "nothing" })).await.unwrap();
    let application = login.application();

    let claim_sources = format!("{}/token", provider.issuer());
    let honest = json!({ "on": "userinfo", "set": {
        "name": "John", "_claim_names": { "age": "src" }, "_claim_sources": { "src": { "endpoint": claim_sources } } } });
    provider.next(honest).await;
    assert_eq!(application.user_info(&credentials).await.unwrap().name().as_deref(), Some("John"));
    assert_eq!(provider.count("/token").await, 1, "only the login asked there");

    for lie in [
        json!({ "on": "userinfo", "set": { "sub": "somebody" } }),
        json!({ "on": "userinfo", "set": { "sub": "johndoe " } }),
        json!({ "on": "userinfo", "drop": ["sub"], "set": { "SUB": "johndoe" } }),
        json!({ "on": "userinfo", "set": { "sub": 5 } }),
        json!({ "on": "userinfo", "raw": "[]" }),
        json!({ "on": "userinfo", "raw": r#"{"sub":"johndoe","sub":"johndoe"}"# }),
        json!({ "on": "userinfo", "raw": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqb2huZG9lIn0." }),
        json!({ "on": "userinfo", "raw": "<html>", "headers": { "content-type": "text/html" } }),
    ] {
        let told = lie.to_string();
        provider.next(lie).await;
        let error = application.user_info(&credentials).await.expect_err(&told);
        assert_eq!(error.kind(), InvalidResponse, "{told}: {error:?}");
    }

    provider.next(json!({ "on": "userinfo", "status": 401, "raw": r#"{"error":"invalid_token"}"# })).await;
    let error = application.user_info(&credentials).await.unwrap_err();
    assert_eq!((error.kind(), error.server_error().unwrap().code()), (Server, "invalid_token"));
}
