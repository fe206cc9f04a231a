//! Many interleavings under seeds: whatever destinations and stores do, whenever the process ends, no record is lost and none is sent
//! too often.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::tests::{ms, request, settings};
use super::*;

/// What the world has seen of each record.
#[derive(Default)]
struct Journal {
    sends: BTreeMap<String, u32>,
    delivered: BTreeMap<String, u32>,
    kept: BTreeMap<String, u32>,
}

struct World {
    rng: fastrand::Rng,
    core: Core,
    now: Time,
    settings: CoreSettings,
    in_flight: Vec<Dispatch>,
    storing: Vec<Failed>,
    journal: Journal,
    /// The last checkpoint: records on their way, and the next record of the source.
    checkpoint: (Vec<Stored>, u32),
    next: u32,
    crashes: u32,
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let batching =
            rng.bool().then(|| Batching { rows: rng.usize(1..6), bytes: rng.usize(5..60), age: ms(rng.u64(0..50)) });
        let settings = CoreSettings {
            queue_rows: rng.usize(1..40),
            requests: rng.usize(1..6),
            is_adaptive: rng.bool(),
            retries: rng.u32(0..4),
            initial_backoff: ms(rng.u64(1..50)),
            max_backoff: ms(rng.u64(1..200)),
            batching,
            rate: rng.bool().then(|| rng.f64() * 500.0 + 20.0),
            breaker_failures: rng.u32(0..6),
            breaker_pause: ms(rng.u64(1..100)),
            ..settings()
        };
        let core = Core::new(settings.clone(), rng.u64(..));
        Self {
            rng,
            core,
            now: ms(0),
            settings,
            in_flight: Vec::new(),
            storing: Vec::new(),
            journal: Journal::default(),
            checkpoint: (Vec::new(), 0),
            next: 0,
            crashes: 0,
        }
    }

    fn take(&mut self, records: u32, ordered: bool) {
        if self.next < records && self.core.has_room() {
            let n = self.next;
            self.next += 1;
            let url = match n % 17 {
                16 => "malformed".to_owned(),
                _ => format!("http://h{}/", n % 4),
            };
            let order = ordered.then_some(u64::from(n % 3));
            self.core.accept(request(&url, &n.to_string(), order), self.now, 0);
        }
    }

    fn answer(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let dispatch = self.in_flight.swap_remove(self.rng.usize(..self.in_flight.len()));
        let poisoned = dispatch.requests.iter().any(|request| body(request).ends_with('7'));
        let answer = match self.rng.u32(0..10) {
            0 => Answer::Nothing("reset".into()),
            1 => status(503, Some(ms(self.rng.u64(0..300)))),
            2 => status(500, None),
            _ if poisoned => status(422, None),
            _ => status(200, None),
        };
        // An answer may be lost on its way, too, after the destination has done its work.
        if matches!(answer, Answer::Status { code: 200, .. }) {
            for request in &dispatch.requests {
                *self.journal.delivered.entry(body(request)).or_default() += 1;
            }
        }
        self.core.answered(dispatch.id, answer, self.now);
    }

    fn store(&mut self) {
        if self.storing.is_empty() {
            self.storing = self.core.next_failover(self.rng.usize(1..5));
        } else if self.rng.bool() {
            let rows = std::mem::take(&mut self.storing);
            for row in &rows {
                *self.journal.kept.entry(body(&row.request)).or_default() += 1;
            }
            let ids: Vec<RecordId> = rows.iter().map(|row| row.id).collect();
            self.core.stored(&ids, self.now);
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.in_flight.clear();
        self.storing.clear();
        self.core = Core::new(self.settings.clone(), self.rng.u64(..));
        let (records, next) = self.checkpoint.clone();
        self.next = next;
        for stored in records {
            let stored = Stored::decode(&stored.encode()).unwrap();
            self.core.restore(stored, self.now);
        }
    }

    fn step(&mut self, records: u32, ordered: bool) {
        self.core.advance(self.now);
        match self.rng.u32(0..100) {
            0..30 => self.take(records, ordered),
            30..60 => {
                if self.in_flight.len() < self.settings.requests
                    && let Some(dispatch) = self.core.next(self.now)
                {
                    for request in &dispatch.requests {
                        *self.journal.sends.entry(body(request)).or_default() += 1;
                    }
                    self.in_flight.push(dispatch);
                }
            }
            60..80 => self.answer(),
            80..90 => self.store(),
            90..95 => self.checkpoint = (self.core.snapshot(), self.next),
            95 if self.crashes < 3 => self.crash(),
            _ => {
                let step = ms(self.rng.u64(0..20));
                self.now += step;
                if let Some(at) = self.core.wake_at()
                    && self.in_flight.is_empty()
                {
                    self.now = self.now.max(at);
                }
            }
        }
        let unlimited = self.settings.queue_rows + self.crashes as usize * 1000;
        assert!(self.core.pending() <= unlimited);
    }
}

fn status(code: u16, retry_after: Option<Duration>) -> Answer {
    Answer::Status { code, retry_after, results: None, text: String::new() }
}

#[test]
fn whatever_happens_each_record_is_delivered_or_kept() {
    for seed in 0..600 {
        let mut world = World::new(seed);
        let (records, ordered) = (world.rng.u32(1..60), world.rng.bool());
        let mut steps = 0;
        while world.next < records || world.core.pending() > 0 {
            world.step(records, ordered);
            steps += 1;
            assert!(steps < 200_000, "seed {seed} hangs with {} records", world.core.pending());
        }
        for n in 0..records {
            let text = n.to_string();
            let (delivered, kept) = (world.journal.delivered.get(&text), world.journal.kept.get(&text));
            assert!(delivered.is_some() || kept.is_some(), "seed {seed}: {n} is lost");
            let sends = world.journal.sends.get(&text).copied().unwrap_or_default();
            // A batch is cut at most three times, and each piece has tries of its own; a crash starts anew.
            let pieces = if world.settings.batching.is_some() { 4 } else { 1 };
            let bound = (world.settings.retries + 1) * pieces * (world.crashes + 1);
            assert!(sends <= bound, "seed {seed}: {n} was sent {sends} times, at most {bound} expected");
            if world.crashes == 0 {
                assert_eq!(delivered.is_some(), kept.is_none(), "seed {seed}: {n}");
                assert!(delivered.copied().unwrap_or_default() <= 1 && kept.copied().unwrap_or_default() <= 1);
            }
        }
        assert_eq!((world.core.bytes(), world.core.in_flight()), (0, 0), "seed {seed}");
    }
}
