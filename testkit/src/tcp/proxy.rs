//! A proxy in front of a real server, for a network that fails and heals.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Connections, Listener};
use crate::error::or_fail;

/// Forwards connections to a server, until told otherwise.
///
/// ```no_run
/// use riverrun_testkit::{mariadb, tcp::Proxy};
/// let proxy = Proxy::to(mariadb().address());
/// let url = format!("jdbc:mysql://{}/test", proxy.address());
/// // ... a job writes to `url` ...
/// proxy.cut(); // connections break, new ones are refused
/// proxy.heal();
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    listener: Mutex<Option<Listener>>,
    open: Connections,
    link: Arc<Link>,
}

/// What the threads of a proxy share.
#[derive(Debug, Default)]
struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    target: Option<SocketAddr>,
    /// Nothing is forwarded while this holds.
    held: bool,
    /// How many more pieces are forwarded from the server; any number without it.
    answers: Option<usize>,
    /// How many pieces from the server wait.
    waiting: usize,
    /// Every connection is being broken: what was held back is lost.
    cut: bool,
}

impl Proxy {
    /// A proxy to this server.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn to(target: SocketAddr) -> Self {
        let proxy = Self::new();
        proxy.forward_to(target);
        proxy
    }

    /// A proxy to nowhere yet, which closes every connection; for a server that must know its proxy's address first.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        let (open, link) = (Connections::default(), Arc::new(Link::default()));
        let listener = or_fail(listen(0, &open, &link));
        Self { address: listener.address, listener: Mutex::new(Some(listener)), open, link }
    }

    /// Forwards new connections to this server.
    pub fn forward_to(&self, target: SocketAddr) {
        self.link.set(|state| state.target = Some(target));
    }

    /// Where it listens; stays the same over [`cut`](Self::cut) and [`heal`](Self::heal).
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server goes away: open connections break, new ones are refused. What was held back is lost.
    pub fn cut(&self) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.link.set(|state| {
            *state = State { target: state.target, waiting: state.waiting, cut: true, ..State::default() }
        });
        self.open.shut();
        self.link.set(|state| state.cut = false);
    }

    /// The network goes silent: connections stay open and new ones are accepted, but no byte passes.
    pub fn hold(&self) {
        self.link.set(|state| state.held = true);
    }

    /// Requests reach the server, and its answers do not come back: with [`cut`](Self::cut) they are lost.
    pub fn hold_answers(&self) {
        self.hold_answers_after(0);
    }

    /// As [`hold_answers`](Self::hold_answers), but so many answers still come back: pieces that arrive at once, on any connection.
    pub fn hold_answers_after(&self, count: usize) {
        self.link.set(|state| state.answers = Some(count));
    }

    /// Whether an answer is held back now: the server has done what it was asked.
    #[must_use]
    pub fn is_holding_an_answer(&self) -> bool {
        self.link.state.lock().unwrap_or_else(PoisonError::into_inner).waiting > 0
    }

    /// All is well again; what was held back passes now.
    ///
    /// # Panics
    /// When another process has taken the port meanwhile.
    #[track_caller]
    pub fn heal(&self) {
        self.link.set(|state| (state.held, state.answers) = (false, None));
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            *listener = Some(or_fail(listen(self.address.port(), &self.open, &self.link)));
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

fn listen(port: u16, open: &Connections, link: &Arc<Link>) -> crate::error::Result<Listener> {
    let (open, link) = (open.clone(), Arc::clone(link));
    Listener::start(port, move |client| {
        let link = Arc::clone(&link);
        open.serve(client, move |client| forward(&client, &link));
    })
}

/// Joins a client with the server until one of them ends.
fn forward(client: &TcpStream, link: &Link) {
    if !link.passes() {
        return;
    }
    let Some(target) = link.target() else { return };
    let Ok(server) = TcpStream::connect_timeout(&target, Duration::from_secs(5)) else {
        return;
    };
    // a proxy must not slow what it carries
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    thread::scope(|scope| {
        scope.spawn(|| copy(&server, client, || link.passes_answer()));
        copy(client, &server, || link.passes());
    });
}

/// Joins a client with this server, through which everything passes, until one of them ends.
pub(super) fn join(client: &TcpStream, server: SocketAddr) {
    let link = Link::default();
    link.set(|state| state.target = Some(server));
    forward(client, &link);
}

/// Copies one direction; its end is the end of the connection in both.
fn copy(mut from: &TcpStream, mut to: &TcpStream, passes: impl Fn() -> bool) {
    let mut buffer = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !passes() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

impl Link {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn target(&self) -> Option<SocketAddr> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).target
    }

    /// Returns when nothing is held back any more: whether it may pass.
    fn passes(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !self.changed.wait_while(state, |state| state.held).unwrap_or_else(PoisonError::into_inner).cut
    }

    /// As [`Self::passes`], for what comes from the server.
    fn passes_answer(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        let is_held = |state: &mut State| state.held || state.answers == Some(0);
        state = self.changed.wait_while(state, is_held).unwrap_or_else(PoisonError::into_inner);
        state.waiting = state.waiting.saturating_sub(1);
        state.answers = state.answers.map(|left| left.saturating_sub(1));
        !state.cut
    }
}
