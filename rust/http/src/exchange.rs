//! One request and its answer, while it arrives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::connect::dial;
use crate::decompress::{Decompressor, Undecodable};
use crate::error::Error;
use crate::pool::{Body, Sender, Ticket, ticket};
use crate::settings::Route;
use crate::shared::{Rings, Shared, lock};

/// Bytes of an answer that wait for their reader before the connection is left unread: the sender then stops by
/// itself. One read of a fast stream is 64 KiB.
const MAX_WAITING_BYTES: usize = 256 * 1024;

/// The head of an answer, and how long its connection took.
#[derive(Debug, Clone)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// Header names, in lower case, and values, as they came.
    pub headers: http::HeaderMap,
    /// Time the TCP connection took; zero where it was open already.
    pub connect: Duration,
    /// Time the TLS handshake took; zero where there was none.
    pub tls: Duration,
}

/// An exchange as its caller sees it.
#[derive(Debug)]
pub struct Cell {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Head>,
    chunks: VecDeque<Bytes>,
    waiting_bytes: usize,
    end: Option<Result<(), Error>>,
    /// The exchange's task, while it waits for its reader.
    paused: Option<Waker>,
    /// Where its task is, while it runs.
    task: Option<usize>,
    /// There is news that nobody was told of.
    is_changed: bool,
    /// When the present wait ends.
    wait_until: Option<Instant>,
    /// When the timer set for it rings.
    timer: Option<Instant>,
    is_late: bool,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Bytes(Bytes),
    /// Nothing yet.
    Pending,
    /// Nothing any more: the clean end.
    End,
}

