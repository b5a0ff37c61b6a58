use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};
use crate::store::redis::address::Address;
use crate::store::redis::command::Command;
use crate::store::redis::connection::Open;
use crate::store::redis::failure::{is_unknown_command, misconfigured, told, unreachable};

/// Sentinels, and the name by which they know a master and its replicas.
///
/// They are asked through connections of this crate: those of the `redis` crate's own client take rustls's process-wide provider
/// of cryptography and panic without one.
#[derive(Clone)]
pub(super) struct Sentinels {
    /// With the login at the sentinels.
    pub(super) addresses: Vec<Address>,
    pub(super) service: String,
    /// With the login at the servers.
    pub(super) server: Address,
}

impl Sentinels {
    /// A connection to the master. The sentinels are asked in turn, for each has its own view of the fleet.
    /// <https://redis.io/docs/latest/develop/reference/sentinel-clients/>
    pub(super) async fn connect(&self, may_be_plain: bool, tls: Option<&TlsConnector>) -> Result<Open> {
        let (mut unreachable, mut unknown) = (None, false);
        for address in &self.addresses {
            let master = timeout(EACH_WITHIN, self.master(address, tls)).await;
            let master = master.unwrap_or_else(|_| Err(self::unreachable("did not answer in time; try again")));
            match master {
                Ok(Some((host, port))) => match self.connect_to(&host, port, may_be_plain, tls).await {
                    Ok(open) => return Ok(open),
                    Err(error) => unreachable = Some(error),
                },
                Ok(None) => unknown = true,
                Err(error) => unreachable = Some(error),
            }
        }
        Err(match unreachable {
            Some(error) => error,
            None if unknown => Error::configuration(format!(
                "no sentinel knows a service {:?}; check the name against `sentinel monitor` in their configuration",
                self.service
            )),
            None => misconfigured("no sentinel is named; give the URL of at least one"),
        })
    }

    async fn master(&self, sentinel: &Address, tls: Option<&TlsConnector>) -> Result<Option<(String, u16)>> {
        let question = Command::without_key("SENTINEL").arg("get-master-addr-by-name").arg(&self.service);
        let no_sentinel = "this is no sentinel; give the URLs of sentinels, whose port is 26379 by default";
        let answer = match Open::new(sentinel, tls).await?.send(&question, false).await {
            Ok(answer) => answer,
            Err(error) if is_unknown_command(&error) => return Err(misconfigured(no_sentinel).with_source(error)),
            Err(error) => return Err(told(error)),
        };
        redis::from_redis_value(answer).map_err(|error| misconfigured(no_sentinel).with_source(error))
    }

    /// A sentinel may not know yet that its master is none any more.
    async fn connect_to(&self, host: &str, port: u16, may_be_plain: bool, tls: Option<&TlsConnector>) -> Result<Open> {
        let address = self.server.at(host, port)?;
        address.require_confidential(may_be_plain)?;
        let open = Open::new(&address, tls).await?;
        if open.role().await.map_err(told)? == "master" {
            Ok(open)
        } else {
            Err(unreachable("is in the middle of a failover: the sentinels name a master that is none; try again"))
        }
    }
}

const EACH_WITHIN: Duration = Duration::from_secs(1);
