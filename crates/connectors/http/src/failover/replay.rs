//! Reads a failover store, and sends what is in it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hyper::header::HeaderMap;
use riverrun_base::options::OptionValue;
use riverrun_base::{Error, Result};
use riverrun_connect::io_runtime;

use super::{Envelope, Found, Row, Store};
use crate::client::Client;
use crate::core::{Core, Exhaustion};
use crate::options::{self, BatchFormat, HttpOptions};
use crate::request::{Request, Verb};
use crate::settings::{Settings, header_name, header_value};
use crate::shell::now_ms;
use crate::template::Template;
use crate::url::Url;

/// So many rows are read, sent and removed before the next.
const AT_ONCE: usize = 100;

/// Which records are meant: those for which everything holds that is said.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Not given up before this time, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Given up before this time.
    pub until_ms: Option<i64>,
    /// The host of the URL, with its port where it has one: `api.example.com`, `127.0.0.1:8080`.
    pub host: Option<String>,
    /// What the error has in it.
    pub error: Option<String>,
}

impl Filter {
    /// Whether a record is meant.
    pub fn accepts(&self, kept: &Kept) -> bool {
        let envelope = &kept.envelope;
        self.since_ms.is_none_or(|since| kept.timestamp_ms >= since)
            && self.until_ms.is_none_or(|until| kept.timestamp_ms < until)
            && self.error.as_ref().is_none_or(|error| envelope.error.contains(error.as_str()))
            && self.host.as_ref().is_none_or(|host| {
                Url::parse(&envelope.url).is_ok_and(|url| url.origin.host == *host || url.origin.authority() == *host)
            })
    }
}

/// A record in a store.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When it was kept, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// What was kept.
    pub envelope: Envelope,
}

/// How records are sent again.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Nothing is sent and nothing removed; it is only counted.
    pub dry_run: bool,
    /// How many requests a second a destination gets at most; as the options say without one.
    pub rate: Option<f64>,
}

/// What came of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records that are meant.
    pub selected: u64,
    /// Of these, such as were answered with success, and removed from the store or marked in it.
    pub delivered: u64,
    /// And such as were not; they stay.
    pub failed: u64,
    /// Records that are not meant.
    pub skipped: u64,
}

/// A failover store with what it takes to send its records again: the options of the table that they come from.
pub struct Failover {
    store: Box<dyn Store>,
    name: String,
    settings: Settings,
}

impl Failover {
    /// Opens the store that a table's options name; the second one if that is asked for. It is not connected to yet.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use riverrun_http::failover::{Failover, Filter};
    ///
    /// let folder = std::env::temp_dir().join("riverrun-no-such-folder").display().to_string();
    /// let options = [
    ///     ("sink.failover.storage", "local"),
    ///     ("sink.failover.table", "failed"),
    ///     ("sink.failover.local.path", folder.as_str()),
    /// ];
    /// let options = BTreeMap::from(options.map(|(key, value)| (key.to_owned(), value.to_owned())));
    /// let mut failover = Failover::open(&options, false).unwrap();
    /// assert_eq!(failover.list(&Filter::default(), 10).unwrap().len(), 0);
    /// ```
    ///
    /// # Errors
    /// The user's mistakes; there is no such store.
    pub fn open(written: &BTreeMap<String, String>, second: bool) -> Result<Self> {
        let mut reader = options::reader("the failover store".to_owned(), written)?;
        let mut options: HttpOptions = reader.read()?;
        options.batch_format = BatchFormat::None;
        options.batch_results = None;
        let fixed = options.url.as_deref().and_then(|text| Url::parse(&Template::beginning_of(text)).ok());
        let mut headers = HeaderMap::new();
        // Those with columns are the records' own, and are kept with them.
        for (name, value) in options.headers.iter().filter(|(_, value)| !value.expose().contains('{')) {
            headers.insert(header_name(name)?, header_value(name, value.expose())?);
        }
        let settings = Settings::new(&options, fixed.as_ref(), headers, &mut reader)?;
        let store = settings.stores.get(usize::from(second)).ok_or_else(|| {
            let which = if second { "no second failover store" } else { "no failover store" };
            Error::user(format!("the options name {which}")).hint("add 'sink.failover.storage' and what belongs to it")
        })?;
        Ok(Self { store: store.open()?, name: store.name(), settings })
    }

    /// What the store is, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Up to `most` records that are meant, oldest first as far as the store has an order.
    ///
    /// # Errors
    /// The store cannot be read, or holds something else.
    pub fn list(&mut self, filter: &Filter, most: usize) -> Result<Vec<Kept>> {
        let mut all = Vec::new();
        io_runtime()?.block_on(async {
            let mut after = None;
            while all.len() < most {
                let (found, behind) = self.store.read(after, AT_ONCE).await?;
                for row in &found {
                    let kept = kept(&row.row)?;
                    if filter.accepts(&kept) && all.len() < most {
                        all.push(kept);
                    }
                }
                match behind {
                    Some(behind) => after = Some(behind),
                    None => break,
                }
            }
            Ok(all)
        })
    }

