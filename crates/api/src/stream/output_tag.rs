//! Side outputs: streams of other types out of one operator.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_data::Records;
use riverrun_runtime::{Data, Operator, Output};

use crate::Record;
use crate::functions::CollectorSink;

/// Names a side output, and says what is in it.
///
/// ```
/// let late = riverrun::OutputTag::<String>::new("late");
/// assert_eq!(late.id(), "late");
/// ```
#[derive(Debug)]
pub struct OutputTag<X> {
    id: Arc<str>,
    value: PhantomData<fn() -> X>,
}

impl<X> Clone for OutputTag<X> {
    fn clone(&self) -> Self {
        Self { id: Arc::clone(&self.id), value: PhantomData }
    }
}

impl<X: Record> OutputTag<X> {
    /// A side output of this name, unique in its operator.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), value: PhantomData }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Which side outputs of an operator somebody reads.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Rc<RefCell<Vec<Arc<str>>>>);

impl Listeners {
    pub(crate) fn add(&self, id: Arc<str>) {
        self.0.borrow_mut().push(id);
    }

    pub(crate) fn ids(&self) -> Arc<[Arc<str>]> {
        self.0.borrow().iter().map(Arc::clone).collect()
    }
}

/// What comes out of an operator with side outputs.
#[derive(Clone)]
pub(crate) enum Sided<O> {
    Main(Records<O>),
    Side(Arc<str>, Box<dyn SideRecords>),
}

/// Records of a side output, whatever they are.
pub(crate) trait SideRecords: Send {
    fn clone_box(&self) -> Box<dyn SideRecords>;
    fn rows(&self) -> usize;
    fn bytes(&self) -> usize;
    fn slice(&self, offset: usize, length: usize) -> Box<dyn SideRecords>;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<X: Record> SideRecords for Records<X> {
    fn clone_box(&self) -> Box<dyn SideRecords> {
        Box::new(self.clone())
    }

    fn rows(&self) -> usize {
        self.num_rows()
    }

    fn bytes(&self) -> usize {
        self.num_bytes()
    }

    fn slice(&self, offset: usize, length: usize) -> Box<dyn SideRecords> {
        Box::new(Data::slice(self, offset, length))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Clone for Box<dyn SideRecords> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

impl<O: Record> Data for Sided<O> {
    fn num_rows(&self) -> usize {
        match self {
            Self::Main(records) => records.num_rows(),
            Self::Side(_, records) => records.rows(),
        }
    }

    fn num_bytes(&self) -> usize {
        match self {
            Self::Main(records) => records.num_bytes(),
            Self::Side(_, records) => records.bytes(),
        }
    }

    fn slice(&self, offset: usize, length: usize) -> Self {
        match self {
            Self::Main(records) => Self::Main(Data::slice(records, offset, length)),
            Self::Side(id, records) => Self::Side(Arc::clone(id), records.slice(offset, length)),
        }
    }

    fn partition(self, _: &[u32], _: usize) -> Result<Vec<Option<Self>>> {
        Err(Error::internal("side outputs are told apart before they are exchanged"))
    }
}

/// What a function has written to side outputs that somebody reads, until the operator passes it on.
pub(crate) struct SideOutputs {
    read: Arc<[Arc<str>]>,
    written: Vec<(Arc<str>, Box<dyn SideRecords>)>,
    /// A function wrote other records under a tag's name than those before.
    mixed: Option<Arc<str>>,
}

impl SideOutputs {
    pub(crate) fn new(read: Arc<[Arc<str>]>) -> Self {
        Self { read, written: Vec::new(), mixed: None }
    }

    pub(crate) fn push<X: Record>(&mut self, tag: &OutputTag<X>, value: X, timestamp: Option<i64>) {
        if !self.read.iter().any(|id| **id == *tag.id) {
            return;
        }
        if let Some((_, records)) = self.written.iter_mut().find(|(id, _)| **id == *tag.id) {
            match records.as_any_mut().downcast_mut::<Records<X>>() {
                Some(records) => records.push(value, timestamp),
                None => self.mixed = Some(Arc::clone(&tag.id)),
            }
            return;
        }
        let mut records = Records::default();
        records.push(value, timestamp);
        self.written.push((Arc::clone(&tag.id), Box::new(records)));
    }

    /// Passes on what was written.
    pub(crate) fn flush<O: Record>(&mut self, out: &mut dyn Output<Sided<O>>) -> Result<()> {
        if let Some(id) = &self.mixed {
            return Err(mixed(id));
        }
        self.written.drain(..).try_for_each(|(id, records)| out.emit(Sided::Side(id, records)))
    }
}

fn mixed(id: &str) -> Error {
    Error::user(format!("records of two types are written to the side output '{id}'"))
        .hint("give each type a tag with a name of its own")
}

impl<O: Record> CollectorSink<O> for &mut dyn Output<Sided<O>> {
    fn take(&mut self, batch: Records<O>) -> Result<()> {
        self.emit(Sided::Main(batch))
    }
}

/// The main output of an operator with side outputs.
pub(crate) struct MainOutput;

impl<O: Record> Operator<Sided<O>, Records<O>> for MainOutput {
    fn process(&mut self, batch: Sided<O>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        match batch {
            Sided::Main(records) => out.emit(records),
            Sided::Side(..) => Ok(()),
        }
    }
}

/// One side output of an operator.
pub(crate) struct SideOutput(pub(crate) Arc<str>);

impl<O: Record, X: Record> Operator<Sided<O>, Records<X>> for SideOutput {
    fn process(&mut self, batch: Sided<O>, out: &mut dyn Output<Records<X>>) -> Result<()> {
        match batch {
            Sided::Side(id, records) if id == self.0 => match records.into_any().downcast::<Records<X>>() {
                Ok(records) => out.emit(*records),
                Err(_) => Err(mixed(&id)),
            },
            _ => Ok(()),
        }
    }
}
