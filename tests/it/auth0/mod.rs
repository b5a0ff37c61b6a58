//! Auth0's own calls.

mod database;
mod mfa;
mod passwordless;
mod refusals;

use hallpass::auth0::Auth0;
use hallpass::testing::TestProvider;
use hallpass::{Application, ClientAuth};

pub(super) const JANE: &str = "jane@example.com";

pub(super) fn public(provider: &TestProvider) -> Auth0 {
    Application::new(provider.issuer(), provider.client_id()).auth0()
}

/// With the secret in the header, which Auth0's own calls need for something else.
pub(super) fn confidential(provider: &TestProvider) -> Auth0 {
    let secret = ClientAuth::client_secret_basic(provider.client_secret());
    Application::new(provider.issuer(), provider.confidential_client_id()).client_auth(secret).auth0()
}