impl Cell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
        })
    }

    /// The head, once it is in.
    ///
    /// # Errors
    ///
    /// Why it will not come.
    pub fn head(&self) -> Result<Option<Head>, Error> {
        let state = lock(&self.state);
        match (&state.head, &state.end) {
            (Some(head), _) => Ok(Some(head.clone())),
            (None, Some(Err(error))) => Err(error.clone()),
            (None, _) => Ok(None),
        }
    }

    /// The next piece of the body. A reader that was slow lets the connection go on by this.
    ///
    /// # Errors
    ///
    /// How the body broke, after everything that came before that.
    pub fn next(&self) -> Result<Piece, Error> {
        let mut state = lock(&self.state);
        if let Some(chunk) = state.chunks.pop_front() {
            state.waiting_bytes -= chunk.len();
            if state.waiting_bytes <= MAX_WAITING_BYTES / 2
                && let Some(paused) = state.paused.take()
            {
                paused.wake();
            }
            return Ok(Piece::Bytes(chunk));
        }
        match &state.end {
            None => Ok(Piece::Pending),
            Some(Ok(())) => Ok(Piece::End),
            Some(Err(error)) => Err(error.clone()),
        }
    }

    /// Whether there is news since the caller last looked.
    pub fn has_changed(&self) -> bool {
        lock(&self.state).is_changed
    }

    /// Whether nothing more will come after what waits.
    pub fn has_ended(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    /// Whether the wait that was announced has gone on for too long; asking takes that back.
    pub fn take_late(&self) -> bool {
        std::mem::take(&mut lock(&self.state).is_late)
    }

    /// Notes until when the caller waits; `None` for ever. Returns whether a timer has to be set for it.
    pub(crate) fn wait_until(&self, moment: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        state.is_late = false;
        state.wait_until = moment;
        match (moment, state.timer) {
            (None, _) => false,
            (Some(moment), Some(timer)) if timer <= moment => false,
            (Some(moment), _) => {
                state.timer = Some(moment);
                true
            }
        }
    }

    /// A timer rings: gives the moment to set the next one for, where more time was given meanwhile.
    pub(crate) fn ring(self: &Arc<Self>, shared: &Shared, now: Instant) {
        let mut state = lock(&self.state);
        state.timer = None;
        match state.wait_until {
            Some(moment) if moment <= now => {
                state.wait_until = None;
                state.is_late = true;
                self.tell(&mut state, shared);
            }
            Some(moment) if state.end.is_none() => {
                state.timer = Some(moment);
                shared.at(moment, Rings::Wait(Arc::downgrade(self)));
            }
            _ => {}
        }
    }

    /// The news have been told.
    pub(crate) fn told(&self) {
        lock(&self.state).is_changed = false;
    }

    pub(crate) fn set_task(&self, key: usize) {
        lock(&self.state).task = Some(key);
    }

    /// The task to stop where the exchange is given up before its end.
    pub(crate) fn give_up(&self) -> Option<usize> {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return None;
        }
        state.end = Some(Err(Error::Closed));
        state.chunks.clear();
        state.waiting_bytes = 0;
        state.task.take()
    }

    fn tell(self: &Arc<Self>, state: &mut State, shared: &Shared) {
        if !state.is_changed {
            state.is_changed = true;
            lock(&shared.changed).push(Arc::clone(self));
        }
    }

    fn begin(self: &Arc<Self>, shared: &Shared, head: Head) {
        let mut state = lock(&self.state);
        state.head = Some(head);
        self.tell(&mut state, shared);
    }

    fn push(self: &Arc<Self>, shared: &Shared, chunk: Bytes) {
        if !chunk.is_empty() {
            let mut state = lock(&self.state);
            state.waiting_bytes += chunk.len();
            state.chunks.push_back(chunk);
            self.tell(&mut state, shared);
        }
    }

    fn finish(self: &Arc<Self>, shared: &Shared, end: Result<(), Error>) {
        let mut state = lock(&self.state);
        if state.end.is_none() {
            state.end = Some(end);
            self.tell(&mut state, shared);
        }
    }

    /// Waits until its reader has taken enough of what is there.
    async fn has_room(&self) {
        std::future::poll_fn(|context| {
            let mut state = lock(&self.state);
            if state.waiting_bytes < MAX_WAITING_BYTES {
                return Poll::Ready(());
            }
            state.paused = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// What to send, and how.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) route: Arc<Route>,
    pub(crate) request: Request<Body>,
    pub(crate) connect_timeout: Option<Duration>,
}

/// Sends a request and follows its answer to the end.
pub(crate) async fn run(shared: Arc<Shared>, cell: Arc<Cell>, order: Order) {
    let route = Arc::clone(&order.route);
    let (sender, head, body) = match send(&shared, order).await {
        Ok(begun) => begun,
        Err(error) => return cell.finish(&shared, Err(error)),
    };
    let coding = Decompressor::of(&head.headers);
    cell.begin(&shared, head);
    let end = follow(&shared, &cell, body, coding, &route).await;
    let is_whole = end.is_ok();
    cell.finish(&shared, end);
    if is_whole {
        recycle(&shared, &route, sender).await;
    }
}

/// Makes a connection and keeps it for later.
pub(crate) async fn warm(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    route: Arc<Route>,
    connect_timeout: Option<Duration>,
) {
    let end = match ticket(&shared, &route).await {
        Ticket::Open(sender) => Ok(sender),
        Ticket::Dial(place) => dial(&shared, &route, place, connect_timeout)
            .await
            .map(|connection| connection.sender),
    };
    let told = end.as_ref().map(|_| ()).map_err(Clone::clone);
    cell.finish(&shared, told);
    if let Ok(sender) = end {
        recycle(&shared, &route, sender).await;
    }
}

/// Gives a connection back once the protocol is ready for the next request.
async fn recycle(shared: &Arc<Shared>, route: &Arc<Route>, mut sender: Sender) {
    let is_ready = match &mut sender {
        Sender::Http1(sender, _) => sender.ready().await.is_ok(),
        Sender::Http2(_) => true,
    };
    if is_ready {
        lock(&shared.pool).give_back(route, sender);
    }
}

async fn send(shared: &Arc<Shared>, order: Order) -> Result<(Sender, Head, Incoming), Error> {
    let Order {
        route,
        mut request,
        connect_timeout,
    } = order;
    loop {
        let (mut sender, connect, tls, is_new) = match ticket(shared, &route).await {
            Ticket::Open(sender) => (sender, Duration::ZERO, Duration::ZERO, false),
            Ticket::Dial(place) => {
                let made = dial(shared, &route, place, connect_timeout).await?;
                (made.sender, made.connect, made.tls, true)
            }
        };
        let answer = match &mut sender {
            Sender::Http1(sender, _) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        };
        match answer {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                let head = Head {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    connect,
                    tls,
                };
                return Ok((sender, head, body));
            }
            // The server closed an idle connection just now. Nothing of the request was sent, so another
            // connection may take it.
            Err(mut failed) => match failed.take_message() {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(broken(&failed.into_error(), &route)),
            },
        }
    }
}

/// Hands the body over as it comes.
async fn follow(
    shared: &Arc<Shared>,
    cell: &Arc<Cell>,
    mut body: Incoming,
    coding: Result<Option<Decompressor>, Undecodable>,
    route: &Route,
) -> Result<(), Error> {
    let mut coding = coding.map_err(|Undecodable| undecodable(route))?;
    loop {
        cell.has_room().await;
        let Some(frame) = body.frame().await else {
            break;
        };
        let frame = frame.map_err(|error| broken(&error, route))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let Some(coding) = &mut coding else {
            cell.push(shared, data);
            continue;
        };
        coding.feed(data);
        while let Some(chunk) = coding.take().map_err(|Undecodable| undecodable(route))? {
            cell.push(shared, chunk);
            cell.has_room().await;
        }
    }
    if let Some(coding) = &mut coding {
        let rest = coding.finish().map_err(|Undecodable| undecodable(route))?;
        cell.push(shared, rest);
    }
    Ok(())
}

fn undecodable(route: &Route) -> Error {
    Error::Broken {
        to: route.to(),
        what: "the body is not in the compression that its content-encoding names",
    }
}

fn broken(error: &hyper::Error, route: &Route) -> Error {
    let what = if error.is_parse() || error.is_incomplete_message() || error.is_closed() {
        "what came back is not HTTP, or the connection was closed before the announced end"
    } else if error.is_user() {
        return Error::Request("HTTP does not allow it");
    } else {
        "the connection broke while the answer was read"
    };
    Error::Broken {
        to: route.to(),
        what,
    }
}
