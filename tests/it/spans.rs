//! Spans with their outcome, as a subscriber of `tracing` gets them, without a secret from any crate of this process.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{Api, Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{Application, AuthorizedClient, ClientAuth, Credentials, CredentialsManager, WebAuth};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

use crate::two_halves::TwoHalves;

/// Notes everything, at every level.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    spans: HashMap<u64, Span>,
    /// The fields of this crate's spans at their end, in that order.
    ended: Vec<String>,
    events: Vec<String>,
    everything: String,
}

struct Span {
    metadata: &'static Metadata<'static>,
    shown: String,
    handles: usize,
}

impl Notes {
    fn ended(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().ended)
    }

    fn events(&self, level: &str) -> Vec<String> {
        self.0.lock().unwrap().events.iter().filter_map(|event| event.strip_prefix(level)).map(str::to_owned).collect()
    }

    fn note(&self, span: Option<&Id>, fields: &Fields) {
        let mut noted = self.0.lock().unwrap();
        writeln!(noted.everything, "{}", fields.0).unwrap();
        if let Some(span) = span.and_then(|span| noted.spans.get_mut(&span.into_u64())) {
            span.shown.push_str(&fields.0);
        }
    }
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        let mut noted = self.0.lock().unwrap();
        let id = noted.spans.len() as u64 + 1;
        writeln!(noted.everything, "{}", fields.0).unwrap();
        noted.spans.insert(id, Span { metadata: span.metadata(), shown: fields.0, handles: 1 });
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.note(Some(span), &fields);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(format!("{}", event.metadata().level()));
        event.record(&mut fields);
        if event.metadata().target() == "hallpass" {
            self.0.lock().unwrap().events.push(fields.0.clone());
        }
        self.note(None, &fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn try_close(&self, span: Id) -> bool {
        let mut noted = self.0.lock().unwrap();
        let span = noted.spans.get_mut(&span.into_u64()).unwrap();
        span.handles -= 1;
        let is_over = span.handles == 0;
        let ended = (is_over && span.metadata.target() == "hallpass").then(|| span.shown.clone());
        noted.ended.extend(ended);
        is_over
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.0.lock().unwrap().spans.get_mut(&span.into_u64()).unwrap().handles += 1;
        span.clone()
    }
}

fn web_auth(provider: &TestProvider) -> WebAuth {
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).audience("https://api.acme.com");
    auth.scope("openid offline_access").ephemeral_port().browser(TestBrowser::new())
}

/// Every secret of what was sent and what came back.
fn secrets(provider: &TestProvider, credentials: &[Credentials]) -> Vec<String> {
    let mut secrets = Vec::new();
    for credentials in credentials {
        secrets.push(credentials.access_token().expose().to_owned());
        secrets.extend(credentials.refresh_token().map(|token| token.expose().to_owned()));
        secrets.extend(credentials.id_token().map(|token| token.raw().expose().to_owned()));
    }
    for request in provider.requests(Endpoint::Token) {
        let fields = ["code", "code_verifier", "refresh_token", "client_secret"];
        secrets.extend(fields.iter().filter_map(|name| request.field(name)));
    }
    for request in provider.requests(Endpoint::Authorize) {
        secrets.extend(["state", "nonce"].iter().filter_map(|name| request.parameter(name)));
    }
    secrets
}

