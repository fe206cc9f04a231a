//! A session: statements are planned and carried out one after another, as Flink's SQL client does.

mod job;
mod relation;
mod result;
#[allow(clippy::module_inception, reason = "the file holds the type that the module is named for")]
mod session;
mod settings;
mod statement;
mod table_spec;
mod tableau;

pub use job::{InsertJob, QueryJob, QueryRows};
pub use relation::{
    ExternalStreams, Insertion, Planned, Relation, RelationColumn, ResultSender, StreamColumn, StreamInput,
    TableColumnSpec, TableSpec, converts_implicitly,
};
pub use result::{Column, ResultTable, Row};
pub use session::{Outcome, Session};
pub use settings::{SettingSpec, setting_specs};
pub use statement::{Script, Step};
pub use table_spec::data_type;
pub use tableau::{COLUMN_WIDTH, Tableau};
