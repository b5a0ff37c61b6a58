//! The origins that secrets may go to: https anywhere, http only inside this machine.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

/// `http` or `https` to this very machine: 127.0.0.0/8, `[::1]`, or exactly `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Returns whether the network cannot read along: https, or http that never leaves this machine.
pub(crate) fn is_confidential(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

/// The addresses that a URL may have that an API, or a provider which it named, gave: this machine or a private network only if the
/// API is there. A name that resolves to such an address is not noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    this_machine: bool,
    private_networks: bool,
}

impl Reach {
    /// For URLs that a program names.
    pub(crate) const EVERYWHERE: Self = Self { this_machine: true, private_networks: true };

    pub(crate) fn of(api: &Url) -> Self {
        let this_machine = is_loopback(api);
        Self { this_machine, private_networks: this_machine || is_in_private_network(api) }
    }

    /// # Errors
    /// The reason, to follow the name of the URL.
    pub(crate) fn check(self, url: &Url) -> Result<(), &'static str> {
        if !self.this_machine && is_this_machine(url) {
            return Err("is on this machine, though the API is not");
        }
        // RFC 9728, section 7.7
        if !self.private_networks && is_in_private_network(url) {
            return Err("is at an address inside of some network, though the API is not");
        }
        Ok(())
    }
}

/// An address that means something else in each network.
fn is_in_private_network(url: &Url) -> bool {
    let is_private = |address: Ipv4Addr| address.is_private() || address.is_link_local();
    match url.host() {
        Some(Host::Ipv4(address)) => is_private(address),
        Some(Host::Ipv6(address)) => {
            address.to_ipv4_mapped().is_some_and(is_private) || address.is_unique_local() || address.is_unicast_link_local()
        }
        _ => false,
    }
}

/// This machine in any spelling.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let mapped = address.to_ipv4_mapped().is_some_and(|address| address.is_loopback() || address.is_unspecified());
            mapped || address.is_loopback() || address.is_unspecified()
        }
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

pub(crate) fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Scheme, host and port, without the allocation that `Url::origin` makes.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}
