use std::io::{self, Read};
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::spawn_blocking;

/// A reader as a body. It is read on a thread for blocking work, a piece ahead of what is sent, and no sooner than the request
/// is on its way.
pub(super) struct Upload {
    reading: Reading,
    length: Option<u64>,
}

enum Reading {
    /// The mutex is never locked: a body has to be `Sync`, which a reader need not be.
    NotYet(Mutex<Box<dyn Read + Send>>),
    Underway(Receiver<io::Result<Piece>>),
    Ended,
}

enum Piece {
    Bytes(Bytes),
    /// Said explicitly: a thread that ended without a word would make a cut-off upload look whole.
    End,
}

impl Upload {
    pub(super) fn new(reader: Box<dyn Read + Send>, length: Option<u64>) -> Self {
        Self { reading: Reading::NotYet(Mutex::new(reader)), length }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Reading::NotYet(reader) = &mut self.reading {
            let reader = reader.get_mut().unwrap_or_else(PoisonError::into_inner);
            let reader = mem::replace(reader, Box::new(io::empty()));
            let (sender, receiver) = mpsc::channel(1);
            spawn_blocking(move || read(reader, &sender));
            self.reading = Reading::Underway(receiver);
        }
        let Reading::Underway(receiver) = &mut self.reading else { return Poll::Ready(None) };
        let frame = match ready!(receiver.poll_recv(context)) {
            Some(Ok(Piece::Bytes(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Ok(Piece::End)) => None,
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(io::Error::other("the reader of the request's body panicked"))),
        };
        self.reading = Reading::Ended;
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

fn read(mut reader: Box<dyn Read + Send>, sender: &Sender<io::Result<Piece>>) {
    loop {
        let mut buffer = vec![0; PIECE];
        let piece = match reader.read(&mut buffer) {
            Ok(0) => Ok(Piece::End),
            Ok(length) => {
                buffer.truncate(length);
                Ok(Piece::Bytes(buffer.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = !matches!(piece, Ok(Piece::Bytes(_)));
        // Nobody listens when the call has ended before its body.
        if sender.blocking_send(piece).is_err() || is_last {
            return;
        }
    }
}

const PIECE: usize = 64 * 1024;
