//! The client plans of the OpenID Foundation's conformance suite, module by module: [`TestProvider`] plays the suite's provider.
//! The suite itself is a service, and no part of these tests.
//!
//! src/docs/conformance.md is what these tables say; `WRITE_CONFORMANCE=1 cargo test --test it conformance` writes it.

mod back_channel_logout;
mod basic;
mod configuration;
mod fapi2;
mod form_post;
mod message_signing;
mod refreshing;
mod rp_initiated_logout;
mod user_info;

use std::fmt::Write as _;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
use hallpass::{Application, ClientAuth, Credentials, ErrorKind, Result, WebAuth};

use crate::altered_login::{Alteration, login, web_auth};

/// The modules of one of the suite's plans.
struct Plan {
    name: &'static str,
    way: Way,
    modules: &'static [Module],
}

/// The way in which the provider's answer comes back.
#[derive(Clone, Copy)]
enum Way {
    /// In the callback's query, which the test hands over.
    Query,
    /// Posted by the browser, to the listener on loopback.
    FormPost,
}

struct Module {
    name: &'static str,
    /// The provider's behaviour, or the client's task.
    provider: &'static str,
    outcome: Outcome,
    play: fn(Way) -> Played,
}

type Played = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

#[derive(Clone, Copy)]
enum Outcome {
    Works,
    Refused(ErrorKind),
}

const PLANS: [&Plan; 9] = [
    &basic::PLAN,
    &form_post::PLAN,
    &configuration::PLAN,
    &refreshing::PLAN,
    &user_info::PLAN,
    &rp_initiated_logout::PLAN,
    &back_channel_logout::PLAN,
    &fapi2::PLAN,
    &message_signing::PLAN,
];

impl Plan {
    async fn run(&self) {
        for Module { name, outcome, play, .. } in self.modules {
            let played = play(self.way).await;
            match outcome {
                Outcome::Works => assert!(played.is_ok(), "{name}: {played:?}"),
                Outcome::Refused(kind) => {
                    assert_eq!(played.as_ref().map_err(|error| error.kind()).err(), Some(*kind), "{name}: {played:?}");
                }
            }
        }
    }
}

fn played(play: impl Future<Output = Result<()>> + Send + 'static) -> Played {
    Box::pin(play)
}

/// The application as the suite registers it.
fn confidential(provider: &TestProvider) -> Application {
    Application::new(provider.issuer(), provider.confidential_client_id())
        .client_auth(ClientAuth::client_secret_basic(provider.client_secret()))
}

impl Way {
    fn prepare(self, application: &Application) -> WebAuth {
        match self {
            Self::Query => web_auth(application),
            Self::FormPost => application.web_auth().ephemeral_port().form_post(),
        }
    }

    async fn login(self, provider: &TestProvider, auth: &WebAuth) -> Result<Credentials> {
        let credentials = match self {
            Self::Query => login(auth).await,
            Self::FormPost => auth.clone().browser(TestBrowser::new()).start().await,
        };
        let asked = provider.requests(Endpoint::Authorize).pop().and_then(|request| request.parameter("response_mode"));
        match self {
            Self::Query => assert_eq!(asked, None),
            Self::FormPost => assert_eq!(asked.as_deref(), Some("form_post")),
        }
        credentials
    }
}

/// A login whose ID token the provider has altered. The code was redeemed once, and no API gets the token.
fn with_id_token(way: Way, alter: Alteration) -> Played {
    played(async move {
        let provider = TestProvider::start().await;
        provider.next_id_token(move |token| _ = alter(token));
        let outcome = way.login(&provider, &way.prepare(&confidential(&provider))).await;
        assert_eq!((provider.count(Endpoint::Token), provider.count(Endpoint::UserInfo)), (1, 0));
        outcome.map(drop)
    })
}

#[test]
fn the_page_says_what_these_tables_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/conformance.md");
    let rendered = render();
    if std::env::var_os("WRITE_CONFORMANCE").is_some() {
        fs::write(&page, &rendered).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(written, rendered, "write it anew: WRITE_CONFORMANCE=1 cargo test --test it conformance");
}

fn render() -> String {
    let mut page = String::from(
        "The OpenID Foundation's client plans, module by module.\n\n\
         Each row is played in this crate's tests (`tests/it/conformance`), with `testing::TestProvider` doing what the suite's\n\
         provider does in the module of that name. That is no certification: the suite itself was not run.\n",
    );
    for plan in PLANS {
        write!(page, "\n# {}\n\n| module | what the provider does | outcome |\n|---|---|---|\n", plan.name).unwrap();
        for Module { name, provider, outcome, .. } in plan.modules {
            let outcome = match outcome {
                Outcome::Works => "works".to_owned(),
                Outcome::Refused(kind) => format!("`{kind:?}`"),
            };
            writeln!(page, "| `{name}` | {provider} | {outcome} |").unwrap();
        }
    }
    page
}