    /// Sends the records that are meant once more, by the rules of the options: retries, codes, destinations, authorization. What is
    /// answered with success is removed, a hundred at a time; ended in between, it goes on where it was, and sends those again that were
    /// not removed yet, with the same idempotency key. `progress` is told from time to time.
    ///
    /// # Errors
    /// The store cannot be read or written to.
    pub fn replay(&mut self, filter: &Filter, replay: &Replay, mut progress: impl FnMut(&Outcome)) -> Result<Outcome> {
        let mut core = self.settings.core.clone();
        (core.exhaustion, core.batching, core.rate) = (Exhaustion::Failover, None, replay.rate.or(core.rate));
        (core.queue_rows, core.breaker_failures) = (usize::MAX, 0);
        let mut sender = Sender {
            core: Core::new(core, fastrand::u64(..)),
            client: Client::new(self.settings.client.clone())?,
            begin: Instant::now(),
            next: 0,
        };
        let most = self.settings.core.requests;
        io_runtime()?.block_on(async {
            let (mut outcome, mut after) = (Outcome::default(), None);
            loop {
                let (found, behind) = self.store.read(after, AT_ONCE).await?;
                let Some(mut behind) = behind else { return Ok(outcome) };
                let mut meant: Vec<(Found, Envelope)> = Vec::new();
                for row in found {
                    let kept = kept(&row.row)?;
                    match filter.accepts(&kept) {
                        true => meant.push((row, kept.envelope)),
                        false => outcome.skipped += 1,
                    }
                }
                outcome.selected += meant.len() as u64;
                if !replay.dry_run && !meant.is_empty() {
                    let requests = meant.iter().map(|(_, envelope)| request(envelope)).collect::<Result<Vec<_>>>()?;
                    let failures = sender.send(requests, most).await;
                    let mut delivered = Vec::new();
                    for ((row, envelope), failure) in meant.into_iter().zip(failures) {
                        match failure {
                            None => delivered.push(row),
                            Some(why) => {
                                tracing::warn!(
                                    "{} {} is not delivered and stays: {why}",
                                    envelope.method,
                                    envelope.url.escape_debug()
                                );
                                outcome.failed += 1;
                            }
                        }
                    }
                    outcome.delivered += delivered.len() as u64;
                    if let Some(now) = self.store.remove(&delivered, Some(behind.clone())).await? {
                        behind = now;
                    }
                }
                progress(&outcome);
                after = Some(behind);
            }
        })
    }
}

fn kept(row: &Row) -> Result<Kept> {
    Ok(Kept { timestamp_ms: row.timestamp, envelope: Envelope::parse(&row.values)? })
}

/// The request that an envelope holds.
fn request(envelope: &Envelope) -> Result<Request> {
    let body = Bytes::from(envelope.bytes()?);
    let mut headers = Vec::new();
    for (name, value) in &envelope.headers {
        headers.push((header_name(name)?, header_value(name, value)?));
    }
    let (verb, mut target) = match Verb::parse(&envelope.method) {
        Ok(verb) => (verb, Url::parse(&envelope.url)),
        Err(error) => (Verb::Post, Err(error.message().to_owned())),
    };
    if envelope.known_mode {
        target = Url::parse(crate::known_mode::split(&envelope.url).0);
    }
    let key = Some(Arc::from(envelope.idempotency_key.as_str()));
    Ok(Request { verb, url: Arc::from(envelope.url.as_str()), target, headers, body, order: None, key })
}

/// Sends records, without a task of its own.
struct Sender {
    core: Core,
    client: Client,
    begin: Instant,
    /// The name that the core gives to the next record.
    next: u64,
}

impl Sender {
    /// Sends records until each is delivered or given up: of each, why it was not.
    async fn send(&mut self, requests: Vec<Request>, most: usize) -> Vec<Option<String>> {
        let first = self.next;
        let mut failures = vec![None; requests.len()];
        self.next += requests.len() as u64;
        for request in requests {
            self.core.accept(request, self.begin.elapsed(), now_ms());
        }
        let (client, core) = (&self.client, &mut self.core);
        let mut under_way = FuturesUnordered::new();
        loop {
            let now = self.begin.elapsed();
            core.advance(now);
            while under_way.len() < most
                && let Some(dispatch) = core.next(now)
            {
                under_way.push(async move { (dispatch.id, client.deliver(&dispatch.requests).await) });
            }
            for failed in core.next_failover(usize::MAX) {
                let place = usize::try_from(failed.id - first).ok().and_then(|n| failures.get_mut(n));
                place.into_iter().for_each(|failure| *failure = Some(failed.why.clone()));
                core.stored(&[failed.id], now);
            }
            if core.pending() == 0 {
                return failures;
            }
            let wakes_at = core.wake_at().unwrap_or(now + Duration::from_secs(1));
            tokio::select! {
                Some((id, answer)) = under_way.next(), if !under_way.is_empty() => core.answered(id, answer, self.begin.elapsed()),
                () = tokio::time::sleep_until((self.begin + wakes_at).into()) => {}
            }
        }
    }
}
