//! Logins in two halves, whose ID token is altered on its way to the program.

use std::error::Error as _;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider, TokenDraft};
use hallpass::{Application, Credentials, Error, ErrorKind, Result, WebAuth};

pub(crate) type Alteration = fn(&mut TokenDraft) -> &mut TokenDraft;

pub(crate) fn web_auth(application: &Application) -> WebAuth {
    application.web_auth().redirect_uri("http://127.0.0.1:9999/callback")
}

pub(crate) fn application(provider: &TestProvider) -> Application {
    Application::new(provider.issuer(), provider.client_id())
}

pub(crate) async fn login(auth: &WebAuth) -> Result<Credentials> {
    let login = auth.begin().await?;
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    auth.finish(login, &callback).await
}

pub(crate) async fn altered_login(
    provider: &TestProvider,
    auth: &WebAuth,
    alter: impl Fn(&mut TokenDraft) -> &mut TokenDraft + Send + Sync + 'static,
) -> Result<Credentials> {
    provider.next_id_token(move |token| {
        alter(token);
    });
    login(auth).await
}

/// Each row's ID token is refused for the reason that `says` is a part of, the code is redeemed once, and no token is told.
pub(crate) async fn refuses(provider: &TestProvider, auth: &WebAuth, says: &str, rows: &[(&str, Alteration)]) {
    for (row, alter) in rows {
        let asked = provider.count(Endpoint::Token);
        let Err(error) = altered_login(provider, auth, *alter).await else { panic!("{row} is accepted") };
        assert_eq!(error.kind(), ErrorKind::IdToken, "{row}: {error:?}");
        assert!(told(&error).contains(says), "{row} is refused because: {}", told(&error));
        assert!(!format!("{error:?}{}", told(&error)).contains("eyJ"), "{row}: the error holds a token");
        assert_eq!(provider.count(Endpoint::Token), asked + 1, "{row}");
    }
}

pub(crate) async fn accepts(provider: &TestProvider, auth: &WebAuth, rows: &[(&str, Alteration)]) {
    for (row, alter) in rows {
        let credentials = altered_login(provider, auth, *alter).await;
        assert!(credentials.as_ref().is_ok_and(|credentials| credentials.id_token().is_some()), "{row}: {credentials:?}");
    }
}

/// The claims as they would be sent, altered as text.
pub(crate) fn with_payload<T: Into<Vec<u8>>>(token: &mut TokenDraft, alter: impl Fn(&str) -> T) -> &mut TokenDraft {
    let claims = ["iss", "sub", "aud", "nonce"].map(|name| format!(r#""{name}":"{}""#, token.claim(name).unwrap()));
    let times = ["exp", "iat"].map(|name| format!(r#""{name}":{}"#, token.claim(name).unwrap()));
    token.payload(alter(&format!("{{{},{}}}", claims.join(","), times.join(","))))
}

/// The text that a person is shown: the error and its causes.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// From the next discovery on, the provider names no algorithms: any that is known may sign.
pub(crate) fn any_algorithm(provider: &TestProvider) {
    provider.always(Endpoint::Discovery, Fault::new().remove("id_token_signing_alg_values_supported"));
}
