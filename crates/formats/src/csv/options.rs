//! The options of `csv`.

riverrun_base::options! {
    /// Options of the format `csv`.
    pub(super) struct CsvOptions {
        /// The character between fields; `\t`, `\u0001` and the other escapes of Java are understood.
        "field-delimiter" => field_delimiter: String = ",",
        /// Fields are never quoted; `quote-character` cannot be set then.
        "disable-quote-character" => disable_quote_character: bool = "false",
        /// The character around fields that hold a delimiter or line end; `"` without it.
        "quote-character" => quote_character: Option<String>,
        /// Skip lines that begin with `#`, and blank lines.
        "allow-comments" => allow_comments: bool = "false",
        /// Make fields that cannot be read NULL and skip rows that cannot be read, instead of failing.
        "ignore-parse-errors" => ignore_parse_errors: bool = "false",
        /// The character between the elements of an array or row.
        "array-element-delimiter" => array_element_delimiter: String = ";",
        /// The character that takes the meaning from the next one; none without it.
        "escape-character" => escape_character: Option<String>,
        /// The text that stands for NULL; without it NULL is written as an empty field and never read.
        "null-literal" => null_literal: Option<String>,
        /// Write decimals without trailing zeros and with an exponent, `1E+5` for 100000. Flink's reference says it is on by default; in its message formats it is not.
        "write-bigdecimal-in-scientific-notation" => write_bigdecimal_in_scientific_notation: bool = "false",
        /// When reading, remove blanks around fields that are not quoted.
        "trim-spaces" => trim_spaces: bool = "false",
        /// When reading, ignore fields behind the last column.
        "ignore-trailing-unmappable" => ignore_trailing_unmappable: bool = "false",
        /// When reading, let pass one empty field behind the last column.
        "allow-trailing-comma" => allow_trailing_comma: bool = "true",
        /// When reading, refuse a row with too few fields even if parse errors are ignored; it is skipped then.
        "fail-on-missing-columns" => fail_on_missing_columns: bool = "false",
        /// When reading, make empty texts NULL.
        "empty-string-as-null" => empty_string_as_null: bool = "false",
    }
}
