//! The watermark of a task or source, out of those of its inputs.
//!
//! A watermark `w` on an input says that no row at or before `w` follows there. The combination of several inputs is
//! their minimum, and it only rises. An input can be idle: nothing comes, and it must not hold the others back; when it
//! is active again it counts as any other, so that the combination stands still until it has caught up. (Flink's
//! `StatusWatermarkValve` leaves such an input out until then, and drops its rows as late.)
//!
//! - When the last active input falls idle, the combination rises to the largest of the idle ones, so that the result
//!   does not depend on the order in which they fell idle.
//! - [`MAX_WATERMARK`] ends event time on an input; it holds nobody back, but neither does it outrun an idle input that
//!   may come back.
//! - An input that has ended no longer counts.

/// Milliseconds since 1970-01-01 00:00 UTC.
pub type Timestamp = i64;

/// The watermark after which no row follows.
pub const MAX_WATERMARK: Timestamp = Timestamp::MAX;

/// Before the first watermark.
pub const NO_WATERMARK: Timestamp = Timestamp::MIN;

/// What changes for whoever is downstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The combined watermark rises to this.
    Watermark(Timestamp),
    /// Every input is idle.
    Idle,
    /// Not every input is idle any more.
    Active,
}

/// The changes of one event, in the order in which they are passed on.
pub type Changes = [Option<Change>; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Active,
    Idle,
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Input {
    status: Status,
    watermark: Timestamp,
}

/// Combines the watermarks of inputs that are told apart by an index.
///
/// ```
/// use riverrun_protocol::watermark::{Change, WatermarkMerge};
///
/// let mut merge = WatermarkMerge::new(2);
/// assert_eq!(merge.watermark(0, 10), [None, None]);
/// assert_eq!(merge.watermark(1, 7), [Some(Change::Watermark(7)), None]);
/// assert_eq!(merge.idle(1), [Some(Change::Watermark(10)), None]);
/// ```
#[derive(Clone, Debug)]
pub struct WatermarkMerge {
    inputs: Vec<Input>,
    combined: Timestamp,
    idle: bool,
}

impl WatermarkMerge {
    /// A merge of `inputs` active inputs without a watermark.
    pub fn new(inputs: usize) -> Self {
        Self {
            inputs: vec![Input { status: Status::Active, watermark: NO_WATERMARK }; inputs],
            combined: NO_WATERMARK,
            idle: false,
        }
    }

    /// Adds an active input without a watermark; its index may be that of one that has ended.
    pub fn add(&mut self) -> (usize, Changes) {
        let input = Input { status: Status::Active, watermark: NO_WATERMARK };
        let index = match self.inputs.iter().position(|input| input.status == Status::Ended) {
            Some(index) => index,
            None => {
                self.inputs.push(input);
                self.inputs.len() - 1
            }
        };
        self.inputs[index] = input;
        (index, self.evaluate())
    }

    /// A watermark on an input, which makes it active. One that is not larger than the last changes nothing else.
    pub fn watermark(&mut self, input: usize, watermark: Timestamp) -> Changes {
        self.change(input, |input| {
            input.status = Status::Active;
            input.watermark = input.watermark.max(watermark);
        })
    }

    /// Nothing comes on an input for now.
    pub fn idle(&mut self, input: usize) -> Changes {
        self.change(input, |input| input.status = Status::Idle)
    }

    /// An input goes on after it was idle.
    pub fn active(&mut self, input: usize) -> Changes {
        self.change(input, |input| input.status = Status::Active)
    }

    /// Nothing comes on an input any more.
    pub fn ended(&mut self, input: usize) -> Changes {
        self.change(input, |input| input.status = Status::Ended)
    }

    /// The combined watermark; [`NO_WATERMARK`] before there is one.
    pub fn combined(&self) -> Timestamp {
        self.combined
    }

    /// Whether an input is idle.
    pub fn is_idle(&self, input: usize) -> bool {
        self.inputs.get(input).is_some_and(|input| input.status == Status::Idle)
    }

    /// What follows from the inputs as they are. Only a merge of no inputs, which is idle, needs this call.
    pub fn evaluate(&mut self) -> Changes {
        let of = |status: Status| {
            self.inputs.iter().filter(move |input| input.status == status).map(|input| input.watermark)
        };
        let unfinished = |watermark: &Timestamp| *watermark != MAX_WATERMARK;
        let (idle, candidate) = if let Some(smallest) = of(Status::Active).filter(unfinished).min() {
            (false, smallest)
        } else if let Some(largest) = of(Status::Idle).filter(unfinished).max() {
            (true, largest)
        } else if self.inputs.iter().any(|input| input.status != Status::Ended) {
            (false, MAX_WATERMARK)
        } else {
            (true, NO_WATERMARK)
        };
        let turned = (idle != self.idle).then_some(if idle { Change::Idle } else { Change::Active });
        let risen = (candidate > self.combined).then_some(Change::Watermark(candidate));
        self.idle = idle;
        self.combined = self.combined.max(candidate);
        match (turned, risen) {
            // The watermark belongs to the time before the pause.
            (Some(Change::Idle), Some(_)) => [risen, turned],
            (None, _) => [risen, None],
            _ => [turned, risen],
        }
    }

    fn change(&mut self, input: usize, change: impl FnOnce(&mut Input)) -> Changes {
        match self.inputs.get_mut(input) {
            Some(input) if input.status != Status::Ended => {
                change(input);
                self.evaluate()
            }
            _ => [None, None],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Random;

    const NOTHING: Changes = [None, None];

    fn risen(watermark: Timestamp) -> Changes {
        [Some(Change::Watermark(watermark)), None]
    }

    #[test]
    fn the_combination_is_the_minimum_and_only_rises() {
        let mut merge = WatermarkMerge::new(2);
        assert_eq!(merge.watermark(0, 5), NOTHING);
        assert_eq!(merge.watermark(1, 3), risen(3));
        assert_eq!(merge.watermark(1, 2), NOTHING);
        assert_eq!(merge.watermark(1, 9), risen(5));
    }

    #[test]
    fn an_idle_input_holds_nobody_back_and_counts_again_when_it_is_active() {
        let mut merge = WatermarkMerge::new(2);
        merge.watermark(0, 5);
        assert_eq!(merge.idle(1), risen(5));
        assert_eq!(merge.active(1), NOTHING);
        assert_eq!(merge.watermark(0, 8), NOTHING, "input 1 has no watermark yet");
        assert_eq!(merge.watermark(1, 7), risen(7));
    }

    #[test]
    fn when_all_are_idle_the_largest_watermark_counts_whatever_the_order() {
        for order in [[0, 1], [1, 0]] {
            let mut merge = WatermarkMerge::new(2);
            merge.watermark(0, 5);
            merge.watermark(1, 9);
            merge.idle(order[0]);
            assert!(merge.idle(order[1]).contains(&Some(Change::Idle)));
            assert_eq!(merge.combined(), 9);
            assert_eq!(merge.active(0), [Some(Change::Active), None]);
        }
    }

    #[test]
    fn an_ended_input_no_longer_counts_and_the_end_waits_for_idle_inputs() {
        let mut merge = WatermarkMerge::new(3);
        merge.watermark(1, 4);
        merge.watermark(2, 6);
        assert_eq!(merge.ended(0), risen(4));
        assert_eq!(merge.idle(2), NOTHING);
        assert_eq!(
            merge.watermark(1, MAX_WATERMARK),
            [Some(Change::Watermark(6)), Some(Change::Idle)],
            "input 2 may come back"
        );
        assert_eq!(merge.watermark(2, MAX_WATERMARK), [Some(Change::Active), Some(Change::Watermark(MAX_WATERMARK))]);
    }

    #[test]
    fn inputs_come_later_and_reuse_the_place_of_ended_ones() {
        let mut merge = WatermarkMerge::new(0);
        assert_eq!(merge.evaluate(), [Some(Change::Idle), None]);
        assert_eq!(merge.add(), (0, [Some(Change::Active), None]));
        assert_eq!(merge.watermark(0, 5), risen(5));
        assert_eq!(merge.ended(0), [Some(Change::Idle), None]);
        assert_eq!(merge.add(), (0, [Some(Change::Active), None]));
        assert_eq!(merge.watermark(0, 3), NOTHING);
        assert_eq!(merge.watermark(0, 6), risen(6));
    }

    /// Any order of events: what the changes say is what the merge says, the watermark rises and never passes an active
    /// input that has not ended.
    #[test]
    fn random_events_keep_the_promises() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let mut merge = WatermarkMerge::new(1 + random.below(4));
            let (mut watermark, mut idle) = (NO_WATERMARK, false);
            for step in 0..200 {
                let input = random.below(merge.inputs.len());
                let before: Vec<Input> = merge.inputs.clone();
                let changes = match random.below(8) {
                    0 => merge.idle(input),
                    1 => merge.active(input),
                    2 if random.below(10) == 0 => merge.ended(input),
                    3 if random.below(20) == 0 => merge.watermark(input, MAX_WATERMARK),
                    4 if random.below(10) == 0 => merge.add().1,
                    _ => merge.watermark(input, i64::try_from(step + random.below(20)).unwrap_or(0)),
                };
                for change in changes.into_iter().flatten() {
                    match change {
                        Change::Watermark(risen) => {
                            assert!(risen > watermark, "seed {seed} step {step}: {risen} after {watermark}");
                            assert!(!idle, "seed {seed} step {step}: a watermark while idle, from {before:?}");
                            watermark = risen;
                        }
                        Change::Idle => assert!(!std::mem::replace(&mut idle, true), "seed {seed} step {step}"),
                        Change::Active => assert!(std::mem::replace(&mut idle, false), "seed {seed} step {step}"),
                    }
                }
                assert_eq!(watermark, merge.combined(), "seed {seed} step {step}");
                let holds: Vec<&Input> = merge.inputs.iter().filter(|input| input.status == Status::Active).collect();
                if idle {
                    assert!(holds.iter().all(|input| input.watermark == MAX_WATERMARK), "seed {seed} step {step}");
                } else if let Some(smallest) = holds.iter().map(|input| input.watermark).min() {
                    let rose = changes.iter().any(|change| matches!(change, Some(Change::Watermark(_))));
                    assert!(!rose || watermark <= smallest, "seed {seed} step {step}");
                }
            }
        }
    }
}
