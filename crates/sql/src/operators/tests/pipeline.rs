//! Drives the operators of an aggregation with text, and collects what they emit as text.

use riverrun_base::Result;
use riverrun_connect::Counter;
use riverrun_data::Batch;
use riverrun_runtime::{
    CheckpointId, Delta, MAX_WATERMARK, Operator, Output, Restored, Snapshot, SnapshotRequest, Timestamp,
};

use super::query::{Query, window_fields};
use super::text::{batch, fields, lines};
use crate::expr::{Binder, Expr};
use crate::operators::{
    AssignWindows, Calc, ChangelogNormalize, Environment, GroupAggregate, Groups, Limit, SessionAggregate, Sort,
    StateOf, Unnest, WallClock, WindowAggregate, key_types,
};
use crate::plan::{self, Field, GroupWindow, WindowColumn, WindowKind, batch_schema};

/// Operators that feed each other.
pub(super) struct Pipeline {
    input: Vec<Field>,
    operators: Vec<Box<dyn Operator<Batch>>>,
    late: Counter,
}

impl Pipeline {
    /// The operators of an aggregation.
    pub(super) fn of(query: &Query) -> Self {
        let schema = batch_schema(&query.output());
        let late = Counter::default();
        let operators: Vec<Box<dyn Operator<Batch>>> = match &query.window {
            None if query.sort.is_some() => {
                let sort = query.sort.as_ref().unwrap();
                vec![match sort.keys.is_empty() && !query.retracts {
                    true => Box::new(Limit::new(sort.offset, sort.fetch)),
                    false => Box::new(Sort::new(sort, schema, query.retracts, StateOf::default()).unwrap()),
                }]
            }
            None if query.last => {
                let (keys, state) = (query.keys.clone(), StateOf::default());
                let normalize = ChangelogNormalize::new(keys, query.update_before, schema, state).unwrap();
                vec![Box::new(normalize.rebase_at_least(1))]
            }
            None => {
                let groups = Groups::new(&key_types(&query.input, &query.keys), &query.calls, query.retracts).unwrap();
                let state = StateOf::default();
                let aggregate = GroupAggregate::new(query.keys.clone(), groups, query.update_before, schema, state);
                vec![Box::new(aggregate.rebase_at_least(1))]
            }
            Some(window) => {
                let clock = WallClock::of(&window.time_type.logical, query.zone);
                let plain = query.keys.iter().map(|key| (*key, None));
                let width = query.input.len();
                let of_window = [WindowColumn::Start, WindowColumn::End, WindowColumn::Time].into_iter().enumerate();
                let keys: Vec<_> = plain.chain(of_window.map(|(n, column)| (width + n, Some(column)))).collect();
                if let WindowKind::Session { gap } = window.kind {
                    let sessions = SessionAggregate::new(
                        window.clone(),
                        gap,
                        &query.input,
                        keys,
                        &query.calls,
                        query.retracts,
                        clock,
                        schema,
                        late.clone(),
                        StateOf::default(),
                    );
                    vec![Box::new(sessions.unwrap().rebase_at_least(1))]
                } else {
                    let assigned: Vec<Field> = query.input.iter().cloned().chain(window_fields(window)).collect();
                    let assign = AssignWindows::new(window.clone(), clock, batch_schema(&assigned));
                    let (indices, columns): (Vec<usize>, Vec<_>) = keys.into_iter().unzip();
                    let group = GroupWindow { window: window.clone(), columns, start: width, end: width + 1 };
                    let types = key_types(&query.input, &query.keys);
                    let aggregate = WindowAggregate::new(
                        group,
                        &indices,
                        types,
                        query.calls.clone(),
                        query.retracts,
                        clock,
                        schema,
                        late.clone(),
                        StateOf::default(),
                    );
                    vec![Box::new(assign), Box::new(aggregate.rebase_at_least(1))]
                }
            }
        };
        Self { input: query.input.clone(), operators, late }
    }

