//! Sources: splits that follow a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TaskContext,
};

use super::{Row, Rows};

/// What a split says when it is asked.
pub enum Step {
    Rows(Rows),
    /// Nothing now.
    Nothing,
    Finished,
}

/// One split, from its beginning.
pub type Script = Box<dyn FnMut(&TaskContext) -> Result<Step> + Send>;
type NewScript = Arc<dyn Fn() -> Script + Send + Sync>;
type Discoveries = Box<dyn FnMut() -> Result<Discovery> + Send>;
pub type Hook = Arc<dyn Fn(&TaskContext) -> Result<()> + Send + Sync>;

/// A source of scripted splits.
#[derive(Clone)]
pub struct Scripted {
    splits: Vec<(SplitId, NewScript)>,
    discoveries: Arc<Mutex<Option<Discoveries>>>,
    parallelism: Option<usize>,
    pub on_enumerator: Hook,
    pub on_reader: Hook,
}

/// A split with its name.
pub fn split(name: &str, script: impl Fn() -> Script + Send + Sync + 'static) -> (SplitId, NewScript) {
    (name.into(), Arc::new(script))
}

/// A split of these batches.
pub fn batches(name: &str, batches: Vec<Rows>) -> (SplitId, NewScript) {
    split(name, move || {
        let mut left: VecDeque<Rows> = batches.clone().into();
        Box::new(move |_| Ok(left.pop_front().map_or(Step::Finished, Step::Rows)))
    })
}

/// A split that never ends: batches of `size` rows of keys `0..keys`, whose times and values rise.
pub fn endless(name: &str, size: u64, keys: u64) -> (SplitId, NewScript) {
    split(name, move || {
        let mut next = 0;
        Box::new(move |_| {
            let rows = (next..next + size).map(|value| Row { key: value % keys, time: value as i64, value }).collect();
            next += size;
            Ok(Step::Rows(Rows(rows)))
        })
    })
}

impl Scripted {
    pub fn new(splits: Vec<(SplitId, NewScript)>) -> Self {
        let nothing: Hook = Arc::new(|_| Ok(()));
        Self {
            splits,
            discoveries: Arc::default(),
            parallelism: None,
            on_enumerator: Arc::clone(&nothing),
            on_reader: nothing,
        }
    }

    pub fn parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = Some(parallelism);
        self
    }

    /// What the enumerator answers, in place of all splits at once.
    pub fn discoveries(self, discoveries: impl FnMut() -> Result<Discovery> + Send + 'static) -> Self {
        *self.discoveries.lock().unwrap() = Some(Box::new(discoveries));
        self
    }

    pub fn boxed(self) -> Box<dyn Source<Rows>> {
        Box::new(self)
    }
}

/// A discovery of these splits.
pub fn found(splits: &[&str], again: Option<Duration>) -> Discovery {
    Discovery { splits: splits.iter().map(|id| Split { id: (*id).into(), position: Vec::new() }).collect(), again }
}

impl Source<Rows> for Scripted {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        (self.on_enumerator)(context)?;
        let names: Vec<SplitId> = self.splits.iter().map(|(id, _)| Arc::clone(id)).collect();
        let all = move || Ok(found(&names.iter().map(|id| &**id).collect::<Vec<_>>(), None));
        let discoveries = self.discoveries.lock().unwrap().take().unwrap_or_else(|| Box::new(all));
        Ok(Box::new(ScriptedEnumerator(discoveries)))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader<Rows>>> {
        (self.on_reader)(context)?;
        Ok(Box::new(ScriptedReader { source: self.clone(), context: context.clone(), open: VecDeque::new() }))
    }
}

struct ScriptedEnumerator(Discoveries);

impl SplitEnumerator for ScriptedEnumerator {
    fn discover(&mut self) -> Result<Discovery> {
        (self.0)()
    }

    fn restore(&mut self, _: &[SplitId]) {}
}

struct ScriptedReader {
    source: Scripted,
    context: TaskContext,
    open: VecDeque<(SplitId, Script)>,
}

impl SourceReader<Rows> for ScriptedReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let script = self.source.splits.iter().find(|(id, _)| *id == split.id);
            let (id, script) = script.ok_or_else(|| Error::internal(format!("no split {}", split.id)))?;
            self.open.push_back((Arc::clone(id), script()));
        }
        Ok(())
    }

    /// Asks one split after another.
    fn poll(&mut self, wait: Duration) -> Result<Polled<Rows>> {
        for _ in 0..self.open.len() {
            let Some((id, mut script)) = self.open.pop_front() else { break };
            match script(&self.context)? {
                Step::Finished => return Ok(Polled::Finished(id)),
                Step::Rows(batch) => {
                    self.open.push_back((Arc::clone(&id), script));
                    return Ok(Polled::Rows { split: id, batch });
                }
                Step::Nothing => self.open.push_back((id, script)),
            }
        }
        self.context.cancellation.sleep(wait.min(Duration::from_millis(2)))?;
        Ok(Polled::Nothing)
    }

    fn splits(&self) -> Vec<Split> {
        self.open.iter().map(|(id, _)| Split { id: Arc::clone(id), position: Vec::new() }).collect()
    }
}
