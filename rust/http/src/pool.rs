//! Connections that can be used again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};

use crate::settings::Route;
use crate::shared::{Shared, lock};
use crate::socket::Probe;

pub(crate) type Body = Full<Bytes>;

/// The sending side of a connection.
#[derive(Debug)]
pub(crate) enum Sender {
    /// One exchange at a time.
    Http1(http1::SendRequest<Body>, Probe),
    /// Many at once.
    Http2(http2::SendRequest<Body>),
}

impl Sender {
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender, _) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

#[derive(Debug)]
struct Idle {
    since: Instant,
    sender: http1::SendRequest<Body>,
    probe: Probe,
}

/// What a request goes out through.
#[derive(Debug)]
pub(crate) enum Ticket {
    /// A connection that stands.
    Open(Sender),
    /// A place for a new one.
    Dial(Place),
}

/// The connections of a reactor. Taking one out and giving it back costs the same however many there are.
#[derive(Debug)]
pub(crate) struct Pool {
    routes: BTreeMap<Arc<Route>, Kept>,
    /// Connections that stand or are being made.
    open: usize,
    max_open: usize,
    max_idle: Duration,
    /// Requests that wait for a place.
    waiting: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The one used last is used first, so that the others grow old and are closed.
    idle: VecDeque<Idle>,
    shared: Option<http2::SendRequest<Body>>,
    /// Requests that wait for the protocol that the first connection is about to find out.
    probing: Option<Vec<Waker>>,
}

impl Pool {
    pub(crate) fn new(max_open: usize, max_idle: Duration) -> Self {
        Self {
            routes: BTreeMap::new(),
            open: 0,
            max_open,
            max_idle,
            waiting: Vec::new(),
        }
    }

    /// Connections that stand or are being made.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Connections that nobody uses now.
    pub(crate) fn idle(&self) -> usize {
        let of = |kept: &Kept| {
            kept.idle
                .iter()
                .filter(|idle| !idle.sender.is_closed())
                .count()
        };
        self.routes.values().map(of).sum()
    }

    /// A connection along `route`, or a place to make one.
    fn poll_ticket(
        &mut self,
        route: &Arc<Route>,
        shared: &Arc<Shared>,
        context: &Context<'_>,
    ) -> Poll<Ticket> {
        let oldest = Instant::now().checked_sub(self.max_idle);
        if let Some(kept) = self.routes.get_mut(route) {
            if let Some(sender) = &kept.shared {
                if !sender.is_closed() {
                    return Poll::Ready(Ticket::Open(Sender::Http2(sender.clone())));
                }
                kept.shared = None;
            }
            while let Some(idle) = kept.idle.pop_back() {
                if oldest.is_some_and(|oldest| idle.since < oldest) {
                    kept.idle.clear();
                } else if !idle.sender.is_closed() && !idle.probe.is_closed() {
                    return Poll::Ready(Ticket::Open(Sender::Http1(idle.sender, idle.probe)));
                }
            }
            if let Some(probing) = &mut kept.probing {
                probing.push(context.waker().clone());
                return Poll::Pending;
            }
        }
        if self.open >= self.max_open {
            self.close_an_idle_one();
            self.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        self.open += 1;
        if route.asks_for_http2 {
            let kept = self.routes.entry(Arc::clone(route)).or_default();
            kept.probing = Some(Vec::new());
        }
        Poll::Ready(Ticket::Dial(Place {
            shared: Arc::downgrade(shared),
            route: Arc::clone(route),
        }))
    }

    /// Closes an idle connection somewhere; its place is free once its task has ended.
    fn close_an_idle_one(&mut self) {
        if let Some(kept) = self.routes.values_mut().find(|kept| !kept.idle.is_empty()) {
            kept.idle.pop_front();
        }
    }

    /// Takes back a connection whose exchange is over.
    pub(crate) fn give_back(&mut self, route: &Arc<Route>, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let kept = self.routes.entry(Arc::clone(route)).or_default();
        match sender {
            Sender::Http1(sender, probe) => {
                kept.idle.push_back(Idle {
                    since: Instant::now(),
                    sender,
                    probe,
                });
                while kept
                    .idle
                    .front()
                    .is_some_and(|idle| idle.sender.is_closed())
                {
                    kept.idle.pop_front();
                }
            }
            Sender::Http2(sender) => kept.shared = Some(sender),
        }
        self.wake();
    }

    /// The protocol of a route is known, or its first connection failed.
    pub(crate) fn probed(&mut self, route: &Arc<Route>) {
        let kept = self.routes.get_mut(route);
        let waiting = kept.and_then(|kept| kept.probing.take());
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// Everybody who waits looks again: waking just one would be lost if that one has been given up.
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// A connection's place in the pool's count, given back when it is dropped: with the connection's task, or with
/// the attempt to make it.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Weak<Shared>,
    route: Arc<Route>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let mut pool = lock(&shared.pool);
            pool.open -= 1;
            if self.route.asks_for_http2 {
                pool.probed(&self.route);
            }
            pool.wake();
        }
    }
}

/// Waits for a connection, or for a place to make one.
pub(crate) async fn ticket(shared: &Arc<Shared>, route: &Arc<Route>) -> Ticket {
    std::future::poll_fn(|context| lock(&shared.pool).poll_ticket(route, shared, context)).await
}
