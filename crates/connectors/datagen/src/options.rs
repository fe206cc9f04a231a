//! The options of `datagen`, named and defaulted as in Flink.

use std::collections::BTreeMap;
use std::time::Duration;

riverrun_base::option_enum! {
    /// How a column's values are made.
    pub enum Kind {
        /// Each value is drawn by itself.
        "random" => Random,
        /// Each value is the one before plus one.
        "sequence" => Sequence,
    }
}

riverrun_base::options! {
    /// Options of the `datagen` connector. In `fields.#.`, `#` is a column, or a part of one: `row.field`, `array.element`, `map.key`,
    /// `map.value`, `multiset.element`.
    pub struct DatagenOptions {
        /// How many rows are made in a second, by all subtasks together. The largest number means: as fast as possible.
        "rows-per-second" => rows_per_second: u64 = "10000",
        /// How many rows the table has. Without it the table is unbounded, unless a column is a sequence.
        "number-of-rows" => number_of_rows: Option<u64>,
        /// The number of readers; the job's parallelism without it.
        "scan.parallelism" => scan_parallelism: Option<usize>,
        /// How the column's values are made: 'random' (the default) or 'sequence'. The table ends where its shortest sequence ends.
        "fields.#.kind" => kind: BTreeMap<String, Kind>,
        /// The smallest random number. The default is the smallest of an integer type, the smallest positive one of FLOAT and DOUBLE, 0 of DECIMAL.
        "fields.#.min" => min: BTreeMap<String, String>,
        /// The largest random number; by default the largest of the column's type.
        "fields.#.max" => max: BTreeMap<String, String>,
        /// How far before the present a random timestamp can lie; by default it is the present.
        "fields.#.max-past" => max_past: BTreeMap<String, Duration>,
        /// The length of a random VARCHAR, STRING, VARBINARY or BYTES (by default that of the type, 100 for STRING and BYTES), or the number
        /// of elements of an ARRAY, MAP or MULTISET (3).
        "fields.#.length" => length: BTreeMap<String, u32>,
        /// Whether random VARCHAR, STRING, VARBINARY and BYTES values have lengths from 1 up to, but not including, the length; false by default.
        "fields.#.var-len" => var_len: BTreeMap<String, bool>,
        /// The first value of a sequence.
        "fields.#.start" => start: BTreeMap<String, i64>,
        /// The last value of a sequence.
        "fields.#.end" => end: BTreeMap<String, i64>,
        /// The share of random values that are NULL, from 0 to 1; 0 by default.
        "fields.#.null-rate" => null_rate: BTreeMap<String, f64>,
    }
}
