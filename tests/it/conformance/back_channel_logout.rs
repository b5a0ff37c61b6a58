use hallpass::ErrorKind::IdToken;
use hallpass::Result;
use hallpass::testing::{Endpoint, TestBrowser, TestProvider};
use hallpass::web_auth::Logout;
use serde_json::json;

use super::{Module, Outcome, Plan, Way, confidential, played};
use crate::altered_login::{Alteration, login, web_auth};

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-back-channel-logout-rp-basic",
    way: Way::Query,
    modules: &[
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout",
            provider: "posts a logout token after the logout",
            outcome: Outcome::Works,
            play: |_| played(told(|token| token)),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-alg-none",
            provider: "does not sign the logout token",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.unsigned())),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-no-event",
            provider: "leaves `events` out",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.remove("events"))),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce",
            provider: "puts a nonce in",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.set("nonce", "nonce"))),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg",
            provider: "signs with another algorithm than it announces",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.sign_as("ES256"))),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud",
            provider: "puts another client's id in",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.set("aud", token.claim("aud").unwrap() + "1"))),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event",
            provider: "tells another event",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.set("events", json!({ "https://wrong.example/event": {} })))),
        },
        Module {
            name: "oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss",
            provider: "puts another issuer in",
            outcome: Outcome::Refused(IdToken),
            play: |_| played(told(|token| token.set("iss", token.claim("iss").unwrap() + "1"))),
        },
    ],
};

#[tokio::test]
async fn the_back_channel_logout_plan() {
    PLAN.run().await;
}

/// The program ends the session at the provider, which then posts a logout token: 200 is for one that is good, 400 for any other.
async fn told(alter: Alteration) -> Result<()> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let auth = web_auth(&application);
    let credentials = login(&auth).await?;
    let user = credentials.user().unwrap();
    let url = auth.logout_url(&Logout::new().of(&credentials).return_to("http://127.0.0.1:9999/bye")).await?;
    TestBrowser::new().visit(&url).await?;
    assert_eq!(provider.count(Endpoint::Logout), 1);

    let posted = provider.logout_token(user, |token| _ = alter(token));
    let keys = provider.count(Endpoint::Jwks);
    let told = application.verify_logout_token(&posted).await;
    assert_eq!(provider.count(Endpoint::Jwks), keys, "whoever posts has nothing fetched that is known");
    assert_eq!(told?.subject(), Some(user.subject()));
    Ok(())
}
