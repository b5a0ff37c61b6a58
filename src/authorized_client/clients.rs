use std::sync::{Mutex, OnceLock, PoisonError};

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::debug_text::{follows_no_redirects, has_no_proxy};
use super::origins::{Origins, is_plain_loopback};
use crate::error::{Error, Result};
use crate::http_client;

/// The reqwest clients behind one authorized client: each is built when it is first needed.
pub(super) struct Clients {
    unbuilt: Mutex<Option<ClientBuilder>>,
    main: OnceLock<Result<Main>>,
    /// For http on this machine, where `main` may have a proxy: a built client's proxies cannot be taken away.
    direct: OnceLock<Result<Client>>,
    redirects: Redirects,
}

/// The part that follows redirects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirects {
    /// This crate alone.
    Here,
    /// Perhaps the given client, and nothing is sent by it.
    Refused,
    /// Perhaps the given client, as the program wants it.
    There,
}

struct Main {
    client: Client,
    is_direct: bool,
}

impl Clients {
    pub(super) fn from_builder(builder: ClientBuilder) -> Self {
        Self { unbuilt: Mutex::new(Some(builder)), main: OnceLock::new(), direct: OnceLock::new(), redirects: Redirects::Here }
    }

    /// A client as it is, with its proxies.
    pub(super) fn given(client: Client) -> Self {
        let redirects = if follows_no_redirects(&client) { Redirects::Here } else { Redirects::Refused };
        Self::of(client, redirects)
    }

    /// A client as it is, with its proxies and its redirect policy.
    pub(super) fn given_with_redirects(client: Client) -> Self {
        let redirects = if follows_no_redirects(&client) { Redirects::Here } else { Redirects::There };
        Self::of(client, redirects)
    }

    fn of(client: Client, redirects: Redirects) -> Self {
        let main = OnceLock::from(Ok(Main { client, is_direct: true }));
        Self { unbuilt: Mutex::new(None), main, direct: OnceLock::new(), redirects }
    }

    /// The client may follow redirects before this crate sees them.
    pub(super) fn may_follow_redirects(&self) -> bool {
        self.redirects != Redirects::Here
    }

    /// # Errors
    /// `Configuration` when the given client may follow redirects, and the program has not said that it may.
    pub(super) fn check_redirects(&self) -> Result<()> {
        if self.redirects != Redirects::Refused {
            return Ok(());
        }
        Err(Error::configuration(
            "the wrapped HTTP client may follow redirects, and would take the token along; build it with \
             AuthorizedClient::redirect_policy(), or use AuthorizedClient::from_builder",
        ))
    }

    pub(super) fn main(&self, origins: &Origins) -> Result<&Client> {
        self.built(origins).map(|main| &main.client)
    }

    /// The one that may carry a token to `url`.
    pub(super) fn for_url(&self, url: &Url, origins: &Origins) -> Result<&Client> {
        let main = self.built(origins)?;
        if main.is_direct || !is_plain_loopback(url) {
            return Ok(&main.client);
        }
        self.direct.get_or_init(|| build(Client::builder().no_proxy())).as_ref().map_err(Clone::clone)
    }

    fn built(&self, origins: &Origins) -> Result<&Main> {
        let build_main = || {
            let unbuilt = self.unbuilt.lock().unwrap_or_else(PoisonError::into_inner).take();
            // It is there unless an attempt to build it panicked.
            let builder = unbuilt.ok_or_else(|| Error::configuration("the HTTP client could not be built; check its settings"))?;
            if origins.are_plain_loopback() {
                return Ok(Main { client: build(builder.no_proxy())?, is_direct: true });
            }
            let client = build(builder)?;
            Ok(Main { is_direct: has_no_proxy(&client), client })
        };
        self.main.get_or_init(build_main).as_ref().map_err(Clone::clone)
    }
}

fn build(builder: ClientBuilder) -> Result<Client> {
    // Redirects are followed here, each hop authorised afresh: reqwest sends `Authorization` again at the second hop
    // inside a foreign origin.
    http_client::local(http_client::named(builder)).redirect(Policy::none()).build().map_err(|error| {
        Error::configuration("the HTTP client could not be built; its cause says which setting is wrong")
            .with_source(error.without_url())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_that_is_gone_is_an_error() {
        let clients =
            Clients { unbuilt: Mutex::new(None), main: OnceLock::new(), direct: OnceLock::new(), redirects: Redirects::Here };
        assert_eq!(clients.main(&Origins::default()).unwrap_err().kind(), crate::error::ErrorKind::Configuration);
    }
}
