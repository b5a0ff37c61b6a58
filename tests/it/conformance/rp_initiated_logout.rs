use std::time::Duration;

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestClient, TestProvider};
use hallpass::web_auth::Logout;
use hallpass::{Application, ClientAuth, ErrorKind, Result};
use url::Url;

use super::{Module, Outcome, Plan, Way, played};
use crate::altered_login::{login, web_auth};
use crate::listener::free_port;

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-rp-initiated-logout-rp-basic",
    way: Way::Query,
    modules: &[
        Module {
            name: "oidcc-client-test-rp-init-logout",
            provider: "sends the browser back after the logout, with the state",
            outcome: Outcome::Works,
            play: |_| played(logged_out(|_| ())),
        },
        Module {
            name: "oidcc-client-test-rp-init-logout-other-state",
            provider: "sends the browser back with another state",
            // It is another program's answer, or nobody's, so the wait goes on.
            outcome: Outcome::Refused(ErrorKind::TimedOut),
            play: |_| {
                let other = |url: &mut Url| _ = url.query_pairs_mut().clear().append_pair("state", "other");
                played(logged_out_within(Duration::from_secs(2), other))
            },
        },
        Module {
            name: "oidcc-client-test-rp-init-logout-no-state",
            provider: "sends the browser back without a state",
            outcome: Outcome::Works,
            play: |_| played(logged_out(|url| url.set_query(None))),
        },
    ],
};

#[tokio::test]
async fn the_rp_initiated_logout_plan() {
    PLAN.run().await;
}

/// The logout is over when the browser is back, with the state that was sent or without one.
async fn logged_out(alter: fn(&mut Url)) -> Result<()> {
    logged_out_within(Duration::from_secs(20), alter).await
}

async fn logged_out_within(timeout: Duration, alter: fn(&mut Url)) -> Result<()> {
    let back = format!("http://127.0.0.1:{}/bye", free_port());
    let client = TestClient::confidential("web", "secret").callback("http://127.0.0.1:9999/callback").logout_url(back.as_str());
    let provider = TestProvider::builder().client(client).start().await;
    // Otherwise it is taken for Auth0, whose own logout knows no state.
    provider.always(Endpoint::Discovery, Fault::new().remove("mfa_challenge_endpoint"));
    let auth = web_auth(&Application::new(provider.issuer(), "web").client_auth(ClientAuth::client_secret_basic("secret")));
    let credentials = login(&auth).await?;

    let browser = move |url: &Url| {
        let url = url.clone();
        tokio::spawn(async move {
            let returned = TestBrowser::new().visit(&url).await.unwrap();
            let mut returned = Url::parse(&returned).unwrap();
            assert_eq!(returned.query(), Some("state=sent"));
            alter(&mut returned);
            reqwest::get(returned).await.unwrap();
        });
        Ok(())
    };
    let logout = Logout::new().of(&credentials).return_to(back).state("sent");
    auth.browser(browser).timeout(timeout).logout(&logout).await?;
    let request = &provider.requests(Endpoint::Logout)[0];
    assert!(request.parameter("id_token_hint").is_some_and(|hint| hint == credentials.id_token().unwrap().raw().expose()));
    Ok(())
}
