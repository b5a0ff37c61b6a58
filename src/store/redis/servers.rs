use std::future::Future;
use std::sync::Arc;

use redis::{FromRedisValue, Value};
use tokio_rustls::TlsConnector;

use crate::error::Result;
use crate::store::redis::address::Address;
use crate::store::redis::cluster::Cluster;
use crate::store::redis::command::Command;
use crate::store::redis::connection::{Connection, Open};
use crate::store::redis::failure::{Failure, not_done, unreachable};
use crate::store::redis::sentinels::Sentinels;
use crate::worker;

/// The servers that hold the records: one, the master that sentinels name, or the nodes of a cluster.
pub(super) enum Servers {
    One(Single),
    Cluster(Cluster),
}

pub(super) struct Single {
    pub(super) target: Target,
    pub(super) may_be_plain: bool,
    pub(super) tls: Option<TlsConnector>,
    pub(super) connection: Connection,
}

#[derive(Clone)]
pub(super) enum Target {
    Address(Address),
    Sentinels(Arc<Sentinels>),
}

impl Servers {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Runs a command on the worker. `what` says in an error what did not happen.
    pub(super) async fn run<T: FromRedisValue>(self: &Arc<Self>, what: &str, command: Command) -> Result<T> {
        let servers = Arc::clone(self);
        let answer = worker::run(async move { servers.send(&command).await.map_err(Failure::into_error) }).await;
        let answer = answer.map_err(|error| not_done(what, &error))?;
        redis::from_redis_value(answer)
            .map_err(|error| not_done(what, &unreachable("gave an answer that is none").with_source(error)))
    }

    async fn send(&self, command: &Command) -> Result<Value, Failure> {
        match self {
            Self::One(single) => single.connection.run(command, false, || single.connect()).await,
            Self::Cluster(cluster) => cluster.run(command).await,
        }
    }
}

impl Single {
    fn connect(&self) -> impl Future<Output = Result<Open>> + Send + 'static {
        let (target, tls, may_be_plain) = (self.target.clone(), self.tls.clone(), self.may_be_plain);
        async move {
            match target {
                Target::Address(address) => Open::new(&address, tls.as_ref()).await,
                Target::Sentinels(sentinels) => sentinels.connect(may_be_plain, tls.as_ref()).await,
            }
        }
    }
}
