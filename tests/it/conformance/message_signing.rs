use hallpass::ErrorKind::Callback;
use hallpass::Result;
use hallpass::testing::Endpoint;

use super::basic::flip_a_bit;
use super::fapi2::{Bank, Client};
use super::{Module, Outcome, Plan, Way, played};
use crate::altered_login::{Alteration, login};

pub(super) const PLAN: Plan = Plan {
    name: "fapi2-message-signing-final-client-test-plan: JARM",
    way: Way::Query,
    modules: &[
        Module {
            name: "fapi2-security-profile-final-client-test-happy-path",
            provider: "answers with a signed response",
            outcome: Outcome::Works,
            play: |_| played(answered(|response| response)),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-without-iss-fails",
            provider: "leaves `iss` out of the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.remove("iss"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-with-invalid-iss-fails",
            provider: "puts another issuer into the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.set("iss", response.claim("iss").unwrap() + "1"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-without-aud-fails",
            provider: "leaves `aud` out of the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.remove("aud"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-with-invalid-aud-fails",
            provider: "puts another client's id into the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.set("aud", response.claim("aud").unwrap() + "1"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-without-exp-fails",
            provider: "leaves `exp` out of the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.remove("exp"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-with-expired-exp-fails",
            provider: "answers with a response that has expired",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.set("exp", 1_000_000_000))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-with-invalid-sig-fails",
            provider: "breaks the signature of the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.signature(flip_a_bit))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-jarm-signature-is-not-none",
            provider: "does not sign the response",
            outcome: Outcome::Refused(Callback),
            play: |_| played(answered(|response| response.unsigned())),
        },
    ],
};

#[tokio::test]
async fn the_signed_responses_of_the_message_signing_plan() {
    PLAN.run().await;
}

/// A login whose request and response are signed. Each refused one is refused before the code is sent.
async fn answered(alter: Alteration) -> Result<()> {
    let bank = Bank::open(Client::NoNonces).await;
    bank.provider.next_signed_response(move |response| _ = alter(response));
    let outcome = login(&bank.auth.signed(bank.key).signed_response()).await.map(drop);
    assert!(bank.provider.requests(Endpoint::Par)[0].field("request").is_some());
    assert_eq!(bank.provider.count(Endpoint::Callback), 1);
    assert_eq!(bank.provider.count(Endpoint::Token), usize::from(outcome.is_ok()));
    outcome
}
