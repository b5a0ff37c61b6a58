use hallpass::testing::{Endpoint, TestProvider, TokenDraft};
use hallpass::{Credentials, ErrorKind, Result};

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
            play: |_| played(async { renewed(|token| token).await.map(drop) }),
        },
        Module {
            name: "oidcc-client-test-refresh-token-invalid-issuer",
            provider: "puts another issuer into the refreshed ID token; the new access and refresh tokens are kept",
            outcome: Outcome::Refused(ErrorKind::IdToken),
            play: |_| played(refused(|token| token.set("iss", token.claim("iss").unwrap() + "1"))),
        },
        Module {
            name: "oidcc-client-test-refresh-token-invalid-sub",
            provider: "puts somebody else into the refreshed ID token; the new access and refresh tokens are kept",
            outcome: Outcome::Refused(ErrorKind::IdToken),
            play: |_| played(refused(|token| token.set("sub", "auth0|somebody.else"))),
        },
    ],
};

#[tokio::test]
async fn the_modules_about_refresh_tokens() {
    PLAN.run().await;
}

async fn renewed(alter: fn(&mut TokenDraft) -> &mut TokenDraft) -> Result<(Credentials, Credentials)> {
    let provider = TestProvider::start().await;
    let application = confidential(&provider);
    let before = login(&web_auth(&application).scope("openid offline_access")).await?;
    provider.next_id_token(move |token| _ = alter(token));
    let after = application.renew_credentials(&before).await?;
    assert_eq!(provider.count(Endpoint::Token), 2);
    Ok((before, after))
}

/// The new tokens are kept all the same: the old refresh token is spent.
async fn refused(alter: fn(&mut TokenDraft) -> &mut TokenDraft) -> Result<()> {
    let (before, after) = renewed(alter).await?;
    assert_ne!(after.refresh_token(), before.refresh_token());
    assert_eq!(after.id_token().map(|token| token.raw()), before.id_token().map(|token| token.raw()), "the ID token of before");
    after.id_token_refusal().cloned().map_or(Ok(()), Err)
}
