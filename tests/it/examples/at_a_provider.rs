use std::fs;

use hallpass::testing::{Api, TestClient, TestProvider};

use super::run::{self, Example, Run};
use super::shows_nothing;
use crate::canaries::{ENDPOINTS, Search};

const AUDIENCE: &str = "https://api.acme.com";
const SECRET: &str = "CANARY-secret-of-the-service";

/// A provider and an API that an example is told of, as it would be of real ones.
struct Outside {
    provider: TestProvider,
    api: Api,
}

impl Outside {
    async fn start() -> Self {
        let service = TestClient::confidential("service", SECRET);
        let provider = TestProvider::builder().client(service).start().await;
        let api = Api::start(&provider, AUDIENCE).await;
        Self { provider, api }
    }

    fn example(&self, name: &str) -> Example {
        let (issuer, client_id) = (self.provider.issuer(), self.provider.client_id());
        let auth0 = [("AUTH0_DOMAIN", issuer), ("AUTH0_CLIENT_ID", client_id)];
        let with = |more: &[(&'static str, &str)]| Example::new(name, &[&auth0, more].concat());
        match name {
            "any_provider" => Example::new(name, &[("ISSUER", issuer), ("CLIENT_ID", client_id)]),
            "call_api" => with(&[("API_AUDIENCE", AUDIENCE), ("API_URL", self.api.url().as_str())]),
            "dpop" => with(&[("AUTH0_AUDIENCE", AUDIENCE)]),
            "machine_to_machine" => Example::new(
                name,
                &[
                    ("AUTH0_DOMAIN", issuer),
                    ("AUTH0_CLIENT_ID", "service"),
                    ("AUTH0_CLIENT_SECRET", SECRET),
                    ("AUTH0_AUDIENCE", AUDIENCE),
                ],
            ),
            _ => with(&[]),
        }
    }

    /// Everything secret that this provider and this API were asked with.
    fn secrets(&self) -> Search {
        let mut search = Search::default();
        search.secret("the client's secret", SECRET);
        for endpoint in ENDPOINTS {
            for request in self.provider.requests(endpoint) {
                search.request(&format!("{endpoint:?}"), &request);
            }
        }
        for request in self.api.seen() {
            search.request("the API", &request);
        }
        search
    }

    /// Whatever was shown, but for what is meant for the person or was put into the environment by the person.
    fn finds_nothing(&self, name: &str, mut run: Run) {
        assert!(run.succeeded, "{name}: {}", run.shown);
        assert!(run.shown.contains(" TRACE "), "{name} shows what is logged");
        // The crate that starts the browser logs the command, and the browser has it in its command line: SECURITY.md says so.
        for url in &run.opened {
            run.shown = run.shown.replace(url, "[the URL]");
            run.processes = run.processes.replace(url, "[the URL]");
        }
        run.processes = run.processes.replace(&format!("AUTH0_CLIENT_SECRET={SECRET}"), "");
        let search = self.secrets();
        search.finds_nothing_in(name, &run.shown);
        search.finds_nothing_in(&format!("what others see of {name}"), &run.processes);
        shows_nothing(name, &run);
    }
}

/// I1, I3
#[tokio::test]
async fn no_example_shows_what_a_provider_outside_knows() {
    run::build();
    let outside = Outside::start().await;
    for (name, logins) in [("any_provider", 1), ("call_api", 1), ("dpop", 1), ("machine_to_machine", 0), ("profile_roles", 1)] {
        let example = outside.example(name);
        let run = example.run(&[]).await;
        assert_eq!(run.opened.len(), logins, "{name}: {}", run.shown);
        outside.finds_nothing(name, run);
        assert!(example.files().is_empty(), "{name} keeps nothing");
    }
    assert!(outside.secrets().known() >= 15, "{} secrets were met", outside.secrets().known());
}

/// I1: of a session the tokens are in its file, which is its owner's, until the person logs out.
#[tokio::test]
async fn a_session_that_is_over_has_left_its_file_without_a_token() {
    run::build();
    let outside = Outside::start().await;
    let example = outside.example("session");
    let kept = |example: &Example| -> String {
        let texts = example.files().into_iter().map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
        texts.collect()
    };
    for (arguments, logins) in [(&[][..], 1), (&["renew"], 0), (&["logout"], 0)] {
        let run = example.run(arguments).await;
        assert_eq!(run.opened.len(), logins, "{}", run.shown);
        outside.finds_nothing("session", run);
        let is_over = arguments == ["logout"];
        assert_eq!(kept(&example).contains("refresh_token"), !is_over, "the test looks at the right file");
    }
    outside.secrets().finds_nothing_in("the folder of a session that is over", &kept(&example));
}
