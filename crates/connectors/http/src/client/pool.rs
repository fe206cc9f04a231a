//! Connections that nobody uses at the moment, by destination.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use hyper::client::conn::http2;

use super::connect::{Body, Connection, One};
use crate::url::Origin;

/// The connections.
pub(super) struct Pool {
    state: Mutex<State>,
    most: usize,
    keep: Duration,
}

#[derive(Default)]
struct State {
    /// Of each destination, the one that was used last at the end.
    one: HashMap<Arc<Origin>, Vec<(Instant, One)>>,
    count: usize,
    /// HTTP/2 carries all requests to a destination over one.
    two: HashMap<Arc<Origin>, (Instant, http2::SendRequest<Body>)>,
}

impl Pool {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self { state: Mutex::default(), most, keep }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to a destination, the youngest, as it is the least likely to be closed.
    pub(super) fn take(&self, origin: &Arc<Origin>) -> Option<Connection> {
        let mut state = self.lock();
        if let Some((used, sender)) = state.two.get_mut(origin) {
            *used = Instant::now();
            return Some(Connection::Two(sender.clone()));
        }
        loop {
            let (used, one) = state.one.get_mut(origin)?.pop()?;
            state.count -= 1;
            if !one.sender.is_closed() && used.elapsed() < self.keep {
                return Some(Connection::One(one));
            }
        }
    }

    /// Keeps a connection whose answer was read.
    pub(super) fn put(&self, origin: &Arc<Origin>, one: One) {
        let mut state = self.lock();
        if state.count < self.most && !one.sender.is_closed() {
            state.count += 1;
            let now = Instant::now();
            match state.one.get_mut(origin) {
                Some(idle) => idle.push((now, one)),
                None => drop(state.one.insert(Arc::clone(origin), vec![(now, one)])),
            }
        }
    }

    /// Lets others use a connection of HTTP/2.
    pub(super) fn share(&self, origin: &Arc<Origin>, sender: &http2::SendRequest<Body>) {
        self.lock().two.insert(Arc::clone(origin), (Instant::now(), sender.clone()));
    }

    /// Gives up a connection of HTTP/2 that is of no use.
    pub(super) fn forget(&self, origin: &Arc<Origin>) {
        self.lock().two.remove(origin);
    }

    pub(super) fn close_unused(&self) {
        let mut state = self.lock();
        let State { one, count, two } = &mut *state;
        one.retain(|_, idle| {
            idle.retain(|(used, one)| used.elapsed() < self.keep && !one.sender.is_closed());
            !idle.is_empty()
        });
        *count = one.values().map(Vec::len).sum();
        two.retain(|_, (used, sender)| used.elapsed() < self.keep && !sender.is_closed());
    }
}
