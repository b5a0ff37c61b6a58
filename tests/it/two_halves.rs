//! A login in its two halves, so that a test can alter what lies between them.

use std::error::Error as StdError;
use std::fmt::Write as _;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{Application, Credentials, Error, PendingLogin, Result, WebAuth};
use url::Url;

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:9999/callback";

pub(crate) struct TwoHalves {
    pub(crate) provider: TestProvider,
    pub(crate) auth: WebAuth,
    pub(crate) browser: TestBrowser,
}

impl TwoHalves {
    pub(crate) async fn start() -> Self {
        Self::at(TestProvider::start().await)
    }

    pub(crate) fn at(provider: TestProvider) -> Self {
        let application = Application::new(provider.issuer(), provider.client_id());
        Self::of(provider, &application)
    }

    pub(crate) fn of(provider: TestProvider, application: &Application) -> Self {
        let auth = application.web_auth().redirect_uri(REDIRECT_URI);
        Self { provider, auth, browser: TestBrowser::new() }
    }

    pub(crate) fn scope(self, scope: &str) -> Self {
        Self { auth: self.auth.scope(scope), ..self }
    }

    /// A login whose person has come back, and the URL that they came back to.
    pub(crate) async fn returned(&self) -> (PendingLogin, String) {
        let login = self.auth.begin().await.unwrap();
        let callback = self.browser.visit(login.url()).await.unwrap();
        (login, callback)
    }

    /// Finished with another callback than the one that came.
    pub(crate) async fn finish_with(&self, alter: impl FnOnce(&str) -> String) -> Result<Credentials> {
        let (login, callback) = self.returned().await;
        self.auth.finish(login, &alter(&callback)).await
    }

    pub(crate) async fn log_in(&self) -> Result<Credentials> {
        self.finish_with(str::to_owned).await
    }

    /// Finished with this answer of the token endpoint, which is asked once, whatever it answers.
    pub(crate) async fn answered(&self, fault: Fault) -> Result<Credentials> {
        let (login, callback) = self.returned().await;
        let before = self.provider.count(Endpoint::Token);
        self.provider.next(Endpoint::Token, fault);
        let result = self.auth.finish(login, &callback).await;
        assert_eq!(self.provider.count(Endpoint::Token) - before, 1, "a code exchange is never tried again by itself");
        result
    }
}

/// A parameter of a URL's query, decoded.
pub(crate) fn parameter(url: &str, name: &str) -> String {
    let url: Url = url.parse().unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("the URL has a parameter {name}")).1.into_owned()
}

/// The URL without a parameter.
pub(crate) fn without(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').unwrap();
    let others: Vec<&str> = query.split('&').filter(|pair| pair.split('=').next() != Some(name)).collect();
    assert!(others.len() < query.split('&').count(), "the URL has a parameter {name}");
    format!("{base}?{}", others.join("&"))
}

/// The URL with a parameter as it is written here, in place of the one it has.
pub(crate) fn with(url: &str, name: &str, raw: &str) -> String {
    format!("{}&{name}={raw}", without(url, name))
}

/// Every text of an error: `Display` and `Debug`, its own and those of its sources.
pub(crate) fn all_of(error: &Error) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        write!(shown, " {error} {error:?}").unwrap();
        source = error.source();
    }
    shown
}
