mod address;
mod answer;
mod arrival;
mod connection;
mod connections;
mod head;
mod page;
pub(crate) mod request;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use crate::error::{Error, ErrorKind, Result};

pub(crate) use self::address::{LoopbackAddress, LoopbackHost};
pub(crate) use self::arrival::Arrival;
use self::connection::{Held, Served, Site, refuse, send_on, serve};
use self::connections::Connections;
pub use self::page::CallbackPage;
pub(crate) use self::page::PageOutcome;
use self::page::Shown;
use self::request::Expected;
use crate::web_auth::response_mode::ResponseMode;
use crate::worker;

/// Waits on a port of this machine for the browser to come back (RFC 8252, section 7.3).
///
/// It has no task: connections are served while one of its futures is polled, and dropping it closes them all and frees the port at
/// once.
pub(crate) struct Listener {
    redirect_uri: String,
    site: Arc<Site>,
    sockets: Vec<TcpListener>,
    connections: Connections,
    /// Nothing is accepted before this has passed.
    pause: Option<Pin<Box<Sleep>>>,
}

/// An event of the listener that a login decides about.
enum Event {
    Callback(Held),
    EndPageShown,
}

/// The time for which the browser waits for the end of a login, before it is sent to the page that leads back to the application.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time in which the browser has to fetch the page at the end.
const END_PAGE_DEADLINE: Duration = Duration::from_secs(1);
/// A system that cannot accept (no file descriptors left, say) is asked again after that.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// The number of tries to find a port that is free on both interfaces.
const FREE_PORT_TRIES: usize = 16;

impl Listener {
    /// Takes the first port of `address` that is free.
    ///
    /// # Errors
    /// `Browser` when none is, naming them; `Configuration` when there are none to try.
    pub(crate) fn bind(address: &LoopbackAddress, mode: ResponseMode, page: CallbackPage) -> Result<Self> {
        worker::require_runtime()?;
        let mut failure = None;
        for &port in address.candidates() {
            match bind_all(address.interfaces(), port) {
                Ok((sockets, port)) => {
                    let callback_path = address.path().to_owned();
                    let end_path = if callback_path == END_PATH { OTHER_END_PATH } else { END_PATH };
                    let expected = Expected { authority: address.authority(port), callback_path, end_path, mode };
                    return Ok(Self {
                        redirect_uri: address.redirect_uri(port),
                        site: Arc::new(Site::new(expected, page)),
                        sockets,
                        connections: Connections::default(),
                        pause: None,
                    });
                }
                Err(error) => failure = Some(error),
            }
        }
        let Some(failure) = failure else {
            return Err(Error::configuration("a browser login needs at least one redirect port; name one with redirect_ports"));
        };
        Err(none_free(address, &failure).with_source(failure))
    }

    /// The redirect URI, exactly as the provider gets it.
    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Returns whether an answer came in a URL where a form was asked for.
    pub(crate) fn has_come_by_get(&self) -> bool {
        self.site.has_come_by_get()
    }

