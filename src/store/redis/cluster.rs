use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{ErrorKind as RedisErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};
use crate::store::redis::address::Address;
use crate::store::redis::command::Command;
use crate::store::redis::connection::{Connection, Open};
use crate::store::redis::failure::{Failure, misconfigured, unreachable};

/// The nodes of a cluster, and the node of each hash slot.
///
/// The connections are this crate's own: those of the `redis` crate's cluster client take rustls's process-wide provider of
/// cryptography and panic without one.
pub(super) struct Cluster {
    /// Some of the nodes, as the program names them.
    seeds: Vec<Address>,
    may_be_plain: bool,
    tls: Option<TlsConnector>,
    connections: Mutex<HashMap<Node, Arc<Connection>>>,
    ranges: Mutex<Vec<Range>>,
}

/// Host and port.
type Node = (String, u16);

#[derive(Clone)]
struct Range {
    first: u16,
    last: u16,
    node: Node,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Address>, may_be_plain: bool, tls: Option<TlsConnector>) -> Self {
        Self { seeds, may_be_plain, tls, connections: Mutex::default(), ranges: Mutex::default() }
    }

    /// Runs the command at the node of its keys' slot. The node is looked up again when it is another's slot by now, and when the
    /// node is gone. <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding>
    pub(super) async fn run(&self, command: &Command) -> Result<Value, Failure> {
        let slot = command.slot();
        let mut node = match self.node_of(slot) {
            Some(node) => node,
            None => self.look_up(slot, None).await?,
        };
        let (mut asking, mut looked_up) = (false, false);
        for _ in 0..MAX_REDIRECTIONS {
            let failure = match self.run_at(&node, command, asking).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            asking = false;
            match redirection(&failure, &node) {
                Some(Redirection::Moved(to)) => {
                    // Other slots may have moved too. The redirection holds whatever the nodes say.
                    _ = self.look_up(slot, None).await;
                    node = to;
                }
                Some(Redirection::Ask(to)) => (node, asking) = (to, true),
                Some(Redirection::Later) => sleep(PAUSE).await,
                None if failure.is_of_this_server() && !looked_up => {
                    looked_up = true;
                    match self.look_up(slot, Some(&node)).await {
                        Ok(owner) if owner != node => node = owner,
                        _ => return Err(failure),
                    }
                }
                None => return Err(failure),
            }
        }
        Err(unreachable("has a cluster that is being rearranged; try again").into())
    }

    fn node_of(&self, slot: u16) -> Option<Node> {
        let ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        ranges.iter().find(|range| (range.first..=range.last).contains(&slot)).map(|range| range.node.clone())
    }

    async fn run_at(&self, node: &Node, command: &Command, asking: bool) -> Result<Value, Failure> {
        let address = self.seeds.first().ok_or_else(no_node)?.at(&node.0, node.1)?;
        address.require_confidential(self.may_be_plain)?;
        let connection = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(connections.entry(node.clone()).or_insert_with(|| Arc::new(Connection::new())))
        };
        let connect = || {
            let (address, tls) = (address.clone(), self.tls.clone());
            async move { Open::new(&address, tls.as_ref()).await }
        };
        connection.run(command, asking, connect).await
    }

    /// Asks the nodes in turn which node each slot is at; last the one that has just failed.
    async fn look_up(&self, slot: u16, failed: Option<&Node>) -> Result<Node, Failure> {
        let question = Command::without_key("CLUSTER").arg("SLOTS");
        let mut nodes: Vec<Node> = self.seeds.iter().map(|seed| (seed.host.clone(), seed.port)).collect();
        nodes.extend(self.ranges.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|range| range.node.clone()));
        nodes.sort_by_key(|node| Some(node) == failed);
        nodes.dedup();
        let mut last = Failure::Told(no_node());
        for node in nodes {
            let answer = match self.run_at(&node, &question, false).await {
                Ok(answer) => answer,
                Err(failure) => {
                    last = failure;
                    continue;
                }
            };
            let ranges = ranges(answer, &node.0);
            let known: HashSet<Node> = ranges.iter().map(|range| range.node.clone()).collect();
            self.connections.lock().unwrap_or_else(PoisonError::into_inner).retain(|node, _| known.contains(node));
            *self.ranges.lock().unwrap_or_else(PoisonError::into_inner) = ranges;
            return self
                .node_of(slot)
                .ok_or_else(|| unreachable("has a cluster in which no node serves this session; try again").into());
        }
        Err(last)
    }
}

enum Redirection {
    Moved(Node),
    Ask(Node),
    /// The slot is being moved, or the cluster is electing a master.
    Later,
}

fn redirection(failure: &Failure, from: &Node) -> Option<Redirection> {
    let Failure::Command(error) = failure else { return None };
    match error.kind() {
        RedisErrorKind::Server(ServerErrorKind::Moved) => target(error, from).map(Redirection::Moved),
        RedisErrorKind::Server(ServerErrorKind::Ask) => target(error, from).map(Redirection::Ask),
        RedisErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) => Some(Redirection::Later),
        _ => None,
    }
}

/// An empty host is that of the node that answered.
fn target(error: &RedisError, from: &Node) -> Option<Node> {
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    let host = if host.is_empty() { &from.0 } else { host };
    Some((host.to_owned(), port.parse().ok()?))
}

/// The answer to `CLUSTER SLOTS`: first and last slot, the master (host, port, …), its replicas. A host that is not known, as of a
/// cluster of one node, is that of the node that answered.
fn ranges(answer: Value, from: &str) -> Vec<Range> {
    let rows: Vec<Vec<Value>> = redis::from_redis_value(answer).unwrap_or_default();
    let range = |row: Vec<Value>| {
        let mut row = row.into_iter();
        let mut number = || redis::from_redis_value(row.next()?).ok();
        let (first, last) = (number()?, number()?);
        let mut master = redis::from_redis_value::<Vec<Value>>(row.next()?).ok()?.into_iter();
        let host: Option<String> = redis::from_redis_value(master.next()?).ok()?;
        let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| from.to_owned());
        Some(Range { first, last, node: (host, redis::from_redis_value(master.next()?).ok()?) })
    };
    rows.into_iter().filter_map(range).collect()
}

fn no_node() -> Error {
    misconfigured("no node of the cluster is named; give the URL of at least one")
}

const MAX_REDIRECTIONS: u8 = 8;
const PAUSE: Duration = Duration::from_millis(100);
