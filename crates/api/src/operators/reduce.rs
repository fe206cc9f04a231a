//! A running reduction of each key: a result for each record, of all records of its key so far.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use crate::functions::{KeySelector, ReduceFunction, RuntimeContext};
use crate::state::{Backend, ValueState, ValueStateDescriptor};
use crate::{Key, Record, State};

/// Reduces each record into its key's value, and passes that on.
pub(crate) struct ReduceOperator<K, T, S, F> {
    selector: S,
    function: F,
    backend: Backend<K>,
    reduced: ValueState<T>,
}

impl<K: Key, T: State, S, F> ReduceOperator<K, T, S, F> {
    pub(crate) fn open(selector: S, function: F, context: &OperatorContext) -> Result<Self> {
        let mut backend = Backend::new(context);
        let reduced = RuntimeContext::new(context, Some(&mut backend.state))
            .value_state(ValueStateDescriptor::new("_reduced"))?;
        backend.close_declarations();
        Ok(Self { selector, function, backend, reduced })
    }
}

impl<K, T, S, F> Operator<Records<T>, Records<T>> for ReduceOperator<K, T, S, F>
where
    K: Key,
    T: Record + State,
    S: KeySelector<T, K>,
    F: ReduceFunction<T>,
{
    fn process(&mut self, batch: Records<T>, out: &mut dyn Output<Records<T>>) -> Result<()> {
        let mut results = Records::with_capacity(batch.len());
        for (value, timestamp) in batch {
            self.backend.select(self.selector.select(&value))?;
            let (_, state) = self.backend.current()?;
            let reduced = match self.reduced.take(state)? {
                Some(before) => self.function.reduce(before, value),
                None => value,
            };
            results.push(reduced.clone(), timestamp);
            self.reduced.update(state, reduced)?;
        }
        out.emit(results)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        Ok(Some(self.backend.snapshot(request)))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        self.backend.restore(&restored)
    }
}