    /// Waits for the request that `belongs` recognises by its raw query (or form). All others get a 4xx, and the wait goes on: only
    /// the provider's answer can end a login.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub(crate) async fn accept(&mut self, belongs: &(dyn Fn(&str) -> bool + Sync)) -> Arrival {
        loop {
            if let Event::Callback(held) = self.event().await {
                if belongs(&held.text) {
                    return Arrival::new(Arc::clone(&self.site), held);
                }
                self.connections.admit(refuse(Arc::clone(&self.site), held.stream));
            }
        }
    }

    /// Finishes the login while the browser waits, and serves other requests. When it takes too long, the browser is sent to a page
    /// that says to go back to the application.
    pub(crate) async fn while_pending<T>(&mut self, arrival: &mut Arrival, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut patience = pin!(sleep_until(Instant::now() + PATIENCE));
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = &mut patience, if arrival.is_waiting() => self.send_on(arrival, Shown::Pending),
                event = self.event() => self.after_arrival(arrival, event),
            }
        }
    }

    /// Shows the person how it ended, at an address without the code, and returns when the browser has it, or after a
    /// second.
    pub(crate) async fn answer(&mut self, mut arrival: Arrival, outcome: PageOutcome) {
        self.send_on(&mut arrival, Shown::Outcome(outcome));
        let _ = timeout(END_PAGE_DEADLINE, async {
            while !arrival.end_page_shown {
                let event = self.event().await;
                self.after_arrival(&mut arrival, event);
            }
        })
        .await;
    }

    fn send_on(&mut self, arrival: &mut Arrival, shown: Shown) {
        self.site.end_with(shown);
        if let Some(stream) = arrival.stream.take() {
            arrival.end_page_shown = false;
            self.connections.admit(send_on(Arc::clone(&self.site), stream));
        }
    }

    /// The same callback again, as when the person reloads, leads to the page at the end; another one came too late.
    fn after_arrival(&mut self, arrival: &mut Arrival, event: Event) {
        match event {
            Event::EndPageShown => arrival.end_page_shown = true,
            Event::Callback(held) if arrival.is_repeated_by(&held) => {
                if arrival.is_waiting() {
                    self.site.end_with(Shown::Pending);
                }
                self.connections.admit(send_on(Arc::clone(&self.site), held.stream));
            }
            Event::Callback(held) => self.connections.admit(refuse(Arc::clone(&self.site), held.stream)),
        }
    }

    async fn event(&mut self) -> Event {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            match self.connections.poll(context) {
                Poll::Ready(Served::Callback(held)) => return Poll::Ready(Event::Callback(held)),
                Poll::Ready(Served::EndPage) => return Poll::Ready(Event::EndPageShown),
                Poll::Ready(Served::Answered) => self.pause = None,
                Poll::Pending => ready!(self.poll_accept(context)),
            }
        }
    }

    /// Accepts one connection.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            if let Err(room_at) = self.connections.make_room() {
                self.pause = Some(Box::pin(sleep_until(room_at)));
                continue;
            }
            let accepted = self.sockets.iter().map(|socket| socket.poll_accept(context)).find(Poll::is_ready);
            match accepted {
                None => return Poll::Pending,
                Some(Poll::Ready(Ok((stream, _)))) => {
                    self.connections.admit(serve(Arc::clone(&self.site), stream));
                    // The other interface is asked first, the next time.
                    self.sockets.rotate_left(1);
                    return Poll::Ready(());
                }
                Some(_) => {
                    self.connections.close_oldest();
                    self.pause = Some(Box::pin(sleep(ACCEPT_AGAIN)));
                }
            }
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

const END_PATH: &str = "/finished";
const OTHER_END_PATH: &str = "/done";

/// Binds all of the interfaces, or none: a program that listens on the other one would get the callback.
fn bind_all(interfaces: &[IpAddr], port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut tries = if port == 0 && interfaces.len() > 1 { FREE_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_once(interfaces, port) {
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
}

fn bind_once(interfaces: &[IpAddr], mut port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut sockets = Vec::with_capacity(interfaces.len());
    for &interface in interfaces {
        match bind_one(SocketAddr::new(interface, port)) {
            Ok(socket) => {
                port = socket.local_addr()?.port();
                sockets.push(socket);
            }
            // On a machine without IPv6 there is no [::1] that anybody could listen on.
            Err(error) if !sockets.is_empty() && is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((sockets, port))
}

/// One socket, for us alone.
///
/// Unix: `SO_REUSEADDR` lets the next login have the port while connections of this one are in TIME_WAIT. It lets no other socket
/// listen on an address and port that is listened on; `SO_REUSEPORT`, which does, is not set. Windows gives a port out again
/// without it, and with it any program could take a port that is in use: it is not set there. Since Windows Server 2003 a port that
/// was bound without it is closed to other users, but not to other programs of the same user that insist (`SO_EXCLUSIVEADDRUSE`
/// would close it, but needs unsafe code). PKCE and `state` protect the login in any case.
fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

const BACKLOG: u32 = 128;

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported) || is_unsupported_family(error)
}

#[cfg(unix)]
fn is_unsupported_family(error: &io::Error) -> bool {
    // EAFNOSUPPORT, which std has no kind for.
    const UNSUPPORTED_FAMILY: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 97 } else { 47 };
    error.raw_os_error() == Some(UNSUPPORTED_FAMILY)
}

#[cfg(windows)]
fn is_unsupported_family(error: &io::Error) -> bool {
    // WSAEAFNOSUPPORT.
    error.raw_os_error() == Some(10047)
}

fn none_free(address: &LoopbackAddress, failure: &io::Error) -> Error {
    let ports: Vec<String> = address.candidates().iter().map(|port| format!(":{port}")).collect();
    let (ports, are, another) = match ports.as_slice() {
        [one] => (one.clone(), "is", "another port"),
        [first @ .., last] => (format!("{} and {last}", first.join(", ")), "are", "other ports"),
        [] => (String::new(), "are", "ports"),
    };
    let host = address.host_name();
    let message = if failure.kind() == io::ErrorKind::AddrInUse {
        format!("{ports} of {host} {are} in use; end the program that listens there, or register and set {another}")
    } else {
        format!("{ports} of {host} cannot be listened on; register and set {another}")
    };
    Error::new(ErrorKind::Browser, message)
}
