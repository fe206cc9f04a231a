//! Two streams of different types into one operator: what flows is a batch of the one or of the other.

use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_data::Records;
use riverrun_runtime::{Data, Exchange, Operator, OperatorContext, Output};

use super::{DataStream, NodeId, Origin, Settings, Way};
use crate::Record;

/// A batch of one of two streams. Batches of a stream stay in the order that their exchange gives them; between the two there is none.
#[derive(Clone)]
pub(crate) enum Both<A, B> {
    Left(Records<A>),
    Right(Records<B>),
}

impl<A: Record, B: Record> Data for Both<A, B> {
    fn num_rows(&self) -> usize {
        match self {
            Self::Left(records) => records.num_rows(),
            Self::Right(records) => records.num_rows(),
        }
    }

    fn num_bytes(&self) -> usize {
        match self {
            Self::Left(records) => records.num_bytes(),
            Self::Right(records) => records.num_bytes(),
        }
    }

    fn slice(&self, offset: usize, length: usize) -> Self {
        match self {
            Self::Left(records) => Self::Left(Data::slice(records, offset, length)),
            Self::Right(records) => Self::Right(Data::slice(records, offset, length)),
        }
    }

    fn partition(self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>> {
        Ok(match self {
            Self::Left(records) => {
                records.partition(targets, count)?.into_iter().map(|part| part.map(Self::Left)).collect()
            }
            Self::Right(records) => {
                records.partition(targets, count)?.into_iter().map(|part| part.map(Self::Right)).collect()
            }
        })
    }
}

/// The ways of both streams into one operator, each with the exchange it had. The operator behind them gets the watermark, and the idleness,
/// of both together.
pub(super) fn both<A: Record, B: Record>(left: DataStream<A>, right: DataStream<B>) -> Vec<Origin<Both<A, B>>> {
    if !left.env.blueprint.is_same(&right.env.blueprint) {
        left.mistake(Error::user("streams of two environments are connected"));
    }
    let mut origins = origins(&left, Both::Left, |both| match both {
        Both::Left(records) => Some(records),
        Both::Right(_) => None,
    });
    origins.extend(self::origins(&right, Both::Right, |both| match both {
        Both::Right(records) => Some(records),
        Both::Left(_) => None,
    }));
    origins
}

/// How a batch of one stream becomes one of both, and back.
type Wrap<T, W> = fn(Records<T>) -> W;
type Seen<T, W> = fn(&W) -> Option<&Records<T>>;

fn origins<T: Record, W: Data>(stream: &DataStream<T>, wrap: Wrap<T, W>, seen: Seen<T, W>) -> Vec<Origin<W>> {
    let origin = |origin: &Origin<Records<T>>| {
        let exchange = origin
            .exchange
            .clone()
            .map(|way| -> Way<W> { Arc::new(move |max_parallelism| exchange_of(way(max_parallelism), seen)) });
        Origin { node: wrapped(stream, origin.node, wrap), exchange }
    };
    stream.origins.iter().map(origin).collect()
}

/// A node in the thread of another that wraps its batches.
fn wrapped<T: Record, W: Data>(stream: &DataStream<T>, of: NodeId, wrap: Wrap<T, W>) -> NodeId {
    stream.env.blueprint.add(Settings::named("Connect"), move |graph, settings, made| {
        let input = made.stream::<Records<T>>(of)?;
        let factory = move |_: &OperatorContext| Ok(Box::new(WrapOperator(wrap)) as Box<dyn Operator<Records<T>, W>>);
        Ok(graph.operator(&input, settings, factory))
    })
}

/// The exchange of one stream's batches, for batches that may be another's, though none of those comes this way.
fn exchange_of<T: Record, W: Data>(exchange: Exchange<Records<T>>, seen: Seen<T, W>) -> Exchange<W> {
    let strayed = || Error::internal("a batch goes the way of the other stream");
    match exchange {
        Exchange::Forward => Exchange::Forward,
        Exchange::Rebalance => Exchange::Rebalance,
        Exchange::Rescale => Exchange::Rescale,
        Exchange::Broadcast => Exchange::Broadcast,
        Exchange::Global => Exchange::Global,
        Exchange::Hash(partitioner) => {
            Exchange::hash(move |batch: &W, groups| partitioner(seen(batch).ok_or_else(strayed)?, groups))
        }
        Exchange::Directed(director) => Exchange::Directed(Arc::new(move |batch: &W, consumers, targets| {
            director(seen(batch).ok_or_else(strayed)?, consumers, targets)
        })),
    }
}

struct WrapOperator<T, W>(Wrap<T, W>);

impl<T: Record, W: Data> Operator<Records<T>, W> for WrapOperator<T, W> {
    fn process(&mut self, batch: Records<T>, out: &mut dyn Output<W>) -> Result<()> {
        out.emit((self.0)(batch))
    }
}
