//! Options, defined once: key, older keys, type, default and a line of text.
//!
//! [`options!`](macro@crate::options) defines a struct and its [`OptionSpec`]s together; validation, `riverrun options` and the reference
//! page come from that definition. An [`OptionReader`] holds what a user wrote in `WITH (...)`; the parts that understand some
//! of it (connector, format) each read their set, and [`OptionReader::finish`] refuses what nobody read.
//!
//! ```
//! use std::collections::BTreeMap;
//! use riverrun_base::options::OptionReader;
//!
//! riverrun_base::options! {
//!     /// Options of the `tap` connector.
//!     pub struct TapOptions {
//!         /// Rows per second.
//!         "rows-per-second" => rows_per_second: u64 = "10000",
//!         /// Stop after so many rows; unbounded without it.
//!         "number-of-rows" => number_of_rows: Option<u64>,
//!         /// Passed to the client as they are.
//!         "properties.*" => properties: BTreeMap<String, String>,
//!     }
//! }
//!
//! let written = BTreeMap::from([("number-of-rows".to_owned(), "5".to_owned()), ("properties.acks".to_owned(), "all".to_owned())]);
//! let mut reader = OptionReader::new("connector 'tap'", written);
//! let options: TapOptions = reader.read().unwrap();
//! reader.finish().unwrap();
//! assert_eq!((options.rows_per_second, options.number_of_rows), (10000, Some(5)));
//! assert_eq!(options.properties["acks"], "all");
//! ```

mod define;
mod reader;
mod spec;
mod value;

pub use reader::OptionReader;
pub use spec::{OptionField, OptionSet, OptionSpec};
pub use value::OptionValue;
