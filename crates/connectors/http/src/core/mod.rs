//! What is sent when: a state machine without clock, socket or thread.
//!
//! Events go in (a record is taken, an answer has come, time has passed), and who carries things out asks what to do: [`Core::next`] gives
//! the next request, [`Core::next_failover`] the records to keep elsewhere, [`Core::wake_at`] when to ask again. A record stays here until
//! its destination has answered with success or the failover store has it: [`Core::pending`] counts those, and [`Core::snapshot`] hands
//! them to a checkpoint, whatever they are at.
//!
//! A destination has a queue, a breaker, a rate, a pause (`Retry-After`) and a window of its own, so that one that is down or slow takes
//! only its share. Destinations take turns.

mod destination;
mod events;
mod outcome;
mod settings;
#[cfg(test)]
mod simulation;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use crate::request::{Request, Stored};
use crate::url::Origin;
use destination::{Breaker, Bucket, Destination, Forming, Gate, Window};
pub(crate) use events::{Answer, Dispatch, Failed};
pub(crate) use settings::{Batching, CoreSettings, Exhaustion};
pub(crate) use tally::{Slot, Stats, Tally};

/// A moment, as time since the writer began.
pub(crate) type Time = Duration;
/// Names a record; later ones are larger.
pub(crate) type RecordId = u64;
/// Names a request that is under way.
pub(crate) type SendId = u64;

type DestinationId = u32;

/// So many destinations are remembered before idle ones are forgotten.
const REMEMBERED: usize = 1024;

/// Where there are others, one of so many parts of the requests may be under way to a destination that does not answer.
const UNHEARD_SHARE: usize = 4;

/// A record that is not done.
#[derive(Debug)]
struct Entry {
    request: Arc<Request>,
    destination: Option<DestinationId>,
    /// Where its destination is counted.
    slot: Slot,
    tries: u32,
    /// When it was taken, in milliseconds since 1970.
    first_ms: i64,
    /// When its tries end.
    deadline: Time,
    given_up: Option<GivenUp>,
}

/// Why a record could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// What the last answer was, or why there was none.
    pub(crate) why: String,
}

/// Records that are one request.
#[derive(Debug)]
struct Parcel {
    records: Vec<RecordId>,
    tries: u32,
}

struct Sending {
    destination: DestinationId,
    parcel: Parcel,
    at: Time,
}

enum Timer {
    /// A destination may be sent to again.
    Open(DestinationId),
    /// A parcel's pause is over.
    Retry(DestinationId, Parcel),
    /// A batch has waited long enough.
    Close(DestinationId, u64, u64),
}

/// The state machine.
pub(crate) struct Core {
    settings: CoreSettings,
    rng: fastrand::Rng,
    records: HashMap<RecordId, Entry>,
    bytes: usize,
    next_record: RecordId,
    next_number: u64,
    destinations: HashMap<DestinationId, Destination>,
    by_origin: HashMap<Arc<Origin>, DestinationId>,
    next_destination: DestinationId,
    /// Destinations with something to send, in the order of their turns.
    active: VecDeque<DestinationId>,
    timers: BTreeMap<(Time, u64), Timer>,
    sending: HashMap<SendId, Sending>,
    next_send: SendId,
    /// Of each key whose record is on its way, the records that wait behind it.
    ordered: HashMap<u64, VecDeque<RecordId>>,
    failover: VecDeque<RecordId>,
    /// Keys whose record is done, so that the next may go.
    released: Vec<u64>,
    fatal: Option<Failed>,
    tally: Tally,
}

impl Core {
    /// One without records. `seed` makes its pauses.
    pub(crate) fn new(settings: CoreSettings, seed: u64) -> Self {
        Self {
            settings,
            rng: fastrand::Rng::with_seed(seed),
            records: HashMap::new(),
            bytes: 0,
            next_record: 0,
            next_number: 0,
            destinations: HashMap::new(),
            by_origin: HashMap::new(),
            next_destination: 0,
            active: VecDeque::new(),
            timers: BTreeMap::new(),
            sending: HashMap::new(),
            next_send: 0,
            ordered: HashMap::new(),
            failover: VecDeque::new(),
            released: Vec::new(),
            fatal: None,
            tally: Tally::new(),
        }
    }

    /// Records that are not done.
    pub(crate) fn pending(&self) -> usize {
        self.records.len()
    }

