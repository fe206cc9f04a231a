//! A session: statements are planned and carried out one after another, as Flink's SQL client does.

mod job;
mod result;
#[allow(clippy::module_inception, reason = "the file holds the type that the module is named for")]
mod session;
mod settings;
mod statement;

pub use job::{InsertJob, QueryJob, QueryRows};
pub use result::{Column, ResultTable, Row};
pub use session::{Outcome, Session};
pub use settings::{SettingSpec, setting_specs};
pub use statement::{Script, Step};
