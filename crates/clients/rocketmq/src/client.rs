//! The client: servers by address, routes by topic, and the task that keeps both alive.
//!
//! One connection to each server carries everything; requests do not wait for one another on it. Routes are asked for when
//! they are needed, kept, and asked for again every `route_interval`, and earlier when their broker cannot be reached. A
//! task, which ends with the client, does that and sends heartbeats.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use riverrun_base::{Error, Result};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::address;
use crate::codes;
use crate::connection::{Failure, Settings};
use crate::endpoint::{Connector, Endpoint, Repeat};
use crate::events::{BrokerEvent, Events};
use crate::fields::FieldsBuilder;
use crate::frame::Frame;
use crate::heartbeat::Groups;
use crate::message_id::UniqueKeys;
use crate::options::ClientOptions;
use crate::route::{Queue, Route};

/// A client of one RocketMQ cluster. Clones share everything.
///
/// Its methods must be called in a tokio runtime, which also runs its tasks; they end when the last clone, and everything
/// made from it, is dropped. Every wait is bounded by the options' time limits.
///
/// ```no_run
/// use riverrun_rocketmq_client::{Client, ClientOptions, Message, ProducerOptions};
///
/// # async fn example() -> riverrun_base::Result<()> {
/// let client = Client::new(ClientOptions::new("127.0.0.1:9876")?)?;
/// let producer = client.producer(ProducerOptions::new("my-group"))?;
/// let receipt = producer.send(Message::new("orders", "hello").tags("new")).await?;
/// println!("{} @ {}", receipt.queue, receipt.queue_offset);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: ClientOptions,
    pub(crate) id: String,
    pub(crate) groups: Mutex<Groups>,
    pub(crate) unique_keys: UniqueKeys,
    pub(crate) name_servers: Vec<Arc<Endpoint>>,
    /// The name server that answered last.
    pub(crate) preferred: AtomicUsize,
    connector: Arc<Connector>,
    events: Arc<Events>,
    brokers: RwLock<HashMap<String, Arc<Endpoint>>>,
    directory: RwLock<Directory>,
    /// Wakes the task: a connection was opened, or a group has joined.
    pub(crate) wake: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

/// What name servers have told.
#[derive(Default)]
struct Directory {
    routes: HashMap<String, KnownRoute>,
    /// Topics whose route was known and is not any more.
    former: HashSet<String>,
    /// Servers by the name of their broker: number 0 is the master, the others are its copies.
    brokers: HashMap<Arc<str>, Vec<(u64, Arc<Endpoint>)>>,
}

struct KnownRoute {
    route: Arc<Route>,
    asked: Instant,
}

/// What a broker is needed for: a copy can be read when its master is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A route that is older is asked for again when its broker cannot be reached.
const STALE: Duration = Duration::from_secs(1);

