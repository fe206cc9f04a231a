//! The operator against a model of its rules that keeps everything in a list.

use std::time::Duration;

use proptest::prelude::*;

use super::harness::{Harness, Seen, listed};
use crate::window::{EventTimeSessionWindows, EventTimeTrigger, SlidingEventTimeWindows, TimeWindow, Windowing};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sliding { size: i64, slide: i64, offset: i64 },
    Session { gap: i64 },
}

#[derive(Clone, Debug)]
enum Step {
    /// Key and time of each.
    Elements(Vec<(u8, i64)>),
    /// Event time advances by so much.
    Watermark(i64),
    Restart,
}

struct Pane {
    key: u8,
    start: i64,
    end: i64,
    values: Vec<i64>,
}

impl Pane {
    fn seen(&self) -> Seen {
        (self.key, self.end - 1, self.values.clone())
    }
}

struct Model {
    kind: Kind,
    lateness: i64,
    watermark: i64,
    panes: Vec<Pane>,
    dropped: u64,
    results: Vec<Seen>,
}

impl Model {
    fn is_late(&self, end: i64) -> bool {
        end - 1 + self.lateness <= self.watermark
    }

    fn element(&mut self, key: u8, time: i64, value: i64) {
        let mut is_taken = false;
        for (start, end) in self.windows(time) {
            let (mut start, mut end, mut values) = (start, end, Vec::new());
            match self.kind {
                Kind::Sliding { .. } => {
                    if self.is_late(end) {
                        continue;
                    }
                    if let Some(place) = self.panes.iter().position(|pane| (pane.key, pane.start) == (key, start)) {
                        values = self.panes.remove(place).values;
                    }
                }
                Kind::Session { .. } => {
                    let (own_start, own_end) = (start, end);
                    let is_part = |pane: &Pane| pane.key == key && pane.start <= own_end && own_start <= pane.end;
                    if !self.panes.iter().any(is_part) && self.is_late(end) {
                        continue;
                    }
                    for pane in self.panes.extract_if(.., |pane| is_part(pane)) {
                        (start, end) = (start.min(pane.start), end.max(pane.end));
                        values.extend(pane.values);
                    }
                }
            }
            is_taken = true;
            values.push(value);
            let pane = Pane { key, start, end, values };
            if end - 1 <= self.watermark {
                self.results.push(pane.seen());
            }
            self.panes.push(pane);
        }
        if !is_taken && time + self.lateness <= self.watermark {
            self.dropped += 1;
        }
    }

    fn windows(&self, time: i64) -> Vec<(i64, i64)> {
        match self.kind {
            Kind::Session { gap } => vec![(time, time + gap)],
            Kind::Sliding { size, slide, offset } => {
                let starts = (time - size + 1..=time).filter(|start| (start - offset).rem_euclid(slide) == 0);
                starts.map(|start| (start, start + size)).collect()
            }
        }
    }

    fn advance(&mut self, watermark: i64) {
        let fires = |pane: &&Pane| self.watermark < pane.end - 1 && pane.end - 1 <= watermark;
        self.results.extend(self.panes.iter().filter(fires).map(Pane::seen));
        self.watermark = watermark;
        let lateness = self.lateness;
        self.panes.retain(|pane| pane.end - 1 + lateness > watermark);
    }
}

fn sorted(mut seen: Vec<Seen>) -> Vec<Seen> {
    for (_, _, values) in &mut seen {
        values.sort_unstable();
    }
    seen.sort();
    seen
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let element = (0u8..3, -60i64..60);
    let step = prop_oneof![
        4 => prop::collection::vec(element, 1..6).prop_map(Step::Elements),
        4 => (0i64..40).prop_map(Step::Watermark),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (1i64..40, 1i64..40)
            .prop_flat_map(|(size, slide)| (Just(size), Just(slide), 0..slide))
            .prop_map(|(size, slide, offset)| Kind::Sliding { size, slide, offset }),
        (1i64..30).prop_map(|gap| Kind::Session { gap }),
    ]
}

fn harness(kind: Kind, lateness: i64) -> Harness<Seen> {
    let ms = |millis: i64| Duration::from_millis(millis.unsigned_abs());
    match kind {
        Kind::Sliding { size, slide, offset } => {
            let assigner = SlidingEventTimeWindows::of(ms(size), ms(slide)).with_offset(ms(offset));
            let windowing = Windowing { assigner, trigger: EventTimeTrigger, allowed_lateness: lateness, late: None };
            Harness::of(windowing, listed::<TimeWindow>())
        }
        Kind::Session { gap } => {
            let assigner = EventTimeSessionWindows::with_gap(ms(gap));
            let windowing = Windowing { assigner, trigger: EventTimeTrigger, allowed_lateness: lateness, late: None };
            Harness::of(windowing, listed::<TimeWindow>())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_step_gives_what_the_rules_say(kind in kinds(), lateness in prop_oneof![Just(0), 0i64..60], steps in steps()) {
        let mut operator = harness(kind, lateness);
        let mut model = Model { kind, lateness, watermark: i64::MIN, panes: Vec::new(), dropped: 0, results: Vec::new() };
        let (mut value, mut now) = (0, 0);
        for step in steps.into_iter().chain([Step::Watermark(10_000)]) {
            match &step {
                Step::Elements(elements) => {
                    let mut rows = Vec::new();
                    for (key, time) in elements {
                        value += 1;
                        rows.push((*key, value, now + time));
                        model.element(*key, now + time, value);
                    }
                    operator.elements(&rows);
                }
                Step::Watermark(by) => {
                    now += by;
                    model.advance(now);
                    operator.watermark(now);
                }
                Step::Restart => operator.restart(),
            }
            prop_assert_eq!(sorted(operator.results()), sorted(std::mem::take(&mut model.results)), "{:?}", step);
            prop_assert_eq!(operator.dropped(), model.dropped);
        }
        prop_assert_eq!(operator.keys(), 0);
    }
}