/// I1: no crate in this process shows a secret to a subscriber at TRACE
#[tokio::test]
async fn spans_tell_what_was_done_and_how_it_ended_and_hold_no_secret() {
    let notes = Notes::default();
    let _subscribed = subscriber::set_default(notes.clone());
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    let auth = web_auth(&provider);
    let session = CredentialsManager::new(auth.clone(), Memory::new()).session("session-canary");
    let first = session.login_if_needed().await.unwrap();
    let id = provider.client_id();
    assert_eq!(notes.ended(), [format!("login client_id=\"{id}\" outcome=\"done\"")]);

    let client = AuthorizedClient::new(session.clone()).unwrap().base_url(api.url()).unwrap();
    api.refuse(first.access_token().expose());
    let request = client.post("path-canary?query=canary").header("x-own", "header-canary").body("body-canary");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let renewed = session.credentials().await.unwrap();
    let call = |rest: &str| format!("call method=\"POST\" host=\"127.0.0.1\"{rest}");
    let renewal = |outcome: &str| format!("renewal client_id=\"{id}\" outcome={outcome}");
    let expected = call(" attempts=1 status=401 attempts=2 status=200 outcome=\"done\"");
    assert_eq!(notes.ended(), [renewal("\"done\""), expected]);

    api.require_scope("/admin", "delete:messages");
    client.post("admin").send().await.unwrap_err();
    client.post("https://evil.example/").send().await.unwrap_err();
    provider.revoke_everything();
    session.renew().await.unwrap_err();
    let elsewhere = call(" outcome=Forbidden").replace("127.0.0.1", "evil.example");
    let expected = [call(" attempts=1 status=403 outcome=StepUp"), elsewhere, renewal("LoginRequired")];
    assert_eq!(notes.ended(), expected);
    assert_eq!(notes.events("WARN").len(), 1, "what a program may not be told otherwise: {:?}", notes.events("WARN"));

    let noted = notes.0.lock().unwrap().everything.clone();
    assert!(noted.contains("DEBUG") && noted.len() > 1000);
    for secret in secrets(&provider, &[first, renewed]) {
        assert!(secret.len() > 8 && !noted.contains(&secret), "a secret was shown");
    }
    assert!(!noted.contains("canary"), "{noted}");
}

/// I1: what fails shows no more than what works.
#[tokio::test]
async fn spans_of_what_fails_hold_no_secret_either() {
    let notes = Notes::default();
    let _subscribed = subscriber::set_default(notes.clone());
    let provider = TestProvider::start().await;
    let client_auth = ClientAuth::client_secret_post(provider.client_secret());
    let application = Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(client_auth);
    let halves = TwoHalves::of(provider.clone(), &application).scope("openid offline_access");
    let good = halves.log_in().await.unwrap();
    for fault in [Fault::new().set("token_type", "mac"), Fault::new().set("id_token", "CANARY"), Fault::close(), Fault::status(503)]
    {
        provider.next(Endpoint::Token, fault.clone());
        halves.log_in().await.unwrap_err();
        provider.next(Endpoint::Token, fault.clone());
        let _ = application.renew_credentials(&good).await;
        provider.next(Endpoint::Token, fault);
        let _ = application.client_credentials().audience("https://api.acme.com").token().await;
    }
    let ended = notes.ended();
    let outcomes = |name: &str| ended.iter().filter(|span| span.starts_with(name)).count();
    assert_eq!((outcomes("login"), outcomes("renewal")), (5, 8), "{ended:?}");
    let noted = notes.0.lock().unwrap().everything.clone();
    for secret in secrets(&provider, &[good]).into_iter().chain(["CANARY".to_owned()]) {
        assert!(!noted.contains(&secret), "a secret was shown");
    }
}

#[tokio::test]
async fn a_login_without_a_refresh_token_is_said_once_with_what_helps() {
    for (scope, withheld, remedy) in [
        ("openid", false, "add offline_access to the scope"),
        ("openid offline_access", true, "allow offline access for this API at the provider"),
    ] {
        let notes = Notes::default();
        let _subscribed = subscriber::set_default(notes.clone());
        let builder = TestProvider::builder();
        let builder = if withheld { builder.withhold_scope("offline_access") } else { builder };
        let provider = builder.start().await;
        let session = CredentialsManager::new(web_auth(&provider).scope(scope), Memory::new());
        let credentials = session.login_if_needed().await.unwrap();
        assert!(credentials.refresh_token().is_none());
        session.save(&credentials).await.unwrap();
        session.session("another").save(&credentials).await.unwrap();
        let [warning] = &notes.events("WARN")[..] else { panic!("one warning: {:?}", notes.events("WARN")) };
        assert!(warning.contains(remedy), "{warning}");
    }
    let notes = Notes::default();
    let _subscribed = subscriber::set_default(notes.clone());
    let provider = TestProvider::builder().access_token_life(Duration::from_secs(600)).start().await;
    CredentialsManager::new(web_auth(&provider), Memory::new()).login_if_needed().await.unwrap();
    assert!(notes.events("WARN").is_empty());
}
