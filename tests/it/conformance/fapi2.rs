use hallpass::ErrorKind::{Callback, Discovery, IdToken};
use hallpass::client_auth::PrivateKey;
use hallpass::testing::{Api, Endpoint, Fault, TestClient, TestProvider};
use hallpass::{Application, AuthorizedClient, ClientAuth, Credentials, Result, TokenType, WebAuth};

use super::{Module, Outcome, Plan, Played, Way, played};
use crate::altered_login::{Alteration, any_algorithm, login, web_auth};

pub(super) const PLAN: Plan = Plan {
    name: "fapi2-security-profile-final-client-test-plan",
    way: Way::Query,
    modules: &[
        Module {
            name: "fapi2-security-profile-final-client-test-happy-path",
            provider: "logs a person in as it should, wants nonces in proofs, and so does the API",
            outcome: Outcome::Works,
            play: |_| played(happy_path(Client::Nonces)),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-discovery-issuer-mismatch",
            provider: "names another issuer in its metadata",
            outcome: Outcome::Refused(Discovery),
            play: |_| played(issuer_mismatch()),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-iss",
            provider: "puts another issuer into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.set("iss", token.claim("iss").unwrap() + "1")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-aud",
            provider: "puts another client's id into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.set("aud", token.claim("aud").unwrap() + "1")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-secondary-aud",
            provider: "adds an unknown client to `aud`, and no `azp`",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.set("aud", [token.claim("aud").unwrap(), "other".to_owned()])),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-null-alg",
            provider: "does not sign the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.unsigned()),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-alternate-alg",
            provider: "signs the ID token with RS256",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.sign_as("RS256")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-expired-exp",
            provider: "issues an ID token that has expired",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.set("exp", 1_000_000_000)),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-missing-exp",
            provider: "leaves `exp` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.remove("exp")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-missing-aud",
            provider: "leaves `aud` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.remove("aud")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-missing-iss",
            provider: "leaves `iss` out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.remove("iss")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-valid-aud-as-array",
            provider: "puts `aud` into the ID token as an array of one",
            outcome: Outcome::Works,
            play: |_| with_id_token(|token| token.set("aud", [token.claim("aud").unwrap()])),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-nonce",
            provider: "puts another nonce into the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.set("nonce", token.claim("nonce").unwrap() + "1")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-missing-nonce",
            provider: "leaves the nonce out of the ID token",
            outcome: Outcome::Refused(IdToken),
            play: |_| with_id_token(|token| token.remove("nonce")),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-invalid-authorization-response-iss",
            provider: "puts another issuer into the callback",
            outcome: Outcome::Refused(Callback),
            play: |_| played(with_callback(Fault::new().set("iss", "https://wrong.example/"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-remove-authorization-response-iss",
            provider: "leaves `iss` out of the callback",
            outcome: Outcome::Refused(Callback),
            play: |_| played(with_callback(Fault::new().remove("iss"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-authorization-response-with-invalid-state-fails",
            provider: "puts another state into the callback",
            outcome: Outcome::Refused(Callback),
            play: |_| played(with_callback(Fault::new().set("state", "wrong"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-ensure-authorization-response-with-invalid-missing-state-fails",
            provider: "leaves the state out of the callback",
            outcome: Outcome::Refused(Callback),
            play: |_| played(with_callback(Fault::new().remove("state"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-token-endpoint-response-without-expires_in",
            provider: "does not say how long the access token lives",
            outcome: Outcome::Works,
            play: |_| played(with_token_answer(Fault::new().remove("expires_in"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-token-type-case-insensitivity",
            provider: "writes the token type in other letters",
            outcome: Outcome::Works,
            play: |_| played(with_token_answer(Fault::new().set("token_type", "dPoP"))),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-rs-dpop-auth-scheme-case-insensitivity",
            provider: "has an API that writes the scheme in other letters where it wants a nonce",
            outcome: Outcome::Works,
            play: |_| played(scheme_in_other_letters()),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-happy-path-no-dpop-nonce",
            provider: "wants no nonces in proofs",
            outcome: Outcome::Works,
            play: |_| played(happy_path(Client::NoNonces)),
        },
        Module {
            name: "fapi2-security-profile-final-client-test-happy-path-no-mtls-endpoint-aliases",
            provider: "authenticates by certificate, and names no other addresses for that",
            outcome: Outcome::Works,
            play: |_| played(without_aliases()),
        },
    ],
};

#[tokio::test]
async fn the_fapi_2_security_profile_plan() {
    PLAN.run().await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Nonces,
    NoNonces,
}

/// A provider with an API, and a client as the profile wants it: `private_key_jwt`, and tokens that are bound to a key.
pub(super) struct Bank {
    pub(super) provider: TestProvider,
    pub(super) auth: WebAuth,
    pub(super) key: PrivateKey,
    api: Api,
}

impl Bank {
    pub(super) async fn open(client: Client) -> Self {
        let key = PrivateKey::generate("ES256").unwrap();
        let registered = TestClient::signing("bank", key.public_jwk());
        let registered = match client {
            Client::Nonces => registered.requires_dpop_nonce(),
            Client::NoNonces => registered.requires_dpop(),
        };
        let provider = TestProvider::builder().client(registered).id_token_algorithm("ES256").start().await;
        let api = Api::start(&provider, "https://bank.example/").await;
        if client == Client::Nonces {
            api.require_dpop_nonce();
        }
        let application = Application::new(provider.issuer(), "bank").client_auth(ClientAuth::private_key_jwt(key.clone()));
        let auth = web_auth(&application).audience("https://bank.example/").dpop_per_login().fapi2();
        Self { provider, auth, key, api }
    }

    /// The accounts, which the token opens; no other request asks for them.
    async fn accounts(&self, credentials: Credentials) {
        let client = AuthorizedClient::new(credentials).unwrap().base_url(self.api.url()).unwrap();
        assert_eq!(client.get("accounts").send().await.unwrap().status(), 200);
        let last = self.api.seen().pop().unwrap();
        assert!(last.header("authorization").is_some_and(|shown| shown.starts_with("DPoP ")) && last.header("dpop").is_some());
    }
}

async fn happy_path(client: Client) -> Result<()> {
    let bank = Bank::open(client).await;
    let credentials = login(&bank.auth).await?;
    assert_eq!(credentials.token_type(), TokenType::DPoP);
    bank.accounts(credentials).await;
    // A nonce is asked for once at each place, and known from then on.
    let twice = usize::from(client == Client::Nonces);
    let asked = [Endpoint::Par, Endpoint::Token].map(|endpoint| bank.provider.count(endpoint));
    assert_eq!((asked.iter().sum::<usize>(), bank.api.count()), (2 + twice, 1 + twice));
    Ok(())
}

async fn issuer_mismatch() -> Result<()> {
    let bank = Bank::open(Client::NoNonces).await;
    bank.provider.next(Endpoint::Discovery, Fault::new().set("issuer", format!("{}INVALID", bank.provider.issuer())));
    let outcome = bank.auth.begin().await.map(drop);
    assert_eq!((bank.provider.count(Endpoint::Par), bank.provider.count(Endpoint::Authorize)), (0, 0));
    outcome
}

/// Each refused answer was redeemed once, and the API gets none of its tokens.
fn with_id_token(alter: Alteration) -> Played {
    played(async move {
        let bank = Bank::open(Client::NoNonces).await;
        // Only the profile speaks for and against algorithms.
        any_algorithm(&bank.provider);
        bank.provider.next_id_token(move |token| _ = alter(token));
        let outcome = login(&bank.auth).await;
        assert_eq!((bank.provider.count(Endpoint::Token), bank.provider.count(Endpoint::UserInfo)), (1, 0));
        bank.accounts(outcome?).await;
        Ok(())
    })
}

/// Each refused answer is refused before the code is sent.
async fn with_callback(fault: Fault) -> Result<()> {
    let bank = Bank::open(Client::NoNonces).await;
    bank.provider.next(Endpoint::Callback, fault);
    let outcome = login(&bank.auth).await.map(drop);
    assert_eq!((bank.provider.count(Endpoint::Callback), bank.provider.count(Endpoint::Token)), (1, 0));
    outcome
}

async fn with_token_answer(fault: Fault) -> Result<()> {
    let bank = Bank::open(Client::NoNonces).await;
    bank.provider.next(Endpoint::Token, fault);
    let credentials = login(&bank.auth).await?;
    assert_eq!((credentials.token_type(), bank.provider.count(Endpoint::Token)), (TokenType::DPoP, 1));
    bank.accounts(credentials).await;
    Ok(())
}

async fn scheme_in_other_letters() -> Result<()> {
    let bank = Bank::open(Client::NoNonces).await;
    let credentials = login(&bank.auth).await?;
    let refusal = Fault::status(401).header("www-authenticate", r#"dPoP error="use_dpop_nonce""#).header("dpop-nonce", "nonce");
    bank.api.next(refusal);
    bank.accounts(credentials).await;
    assert_eq!(bank.api.count(), 2);
    Ok(())
}

/// The certificate proves who the client is, and binds its tokens.
async fn without_aliases() -> Result<()> {
    let provider = TestProvider::builder().client(TestClient::certified("bank")).id_token_algorithm("ES256").start().await;
    let application = Application::new(provider.issuer(), "bank").client_auth(ClientAuth::tls_client_auth());
    login(&web_auth(&application).fapi2()).await?;
    assert_eq!((provider.count(Endpoint::Par), provider.count(Endpoint::Token)), (1, 1));
    let request = &provider.requests(Endpoint::Token)[0];
    assert_eq!((request.field("client_id").as_deref(), request.field("client_assertion")), (Some("bank"), None));
    Ok(())
}
