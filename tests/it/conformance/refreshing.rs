use hallpass::testing::{Endpoint, TestProvider, TokenDraft};
use hallpass::{ErrorKind, Result};

use super::{Module, Outcome, Plan, Way, confidential, played};
use crate::altered_login::{login, web_auth};

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-test-plan: refresh tokens",
    way: Way::Query,
    modules: &[
        Module {
            name: "oidcc-client-test-refresh-token",
            provider: "redeems a refresh token, with an ID token of the same person",
            outcome: Outcome::Works,
            play: |_| played(async { renewed(|token| token).await }),
        },
        Module {
            name: "oidcc-client-test-refresh-token-invalid-issuer",
            provider: "puts another issuer into the refreshed ID token",
            outcome: Outcome::Refused(ErrorKind::LoginRequired),
            play: |_| played(async { renewed(|token| token.set("iss", token.claim("iss").unwrap() + "1")).await }),
        },
        Module {
            name: "oidcc-client-test-refresh-token-invalid-sub",
            provider: "puts another person into the refreshed ID token",
            outcome: Outcome::Refused(ErrorKind::LoginRequired),
            play: |_| played(async { renewed(|token| token.set("sub", "auth0|another.person")).await }),
        },
    ],
};

#[tokio::test]
async fn the_modules_about_refresh_tokens() {
    PLAN.run().await;
}

/// A renewal whose ID token names another person or issuer hands out nothing.
async fn renewed(alter: fn(&mut TokenDraft) -> &mut TokenDraft) -> Result<()> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let before = login(&web_auth(&application).scope("openid offline_access")).await?;
    provider.next_id_token(move |token| _ = alter(token));
    let after = application.renew_credentials(&before).await;
    assert_eq!(provider.count(Endpoint::Token), 2);
    let after = after?;
    assert_ne!(after.refresh_token(), before.refresh_token());
    assert!(after.id_token_refusal().is_none());
    Ok(())
}