impl Client {
    /// A client; nothing is asked of any server yet.
    ///
    /// # Errors
    /// A certificate's file cannot be read.
    pub fn new(options: ClientOptions) -> Result<Self> {
        let tls = options.tls.as_ref().map(crate::tls::Tls::connector).transpose()?;
        let settings =
            Settings { tls, connect_timeout: options.connect_timeout, frame_bytes_max: options.frame_bytes_max };
        let (events, wake) = (Arc::new(Events::default()), Arc::new(Notify::new()));
        let opened = Arc::clone(&wake);
        let connector = Arc::new(Connector {
            settings,
            credentials: options.credentials.clone(),
            pause_max: options.pause_max,
            inbox: Arc::clone(&events) as _,
            opened: Box::new(move || opened.notify_one()),
        });
        let endpoint = |address: &String| Arc::new(Endpoint::new(address.clone(), Arc::clone(&connector)));
        let name_servers: Vec<_> = options.name_servers.iter().map(endpoint).collect();
        let inner = Inner {
            id: format!("riverrun@{}@{:016x}", std::process::id(), fastrand::u64(..)),
            groups: Mutex::default(),
            unique_keys: UniqueKeys::new(),
            preferred: AtomicUsize::new(fastrand::usize(..name_servers.len().max(1))),
            name_servers,
            connector,
            events,
            brokers: RwLock::default(),
            directory: RwLock::default(),
            wake,
            task: OnceLock::new(),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The route of a topic: as it is known, or asked for; none where the name server knows no such topic.
    ///
    /// A name server that has just started knows no topic until the brokers have told it, within 30 s by default: a topic that
    /// was there and is not any more may come back.
    ///
    /// # Errors
    /// No name server answers.
    pub async fn route(&self, topic: &str) -> Result<Option<Arc<Route>>> {
        if let Some((route, _)) = self.inner.known_route(topic) {
            return Ok(Some(route));
        }
        self.refresh_route(topic).await
    }

    /// As [`route`](Self::route), but always asked for. A failure leaves what was known as it was.
    ///
    /// # Errors
    /// No name server answers.
    pub async fn refresh_route(&self, topic: &str) -> Result<Option<Arc<Route>>> {
        self.start();
        self.inner.ask_route(topic).await
    }

    /// As [`route`](Self::route), where a topic that does not exist is an error: one that may pass where the topic was known
    /// before, because a topic leaves the name server with its last broker.
    ///
    /// # Errors
    /// There is no such topic, or no name server answers.
    pub async fn existing_route(&self, topic: &str) -> Result<Arc<Route>> {
        self.route(topic).await?.ok_or_else(|| {
            let error = if self.inner.was_known(topic) {
                Error::external(format!("the topic '{topic}' is not there any more"))
                    .retryable()
                    .hint("are its brokers up? A topic leaves the name server with the last of them")
            } else {
                Error::user(format!("there is no topic '{topic}'")).hint("create the topic, or correct its name")
            };
            error.with("name servers", self.inner.options.name_servers.join(";"))
        })
    }

    /// What brokers ask and tell of themselves, from now on; whoever called this before gets nothing more. At most
    /// `capacity` wait to be received; a check of a transaction that finds no place is dropped, and the broker asks again.
    #[must_use]
    pub fn events(&self, capacity: usize) -> mpsc::Receiver<BrokerEvent> {
        self.inner.events.subscribe(capacity)
    }

    /// How this client is known to brokers.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Starts the client's task, in the current runtime.
    pub(crate) fn start(&self) {
        self.inner.task.get_or_init(|| {
            let (inner, wake) = (Arc::downgrade(&self.inner), Arc::clone(&self.inner.wake));
            tokio::spawn(crate::heartbeat::run(inner, wake)).abort_handle()
        });
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.options.request_timeout
    }

    /// Asks the broker of a queue; the answer has any code.
    pub(crate) async fn ask(
        &self,
        queue: &Queue,
        access: Access,
        request: (i16, FieldsBuilder),
        deadline: Instant,
    ) -> Result<(Frame, Arc<Endpoint>)> {
        let broker = self.broker(&queue.topic, &queue.broker, access).await?;
        let (code, fields) = request;
        let place = |failure: Failure| failure.error.with("queue", queue);
        let frame = broker.call(code, fields, &[], deadline, Repeat::Harmless).await.map_err(place)?;
        Ok((frame, broker))
    }

    /// As [`ask`](Self::ask); an answer that is no success is an error. `what` completes "RocketMQ refuses to ...".
    pub(crate) async fn ask_for(
        &self,
        queue: &Queue,
        access: Access,
        request: (i16, FieldsBuilder),
        what: &str,
    ) -> Result<Frame> {
        let (frame, broker) = self.ask(queue, access, request, self.deadline()).await?;
        match frame.code {
            codes::SUCCESS => Ok(frame),
            code => Err(codes::refusal(code, frame.remark(), what, broker.address()).with("queue", queue)),
        }
    }

    /// The broker of this name. One that cannot be reached is looked up again: its address may have changed, or a copy of it
    /// may be there to read from.
    pub(crate) async fn broker(&self, topic: &str, name: &str, access: Access) -> Result<Arc<Endpoint>> {
        self.start();
        let known = self.inner.broker(name, access);
        if let Some(endpoint) = &known
            && !endpoint.is_pausing()
        {
            return Ok(Arc::clone(endpoint));
        }
        let age = self.inner.known_route(topic).map(|(_, asked)| asked.elapsed());
        if age.is_none_or(|age| age > STALE) {
            match self.inner.ask_route(topic).await {
                Ok(_) => {}
                // a pausing broker may be back before the name server is
                Err(error) if known.is_none() => return Err(error),
                Err(_) => {}
            }
        }
        self.inner.broker(name, access).or(known).ok_or_else(|| {
            Error::external(format!("broker {name} is not known to the name server"))
                .retryable()
                .with("topic", topic)
                .hint("is the broker up?")
        })
    }
}

impl Inner {
    pub(crate) fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brokers with which there is a connection.
    pub(crate) fn connected_brokers(&self) -> Vec<Arc<Endpoint>> {
        let brokers = self.brokers.read().unwrap_or_else(PoisonError::into_inner);
        brokers.values().filter(|broker| broker.is_connected()).cloned().collect()
    }

    pub(crate) fn known_topics(&self) -> Vec<String> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).routes.keys().cloned().collect()
    }