    /// `[LEFT] UNNEST SPLIT(column, 'separator') [WITH ORDINALITY]`: the input's first column, and behind it the pieces of another.
    pub(super) fn unnest(input: &str, text: &str) -> Self {
        let input = fields(input);
        let (outer, ordinality) = (text.starts_with("LEFT "), text.ends_with(" WITH ORDINALITY"));
        let (_, argument) = text.trim_end_matches(" WITH ORDINALITY").split_once("UNNEST ").unwrap();
        let statement = sqlparser::parser::Parser::new(&sqlparser::dialect::GenericDialect {})
            .try_with_sql(argument)
            .unwrap()
            .parse_expr()
            .unwrap();
        let pieces = Binder::new(&input).bind(&statement).unwrap();
        let array = Field::new("$f", pieces.data_type.clone());
        let split = [input[0].clone(), array];
        let exprs = [Expr::column(0, input[0].data_type.clone()), pieces];
        let environment = Environment { zone: chrono_tz::Tz::UTC };
        let calc = Calc::new(None, Some((&exprs, batch_schema(&split))), environment).unwrap();
        let mut output = fields("piece STRING, n INT");
        output.truncate(1 + usize::from(ordinality));
        output.insert(0, input[0].clone());
        let plan = plan::Unnest { array: 1, keep: vec![0], outer, ordinality };
        let unnest = Unnest::new(plan, batch_schema(&output));
        Self { input, operators: vec![Box::new(calc), Box::new(unnest)], late: Counter::default() }
    }

    /// One operator over these columns.
    pub(super) fn single(input: Vec<Field>, operator: impl Operator<Batch> + 'static) -> Self {
        Self { input, operators: vec![Box::new(operator)], late: Counter::default() }
    }

    /// What the rows of a batch lead to.
    pub(super) fn rows<S: AsRef<str>>(&mut self, rows: &[S]) -> Vec<String> {
        self.try_rows(rows).unwrap()
    }

    /// As [`Self::rows`], where an operator may fail.
    pub(super) fn try_rows<S: AsRef<str>>(&mut self, rows: &[S]) -> Result<Vec<String>> {
        let batch = batch(&self.input, rows);
        collect(|out| Chain { rest: &mut self.operators, out }.emit(batch))
    }

    /// What a watermark leads to.
    pub(super) fn watermark(&mut self, watermark: Timestamp) -> Vec<String> {
        collect(|out| self.each(out, |operator, out| operator.watermark(watermark, out))).unwrap()
    }

    /// What the end of bounded input leads to.
    pub(super) fn end(&mut self) -> Vec<String> {
        let mut lines = self.watermark(MAX_WATERMARK);
        lines.extend(collect(|out| self.each(out, |operator, out| operator.finish(out))).unwrap());
        lines
    }

    /// When an operator wants to be called by the clock.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.operators.iter().filter_map(|operator| operator.deadline()).min()
    }

    /// What the clock leads to.
    pub(super) fn time(&mut self, now: Timestamp) -> Vec<String> {
        let call = |operator: &mut dyn Operator<Batch>, out: &mut dyn Output<Batch>| match operator.deadline() {
            Some(deadline) if deadline <= now => operator.on_processing_time(now, out),
            _ => Ok(()),
        };
        collect(|out| self.each(out, call)).unwrap()
    }

    /// How many rows were late.
    pub(super) fn late(&self) -> u64 {
        self.late.get()
    }

    /// The state of the last operator, encoded, and what it says of it.
    pub(super) fn snapshot(&mut self, full: bool) -> (Option<Delta>, Snapshot) {
        let request = SnapshotRequest { checkpoint: CheckpointId(1), full };
        let mut snapshot = self.operators.last_mut().unwrap().snapshot(request).unwrap().unwrap();
        (snapshot.delta.take().map(|freeze| freeze().unwrap()), snapshot)
    }

    /// Gives the last operator its state back.
    pub(super) fn restore(&mut self, state: Restored) -> Result<()> {
        self.operators.last_mut().unwrap().restore(state)
    }

    fn each(
        &mut self,
        out: &mut Vec<Batch>,
        call: impl Fn(&mut dyn Operator<Batch>, &mut dyn Output<Batch>) -> Result<()>,
    ) -> Result<()> {
        for place in 0..self.operators.len() {
            let (before, rest) = self.operators.split_at_mut(place + 1);
            call(&mut *before[place], &mut Chain { rest, out })?;
        }
        Ok(())
    }
}

/// The operators that follow, and what the last of them emits.
struct Chain<'a> {
    rest: &'a mut [Box<dyn Operator<Batch>>],
    out: &'a mut Vec<Batch>,
}

impl Output<Batch> for Chain<'_> {
    fn emit(&mut self, batch: Batch) -> Result<()> {
        match self.rest.split_first_mut() {
            _ if batch.num_rows() == 0 => Ok(()),
            Some((next, rest)) => next.process(batch, &mut Chain { rest, out: self.out }),
            None => {
                self.out.push(batch);
                Ok(())
            }
        }
    }
}

fn collect(run: impl FnOnce(&mut Vec<Batch>) -> Result<()>) -> Result<Vec<String>> {
    let mut out = Vec::new();
    run(&mut out)?;
    Ok(out.iter().flat_map(lines).collect())
}
