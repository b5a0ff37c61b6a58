use hallpass::Result;
use hallpass::testing::{Endpoint, TestProvider};

use super::{Module, Outcome, Plan, Way, confidential, played};
use crate::altered_login::{login, web_auth};

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-dynamic-certification-test-plan: user info",
    way: Way::Query,
    modules: &[Module {
        name: "oidcc-client-test-userinfo-signed",
        provider: "signs the user info",
        outcome: Outcome::Works,
        play: |_| played(signed()),
    }],
};

#[tokio::test]
async fn the_modules_about_user_info() {
    PLAN.run().await;
}

async fn signed() -> Result<()> {
    let provider = TestProvider::builder().signed_user_info().start().await;
    let application = confidential(&provider);
    let credentials = login(&web_auth(&application)).await?;
    let user = application.user_info(&credentials).await;
    assert_eq!((provider.count(Endpoint::Token), provider.count(Endpoint::UserInfo)), (1, 1));
    assert_eq!(user?.email().as_deref(), Some("jane@example.com"));
    Ok(())
}
