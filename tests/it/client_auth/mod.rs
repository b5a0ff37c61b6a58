//! The authentication of an application.

mod assertions;
mod certificates;
mod private_keys;
mod refusals;

use hallpass::testing::TestProvider;
use hallpass::{Application, ClientAuth, ClientCredentials};

pub(crate) const API: &str = "https://api.acme.com";
/// At least 32 bytes, as HS256 needs them.
pub(crate) const SECRET: &str = "correct horse battery staple +%&= 0123456789";

pub(crate) fn application(provider: &TestProvider, auth: ClientAuth) -> Application {
    Application::new(provider.issuer(), "service").client_auth(auth)
}

pub(crate) fn token_of(provider: &TestProvider, auth: ClientAuth) -> ClientCredentials {
    application(provider, auth).client_credentials().audience(API)
}
