//! A body that is taken from one side as fast as it comes, and given to the other as fast as it goes: a part of it in
//! memory, the rest in a file without a name, and beyond a bound neither, so that the first side has to wait.
//!
//! All on one thread, except for the file, which other threads read and write: a disk may be slow, and a worker
//! serves others. What is in memory is always older than what is in the file, and that older than what is gathered of
//! small parts, so that the order is that of arrival.

mod ring_file;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};
use hyper::header::HeaderMap;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};

use crate::body::BodyError;
use crate::spool::ring_file::RingFile;

/// What is written to the file at once.
const PIECE: usize = 256 << 10;
/// Parts that are smaller are gathered until there is as much. By itself each would take more memory than it has bytes,
/// and a step of another thread to be written.
const GATHERED: usize = 8 << 10;

/// How much of a body is kept, and where.
#[derive(Clone, Debug)]
pub(crate) struct SpoolLimits {
    /// Bytes in memory.
    pub(crate) memory: usize,
    /// Bytes in all.
    pub(crate) total: u64,
    /// Where the file is made.
    pub(crate) directory: PathBuf,
}

/// A body that is being kept. Dropping it ends the taking as well.
#[derive(Debug)]
pub(crate) struct Spool {
    shared: Rc<Shared>,
    taking: JoinHandle<()>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All of it is here.
    Whole {
        /// Its bytes.
        length: u64,
        /// Whether trailers follow them.
        has_trailers: bool,
    },
    /// It is larger than may be kept.
    Full,
    /// It ended before its end.
    Cut,
}

#[derive(Debug)]
struct Shared {
    state: RefCell<State>,
    /// Told when something was read.
    room: Notify,
    /// Told when `State::settled` has come.
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    memory: VecDeque<Bytes>,
    memory_bytes: usize,
    file: Option<RingFile>,
    /// What came last, in parts that are too small to be kept by themselves.
    gathered: BytesMut,
    taken: u64,
    settled: Option<Settled>,
    end: Option<End>,
    reader: Option<Waker>,
}

#[derive(Debug)]
enum End {
    Whole(Option<HeaderMap>),
    Cut(BodyError),
}

impl Spool {
    /// Begins to take a body.
    pub(crate) fn take<B>(body: B, limits: SpoolLimits) -> Self
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin + 'static,
    {
        let state = RefCell::default();
        let shared = Rc::new(Shared { state, room: Notify::new(), settled: Notify::new() });
        let taking = spawn_local(take(Rc::clone(&shared), body, limits));
        Self { shared, taking, reading: None }
    }

    /// A body that was cut before it began.
    pub(crate) fn of_error(error: BodyError) -> Self {
        let state = State { end: Some(End::Cut(error)), ..State::default() };
        let shared = Shared { state: RefCell::new(state), room: Notify::new(), settled: Notify::new() };
        Self { shared: Rc::new(shared), taking: spawn_local(async {}), reading: None }
    }

    /// Waits until the body is whole, or will not be.
    pub(crate) async fn settled(&self) -> Settled {
        loop {
            // The state only changes on this thread, so not between the question and the wait.
            let told = self.shared.settled.notified();
            if let Some(settled) = self.shared.state.borrow().settled {
                return settled;
            }
            told.await;
        }
    }

