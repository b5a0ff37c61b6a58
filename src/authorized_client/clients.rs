use std::sync::{Mutex, OnceLock, PoisonError};

use http::HeaderName;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::origins::{Origins, is_plain_loopback};
use crate::error::{Error, Result};

/// The reqwest clients behind one authorized client: each is built when it is first needed.
pub(super) struct Clients {
    unbuilt: Mutex<Option<ClientBuilder>>,
    main: OnceLock<Result<Main>>,
    /// For http on this machine, where `main` may have a proxy: a built client's proxies cannot be taken away.
    direct: OnceLock<Result<Client>>,
    is_given: bool,
}

struct Main {
    client: Client,
    is_direct: bool,
}

impl Clients {
    pub(super) fn from_builder(builder: ClientBuilder) -> Self {
        Self { unbuilt: Mutex::new(Some(builder)), main: OnceLock::new(), direct: OnceLock::new(), is_given: false }
    }

    /// A client as it is, with its proxies and its redirect policy.
    pub(super) fn given(client: Client) -> Self {
        let main = OnceLock::from(Ok(Main { client, is_direct: true }));
        Self { unbuilt: Mutex::new(None), main, direct: OnceLock::new(), is_given: true }
    }

    /// The client may follow redirects before anybody here sees them.
    pub(super) fn may_follow_redirects(&self) -> bool {
        self.is_given
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
    builder.redirect(Policy::none()).build().map_err(|error| {
        Error::configuration("the HTTP client could not be built; its cause says which setting is wrong")
            .with_source(error.without_url())
    })
}

/// Whether every request of this client carries a header of that name by itself.
///
/// reqwest tells this only in its Debug output, where names are quoted and quotes inside of values escaped.
pub(super) fn has_default_header(client: &Client, name: &HeaderName) -> bool {
    format!("{client:?}").contains(&format!("\"{name}\": "))
}

/// Whether this client is known to use no proxy: none is listed, or only an environment that names none.
/// Should reqwest ever print this in another way, http on this machine goes through the direct client.
fn has_no_proxy(client: &Client) -> bool {
    let shown = format!("{client:?}");
    shown.starts_with("Client { ") && (!shown.contains("proxies: ") || shown.contains("proxies: [Matcher],"))
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
    use reqwest::Proxy;

    use super::*;

    /// F9: pins what reqwest's Debug output shows.
    #[test]
    fn a_default_header_is_seen_in_the_debug_output() {
        for sensitive in [false, true] {
            let mut value = HeaderValue::from_static("Bearer abc");
            value.set_sensitive(sensitive);
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            let client = Client::builder().default_headers(headers).build().unwrap();
            assert!(has_default_header(&client, &AUTHORIZATION));
        }
        let decoy = HeaderMap::from_iter([(http::header::USER_AGENT, HeaderValue::from_static("\"authorization\": x"))]);
        assert!(!has_default_header(&Client::builder().default_headers(decoy).build().unwrap(), &AUTHORIZATION));
    }

    #[test]
    fn a_builder_that_is_gone_is_an_error() {
        let clients = Clients { unbuilt: Mutex::new(None), main: OnceLock::new(), direct: OnceLock::new(), is_given: false };
        assert_eq!(clients.main(&Origins::default()).unwrap_err().kind(), crate::error::ErrorKind::Configuration);
    }

    /// F31: pins what reqwest's Debug output shows.
    #[test]
    fn a_proxy_is_seen_in_the_debug_output() {
        assert!(has_no_proxy(&Client::builder().no_proxy().build().unwrap()));
        for proxy in [Proxy::http("http://127.0.0.1:9"), Proxy::https("http://127.0.0.1:9"), Proxy::all("http://127.0.0.1:9")] {
            assert!(!has_no_proxy(&Client::builder().proxy(proxy.unwrap()).build().unwrap()));
        }
        let custom = Proxy::custom(|_| Some("http://127.0.0.1:9"));
        assert!(!has_no_proxy(&Client::builder().proxy(custom).build().unwrap()));
        // The environment that the tests run in may name a proxy, or not.
        let shown = format!("{:?}", Client::new());
        assert!(shown.contains("proxies: [Matcher],") || shown.contains("proxies: [Matcher {"), "{shown}");
    }
}