    fn known_route(&self, topic: &str) -> Option<(Arc<Route>, Instant)> {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        directory.routes.get(topic).map(|known| (Arc::clone(&known.route), known.asked))
    }

    /// Asks for a route and keeps it.
    pub(crate) async fn ask_route(&self, topic: &str) -> Result<Option<Arc<Route>>> {
        let Some(route) = self.fetch_route(topic).await?.map(Arc::new) else {
            self.forget_route(topic);
            return Ok(None);
        };
        let mut brokers = Vec::new();
        for (name, addresses) in route.addresses() {
            let servers = addresses.iter().map(|(id, address)| Ok((*id, self.endpoint(address)?)));
            brokers.push((Arc::clone(name), servers.collect::<Result<_>>()?));
        }
        let known = KnownRoute { route: Arc::clone(&route), asked: Instant::now() };
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        directory.brokers.extend(brokers);
        directory.routes.insert(topic.to_owned(), known);
        Ok(Some(route))
    }

    pub(crate) fn forget_route(&self, topic: &str) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        if directory.routes.remove(topic).is_some() {
            directory.former.insert(topic.to_owned());
        }
    }

    fn was_known(&self, topic: &str) -> bool {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).former.contains(topic)
    }

    /// The broker of this name as it is known: its master, or to read from also a copy.
    pub(crate) fn broker(&self, name: &str, access: Access) -> Option<Arc<Endpoint>> {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        let mut candidates = directory
            .brokers
            .get(name)?
            .iter()
            .filter(|(id, _)| *id == 0 || access == Access::Read)
            .map(|(_, server)| server);
        let first = candidates.next()?;
        let reachable = if first.is_pausing() { candidates.find(|server| !server.is_pausing()) } else { None };
        Some(Arc::clone(reachable.unwrap_or(first)))
    }

    /// The server at this address.
    pub(crate) fn endpoint(&self, text: &str) -> Result<Arc<Endpoint>> {
        if let Some(found) = self.brokers.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Ok(Arc::clone(found));
        }
        let address = address::normal(text)?;
        let mut brokers = self.brokers.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Endpoint::new(address, Arc::clone(&self.connector)));
        Ok(Arc::clone(brokers.entry(text.to_owned()).or_insert_with(new)))
    }

    /// Forgets servers at addresses that no broker has any more, and with them their connections.
    pub(crate) fn forget_former_brokers(&self) {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        let is_known =
            |server: &Arc<Endpoint>| directory.brokers.values().flatten().any(|(_, known)| Arc::ptr_eq(known, server));
        self.brokers.write().unwrap_or_else(PoisonError::into_inner).retain(|_, server| is_known(server));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.inner.id).finish_non_exhaustive()
    }
}