    /// The bytes that these take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Requests under way.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.sending.len()
    }

    /// Whether another record may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.records.len() < self.settings.queue_rows
            && (self.bytes < self.settings.queue_bytes || self.records.is_empty())
    }

    /// Whether [`Self::next`] may have a request.
    pub(crate) fn has_work(&self) -> bool {
        !self.active.is_empty()
    }

    /// Whether the failover store has something to do.
    pub(crate) fn has_failover(&self) -> bool {
        !self.failover.is_empty()
    }

    /// The record over which the job fails.
    pub(crate) fn fatal(&self) -> Option<&Failed> {
        self.fatal.as_ref()
    }

    /// What was counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What was counted of all destinations together.
    #[cfg(test)]
    pub(crate) fn stats(&self) -> Stats {
        self.tally.total()
    }

    /// When [`Self::advance`] has something to do.
    pub(crate) fn wake_at(&self) -> Option<Time> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes a record, whether there is room or not.
    pub(crate) fn accept(&mut self, request: Request, now: Time, now_ms: i64) {
        self.take(Stored { request, tries: 0, first_ms: now_ms, given_up: None }, now);
        self.settle(now);
    }

    /// Takes a record of a checkpoint.
    pub(crate) fn restore(&mut self, stored: Stored, now: Time) {
        self.take(stored, now);
        self.settle(now);
    }

    /// What a checkpoint holds of the records that are not done, in the order in which they were taken.
    pub(crate) fn snapshot(&self) -> Vec<Stored> {
        let mut records: Vec<(&RecordId, &Entry)> = self.records.iter().collect();
        records.sort_unstable_by_key(|(id, _)| **id);
        let stored = |(_, entry): (&RecordId, &Entry)| Stored {
            request: (*entry.request).clone(),
            tries: entry.tries,
            first_ms: entry.first_ms,
            given_up: entry.given_up.as_ref().map(|given_up| given_up.why.clone()),
        };
        records.into_iter().map(stored).collect()
    }

    fn take(&mut self, stored: Stored, now: Time) {
        let Stored { request, tries, first_ms, given_up } = stored;
        let id = self.next_record;
        self.next_record += 1;
        self.bytes += request.bytes();
        let refused = request.target.as_ref().err().map(|why| format!("the request cannot be made: {why}"));
        let origin = request.target.as_ref().ok().map(|url| Arc::clone(&url.origin));
        let order = request.order;
        let deadline = now + self.settings.retry_timeout;
        let request = Arc::new(request);
        let slot = origin.as_ref().map_or(0, |origin| self.tally.slot(origin));
        self.tally.at(slot).records += 1;
        self.records.insert(id, Entry { request, destination: None, slot, tries, first_ms, deadline, given_up: None });
        if let Some(key) = order {
            match self.ordered.get_mut(&key) {
                Some(waiting) => {
                    waiting.push_back(id);
                    if let Some(entry) = self.records.get_mut(&id) {
                        entry.given_up = given_up.or(refused).map(|why| GivenUp { why });
                    }
                    return;
                }
                None => drop(self.ordered.insert(key, VecDeque::new())),
            }
        }
        match (given_up.or(refused), origin) {
            (Some(why), _) => self.give_up(id, why),
            (None, Some(origin)) => self.enqueue(id, &origin, now),
            (None, None) => {}
        }
    }

    /// Puts a record into its destination's queue.
    fn enqueue(&mut self, id: RecordId, origin: &Arc<Origin>, now: Time) {
        let destination = self.destination(origin, now);
        let others = self.destinations.len() > 1;
        let Some(state) = self.destinations.get_mut(&destination) else { return };
        let is_full = others && state.records >= self.settings.queue_rows / 2;
        if is_full && self.settings.exhaustion == Exhaustion::Failover && state.is_stalled(now) {
            let why = format!("{origin} cannot be sent to now, and its share of the queue is full");
            return self.give_up(id, why);
        }
        let Some(entry) = self.records.get_mut(&id) else { return };
        entry.destination = Some(destination);
        state.records += 1;
        let (bytes, tries) = (entry.request.body.len(), entry.tries);
        let Some(batching) = self.settings.batching else {
            state.ready.push_back(Parcel { records: vec![id], tries });
            return self.list(destination);
        };
        let batch_key = entry.request.batch_key();
        if state.forming.get(&batch_key).is_some_and(|forming| forming.bytes + bytes + 1 > batching.bytes) {
            self.close(destination, batch_key);
        }
        let Some(state) = self.destinations.get_mut(&destination) else { return };
        let number = self.next_number;
        let forming = state.forming.entry(batch_key).or_insert_with(|| {
            self.timers.insert((now + batching.age, number), Timer::Close(destination, batch_key, number));
            Forming { records: Vec::new(), bytes: 0, number }
        });
        self.next_number += 1;
        forming.records.push(id);
        forming.bytes += bytes + 1;
        if forming.records.len() >= batching.rows || forming.bytes >= batching.bytes {
            self.close(destination, batch_key);
        }
    }

    /// Ends a batch's wait for more records.
    fn close(&mut self, destination: DestinationId, batch_key: u64) {
        let Some(state) = self.destinations.get_mut(&destination) else { return };
        let Some(forming) = state.forming.remove(&batch_key) else { return };
        state.ready.push_back(Parcel { records: forming.records, tries: 0 });
        self.list(destination);
    }

    /// Ends the wait of all batches: nothing follows.
    pub(crate) fn close_batches(&mut self) {
        let open: Vec<(DestinationId, u64)> = self
            .destinations
            .iter()
            .flat_map(|(id, destination)| destination.forming.keys().map(|key| (*id, *key)))
            .collect();
        open.into_iter().for_each(|(destination, key)| self.close(destination, key));
    }

    fn destination(&mut self, origin: &Arc<Origin>, now: Time) -> DestinationId {
        if let Some(id) = self.by_origin.get(origin) {
            return *id;
        }
        if self.by_origin.len() >= REMEMBERED {
            self.destinations.retain(|_, destination| !destination.is_idle(now));
            let known = &self.destinations;
            self.by_origin.retain(|_, id| known.contains_key(id));
        }
        let id = self.next_destination;
        self.next_destination = self.next_destination.wrapping_add(1);
        let settings = &self.settings;
        let destination = Destination {
            origin: Arc::clone(origin),
            slot: self.tally.slot(origin),
            ready: VecDeque::new(),
            forming: HashMap::new(),
            records: 0,
            in_flight: 0,
            unheard: 0,
            is_listed: false,
            paused_until: Time::ZERO,
            breaker: Breaker::new(settings.breaker_failures, settings.breaker_pause),
            bucket: settings.rate.map(|rate| Bucket::new(rate, now)),
            window: if settings.is_adaptive {
                Window::adaptive(settings.requests)
            } else {
                Window::Fixed(settings.requests)
            },
            last_failure: String::new(),
        };
        self.destinations.insert(id, destination);
        self.by_origin.insert(Arc::clone(origin), id);
        id
    }

    /// Puts a destination that has something to send at the end of the turns.
    fn list(&mut self, id: DestinationId) {
        if let Some(destination) = self.destinations.get_mut(&id)
            && !destination.is_listed
            && !destination.ready.is_empty()
        {
            destination.is_listed = true;
            self.active.push_back(id);
        }
    }

    fn timer(&mut self, at: Time, timer: Timer) {
        self.timers.insert((at, self.next_number), timer);
        self.next_number += 1;
    }

    /// Time has come to `now`.
    pub(crate) fn advance(&mut self, now: Time) {
        while let Some(first) = self.timers.first_entry() {
            if first.key().0 > now {
                return;
            }
            match first.remove() {
                Timer::Open(destination) => self.list(destination),
                Timer::Retry(destination, parcel) => {
                    if let Some(state) = self.destinations.get_mut(&destination) {
                        state.ready.push_front(parcel);
                    }
                    self.list(destination);
                }
                Timer::Close(destination, key, number) => {
                    let open = self.destinations.get(&destination).and_then(|state| state.forming.get(&key));
                    if open.is_some_and(|forming| forming.number == number) {
                        self.close(destination, key);
                    }
                }
            }
        }
    }

    /// The next request, if one may be sent now.
    pub(crate) fn next(&mut self, now: Time) -> Option<Dispatch> {
        let next = self.pick(now);
        self.settle(now);
        next
    }

    fn pick(&mut self, now: Time) -> Option<Dispatch> {
        if self.fatal.is_some() {
            return None;
        }
        let most_unheard =
            if self.destinations.len() > 1 { self.settings.requests.div_ceil(UNHEARD_SHARE) } else { usize::MAX };
        let waits_when_down = self.settings.exhaustion == Exhaustion::Fail;
        while let Some(id) = self.active.pop_front() {
            let Some(destination) = self.destinations.get_mut(&id) else { continue };
            destination.is_listed = false;
            if destination.ready.is_empty() {
                continue;
            }
            match destination.gate(now, waits_when_down, most_unheard) {
                Gate::Open => {
                    let Some(parcel) = destination.ready.pop_front() else { continue };
                    destination.in_flight += 1;
                    destination.unheard += 1;
                    let slot = destination.slot;
                    self.list(id);
                    return Some(self.dispatch(id, slot, parcel, now));
                }
                Gate::Until(later) => self.timer(later, Timer::Open(id)),
                // An answer lists it again.
                Gate::Busy => {}
                Gate::Down => {
                    let why = format!("{} is down: {}", destination.origin, destination.last_failure);
                    let parcels: Vec<Parcel> = destination.ready.drain(..).collect();
                    let records = parcels.into_iter().flat_map(|parcel| parcel.records);
                    records.for_each(|record| self.give_up(record, why.clone()));
                }
            }
        }
        None
    }

    fn dispatch(&mut self, destination: DestinationId, slot: Slot, parcel: Parcel, now: Time) -> Dispatch {
        let id = self.next_send;
        self.next_send += 1;
        let stats = self.tally.at(slot);
        stats.sends += 1;
        stats.retries += u64::from(parcel.tries > 0);
        stats.in_flight += 1;
        let records = parcel.records.iter().filter_map(|record| self.records.get(record));
        let requests = records.map(|entry| Arc::clone(&entry.request)).collect();
        self.sending.insert(id, Sending { destination, parcel, at: now });
        Dispatch { id, slot, requests }
    }
}

impl Entry {
    fn failed(&self, id: RecordId, why: String) -> Failed {
        Failed { id, request: Arc::clone(&self.request), tries: self.tries, first_ms: self.first_ms, why }
    }
}
