//! What flows: Flink's types and their Arrow form, row kinds, changelog modes, the batch, and typed records.

mod arrow_type;
mod batch;
mod changelog;
mod logical_type;
mod records;
mod row_kind;

pub use arrow_type::{arrow_schema, arrow_type, field, type_of_field};
pub use batch::Batch;
pub use changelog::ChangelogMode;
pub use logical_type::{DataType, LogicalType, MAX_LENGTH, RowField};
pub use records::{IntoIter as RecordsIntoIter, NO_TIMESTAMP, Records};
pub use row_kind::RowKind;
