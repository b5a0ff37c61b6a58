use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::error::{Error, Result};

/// The address that the browser comes back to: a host of this machine, the ports to try in their order, a path.
///
/// The default is `http://127.0.0.1:21965/callback`, then :21966 and :21967: below the range that systems take
/// ephemeral ports from, and few enough to be registered one by one where a provider compares ports exactly.
#[derive(Debug, Clone)]
pub(crate) struct LoopbackAddress {
    host: LoopbackHost,
    ports: Vec<u16>,
    /// The path, and the query if the redirect URI was registered with one.
    path_and_query: String,
    /// The redirect URI in the caller's own spelling: providers compare it as text.
    verbatim: Option<String>,
}

/// The three names of this machine that RFC 8252 (sections 7.3 and 8.3) knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopbackHost {
    V4,
    V6,
    /// For providers that register nothing else. The browser decides which family it means, so both are listened on.
    Localhost,
}

impl Default for LoopbackAddress {
    fn default() -> Self {
        Self { host: LoopbackHost::V4, ports: vec![21965, 21966, 21967], path_and_query: "/callback".to_owned(), verbatim: None }
    }
}

impl LoopbackAddress {
    /// The redirect URI as the caller registered it: one port, or any free one where it names port 0.
    ///
    /// # Errors
    /// `Configuration` when it is no http URL on 127.0.0.1, [::1] or localhost.
    pub(crate) fn from_redirect_uri(verbatim: &str) -> Result<Self> {
        let uri = Url::parse(verbatim).map_err(|error| not_loopback().with_source(error))?;
        let host = match uri.host() {
            Some(url::Host::Ipv4(Ipv4Addr::LOCALHOST)) => LoopbackHost::V4,
            Some(url::Host::Ipv6(Ipv6Addr::LOCALHOST)) => LoopbackHost::V6,
            Some(url::Host::Domain("localhost")) => LoopbackHost::Localhost,
            _ => return Err(not_loopback()),
        };
        let plain = uri.username().is_empty() && uri.password().is_none() && uri.fragment().is_none();
        let (true, "http", Some(port)) = (plain, uri.scheme(), uri.port_or_known_default()) else {
            return Err(not_loopback());
        };
        let path_and_query = uri[url::Position::BeforePath..].to_owned();
        let verbatim = (port != 0).then(|| verbatim.to_owned());
        Ok(Self { host, ports: vec![port], path_and_query, verbatim })
    }

    #[must_use]
    pub(crate) fn host(mut self, host: LoopbackHost) -> Self {
        self.verbatim = None;
        self.host = host;
        self
    }

    /// Every URI that this address may become, to be registered at the provider.
    pub(crate) fn redirect_uris(&self) -> impl Iterator<Item = String> {
        self.ports.iter().map(|port| self.redirect_uri(*port))
    }

    /// Tried in this order; 0 is any port that is free.
    #[must_use]
    pub(crate) fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.verbatim = None;
        self.ports = ports.into_iter().collect();
        self
    }

    pub(super) fn candidates(&self) -> &[u16] {
        &self.ports
    }

    /// The interfaces that have to be listened on together.
    pub(super) fn interfaces(&self) -> &'static [IpAddr] {
        match self.host {
            LoopbackHost::V4 => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
            LoopbackHost::V6 => &[IpAddr::V6(Ipv6Addr::LOCALHOST)],
            LoopbackHost::Localhost => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        }
    }

    /// The browser's `Host` header for `port`: the default port is left out (RFC 9110, section 4.2.1).
    pub(super) fn authority(&self, port: u16) -> String {
        let host = self.host_name();
        if port == 80 { host.to_owned() } else { format!("{host}:{port}") }
    }

    pub(super) fn host_name(&self) -> &'static str {
        match self.host {
            LoopbackHost::V4 => "127.0.0.1",
            LoopbackHost::V6 => "[::1]",
            LoopbackHost::Localhost => "localhost",
        }
    }

    pub(super) fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    pub(super) fn redirect_uri(&self, port: u16) -> String {
        match &self.verbatim {
            Some(verbatim) => verbatim.clone(),
            None => format!("http://{}{}", self.authority(port), self.path_and_query),
        }
    }
}

fn not_loopback() -> Error {
    Error::configuration(
        "a browser login listens on http://127.0.0.1, http://[::1] or http://localhost; use begin() and finish() for any other redirect URI",
    )
}
