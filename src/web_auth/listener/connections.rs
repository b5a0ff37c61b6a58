use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Served};

/// The connections that are served at the same time, oldest first: a bounded number, polled by the future that waits at the
/// listener.
///
/// When there are too many, the oldest makes room for the newest: a browser speaks as soon as it is connected, so the
/// oldest is the one least likely to be the browser.
#[derive(Default)]
pub(super) struct Connections(VecDeque<(Instant, Connection)>);

const AT_ONCE: usize = 128;
/// No connection is closed before it had that long to say something.
const GRACE: Duration = Duration::from_millis(250);

impl Connections {
    pub(super) fn admit(&mut self, connection: Connection) {
        self.0.push_back((Instant::now(), connection));
    }

    /// Makes room for one more, or says when there can be.
    pub(super) fn make_room(&mut self) -> Result<(), Instant> {
        if self.0.len() < AT_ONCE {
            return Ok(());
        }
        match self.0.front() {
            Some((since, _)) if since.elapsed() < GRACE => Err(*since + GRACE),
            _ => {
                self.close_oldest();
                Ok(())
            }
        }
    }

    pub(super) fn close_oldest(&mut self) {
        self.0.pop_front();
    }

    /// The next of them that is done. Pending when none is, and when there are none.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Served> {
        for position in 0..self.0.len() {
            if let Poll::Ready(served) = self.0[position].1.as_mut().poll(context) {
                self.0.remove(position);
                return Poll::Ready(served);
            }
        }
        Poll::Pending
    }
}
