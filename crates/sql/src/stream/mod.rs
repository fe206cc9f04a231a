//! From a logical plan to a running job: streaming operators with their changelog modes, then the runtime's graph.

mod build;
mod explain;
mod lineage;
mod node;
mod normalize;
mod sink;
mod source;
mod translate;
mod uid;

pub(crate) use build::Builder;
pub(crate) use explain::explain;
pub(crate) use node::{Node, NodeKind, SinkTarget};
pub(crate) use sink::{ResultSink, check_sink};
pub(crate) use translate::{Translator, insert_name, no_externals};
pub(crate) use uid::Uids;