    /// The next part of the body.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                return Poll::Ready(Some(self.has_read(read.map_err(io::Error::other).flatten())));
            }
            let state = &mut *self.shared.state.borrow_mut();
            if let Some(data) = state.memory.pop_front() {
                state.memory_bytes -= data.len();
                self.shared.room.notify_one();
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if let Some(file) = state.file.as_ref().filter(|file| file.unread() > 0) {
                self.reading = Some(file.read());
                continue;
            }
            if !state.gathered.is_empty() {
                self.shared.room.notify_one();
                return Poll::Ready(Some(Ok(Frame::data(state.gathered.split().freeze()))));
            }
            return match state.end.take() {
                Some(End::Whole(trailers)) => {
                    state.end = Some(End::Whole(None));
                    Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
                }
                Some(End::Cut(error)) => Poll::Ready(Some(Err(error))),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
    }

    fn has_read(&self, read: io::Result<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let data = read?;
        if let Some(file) = &mut self.shared.state.borrow_mut().file {
            file.has_read(data.len());
        }
        self.shared.room.notify_one();
        Ok(Frame::data(data))
    }

    /// Whether nothing comes any more.
    pub(crate) fn is_end_stream(&self) -> bool {
        let state = self.shared.state.borrow();
        matches!(state.end, Some(End::Whole(None))) && state.unread() == 0
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

impl State {
    fn unread(&self) -> u64 {
        (self.memory_bytes + self.gathered.len()) as u64 + self.unread_in_file()
    }

    fn unread_in_file(&self) -> u64 {
        self.file.as_ref().map_or(0, RingFile::unread)
    }

    fn settle(&mut self, settled: Settled) {
        self.settled.get_or_insert(settled);
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

async fn take<B>(shared: Rc<Shared>, mut body: B, mut limits: SpoolLimits)
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let mut trailers = None;
    let end = loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break End::Whole(trailers),
            Some(Err(error)) => break End::Cut(error),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    while !data.is_empty() {
                        let piece = data.split_to(data.len().min(PIECE));
                        shared.keep(piece, &mut limits).await;
                    }
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    };
    // Whatever the body holds on to is let go before anybody hears that it has ended.
    drop(body);
    let state = &mut *shared.state.borrow_mut();
    state.settle(match &end {
        End::Whole(trailers) => Settled::Whole { length: state.taken, has_trailers: trailers.is_some() },
        End::Cut(_) => Settled::Cut,
    });
    state.end = Some(end);
    state.wake_reader();
    shared.settled.notify_waiters();
}

impl Shared {
    /// Keeps a piece, with others if it is small, as soon as there is room for it.
    async fn keep(&self, piece: Bytes, limits: &mut SpoolLimits) {
        self.wait_for_room(piece.len(), limits).await;
        let before = {
            let state = &mut *self.state.borrow_mut();
            state.taken += piece.len() as u64;
            let is_full = state.gathered.len() + piece.len() > GATHERED;
            if is_full { state.gathered.split().freeze() } else { Bytes::new() }
        };
        if !before.is_empty() {
            self.store(before, limits).await;
        }
        if piece.len() > GATHERED {
            return self.store(piece, limits).await;
        }
        let state = &mut *self.state.borrow_mut();
        state.gathered.extend_from_slice(&piece);
        state.wake_reader();
    }

    /// Keeps a piece by itself, in memory or in the file, as soon as there is room for it.
    async fn store(&self, piece: Bytes, limits: &mut SpoolLimits) {
        let length = piece.len();
        loop {
            self.wait_for_room(length, limits).await;
            if self.keep_in_memory(&piece, limits) {
                return;
            }
            match self.write(piece.clone(), &limits.directory, limits.total).await {
                Ok(()) => return self.state.borrow_mut().wake_reader(),
                Err(error) => {
                    // A full disk makes a slow client's instance wait, as it would without any of this.
                    tracing::warn!(%error, "cannot keep a body in a file");
                    limits.total = limits.memory as u64;
                }
            }
        }
    }

    async fn wait_for_room(&self, length: usize, limits: &SpoolLimits) {
        loop {
            let read = self.room.notified();
            {
                let state = &mut *self.state.borrow_mut();
                let unread = state.unread();
                if unread == 0 || unread + length as u64 <= limits.total {
                    return;
                }
                state.settle(Settled::Full);
                self.settled.notify_waiters();
            }
            read.await;
        }
    }

    fn keep_in_memory(&self, piece: &Bytes, limits: &SpoolLimits) -> bool {
        let state = &mut *self.state.borrow_mut();
        let is_in_file = state.unread_in_file() > 0;
        let fits = state.memory_bytes + piece.len() <= limits.memory;
        // Where there is no file to be had, one piece at a time goes through memory.
        let is_last_resort = state.unread() == 0 && limits.total <= limits.memory as u64;
        if is_in_file || !(fits || is_last_resort) {
            return false;
        }
        state.memory_bytes += piece.len();
        state.memory.push_back(piece.clone());
        state.wake_reader();
        true
    }

    async fn write(&self, piece: Bytes, directory: &Path, total: u64) -> io::Result<()> {
        if self.state.borrow().file.is_none() {
            let directory = directory.to_owned();
            let made = spawn_blocking(move || tempfile::tempfile_in(directory)).await;
            let file = made.map_err(io::Error::other)??;
            self.state.borrow_mut().file = Some(RingFile::new(file, total.max(PIECE as u64)));
        }
        let length = piece.len();
        let writing = self.state.borrow().file.as_ref().map(|file| file.write(piece));
        if let Some(writing) = writing {
            writing.await.map_err(io::Error::other)??;
        }
        if let Some(file) = &mut self.state.borrow_mut().file {
            file.has_written(length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
