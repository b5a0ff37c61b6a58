//! Paused time of a test's runtime. Requests run on the library's own thread, whose time is never paused, so that the time here
//! advances only between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::device::DeviceLogin;
use hallpass::testing::{Endpoint, Fault, TestProvider};
use hallpass::{Application, Credentials, Result};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// A provider whose token endpoint is at `localhost`, so that each request to it first looks that name up: the lookup
/// notes the moment.
pub(crate) struct VirtualTime {
    pub(crate) provider: TestProvider,
    lookups: Lookups,
}

#[derive(Clone)]
struct Lookups {
    state: Arc<Mutex<State>>,
    /// The runtime of the test, whose time it is.
    test: Handle,
}

#[derive(Default)]
struct State {
    moments: Vec<Instant>,
    unreachable: bool,
    hangs: bool,
}

impl VirtualTime {
    pub(crate) async fn start(provider: TestProvider) -> Self {
        let mut url = provider.endpoint_url(Endpoint::Token);
        url.set_host(Some("localhost")).unwrap();
        provider.always(Endpoint::Discovery, Fault::new().set("token_endpoint", url.as_str()));
        let lookups = Lookups { state: Arc::default(), test: Handle::current() };
        lookups.note();
        Self { provider, lookups }
    }

    pub(crate) fn application(&self) -> Application {
        self.application_called(self.provider.client_id())
    }

    pub(crate) fn application_called(&self, client_id: &str) -> Application {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).dns_resolver(Arc::new(self.lookups.clone()));
        Application::new(self.provider.issuer(), client_id).http_client(client)
    }

    /// One poll, without waiting for its time.
    pub(crate) async fn poll(&self, login: &mut DeviceLogin) -> Result<Option<Credentials>> {
        self.without_waiting(login.poll()).await
    }

    pub(crate) async fn without_waiting<T>(&self, poll: impl Future<Output = T>) -> T {
        tokio::time::pause();
        let polled = poll.await;
        tokio::time::resume();
        polled
    }

    /// Until the next request to the token endpoint meets no host, or does again.
    pub(crate) fn make_unreachable(&self, unreachable: bool) {
        self.lookups.state.lock().unwrap().unreachable = unreachable;
    }

    /// Until the next request to the token endpoint waits for the name of its host, or does no more.
    pub(crate) fn let_lookups_hang(&self, hangs: bool) {
        self.lookups.state.lock().unwrap().hangs = hangs;
    }

    /// The pauses between the requests to the token endpoint; the first one, after the start.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.lookups.state.lock().unwrap().moments.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

impl Lookups {
    fn note(&self) {
        let _test = self.test.enter();
        self.state.lock().unwrap().moments.push(Instant::now());
    }
}

impl Resolve for Lookups {
    fn resolve(&self, _: Name) -> Resolving {
        self.note();
        if self.state.lock().unwrap().hangs {
            return Box::pin(std::future::pending());
        }
        let unreachable = self.state.lock().unwrap().unreachable;
        Box::pin(async move {
            if unreachable {
                return Err("there is no network".into());
            }
            Ok(Box::new(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))) as Addrs)
        })
    }
}
