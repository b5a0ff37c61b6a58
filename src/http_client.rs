//! The settings of every HTTP client that this crate builds.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::ClientBuilder;

/// Names this crate in `User-Agent`, unless the program has set one.
pub(crate) fn named(builder: ClientBuilder) -> ClientBuilder {
    if may_have_user_agent(&builder) { builder } else { builder.user_agent(USER_AGENT) }
}

/// Resolves `localhost` to this machine.
pub(crate) fn local(builder: ClientBuilder) -> ClientBuilder {
    // RFC 6761, section 6.3: a name of loopback. The system's resolver may say otherwise, as by a line in the hosts file. The port
    // is the URL's.
    let loopback = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    builder.resolve_to_addrs("localhost", &loopback)
}

/// reqwest tells this only in its Debug output, where names are quoted and quotes inside of values escaped. Where the output is not
/// recognised, the program's own name stands.
fn may_have_user_agent(builder: &ClientBuilder) -> bool {
    let shown = format!("{builder:?}");
    !shown.contains("default_headers: {") || shown.contains("\"user-agent\": ")
}

const USER_AGENT: &str = concat!("hallpass/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    /// K27: pins what reqwest's Debug output shows.
    #[test]
    fn a_programs_own_user_agent_stands() {
        assert!(!may_have_user_agent(&reqwest::Client::builder()));
        assert!(may_have_user_agent(&reqwest::Client::builder().user_agent("acme/1")));
        let named = |name: header::HeaderName| header::HeaderMap::from_iter([(name, header::HeaderValue::from_static("x"))]);
        assert!(may_have_user_agent(&reqwest::Client::builder().default_headers(named(header::USER_AGENT))));
        assert!(!may_have_user_agent(&reqwest::Client::builder().default_headers(named(header::REFERER))));
    }
}
