use hallpass::ErrorKind::Discovery;
use hallpass::testing::{Endpoint, Fault, TestProvider};

use super::{Module, Outcome, Plan, Way, confidential, played, with_id_token};
use crate::altered_login::{login, web_auth};

pub(super) const PLAN: Plan = Plan {
    name: "oidcc-client-config-certification-test-plan",
    way: Way::Query,
    modules: &[
        Module {
            name: "oidcc-client-test-discovery-openid-config",
            provider: "publishes its metadata",
            outcome: Outcome::Works,
            play: |_| played(metadata_and_keys()),
        },
        Module {
            name: "oidcc-client-test-discovery-jwks-uri-keys",
            provider: "publishes its keys where the metadata says",
            outcome: Outcome::Works,
            play: |_| played(metadata_and_keys()),
        },
        Module {
            name: "oidcc-client-test-discovery-issuer-mismatch",
            provider: "names another issuer in its metadata",
            outcome: Outcome::Refused(Discovery),
            play: |_| played(issuer_mismatch()),
        },
        Module {
            name: "oidcc-client-test-idtoken-sig-none",
            provider: "does not sign the ID token",
            outcome: Outcome::Refused(hallpass::ErrorKind::IdToken),
            play: |_| with_id_token(Way::Query, |token| token.unsigned()),
        },
        Module {
            name: "oidcc-client-test-signing-key-rotation",
            provider: "has new keys at the second login",
            outcome: Outcome::Works,
            play: |_| played(rotation_between_logins()),
        },
        Module {
            name: "oidcc-client-test-signing-key-rotation-just-before-signing",
            provider: "has new keys when it signs, and the client has fetched the old ones",
            outcome: Outcome::Works,
            play: |_| played(rotation_just_before_signing()),
        },
    ],
};

#[tokio::test]
async fn the_configuration_plan() {
    PLAN.run().await;
}

async fn metadata_and_keys() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    login(&web_auth(&confidential(&provider))).await?;
    assert_eq!((provider.count(Endpoint::Discovery), provider.count(Endpoint::Jwks)), (1, 1));
    Ok(())
}

async fn issuer_mismatch() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    provider.next(Endpoint::Discovery, Fault::new().set("issuer", format!("{}INVALID", provider.issuer())));
    let outcome = web_auth(&confidential(&provider)).begin().await.map(drop);
    assert_eq!((provider.count(Endpoint::Authorize), provider.count(Endpoint::Token)), (0, 0));
    outcome
}

async fn rotation_between_logins() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    let auth = web_auth(&confidential(&provider));
    login(&auth).await?;
    provider.rotate_keys();
    provider.forget_old_keys();
    login(&auth).await.map(drop)
}

async fn rotation_just_before_signing() -> hallpass::Result<()> {
    let provider = TestProvider::start().await;
    let auth = web_auth(&confidential(&provider));
    login(&auth).await?;
    let pending = auth.begin().await?;
    let callback = hallpass::testing::TestBrowser::new().visit(pending.url()).await?;
    provider.rotate_keys();
    auth.finish(pending, &callback).await?;
    assert_eq!(provider.count(Endpoint::Jwks), 2, "the new key is fetched once");
    Ok(())
}
