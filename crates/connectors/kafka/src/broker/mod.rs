//! What librdkafka cannot do: talk to transaction coordinators about transactions of other producers, which may be dead.
//!
//! librdkafka writes the rows of a transaction; that it is committed, or aborted, is said here, by Kafka's protocol itself. A coordinator does not
//! ask who says it: it takes the transactional id, producer id and epoch (KIP-98). So the process that commits needs not be the one
//! that wrote. KIP-939 (two-phase commit, with transactions that never time out) would make this official; brokers do not have it yet.
//!
//! Calls block the caller; the bytes move on the shared I/O runtime. Every call ends in bounded time, and when the job stops.

mod codes;
mod connection;
mod messages;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, io_runtime};
use tokio::runtime::Handle;

use connection::{Connection, Failure};
use messages::{
    BrokerSetting, Brokers, Commit, DescribeTransactions, FindCoordinator, InitProducerId, ListTransactions, Request,
};

pub(crate) use connection::Login;
pub(crate) use messages::Described;

/// How long a connection may take to open, with its login.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long an answer may take before the connection is given up and the question is put again.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long brokers that refuse connections are asked at the start, in case they are just starting.
const REFUSED_LIMIT: Duration = Duration::from_secs(1);

/// How long the first and the longest pause between two attempts are.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));

/// How many ids are asked for at once.
const IDS_AT_ONCE: usize = 1000;

/// How long a transaction may stay open that was taken over: none is begun there.
const TAKEN_OVER_TIMEOUT_MS: i32 = 10_000;

/// The value of an attempt that brought something; otherwise the end of this attempt.
macro_rules! attempt {
    ($attempt:expr) => {
        match $attempt? {
            Attempt::Done(done) => done,
            Attempt::Again(reason) => return Ok(Attempt::Again(reason)),
        }
    };
}

/// Where and as whom to ask.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// `host:port`, separated by commas.
    pub(crate) bootstrap: String,
    /// Who logs in; nobody without a login.
    pub(crate) login: Option<Login>,
    /// The client's name in the broker's log.
    pub(crate) client_id: String,
}

/// How a commit was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is committed, by this call or an earlier one.
    Committed,
    /// The id has no such transaction any more: it was aborted, or the id was used again.
    Gone,
}

/// Talks to transaction coordinators. One thread owns it.
pub(crate) struct Coordinators {
    cluster: Cluster,
    runtime: Handle,
    cancellation: Cancellation,
    connections: HashMap<String, Connection>,
    /// Where the coordinator of an id listens.
    known: HashMap<String, String>,
    /// The address of `bootstrap` that is asked next.
    next: usize,
    /// Whether nobody listened at the last address.
    is_refused: bool,
}

/// What an attempt brought.
enum Attempt<T> {
    Done(T),
    /// Nothing yet, because of this.
    Again(String),
}

impl Coordinators {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn new(cluster: Cluster, cancellation: Cancellation) -> Result<Self> {
        Ok(Self {
            cluster,
            runtime: io_runtime()?,
            cancellation,
            connections: HashMap::new(),
            known: HashMap::new(),
            next: 0,
            is_refused: false,
        })
    }

