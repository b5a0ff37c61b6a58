use std::net::IpAddr;

use redis::{IntoConnectionInfo, RedisConnectionInfo};
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::error::{Error, Result};

/// The host and port of a Redis, the name that its certificate has to have, and the login there.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// None where TLS is not spoken.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) login: RedisConnectionInfo,
}

impl Address {
    /// No error repeats the URL: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refused = |why: &str| {
            Error::configuration(format!("the Redis URL cannot be used: {why}; give one such as rediss://redis.acme.com:6379/0"))
        };
        let mut url = Url::parse(text).map_err(|_| refused("it is no absolute URL"))?;
        let speaks_tls = match url.scheme() {
            "rediss" => true,
            "redis" => false,
            _ => return Err(refused("it begins with neither rediss:// nor redis://")),
        };
        if url.fragment().is_some() || url.query().is_some() {
            return Err(refused("it has a query or a fragment"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(refused("it names no host")),
        };
        let server_name = speaks_tls
            .then(|| ServerName::try_from(host.clone()))
            .transpose()
            .map_err(|_| refused("its host is no name that a certificate could have"))?;
        let port = url.port().unwrap_or(DEFAULT_PORT);
        // The client knows TLS by other means than ours; here it only takes the rest apart.
        url.set_scheme("redis").map_err(|()| refused("it is no Redis URL"))?;
        let parsed =
            url.into_connection_info().map_err(|_| refused("the database is no number, or user or password is no UTF-8"))?;
        Ok(Self { host, port, server_name, login: parsed.redis_settings().clone().set_skip_set_lib_name() })
    }

    /// Another server of the same fleet: the same login there, and TLS where this one speaks it.
    pub(super) fn at(&self, host: &str, port: u16) -> Result<Self> {
        let server_name = self.server_name.as_ref().map(|_| ServerName::try_from(host.to_owned())).transpose();
        let server_name = server_name.map_err(|_| {
            Error::configuration(
                "Redis named a server that no certificate can be for; have it announce the names in its certificates",
            )
        })?;
        Ok(Self { host: host.to_owned(), port, server_name, login: self.login.clone() })
    }

    /// # Errors
    /// `Configuration` for plain text over a network, unless the program allows it.
    pub(super) fn require_confidential(&self, may_be_plain: bool) -> Result<()> {
        if may_be_plain || self.is_confidential() {
            return Ok(());
        }
        Err(Error::configuration("Redis is spoken to without TLS only on loopback; use a rediss:// URL"))
    }

    pub(super) fn has_the_login_of(&self, other: &Self) -> bool {
        let parts = |address: &Self| {
            let login = &address.login;
            let texts = [login.username(), login.password()].map(|text| text.map(str::to_owned));
            (texts, login.db(), address.server_name.is_some())
        };
        parts(self) == parts(other)
    }

    /// No other machine can read the traffic.
    fn is_confidential(&self) -> bool {
        self.server_name.is_some()
            || self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

const DEFAULT_PORT: u16 = 6379;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_all_that_its_url_says() {
        let address = Address::parse("rediss://fleet:p%40ss%3Aword@redis.example:6380/3").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("redis.example", 6380));
        assert_eq!(address.server_name.unwrap().to_str(), "redis.example");
        assert_eq!((address.login.username(), address.login.password()), (Some("fleet"), Some("p@ss:word")));
        assert_eq!(address.login.db(), 3);
        let plain = Address::parse("redis://[::1]").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.server_name), ("::1", 6379, None));
    }

    #[test]
    fn plain_text_is_confidential_on_loopback_only() {
        for (url, confidential) in [
            ("redis://127.0.0.1/", true),
            ("redis://127.9.9.9:1/", true),
            ("redis://[::1]/", true),
            ("redis://localhost/", true),
            ("rediss://redis.example/", true),
            ("redis://redis.example/", false),
            ("redis://localhost.example/", false),
            ("redis://10.0.0.1/", false),
            ("redis://0.0.0.1/", false),
        ] {
            assert_eq!(Address::parse(url).unwrap().is_confidential(), confidential, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_and_not_repeated() {
        for url in [
            "canary",
            "http://:canary@redis.example/",
            "redis://:canary@/",
            "redis:///canary",
            "redis://h/canary",
            "rediss://:canary@redis.example/#insecure",
            "rediss://:canary@redis.example/?protocol=canary",
            "rediss://:canary@redis..example/",
            "rediss://:canary@redis%20.example/",
            "unix:///canary",
            "redis://:%ff%fecanary@h/",
        ] {
            let error = Address::parse(url).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Configuration, "{url}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{url}: {error:?}");
        }
    }
}
