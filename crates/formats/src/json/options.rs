//! The options of `json`.

riverrun_base::option_enum! {
    /// How timestamps are written.
    pub(super) enum TimestampStandard {
        /// `yyyy-MM-dd HH:mm:ss.f`.
        "SQL" => Sql,
        /// `yyyy-MM-ddTHH:mm:ss.f`.
        "ISO-8601" => Iso8601,
    }
}

riverrun_base::option_enum! {
    /// What becomes of a map's entry whose key is NULL.
    pub(super) enum MapNullKey {
        /// It is an error.
        "FAIL" => Fail,
        /// It is left out.
        "DROP" => Drop,
        /// Its key is a text.
        "LITERAL" => Literal,
    }
}

riverrun_base::options! {
    /// Options of the format `json`.
    pub(super) struct JsonOptions {
        /// When reading, refuse an object that lacks a column's field.
        "fail-on-missing-field" => fail_on_missing_field: bool = "false",
        /// Make values that cannot be read NULL and skip messages that cannot be read, instead of failing.
        "ignore-parse-errors" => ignore_parse_errors: bool = "false",
        /// How timestamps are read and written: `SQL` with a blank between date and time, `ISO-8601` with a `T`. `TIMESTAMP_LTZ` ends with `Z` in both.
        "timestamp-format.standard" => timestamp_standard: TimestampStandard = "SQL",
        /// What to do when a map with a NULL key is written. Keys are never NULL in Riverrun, so every value is the same; accepted for scripts that have it.
        "map-null-key.mode" => map_null_key_mode: MapNullKey = "FAIL",
        /// The key to write for NULL with mode `LITERAL`; see `map-null-key.mode`.
        "map-null-key.literal" => map_null_key_literal: String = "null",
        /// Write decimals with all digits of their scale instead of the shortest form, which may have an exponent (`1E+5`).
        "encode.decimal-as-plain-number" => decimal_as_plain_number: bool = "false",
        /// Leave out fields that are NULL.
        "encode.ignore-null-fields" => ignore_null_fields: bool = "false",
        /// Chooses between two parsers of Flink; accepted for scripts that have it, without effect.
        "decode.json-parser.enabled" => json_parser_enabled: bool = "true",
    }
}