    /// The brokers, for errors.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.cluster.bootstrap
    }

    /// The longest `transaction.timeout.ms` that the brokers allow; `None` where the user may not see their settings. The first question:
    /// it does not wait long where nobody listens.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn longest_timeout(&mut self, limit: Duration) -> Result<Option<Duration>> {
        let begin = Instant::now();
        self.persist("read the brokers' settings", limit, |this| {
            if this.is_refused && begin.elapsed() >= REFUSED_LIMIT {
                let error = Error::external(format!("cannot reach Kafka at {}: connection refused", this.bootstrap()));
                let hint = "is the broker running, and is 'properties.bootstrap.servers' right?";
                return Err(error.hint(hint).retryable());
            }
            let brokers = attempt!(this.ask_anyone(&Brokers));
            let Some((broker, address)) = brokers.first() else {
                return Ok(Attempt::Again("there is no broker".into()));
            };
            let setting = BrokerSetting { broker: *broker, name: "transaction.max.timeout.ms" };
            let (code, value) = attempt!(this.ask(address, &setting));
            let value = value.and_then(|value| value.parse().ok()).filter(|_| code == 0);
            Ok(Attempt::Done(value.map(Duration::from_millis)))
        })
    }

    /// What is known of ids; those that are not known are left out.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn describe(&mut self, ids: &[&str], limit: Duration) -> Result<BTreeMap<String, Described>> {
        let mut known = BTreeMap::new();
        let mut left: Vec<&str> = ids.to_vec();
        left.sort_unstable();
        left.dedup();
        self.persist("look transactions up", limit, |this| {
            let mut later = Vec::new();
            let mut reason = String::new();
            for (address, ids) in attempt!(this.by_coordinator(&left)) {
                for ids in ids.chunks(IDS_AT_ONCE) {
                    for (id, code, described) in attempt!(this.ask(&address, &DescribeTransactions(ids))) {
                        match code {
                            0 => drop(known.insert(id, described)),
                            codes::TRANSACTIONAL_ID_NOT_FOUND => {}
                            code if codes::passes(code) => {
                                this.forget(&id, code);
                                reason = codes::text(code).into_owned();
                                later.extend(ids.iter().find(|known| ***known == *id).copied());
                            }
                            code => return Err(this.refused("look a transaction up", code).with("transaction", id)),
                        }
                    }
                }
            }
            left = later;
            Ok(if left.is_empty() { Attempt::Done(()) } else { Attempt::Again(reason) })
        })?;
        Ok(known)
    }

    /// Commits what a producer has written. It may be repeated.
    ///
    /// # Errors
    /// The coordinator could not be reached within `limit`, or the user is not allowed to; the job stops.
    pub(crate) fn commit(&mut self, id: &str, producer: i64, epoch: i16, limit: Duration) -> Result<Answer> {
        let request = Commit { id, producer, epoch };
        self.coordinated("commit a transaction", id, limit, &request, |code| match code {
            0 => Some(Answer::Committed),
            codes::INVALID_PRODUCER_EPOCH
            | codes::INVALID_TXN_STATE
            | codes::INVALID_PRODUCER_ID_MAPPING
            | codes::PRODUCER_FENCED => Some(Answer::Gone),
            _ => None,
        })
    }

    /// Takes an id over: aborts its open transaction, and no former producer can write with it any more.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn fence(&mut self, id: &str, limit: Duration) -> Result<()> {
        let request = InitProducerId { id, timeout_ms: TAKEN_OVER_TIMEOUT_MS };
        self.coordinated("abort a transaction", id, limit, &request, |code| (code == 0).then_some(()))
    }

    /// Every id of the cluster in one of these states, with its state.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn list(&mut self, states: &[&str], limit: Duration) -> Result<Vec<(String, String)>> {
        self.persist("list transactions", limit, |this| {
            let mut all = Vec::new();
            // Each broker knows those that it coordinates.
            for (_, address) in attempt!(this.ask_anyone(&Brokers)) {
                let (code, ids) = attempt!(this.ask(&address, &ListTransactions(states)));
                match code {
                    0 => all.extend(ids),
                    code if codes::passes(code) => return Ok(Attempt::Again(codes::text(code).into_owned())),
                    code => return Err(this.refused("list transactions", code)),
                }
            }
            Ok(Attempt::Done(all))
        })
    }

    /// Asks the coordinator of `id` until the answer is final.
    fn coordinated<R: Request<Answer = i16>, T>(
        &mut self,
        what: &str,
        id: &str,
        limit: Duration,
        request: &R,
        is_final: impl Fn(i16) -> Option<T>,
    ) -> Result<T> {
        self.persist(what, limit, |this| {
            let address = attempt!(this.coordinator(id));
            let code = attempt!(this.ask(&address, request));
            if let Some(answer) = is_final(code) {
                return Ok(Attempt::Done(answer));
            }
            if codes::passes(code) {
                this.forget(id, code);
                return Ok(Attempt::Again(codes::text(code).into_owned()));
            }
            Err(this.refused(what, code).with("transaction", id))
        })
    }

    /// Ids by the address of their coordinator.
    fn by_coordinator<'i>(&mut self, ids: &[&'i str]) -> Result<Attempt<BTreeMap<String, Vec<&'i str>>>> {
        let mut addresses: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for id in ids {
            addresses.entry(attempt!(self.coordinator(id))).or_default().push(id);
        }
        Ok(Attempt::Done(addresses))
    }

    /// Where the coordinator of an id listens.
    fn coordinator(&mut self, id: &str) -> Result<Attempt<String>> {
        if let Some(address) = self.known.get(id) {
            return Ok(Attempt::Done(address.clone()));
        }
        let (code, address) = attempt!(self.ask_anyone(&FindCoordinator(id)));
        match code {
            0 => {
                self.known.insert(id.to_owned(), address.clone());
                Ok(Attempt::Done(address))
            }
            code if codes::passes(code) => Ok(Attempt::Again(codes::text(code).into_owned())),
            code => Err(self.refused("find the coordinator of a transaction", code).with("transaction", id)),
        }
    }

    fn forget(&mut self, id: &str, code: i16) {
        if codes::moved(code) {
            self.known.remove(id);
        }
    }

    /// Asks a broker that the user has named; another one the next time, when it does not answer.
    fn ask_anyone<R: Request>(&mut self, request: &R) -> Result<Attempt<R::Answer>> {
        let addresses = addresses(&self.cluster.bootstrap);
        let Some(address) = addresses.get(self.next % addresses.len().max(1)) else {
            return Err(Error::user("'properties.bootstrap.servers' names no broker"));
        };
        let answer = self.ask(address, request)?;
        if matches!(answer, Attempt::Again(_)) {
            self.next = self.next.wrapping_add(1);
        }
        Ok(answer)
    }

    /// Asks one broker.
    fn ask<R: Request>(&mut self, address: &str, request: &R) -> Result<Attempt<R::Answer>> {
        let Self { cluster, runtime, cancellation, connections, .. } = self;
        let kept = connections.remove(address);
        let asked = runtime.block_on(async {
            let exchange = async {
                let mut connection = match kept {
                    Some(connection) => connection,
                    None => {
                        let open = Connection::open(address, cluster.login.as_ref(), &cluster.client_id);
                        within(CONNECT_LIMIT, open).await?
                    }
                };
                let answer = within(ANSWER_LIMIT, connection.ask(address, request)).await?;
                Ok((connection, answer))
            };
            tokio::select! {
                done = exchange => Some(done),
                () = cancellation.canceled() => None,
            }
        });
        self.is_refused = matches!(&asked, Some(Err(Failure::Absent(_))));
        match asked {
            None => Err(Error::canceled()),
            Some(Ok((connection, answer))) => {
                connections.insert(address.to_owned(), connection);
                Ok(Attempt::Done(answer))
            }
            Some(Err(Failure::Refused(error))) => Err(error),
            Some(Err(Failure::Broken(reason) | Failure::Absent(reason))) => {
                self.known.retain(|_, coordinator| coordinator != address);
                Ok(Attempt::Again(format!("{address}: {reason}")))
            }
        }
    }

    /// Attempts something until it is done, pausing longer and longer.
    fn persist<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut attempt: impl FnMut(&mut Self) -> Result<Attempt<T>>,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        let (mut pause, longest) = PAUSES;
        loop {
            self.cancellation.check()?;
            let reason = match attempt(self)? {
                Attempt::Done(done) => return Ok(done),
                Attempt::Again(reason) => reason,
            };
            if Instant::now() + pause >= end {
                let limit = limit.as_secs_f64();
                let error = format!("cannot {what} at Kafka {}: {reason} (tried for {limit} s)", self.bootstrap());
                return Err(Error::external(error).retryable());
            }
            tracing::debug!(target: "riverrun_kafka", "cannot {what} yet: {reason}");
            self.cancellation.sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0))?;
            pause = (pause * 2).min(longest);
        }
    }

    fn refused(&self, what: &str, code: i16) -> Error {
        let error = Error::external(format!("Kafka at {} refuses to {what}: {}", self.bootstrap(), codes::text(code)));
        match code {
            codes::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => error.hint(
                "the user needs the rights to Write and to Describe transactional ids that start with 'sink.transactional-id-prefix'",
            ),
            codes::INVALID_TRANSACTION_TIMEOUT => error.hint("set 'properties.transaction.timeout.ms' lower"),
            _ => error,
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Failure::Broken(format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, future).await.map_err(late)?
}

/// What `bootstrap.servers` names, in the forms that librdkafka takes too: `PLAINTEXT://host:9092`, `host`.
fn addresses(bootstrap: &str) -> Vec<String> {
    let named = bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty());
    named
        .map(|address| {
            let address = address.split_once("://").map_or(address, |(_, address)| address);
            let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
                port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
            });
            if has_port { address.to_owned() } else { format!("{address}:9092") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_servers_have_librdkafkas_forms() {
        let addresses = addresses("a:1, SASL_PLAINTEXT://b:2,c,[::1]:9,[::1]");
        assert_eq!(addresses, ["a:1", "b:2", "c:9092", "[::1]:9", "[::1]:9092"]);
    }

    #[test]
    fn nobody_there_is_an_error_that_names_the_broker_within_the_limit() -> Result<()> {
        let cluster = Cluster { bootstrap: "127.0.0.1:1".into(), login: None, client_id: "c".into() };
        let mut coordinators = Coordinators::new(cluster, Cancellation::new())?;
        let begin = Instant::now();
        let error = coordinators.commit("id", 1, 1, Duration::from_millis(50)).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("127.0.0.1:1") && error.contains("refused")));
        assert!(begin.elapsed() < Duration::from_secs(5));
        Ok(())
    }
}
