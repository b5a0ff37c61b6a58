use std::sync::Arc;
use std::time::Duration;

use redis::RedisConnectionInfo;

use crate::error::{Error, Result};
use crate::store::redis::address::Address;
use crate::store::redis::cluster::Cluster;
use crate::store::redis::connection::Connection;
use crate::store::redis::lease::milliseconds;
use crate::store::redis::scripts::NEVER;
use crate::store::redis::sentinels::Sentinels;
use crate::store::redis::servers::{Servers, Single, Target};
use crate::store::redis::tls::{self, ClientCertificate};

/// A program's settings for its Redis.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) place: Place,
    pub(super) prefix: String,
    pub(super) lease: Duration,
    pub(super) idle: Option<Duration>,
    pub(super) absolute: Option<Duration>,
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) own: Option<ClientCertificate>,
    pub(super) may_be_plain: bool,
}

#[derive(Clone)]
pub(super) enum Place {
    One(Result<Address>),
    /// The addresses are the sentinels', with the login at the servers. `login` is the one at the sentinels.
    Sentinels {
        addresses: Vec<Result<Address>>,
        service: String,
        login: Option<(String, String)>,
    },
    Cluster(Vec<Result<Address>>),
}

impl Settings {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            prefix: "hallpass".to_owned(),
            lease: Duration::from_secs(40),
            idle: Some(Duration::from_secs(30 * 24 * 60 * 60)),
            absolute: None,
            authorities: None,
            own: None,
            may_be_plain: false,
        }
    }

    pub(super) fn servers(&self) -> Result<Servers> {
        self.check()?;
        let may_be_plain = self.may_be_plain;
        let one = |target, address: &Address| {
            let tls = self.connector(address)?;
            Ok(Servers::One(Single { target, may_be_plain, tls, connection: Connection::new() }))
        };
        match &self.place {
            Place::One(address) => {
                let address = address.clone()?;
                address.require_confidential(may_be_plain)?;
                one(Target::Address(address.clone()), &address)
            }
            Place::Sentinels { addresses, service, login } => {
                let mut addresses = self.addresses(addresses)?;
                let server = addresses[0].clone();
                let own = login.as_ref().map_or_else(RedisConnectionInfo::default, |(user, password)| {
                    RedisConnectionInfo::default().set_username(user).set_password(password)
                });
                for address in &mut addresses {
                    address.login = own.clone().set_skip_set_lib_name();
                }
                let sentinels = Sentinels { addresses, service: service.clone(), server: server.clone() };
                one(Target::Sentinels(Arc::new(sentinels)), &server)
            }
            Place::Cluster(addresses) => {
                let seeds = self.addresses(addresses)?;
                if seeds[0].login.db() != 0 {
                    return Err(Error::configuration("a cluster has database 0 only; leave the database out of its URLs"));
                }
                let tls = self.connector(&seeds[0])?;
                Ok(Servers::Cluster(Cluster::new(seeds, may_be_plain, tls)))
            }
        }
    }

    fn check(&self) -> Result<()> {
        if self.prefix.contains(['{', '}']) {
            let message = "the prefix of keys in Redis may not have braces, which are the hash tag's; leave them out";
            return Err(Error::configuration(message));
        }
        if [self.idle, self.absolute].contains(&Some(Duration::ZERO)) {
            return Err(Error::configuration("a record that lives for no time is never there; give a longer lifetime, or None"));
        }
        Ok(())
    }

    /// At least one.
    fn addresses(&self, parsed: &[Result<Address>]) -> Result<Vec<Address>> {
        let addresses: Vec<Address> = parsed.iter().cloned().collect::<Result<_>>()?;
        let first = addresses.first().ok_or_else(|| Error::configuration("no Redis URL is given; give at least one"))?;
        for address in &addresses {
            address.require_confidential(self.may_be_plain)?;
            if !address.has_the_login_of(first) {
                return Err(Error::configuration(
                    "the Redis URLs differ in more than host and port; give each the same scheme, user, password and database",
                ));
            }
        }
        Ok(addresses)
    }

    fn connector(&self, address: &Address) -> Result<Option<tokio_rustls::TlsConnector>> {
        let connector = || tls::connector(self.authorities.as_deref(), self.own.as_ref());
        address.server_name.is_some().then(connector).transpose()
    }

    pub(super) fn idle_life(&self) -> u64 {
        life(self.idle)
    }

    pub(super) fn absolute_life(&self) -> u64 {
        life(self.absolute)
    }

    /// The most that a record lives after a save, and what clocks of two nodes may differ by.
    pub(super) fn entry_life(&self) -> u64 {
        life(self.idle.into_iter().chain(self.absolute).min().map(|life| life.saturating_add(CLOCKS_DIFFER_BY)))
    }
}

/// In milliseconds.
fn life(of: Option<Duration>) -> u64 {
    of.map_or(NEVER, |life| milliseconds(life).min(NEVER))
}

const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5 * 60);
