//! What becomes of a request when it has ended, and of a record when nothing more is tried.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Answer, Core, DestinationId, Exhaustion, Failed, GivenUp, Parcel, RecordId, SendId, Sending, Slot, Time, Timer,
};

impl Core {
    /// A request has ended.
    pub(crate) fn answered(&mut self, id: SendId, answer: Answer, now: Time) {
        self.hear(id, answer, now);
        self.settle(now);
    }

    fn hear(&mut self, id: SendId, answer: Answer, now: Time) {
        let Some(Sending { destination, parcel, at }) = self.sending.remove(&id) else { return };
        let Some(state) = self.destinations.get_mut(&destination) else { return };
        state.in_flight -= 1;
        let stats = self.tally.at(state.slot);
        stats.in_flight -= 1;
        match answer {
            Answer::Refused(why) => {
                state.unheard = state.unheard.saturating_sub(1);
                parcel.records.into_iter().for_each(|record| self.give_up(record, why.clone()));
            }
            Answer::Nothing(why) => {
                stats.unanswered += 1;
                state.unheard = state.unheard.saturating_sub(1);
                state.last_failure.clone_from(&why);
                state.window.overloaded(at, now);
                stats.breaks += u64::from(state.breaker.failed(now));
                self.retry(destination, parcel, &why, None, now);
            }
            Answer::Status { code, retry_after, results, text } => {
                if let Some(class) = stats.classes.get_mut(usize::from(code / 100).wrapping_sub(1)) {
                    *class += 1;
                }
                state.breaker.answered();
                state.unheard = 0;
                let overloaded = matches!(code, 429 | 503);
                if overloaded {
                    state.window.overloaded(at, now);
                } else {
                    state.window.succeeded();
                }
                self.judge(destination, parcel, code, retry_after, results, &text, now);
            }
        }
        self.list(destination);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one answer")]
    fn judge(
        &mut self,
        destination: DestinationId,
        parcel: Parcel,
        code: u16,
        retry_after: Option<Duration>,
        results: Option<Vec<u16>>,
        text: &str,
        now: Time,
    ) {
        let settings = &self.settings;
        let why = |code: u16| match text {
            "" => format!("the answer was {code}"),
            text => format!("the answer was {code}: {text}"),
        };
        if settings.success_codes.contains(code) {
            match results.filter(|results| results.len() == parcel.records.len() && parcel.records.len() > 1) {
                None => parcel.records.into_iter().for_each(|record| self.deliver(record)),
                Some(results) => self.judge_each(destination, parcel, &results, text, now),
            }
        } else if settings.retry_codes.contains(code) && !settings.fatal_codes.contains(code) {
            let pause = self.retry(destination, parcel, &why(code), retry_after, now);
            // Who asks for less gets less, as long as it says; where it does not say, for a moment.
            let most = if retry_after.is_some() { self.settings.retry_timeout } else { self.settings.initial_backoff };
            if matches!(code, 429 | 503)
                && let Some(state) = self.destinations.get_mut(&destination)
            {
                state.paused_until = state.paused_until.max(now + pause.min(most));
            }
        } else if parcel.records.len() > 1 && settings.bisect_codes.contains(code) {
            self.bisect(destination, parcel);
        } else {
            parcel.records.into_iter().for_each(|record| {
                self.try_counted(record);
                self.give_up(record, why(code));
            });
        }
    }

    /// A batch was answered with a result for each of its records.
    fn judge_each(&mut self, destination: DestinationId, parcel: Parcel, results: &[u16], text: &str, now: Time) {
        let mut again = Vec::new();
        for (record, code) in parcel.records.into_iter().zip(results) {
            if self.settings.success_codes.contains(*code) {
                self.deliver(record);
            } else if self.settings.retry_codes.contains(*code) && !self.settings.fatal_codes.contains(*code) {
                again.push(record);
            } else {
                self.try_counted(record);
                self.give_up(record, format!("the answer for this record of a batch was {code}: {text}"));
            }
        }
        if !again.is_empty() {
            let parcel = Parcel { records: again, tries: parcel.tries };
            self.retry(
                destination,
                parcel,
                &format!("the answer for this record of a batch was to be tried again: {text}"),
                None,
                now,
            );
        }
    }

    /// Cuts a refused batch in two. Each half is a request of its own, with tries of its own.
    fn bisect(&mut self, destination: DestinationId, mut parcel: Parcel) {
        let second = parcel.records.split_off(parcel.records.len() / 2);
        if let Some(state) = self.destinations.get_mut(&destination) {
            self.tally.at(state.slot).bisected += 1;
            state.ready.push_front(Parcel { records: second, tries: 0 });
            state.ready.push_front(Parcel { records: parcel.records, tries: 0 });
        }
    }

    fn try_counted(&mut self, record: RecordId) {
        if let Some(entry) = self.records.get_mut(&record) {
            entry.tries += 1;
        }
    }

    /// Lets a parcel be sent again after a pause, or gives it up. Answers the pause.
    fn retry(
        &mut self,
        destination: DestinationId,
        mut parcel: Parcel,
        why: &str,
        retry_after: Option<Duration>,
        now: Time,
    ) -> Duration {
        let settings = &self.settings;
        parcel.tries += 1;
        parcel.records.iter().for_each(|record| {
            if let Some(entry) = self.records.get_mut(record) {
                entry.tries += 1;
            }
        });
        let doubled = settings.initial_backoff.saturating_mul(2u32.saturating_pow(parcel.tries - 1));
        let pause = doubled.min(settings.max_backoff).mul_f64(self.rng.f64()).max(retry_after.unwrap_or_default());
        let deadline =
            parcel.records.iter().filter_map(|record| self.records.get(record)).map(|entry| entry.deadline).min();
        if parcel.tries > settings.retries || deadline.is_some_and(|deadline| now + pause > deadline) {
            parcel.records.into_iter().for_each(|record| self.give_up(record, why.to_owned()));
        } else {
            self.timer(now + pause, Timer::Retry(destination, parcel));
        }
        pause
    }

    fn deliver(&mut self, record: RecordId) {
        if let Some(slot) = self.done(record) {
            self.tally.at(slot).delivered += 1;
        }
    }

    /// A record cannot be delivered.
    pub(super) fn give_up(&mut self, id: RecordId, why: String) {
        self.leave_destination(id);
        let Some(entry) = self.records.get_mut(&id) else { return };
        let stats = self.tally.at(entry.slot);
        stats.given_up += 1;
        match self.settings.exhaustion {
            Exhaustion::Drop => {
                stats.dropped += 1;
                self.done(id);
            }
            Exhaustion::Failover => {
                entry.given_up = Some(GivenUp { why });
                self.failover.push_back(id);
            }
            Exhaustion::Fail => {
                let failed = entry.failed(id, why);
                self.fatal.get_or_insert(failed);
            }
        }
    }

    /// Up to `most` records for the failover store. They stay until [`Self::stored`] says that it has them.
    pub(crate) fn next_failover(&mut self, most: usize) -> Vec<Failed> {
        let count = self.failover.len().min(most);
        let ids = self.failover.drain(..count);
        ids.filter_map(|id| {
            let entry = self.records.get(&id)?;
            let why = entry.given_up.as_ref().map(|given_up| given_up.why.clone()).unwrap_or_default();
            Some(entry.failed(id, why))
        })
        .collect()
    }

    /// The failover store has these records.
    pub(crate) fn stored(&mut self, ids: &[RecordId], now: Time) {
        for id in ids {
            if let Some(slot) = self.done(*id) {
                self.tally.at(slot).failed_over += 1;
            }
        }
        self.settle(now);
    }

    fn leave_destination(&mut self, id: RecordId) {
        let destination = self.records.get_mut(&id).and_then(|entry| entry.destination.take());
        if let Some(state) = destination.and_then(|destination| self.destinations.get_mut(&destination)) {
            state.records -= 1;
        }
    }

    /// A record is done. Answers where it is counted.
    fn done(&mut self, id: RecordId) -> Option<Slot> {
        let entry = self.records.remove(&id)?;
        if let Some(state) = entry.destination.and_then(|destination| self.destinations.get_mut(&destination)) {
            state.records -= 1;
        }
        self.tally.at(entry.slot).records -= 1;
        self.bytes -= entry.request.bytes();
        self.released.extend(entry.request.order);
        Some(entry.slot)
    }

    /// Lets the next records of keys go whose record is done.
    pub(super) fn settle(&mut self, now: Time) {
        while let Some(key) = self.released.pop() {
            let Some(waiting) = self.ordered.get_mut(&key) else { continue };
            let Some(next) = waiting.pop_front() else {
                self.ordered.remove(&key);
                continue;
            };
            let Some(entry) = self.records.get_mut(&next) else { continue };
            // Its time begins with its turn.
            entry.deadline = now + self.settings.retry_timeout;
            let origin = entry.request.target.as_ref().ok().map(|url| Arc::clone(&url.origin));
            match (entry.given_up.take(), origin) {
                (Some(GivenUp { why }), _) => self.give_up(next, why),
                (None, Some(origin)) => self.enqueue(next, &origin, now),
                (None, None) => {}
            }
        }
    }
}
