//! The queues between tasks: a gate belongs to one consumer and has a bounded channel for each producer.
//!
//! One mutex guards a gate, and is held for one push or one pop. The consumer takes one element from one channel after
//! another, in the order in which they got something, so that no producer starves. A full channel makes its producer
//! wait until half of it is free: fewer, longer turns instead of a thread switch for each batch. A blocked channel
//! keeps what it has until it is unblocked. A closed gate wakes everyone and hands out nothing more.
//!
//! An operator with several inputs of different types will have one gate still: its channels know their input, and
//! their senders wrap batches in an enum of the inputs' types. So a task always waits in one place.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use riverrun_base::{Error, Result};

use crate::Element;
use crate::metrics::{TaskMetrics, Waiting};

/// A consumer's queues.
pub(crate) struct Gate<B> {
    state: Mutex<State<B>>,
    /// The consumer waits here.
    readable: Condvar,
    /// The producer of each channel waits here.
    writable: Box<[Condvar]>,
    capacity: usize,
}

struct State<B> {
    channels: Box<[Channel<B>]>,
    /// The channels that have elements and are not blocked, in the order of their turns.
    ready: VecDeque<usize>,
    consumer_waits: bool,
    /// The consumer is to look at something else.
    woken: bool,
    closed: bool,
}

struct Channel<B> {
    queue: VecDeque<Element<B>>,
    blocked: bool,
    producer_waits: bool,
}

/// What the job does with a gate, whatever flows through it.
pub(crate) trait GateControl: Send + Sync {
    /// Ends every wait; from now on all sends and receives fail.
    fn close(&self);

    /// Ends the wait of the consumer, or its next one, though there is nothing for it.
    fn wake(&self);

    /// How many elements the queues hold, and how many they may.
    fn fill(&self) -> (usize, usize);
}

/// The producer's end of a channel.
pub(crate) struct Sender<B> {
    gate: Arc<Gate<B>>,
    channel: usize,
}

impl<B> Gate<B> {
    /// A gate of `channels` channels that hold `capacity` elements each, at least one.
    pub(crate) fn new(channels: usize, capacity: usize) -> Self {
        let channel = |_| Channel { queue: VecDeque::new(), blocked: false, producer_waits: false };
        let state = State {
            channels: (0..channels).map(channel).collect(),
            ready: VecDeque::with_capacity(channels),
            consumer_waits: false,
            woken: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            readable: Condvar::new(),
            writable: (0..channels).map(|_| Condvar::new()).collect(),
            capacity: capacity.max(1),
        }
    }

    /// How many channels it has.
    pub(crate) fn channels(&self) -> usize {
        self.writable.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next element and its channel; `None` if there is none until `deadline`, or the consumer is woken.
    ///
    /// # Errors
    /// The gate is closed.
    pub(crate) fn receive(
        &self,
        deadline: Option<Instant>,
        metrics: &TaskMetrics,
    ) -> Result<Option<(usize, Element<B>)>> {
        let mut state = self.lock();
        let mut waiting = None;
        loop {
            if state.closed {
                return Err(Error::canceled());
            }
            if let Some((channel, element, wake)) = state.pop(self.capacity) {
                drop(state);
                if wake {
                    self.writable[channel].notify_one();
                }
                return Ok(Some((channel, element)));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if std::mem::take(&mut state.woken) || left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            waiting.get_or_insert_with(|| metrics.wait(Waiting::ForInput));
            state.consumer_waits = true;
            state = match left {
                None => self.readable.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.readable.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.consumer_waits = false;
        }
    }

    /// Takes nothing from a channel until [`Self::unblock_all`].
    pub(crate) fn block(&self, channel: usize) {
        let mut state = self.lock();
        state.channels[channel].blocked = true;
        state.ready.retain(|ready| *ready != channel);
    }

    /// Takes from every channel again.
    pub(crate) fn unblock_all(&self) {
        let mut state = self.lock();
        for channel in 0..state.channels.len() {
            let unblocked = std::mem::replace(&mut state.channels[channel].blocked, false);
            if unblocked && !state.channels[channel].queue.is_empty() {
                state.ready.push_back(channel);
            }
        }
    }

    fn send(&self, channel: usize, element: Element<B>, metrics: &TaskMetrics) -> Result<()> {
        let mut state = self.lock();
        let mut waiting = None;
        loop {
            if state.closed {
                return Err(Error::canceled());
            }
            let queue = &mut state.channels[channel].queue;
            // A later watermark says all that an unread earlier one does.
            if let (Element::Watermark(watermark), Some(Element::Watermark(last))) = (&element, queue.back_mut()) {
                *last = *watermark;
                return Ok(());
            }
            let limit = if waiting.is_some() { self.capacity.div_ceil(2) } else { self.capacity };
            if queue.len() < limit {
                break;
            }
            waiting.get_or_insert_with(|| metrics.wait(Waiting::ForOutput));
            state.channels[channel].producer_waits = true;
            state = self.writable[channel].wait(state).unwrap_or_else(PoisonError::into_inner);
            state.channels[channel].producer_waits = false;
        }
        let wake = state.push(channel, element);
        drop(state);
        if wake {
            self.readable.notify_one();
        }
        Ok(())
    }
}

impl<B> State<B> {
    /// Adds an element; `true` if the consumer waits for it.
    fn push(&mut self, channel: usize, element: Element<B>) -> bool {
        let target = &mut self.channels[channel];
        target.queue.push_back(element);
        let turns_ready = target.queue.len() == 1 && !target.blocked;
        if turns_ready {
            self.ready.push_back(channel);
        }
        turns_ready && std::mem::take(&mut self.consumer_waits)
    }

    /// Takes the next element of the channel whose turn it is; `true` with it if its producer waits and may go on.
    fn pop(&mut self, capacity: usize) -> Option<(usize, Element<B>, bool)> {
        let index = self.ready.pop_front()?;
        let channel = &mut self.channels[index];
        let element = channel.queue.pop_front()?;
        let wake = channel.queue.len() < capacity.div_ceil(2) && std::mem::take(&mut channel.producer_waits);
        if !channel.queue.is_empty() {
            self.ready.push_back(index);
        }
        Some((index, element, wake))
    }
}

impl<B: Send> GateControl for Gate<B> {
    fn close(&self) {
        let unread: Vec<VecDeque<Element<B>>> = {
            let mut state = self.lock();
            state.closed = true;
            state.channels.iter_mut().map(|channel| std::mem::take(&mut channel.queue)).collect()
        };
        self.readable.notify_all();
        for writable in &self.writable {
            writable.notify_all();
        }
        drop(unread);
    }

    fn wake(&self) {
        let mut state = self.lock();
        state.woken = true;
        let waits = state.consumer_waits;
        drop(state);
        if waits {
            self.readable.notify_one();
        }
    }

    fn fill(&self) -> (usize, usize) {
        let state = self.lock();
        (state.channels.iter().map(|channel| channel.queue.len()).sum(), state.channels.len() * self.capacity)
    }
}

impl<B> Sender<B> {
    /// The producer's end of a channel; each channel has one.
    pub(crate) fn new(gate: Arc<Gate<B>>, channel: usize) -> Self {
        Self { gate, channel }
    }

    /// Puts an element into the queue, and waits while it is full.
    ///
    /// # Errors
    /// The gate is closed: the job stops.
    pub(crate) fn send(&self, element: Element<B>, metrics: &TaskMetrics) -> Result<()> {
        self.gate.send(self.channel, element, metrics)
    }
}

#[cfg(test)]
mod tests;
