//! Host names to addresses, in threads of their own: the operating system's resolver blocks and knows no deadline.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::Reason;
use crate::shared::{Shared, lock};

/// How long an answer is used again. Short: providers move their addresses about.
const KEPT: Duration = Duration::from_secs(10);

/// Names that are being looked up or were a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    lookups: Mutex<BTreeMap<(String, u16), Arc<Lookup>>>,
}

#[derive(Debug)]
struct Lookup {
    state: Mutex<State>,
    begun: Instant,
}

#[derive(Debug)]
enum State {
    Waiting(Vec<Waker>),
    Done(Option<Vec<SocketAddr>>),
}

/// The addresses of a host, IPv6 and IPv4 in turn.
pub(crate) async fn resolve(
    shared: &Arc<Shared>,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Reason> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let lookup = shared
        .resolver
        .lookup(shared, host, port)
        .ok_or(Reason::Unreachable)?;
    std::future::poll_fn(|context| match &mut *lock(&lookup.state) {
        State::Done(found) => Poll::Ready(found.clone().ok_or(Reason::UnknownHost)),
        State::Waiting(wakers) => {
            wakers.push(context.waker().clone());
            Poll::Pending
        }
    })
    .await
}

impl Resolver {
    /// The lookup of a host: one that is under way or fresh, or a new one. `None` where no thread can be had.
    fn lookup(&self, shared: &Arc<Shared>, host: &str, port: u16) -> Option<Arc<Lookup>> {
        let mut lookups = lock(&self.lookups);
        lookups.retain(|_, lookup| lookup.is_fresh());
        let key = (host.to_owned(), port);
        if let Some(lookup) = lookups.get(&key) {
            return Some(Arc::clone(lookup));
        }
        let lookup = Arc::new(Lookup {
            state: Mutex::new(State::Waiting(Vec::new())),
            begun: Instant::now(),
        });
        let (job, name, shared) = (Arc::clone(&lookup), key.clone(), Arc::downgrade(shared));
        std::thread::Builder::new()
            .name("inferail-resolve".to_owned())
            .spawn(move || {
                let found = (name.0.as_str(), name.1).to_socket_addrs();
                job.finish(found.ok().map(|found| in_turn(found.collect())));
                if let Some(shared) = shared.upgrade() {
                    shared.nudge();
                }
            })
            .ok()?;
        lookups.insert(key, Arc::clone(&lookup));
        Some(lookup)
    }
}

impl Lookup {
    /// Whether it is under way, or found something a moment ago. A failure is not used again.
    fn is_fresh(&self) -> bool {
        match &*lock(&self.state) {
            State::Waiting(_) => true,
            State::Done(found) => found.is_some() && self.begun.elapsed() < KEPT,
        }
    }

    fn finish(&self, found: Option<Vec<SocketAddr>>) {
        let found = found.filter(|found| !found.is_empty());
        let before = std::mem::replace(&mut *lock(&self.state), State::Done(found));
        if let State::Waiting(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// The two families in turn, the one the system prefers first (RFC 8305, section 4).
fn in_turn(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_six = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_six);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn addresses_come_in_turn_when_both_families_are_there() {
        let parse = |text: &str| text.parse().unwrap();
        let found = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"].map(parse);

        let ordered = in_turn(found.to_vec());

        assert_eq!(
            ordered,
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(parse)
        );
    }
}
