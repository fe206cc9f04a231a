//! The ends of a pipeline that runs in a test harness.

use std::sync::Arc;

use riverrun_data::Records;
use riverrun_runtime::{Exchange, Operator, OperatorContext};

use super::{DataStream, Settings};
use crate::{Record, StreamExecutionEnvironment};

impl StreamExecutionEnvironment {
    /// What stands for a source. Its records are dealt out in turn where what follows has several subtasks.
    pub(crate) fn harness_input<T: Record>(&self, name: &str, parallelism: usize) -> DataStream<T> {
        let node =
            self.blueprint.add(Settings::named(name), |graph, settings, _| Ok(graph.input::<Records<T>>(settings)));
        let stream = DataStream::of(self.clone(), node);
        if parallelism > 1 { stream.exchanged(Arc::new(|_| Exchange::Rebalance)) } else { stream }
    }
}

impl<T: Record> DataStream<T> {
    /// What stands for a sink: one operator that takes all records.
    pub(crate) fn harness_output(
        self,
        name: &str,
        operator: impl Fn() -> Box<dyn Operator<Records<T>, Records<T>>> + Send + Sync + 'static,
    ) {
        let settings = Settings { parallelism: Some(1), ..Settings::named(name) };
        let factory = move |_: &OperatorContext| Ok(operator());
        Self::operator_behind(&self.env, self.origins, settings, factory);
    }
}
